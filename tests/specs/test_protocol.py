"""The protocol in plain Python: runs, guards, and what a step needs. No solver runs here."""

from __future__ import annotations

import pytest
from perdure.specs.protocol.guards import GUARDS
from perdure.specs.protocol.plain import Play, Refused
from perdure.specs.protocol.runs import LIVES, Run, refute, unreached
from perdure.specs.protocol.whole import ACTIONS, CLAIMS


@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_a_promise_breaks_and_with_it_the_run_is_stopped(name: str) -> None:
    """Each guard is needed: its run ends in a broken promise exactly when the guard is out."""
    refutation = refute(name)
    assert refutation.breaks, refutation.story
    assert refutation.stopped, refutation.story


@pytest.mark.parametrize("name", LIVES)
def test_a_lawful_run_is_played_to_its_end_and_breaks_no_promise(name: str) -> None:
    """Nothing refuses a step of it, and every promise holds after every step."""
    run = Run(LIVES[name])
    assert run.refused is None
    assert run.broken == []


def test_every_action_is_taken_by_a_lawful_run() -> None:
    """No guard is so strict that it proves everything by letting nothing happen."""
    assert unreached() == []


def test_every_guard_that_an_action_names_is_in_the_table_and_the_other_way_round() -> None:
    """The table of guards is the guards of the actions, neither more nor fewer."""
    play = Play()
    play.add("E", "e1")
    things = {"E": "e1", "B": True, "I": 1, "S": "s1", "T": "r1", "F": "f1", "G": "g1", "D": "d1",
              "X": "x1"}  # fmt: skip
    named: set[str] = set()
    for name, action in ACTIONS.items():
        step = play.step(name, *[things[letter] for letter in action.sorts])
        named |= {need.guard for need in step.needs} - {""}
    done = {name for name, guard in GUARDS.items() if guard.done}
    assert named | done == GUARDS.keys()
    assert {guard.breaks for guard in GUARDS.values()} <= CLAIMS.keys()


def test_a_refused_step_names_what_it_needs_and_changes_nothing() -> None:
    """A claim by a fenced session is refused by its guard, and nobody owns the execution."""
    play = Play()
    play.add("E", "e1")
    play.add("S", "s1")
    play.take("register", "s1")
    play.take("fence", "s1")
    with pytest.raises(Refused) as refused:
        play.take("claim", "s1", "e1", True)
    assert refused.value.need.guard == "claim"
    assert not play.state.owned("e1")


def test_a_run_is_told_in_words_and_a_fenced_worker_wakes_up_in_it() -> None:
    """The story of a voided attempt that lands late names who was silent, and who wakes."""
    story = refute("tombstone").story
    assert "worker 1 is silent for too long and is fenced; worker 2 takes execution 1 over" in story
    assert story.endswith("worker 1 wakes up, and the call of record 1 leaves; "
                          "the call of record 1 lands.")  # fmt: skip
