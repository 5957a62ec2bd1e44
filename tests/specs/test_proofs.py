"""The proofs, in part: the whole of them is `perdure prove`, a step of CI."""

from __future__ import annotations

import pytest
from perdure.specs.proofs import induction, spacer
from perdure.specs.proofs.induction import Induction
from perdure.specs.protocol.claims import Claim
from perdure.specs.protocol.whole import INVARIANTS
from perdure.specs.prove import Report, work

QUICK = ("register", "claim", "fence", "handover", "found", "ack", "call", "land", "send", "park")


def test_the_invariants_hold_at_the_beginning() -> None:
    """Every promise and every lemma is true before anything has happened."""
    conditions = list(Induction().begins())
    assert conditions
    assert all(c.holds for c in conditions)


@pytest.mark.parametrize("action", QUICK)
def test_an_action_keeps_every_invariant(action: str) -> None:
    """For unboundedly many executions, workers, effects and messages."""
    conditions = list(Induction().keeps(action))
    assert any(c.verdict == "proved" for c in conditions)
    assert [c for c in conditions if not c.holds] == []


@pytest.mark.parametrize(
    ("guard", "action", "claim"),
    [
        ("claim", "claim", "owner alive"),
        ("release", "fence", "owner alive"),
        ("intent first", "call", "intent first"),
        ("one call", "call", "called once"),
        ("mail", "park", "mail wakes"),
    ],
)
def test_without_its_guard_an_action_is_not_proved(
    guard: str, action: str, claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof rests on the guard: the solver does not prove what is not true."""
    monkeypatch.setattr(induction, "SEEDS", 1)
    (found,) = Induction([guard]).keeps(action, _only(claim))
    assert not found.holds


def _only(name: str) -> list[Claim]:
    return [claim for claim in INVARIANTS if claim.name == name]


def test_spacer_finds_the_invariant_of_the_core_by_itself() -> None:
    """An independent model, and nobody tells the solver an invariant."""
    found = spacer.ask()
    assert found.verdict == "proved"
    assert found.size > 0


def test_a_report_names_what_is_not_proved() -> None:
    """One condition that is open makes the whole inconclusive, and it is named."""
    report = Report()
    name, part = next(iter(work(quick=True)))
    part(report)
    assert name == "beginning"
    assert report.problems == []
    report.conditions[0] = report.conditions[0]._replace(verdict="unknown")
    assert report.inconclusive
    assert report.conditions[0].claim in report.problems[0]
