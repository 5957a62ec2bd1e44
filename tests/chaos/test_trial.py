"""A user's workflow tried with every fault: mistakes are found, and what is right is left alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from perdure import workflow
from perdure.chaos.errors import TrialRefused
from perdure.chaos.fakes import Fakes, World
from perdure.chaos.faults import Kind
from perdure.chaos.pairs import spread
from perdure.chaos.trial import Faults, Stage, Subject, Trial, try_out

from . import theirs

Call = Callable[[], Coroutine[Any, Any, Any]]

# Workflow, its world, and what is found: rule and step.
WRONG: dict[str, tuple[Call, Fakes, tuple[str, str]]] = {
    "buy": (lambda: theirs.buy("o-1"), theirs.fakes, ("twice", "charge")),
    "looking": (
        lambda: theirs.buy_looking("o-1"), theirs.fakes, ("twice", "look_then_charge")
    ),
    "noting": (lambda: theirs.buy_noting("o-1"), theirs.fakes, ("lost", "note_then_charge")),
    "probe": (lambda: theirs.settle_badly("o-1"), theirs.fakes, ("twice", "pay_badly")),
    "undo": (lambda: theirs.trip("boat"), theirs.fakes, ("left", "reserve")),
    "tx": (lambda: theirs.record("o-1"), theirs.with_orders, ("twice", "save")),
}  # fmt: skip


def stands_in(world: World) -> dict[Any, Any]:
    """A function for a step with a probe: the probe's answers follow from it."""

    def paid(order: str) -> str:
        world.happened("pay", order)
        return f"receipt of {order}"

    return {theirs.pay: paid}


RIGHT: dict[str, tuple[Call, Fakes]] = {
    "key": (lambda: theirs.buy_well("o-1"), theirs.fakes),
    "thrice": (lambda: theirs.buy_thrice("o-1"), theirs.fakes),
    "probe": (lambda: theirs.settle("o-1"), theirs.fakes),
    "message": (lambda: theirs.ask("o-1"), theirs.with_an_answer),
    "stand-in": (lambda: theirs.settle("o-1"), stands_in),
    "value": (lambda: theirs.settle("o-1"), lambda world: {theirs.pay: "receipt"}),
    "undo": (lambda: theirs.trip("boat"), lambda world: {theirs.reserve: "boat"}),
}


@cache
def wrong(name: str) -> Trial:
    """The trial of a workflow that is wrong, once for all tests."""
    call, fakes, _ = WRONG[name]
    return try_out(Subject.of(call(), fakes), list if name == "buy" else of_the_world)


def of_the_world(plan: Sequence[Faults]) -> list[Faults]:
    """Those around calls: to play all of them for one workflow is enough."""
    return [faults for faults in plan if faults[-1].boundary.port == "world"]


def sixteen(plan: Sequence[Faults]) -> list[Faults]:
    """Faults around the calls of the world, where a user's mistakes show, and others."""
    near = of_the_world(plan)
    return [*spread(near, 12), *spread([f for f in plan if f not in near], 4)]


@pytest.mark.parametrize("name", WRONG)
def test_each_mistake_is_found_and_named_by_its_step(name: str) -> None:
    """One failure for one cause, however many faults lead to it."""
    assert [f.finding.kind for f in wrong(name).failures] == [WRONG[name][2]]
    assert wrong(name).histories > (70 if name == "buy" else 4)


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_left_alone(name: str) -> None:
    """Keys, probes that close, stand-ins, declared values, the same call three times on purpose."""
    call, fakes = RIGHT[name]
    trial = try_out(Subject.of(call(), fakes), sixteen)
    assert trial.failures == []
    assert trial.calm.world.effects or name == "undo"


def test_the_plainest_fault_is_the_one_that_is_told() -> None:
    """A crash right behind the call, not one of the ten other ways to the same double charge."""
    failure = wrong("buy").failures[0]
    assert list(map(str, failure.faults)) == ["crash after world.step charge 1"]
    assert failure.like == 10


def test_an_effect_knows_the_line_of_the_body() -> None:
    """Of the step, not of the client that it calls."""
    effect = wrong("buy").calm.world.effects[0]
    assert effect.where.file == theirs.__file__
    line = Path(theirs.__file__).read_text().splitlines()[effect.where.line - 1]
    assert line.strip() == "return service.bank.charge(order)"
    assert (effect.here.step, effect.here.effect) == ("charge", "idempotent")


def test_a_process_dies_between_the_lines_of_a_body() -> None:
    """Between charge and note: only a fault inside the body finds it."""
    for name in ("looking", "noting"):
        failure = wrong(name).failures[0]
        assert failure.faults[0].boundary.operation.startswith("inside step")
        assert failure.like == 0


def test_a_lying_probe_is_found_by_what_lands_late() -> None:
    """A crash alone does not show it: the request must arrive after the probe has answered."""
    failure = wrong("probe").failures[0]
    assert failure.faults[0].kind in (Kind.CRASH_SENT, Kind.ASLEEP, Kind.STOPPED)


def test_a_month_takes_no_time() -> None:
    """Simulated time is skipped where an execution rests, and told as if it had passed."""
    outcome = wrong("buy").calm.outcome
    assert outcome.seconds > 30 * 86_400
    clock = [point for point in outcome.points if point.boundary.port == "clock"]
    assert len(clock) < 100


def test_a_message_is_sent_at_its_moment() -> None:
    """After three weeks of simulated time, and taken."""
    with Stage(Subject.of(theirs.ask("o-1"), theirs.with_an_answer)) as stage:
        calm = stage.calm()
    assert calm.outcome.status == "done"
    assert 21 * 86_400 <= calm.outcome.seconds < 22 * 86_400


def test_faults_are_spread_over_the_whole_run() -> None:
    """The first, the last third, none twice; all of them when there are fewer."""
    points = wrong("buy").calm.outcome.points
    some = [points.index(point) for point in spread(points, 4)]
    assert some == sorted(set(some)) and len(some) == 4
    assert some[0] < len(points) // 4 and some[-1] > len(points) * 3 // 4


def test_a_second_fault_falls_on_what_the_first_brought_about() -> None:
    """Points of the recovery; a single fault stays the plainest, if one is enough."""
    played: list[Faults] = []

    def some(plan: Sequence[Faults]) -> list[Faults]:
        near = of_the_world(plan)
        played.extend(spread(near, 6))
        return spread(near, 6)

    trial = try_out(Subject.of(theirs.buy("o-1"), theirs.fakes), some, crashes=2)
    assert [len(faults) for faults in played] == [1] * 6 + [2] * 6
    again = [
        f for f in played if len(f) == 2 and f[1].boundary.operation == f[0].boundary.operation
    ]
    assert any(second.boundary.number > first.boundary.number for first, second in again)
    assert trial.histories == 13
    assert [len(f.faults) for f in trial.failures if f.finding.rule == "twice"] == [1]


# --- what cannot be tried -------------------------------------------------------------------------


@workflow
async def for_ever(order: str) -> bool:
    """Nobody answers."""
    return await theirs.ANSWER.wait()


def refused(code: str, call: Call, fakes: Fakes | None) -> str:
    """The text of the refusal."""
    with pytest.raises(TrialRefused) as caught:
        subject = Subject.of(call(), fakes)
        subject.must_be_safe()
        with Stage(subject) as stage:
            stage.calm()
    assert caught.value.code == code
    assert caught.value.fix
    return str(caught.value)


@pytest.mark.parametrize(
    ("what", "says"),
    [(theirs.connect, "looks up a host"), (theirs.write, "writes theirs.txt")],
)
def test_a_body_that_reaches_the_real_world_is_refused(
    what: Callable[[], None], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the body swallows what it gets; the step's own line is named."""
    monkeypatch.setattr(theirs, "DEEDS", [what])
    told = refused("PD501", lambda: theirs.acting(1), theirs.fakes)
    assert f"act {says}" in told and "theirs.py:" in told


def test_a_body_that_sleeps_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of `time.sleep` in a body is skipped as a day of the workflow's is."""
    monkeypatch.setattr(theirs, "DEEDS", [theirs.doze])
    with Stage(Subject.of(theirs.acting(1), theirs.fakes)) as stage:
        assert stage.calm().outcome.status == "done"


def test_bodies_with_effects_do_not_run_unasked() -> None:
    """Without fakes nobody said that a charge in a simulation is no charge."""
    assert "charge is @idempotent" in refused("PD502", lambda: theirs.buy("o-1"), None)


def test_a_world_that_outlives_a_history_is_refused() -> None:
    """What differs between two runs without a fault says nothing with one."""
    told = refused("PD503", lambda: theirs.forgetful(1), theirs.fakes)
    assert "1 x told" in told


def test_a_run_that_waits_for_ever_is_refused() -> None:
    """With the word that sends a message."""
    told = refused("PD504", lambda: for_ever("o-1"), theirs.fakes)
    assert "a message that nobody sends" in told and "world.send" in told


def raising(world: World) -> dict[Any, Any]:
    """Fakes that fail."""
    raise ZeroDivisionError(str(world.effects))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"charge": 1}, "'charge' is no step"),
        ({theirs.save: 1}, "save is transactional"),
        ([theirs.charge], "returned ["),
        (None, "ZeroDivisionError"),
    ],
)
def test_fakes_that_are_none_are_refused(given: Any, says: str) -> None:
    """A name, a transactional step, something else than a dict, an exception."""

    def fakes(world: World) -> Any:
        return raising(world) if given is None else given

    assert says in refused("PD505", lambda: theirs.buy("o-1"), fakes)


def test_what_is_no_call_of_a_workflow_is_refused() -> None:
    """A step, or something else that can be awaited."""
    assert "no call of a workflow" in refused("PD505", lambda: theirs.charge("o-1"), None)
