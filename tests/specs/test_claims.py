"""The claims are whole: each rule of the oracle is claimed, each command of a claim exists.

Whether a claim holds is never shown here: that is what its commands are for.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main
from perdure.console.guarantees import guarantees
from perdure.specs.claims import CLAIMS, ENUMERATED, Claim, Kind, unclaimed

ROOT = Path(__file__).parents[2]
EVIDENCE = sorted({e.command for claim in CLAIMS for e in claim.evidence})


def test_every_rule_of_the_oracle_is_part_of_a_claim() -> None:
    """What is judged is promised: no rule stands there without a reader."""
    assert not unclaimed()


@pytest.mark.parametrize("command", EVIDENCE)
def test_the_command_of_a_claim_exists(command: str) -> None:
    """A sceptic can type it: the test file is there, the verb is one, the target is in make."""
    words = command.split()
    match words:
        case ["python", "-m", "pytest", path, *_]:
            assert (ROOT / path).is_file()
        case ["perdure", verb, *_]:
            assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case _:
            pytest.fail(f"no command that is known here: {command}")


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.name for claim in CLAIMS])
def test_a_claim_says_where_it_ends_and_what_shows_it(claim: Claim) -> None:
    """A promise without a boundary or without evidence is advertisement."""
    assert claim.promise.endswith(".")
    assert claim.ends.endswith(".")
    assert claim.evidence
    assert {e.kind for e in claim.evidence} <= set(Kind)


def test_the_page_shows_every_claim_with_the_figures_of_the_last_run() -> None:
    """A figure stands beside the command that made it, and nowhere without one."""
    page = guarantees({ENUMERATED.command: "7 boundaries"})
    for claim in CLAIMS:
        assert claim.promise in page
        assert claim.ends in page
    shown = sum(ENUMERATED in claim.evidence for claim in CLAIMS)
    assert page.count("(7 boundaries)") == shown
    assert "boundaries" not in guarantees({}).replace("at every boundary", "")
