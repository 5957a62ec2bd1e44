"""The checker's effect verdicts against a search that keeps stacks and a ledger of effects.

What the checker says holds, no run of the reference breaks: on random programs, on random damage;
and each planted defect is found by name. The checker may refuse more than the reference, not less.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from perdure.model.analysis import Answer, check
from perdure.model.analysis.control import replay
from perdure.model.analysis.effects import Effects
from perdure.model.analysis.explicit import Limits
from perdure.model.compiler.compile import compile_workflow
from perdure.model.language.workflows import Workflow
from perdure.model.net import Net

from ..compiled import programs
from .effects_oracle import Judgement, judge_effects
from .mistakes import charges_beside, mails_in_the_saga, raises_in_the_saga, trip
from .mutants import PLANTED, changed, mutant

NIGHTLY = settings.get_current_profile_name() == "nightly"
CHUNKS = 4
PROGRAMS = 250 if NIGHTLY else 25
MUTANTS = 12
RULES = {
    "once": "irreversible_at_most_once",
    "undo": "undo_complete",
    "pivot": "pivot_last",
}


def verdicts(net: Net) -> dict[str, Answer]:
    """The checker's answer to each rule."""
    effects = Effects(net, Limits(20_000))
    return {
        "once": effects.irreversible_at_most_once().verdict,
        "undo": effects.undo_complete().verdict,
        "pivot": effects.pivot_last().verdict,
    }


def contradiction(net: Net) -> tuple[Judgement, dict[str, Answer], list[str]]:
    """Rules that the checker says hold, and the reference has seen broken."""
    judged, said = judge_effects(net), verdicts(net)
    wrong = [rule for rule in judged.broken if said.get(rule) is Answer.HOLDS]
    return judged, said, [f"{r}: {judged.broken[r]}" for r in wrong]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_what_the_checker_says_holds_no_run_breaks(chunk: int) -> None:
    """On random programs nothing is broken; on random damage of them, nothing that is said to hold.

    The damage is no straw man: much of it is broken, and then the checker refuses it as well.
    """
    seen = Counter[str]()
    for number, program in programs(range(chunk * PROGRAMS, (chunk + 1) * PROGRAMS)):
        judged, said, _ = contradiction(program.net)
        assert not judged.broken, (number, judged)
        assert set(said.values()) == {Answer.HOLDS}, (number, said)
        r = random.Random(number)
        for attempt in range(MUTANTS):
            judged, said, wrong = contradiction(mutant(program.net, r))
            assert not wrong, (number, attempt, wrong)
            seen["broken"] += bool(judged.broken)
            seen["refused"] += Answer.VIOLATED in said.values()
    assert seen["broken"] > PROGRAMS / 2
    assert seen["refused"] > PROGRAMS / 2


@pytest.mark.parametrize("flow", [mails_in_the_saga, raises_in_the_saga, charges_beside])
def test_the_reference_sees_what_authors_get_wrong(flow: Workflow[..., Any]) -> None:
    """A pivot that is not last is seen by both; the reference is not blind."""
    net = compile_workflow(flow).net
    judged, said, _ = contradiction(net)
    assert set(judged.broken) == {"pivot"}
    assert said["pivot"] is Answer.VIOLATED


def test_a_trip_without_a_mistake_holds_everything() -> None:
    """The net that the defects are planted in: sound, effect safe, and so says the reference."""
    net = compile_workflow(trip).net
    judged = judge_effects(net)
    assert not judged.broken
    assert not judged.bounded
    assert check(net).verdict is Answer.HOLDS


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_found(defect: str) -> None:
    """By the property that is about it, with a run that replays on the damaged net."""
    name, change, more = PLANTED[defect]
    net = changed(compile_workflow(trip).net, change, *more)
    assert net != compile_workflow(trip).net
    verdict = check(net, properties=[name])[name]
    assert verdict.verdict is Answer.VIOLATED
    assert verdict.witness is not None
    assert replay(net, verdict.witness.firings) == verdict.witness.marking
    effect_rules = {v: k for k, v in RULES.items()}
    if name in effect_rules:
        judged, _, wrong = contradiction(net)
        assert not wrong
        assert judged.broken or name == "undo_complete", judged
