"""Five engines with a safeguard taken out: the oracle catches each, at a boundary that is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from perdure.chaos.enumeration import hunt

from .flows import FLOWS
from .mutants import MUTANTS, Mutant, no_fence_in_append


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The enumeration of the named flow finds the broken rule, first at the named boundary."""
    mutant.patch(monkeypatch)
    caught = hunt(FLOWS[mutant.flow], folder)
    assert caught is not None, "this mutant survives"
    print(f"\n{mutant.name}: {caught.boundary}, history {caught.number}: {caught.broken.says}")
    assert (caught.boundary, caught.kind) == (mutant.boundary, mutant.kind)
    assert caught.broken.rule is mutant.rule


def test_the_fence_check_of_an_append_is_one_of_two_guards(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it alone nothing breaks: owner and tenure are compared in the insert itself."""
    no_fence_in_append(monkeypatch)
    assert hunt(FLOWS["sequence"], folder) is None
