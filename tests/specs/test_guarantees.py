"""The guarantees are whole: each rule of the oracle is spoken of, each command of one exists.

Whether one holds is never shown here: that is what its commands are for.
"""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main
from perdure.console.guarantees import guarantees
from perdure.specs.guarantees import ENUMERATED, GUARANTEES, Guarantee, Kind, unspoken
from perdure.specs.protocol.whole import CLAIMS

ROOT = Path(__file__).parents[2]
EVIDENCE = sorted({e.command for each in GUARANTEES for e in each.evidence})


def test_every_rule_of_the_oracle_is_part_of_a_guarantee() -> None:
    """What is judged is promised: no rule stands there without a reader."""
    assert not unspoken()


@pytest.mark.parametrize("command", EVIDENCE)
def test_the_command_of_a_guarantee_exists(command: str) -> None:
    """A sceptic can type it: the test file is there, the verb is one, the target is in make."""
    words = shlex.split(command)
    match words:
        case ["python", "-m", "pytest", path, *_]:
            assert (ROOT / path).exists()
        case ["perdure", verb, *_]:
            assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0
        case ["make", target, arguments]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert (ROOT / arguments.removeprefix("ARGS=").split()[0]).exists()
        case _:
            pytest.fail(f"no command that is known here: {command}")


@pytest.mark.parametrize("each", GUARANTEES, ids=[each.name for each in GUARANTEES])
def test_a_guarantee_says_where_it_ends_and_what_shows_it(each: Guarantee) -> None:
    """A promise without a boundary or without evidence is advertisement."""
    assert each.promise.endswith(".")
    assert each.ends.endswith(".")
    assert each.evidence
    assert {e.kind for e in each.evidence} <= set(Kind)


@pytest.mark.parametrize("each", GUARANTEES, ids=[each.name for each in GUARANTEES])
def test_what_is_called_proved_is_a_promise_of_the_protocol(each: Guarantee) -> None:
    """The names are those that `perdure prove` prints; who claims a proof names what is proved."""
    assert set(each.proved) <= CLAIMS.keys()
    assert bool(each.proved) == any(e.kind is Kind.PROVED for e in each.evidence)


def test_the_page_shows_every_guarantee_with_the_figures_of_the_last_run() -> None:
    """A figure stands beside the command that made it, and nowhere without one."""
    page = guarantees({ENUMERATED.command: "7 boundaries"})
    for each in GUARANTEES:
        assert each.promise in page
        assert each.ends in page
    shown = sum(ENUMERATED in each.evidence for each in GUARANTEES)
    assert page.count("(7 boundaries)") == shown
    assert "boundaries" not in guarantees({}).replace("at every boundary", "")


def test_the_page_in_the_repository_is_the_one_that_is_generated() -> None:
    """Its figures are those that the last runs kept; `python docs/generated.py` writes it."""
    made = runpy.run_path(str(ROOT / "docs" / "generated.py"), run_name="generated")
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    assert page == guarantees(made["figures"]())
