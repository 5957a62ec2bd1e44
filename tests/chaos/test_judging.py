"""What an undo is blamed for: what is recorded as undone and stands, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from perdure.chaos.fakes import HERE, Here, World
from perdure.chaos.judging import Seen, judge
from perdure.specs.oracle import Broken, Rows, Rule


class Ended(NamedTuple):
    """How a history ended, as a judge asks."""

    status: str
    rows: Rows
    broken: Sequence[Broken] = ()
    defects: Sequence[str] = ()


def seen(status: str, outcome: str, *, undone: bool = False) -> Seen[Ended]:
    """A world in which a room was reserved, and what the ledger of effects says of it."""
    world, here = World(), Here("reserve", "reserve", "compensatable", "key-1")
    token = HERE.set(here)
    world.happened("room", "12")
    HERE.reset(token)
    if undone:
        world.took_back("room", "12")
    return Seen(Ended(status, {"effect": [{"key": "key-1", "outcome": outcome}]}), world)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_is_recorded_as_undone_and_stands_is_left(status: str) -> None:
    """The undo ran, and did not undo."""
    (finding,) = judge(seen(status, "undone"), seen("done", "landed"))
    assert (finding.rule, finding.step) == ("left", "reserve")
    assert finding.says == f"room 12 stands, though the workflow is {status}"


@pytest.mark.parametrize(
    ("status", "outcome", "undone"),
    [
        ("cancelled", "landed", False),  # a cancel that came behind the saga: it was kept
        ("failed", "landed", False),
        ("failed", "undone", True),
        ("done", "landed", False),
    ],
)
def test_what_was_kept_or_is_gone_is_not_left(status: str, outcome: str, undone: bool) -> None:
    """A saga that was left well keeps what was done in it, however the workflow ends."""
    assert judge(seen(status, outcome, undone=undone), seen("done", "landed")) == []


@pytest.mark.parametrize(
    ("outcome", "told"), [("voided", "had not happened"), ("undone", "was undone")]
)
def test_what_stands_though_it_was_told_otherwise_is_untold(outcome: str, told: str) -> None:
    """A request that landed behind its probe or its undo, in a workflow that ends well: the mistake
    is told in the author's words, and the rule of the engine that it breaks is not told besides."""
    broken = Broken(Rule.UNDO, "a-1", "key-1 is told as undone, and stands")
    late = seen("done", outcome)
    late = late._replace(outcome=late.outcome._replace(broken=[broken]))
    (finding,) = judge(late, seen("done", "landed"))
    assert (finding.rule, finding.step) == ("untold", "reserve")
    assert finding.says == f"room 12 stands, and the workflow was told that it {told}"
    assert "close the key" in finding.fix
