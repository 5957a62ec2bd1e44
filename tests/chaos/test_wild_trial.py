"""A user's workflow in random histories: mistakes are found, made short, told and played again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from perdure import Signal, compensatable, idempotent, saga, workflow
from perdure.chaos import trial as trials
from perdure.chaos import wild_process
from perdure.chaos.campaign import possible
from perdure.chaos.errors import TrialRefused
from perdure.chaos.fakes import World
from perdure.chaos.faults import Boundary, Edge, Kind
from perdure.chaos.judging import Finding
from perdure.chaos.scripts import Mishap, Script
from perdure.chaos.telling import story, tell
from perdure.chaos.trial import Subject, Trial
from perdure.chaos.troubles import KINDS, Trouble, Woe
from perdure.chaos.wild_trial import Again, again, try_at_random
from perdure.engine.leases import Watch

from . import theirs
from .test_trial import RIGHT, WRONG

PACE = 2.0


def subject(name: str) -> Subject:
    """One of the workflows of theirs.py in its world: what is wrong with it, or "right ..."."""
    row = WRONG[name] if name in WRONG else RIGHT[name.removeprefix("right ")]
    return Subject.of(row[0](), row[1])


def at(operation: str, edge: Edge, kind: Woe, *details: int, number: int = 1) -> Mishap:
    """One mishap; the port is that of the operation."""
    role = operation.partition(" ")[0]
    inner = role in ("step", "probe", "undo", "inside") and operation != "step commit"
    port = "world" if inner else "store"
    return Mishap(Boundary(port, operation, number, edge), kind, details)


def script(*mishaps: Mishap, workers: int = 1) -> Script:
    """What goes wrong, in order."""
    return Script(mishaps, workers, PACE)


def played(name: str, *mishaps: Mishap, workers: int = 1) -> list[tuple[str, str]]:
    """What is found in a history in which all of this happens."""
    findings, met = again(subject(name), script(*mishaps, workers=workers))
    assert met
    return [finding.kind for finding in findings]


@cache
def double_charge() -> Trial:
    """The double charge, in a few histories."""
    return try_at_random(subject("buy"), 40, 3)


def test_a_double_charge_is_found_and_made_short() -> None:
    """One cause, one failure; one worker and one death are enough, however it was found."""
    (failure,) = double_charge().failures
    assert failure.finding.kind == ("twice", "charge")
    assert failure.cause == script(at("step charge", Edge.AFTER, Kind.CRASH))
    assert failure.like > 0


def test_a_campaign_counts_what_it_did() -> None:
    """Histories, durable points, how they ended, which kinds came how often."""
    trial = double_charge()
    assert trial.campaign is not None
    assert trial.histories == sum(trial.ends.values()) == 40
    assert trial.points > 5 * 40
    assert set(trial.campaign.fired) >= set(possible([trial.subject.flow()]))
    assert trial.campaign.fired[Kind.CRASH] > 0
    assert trial.never == [], "too few histories to say so"


def test_the_same_seed_gives_the_same_histories() -> None:
    """And another one others."""
    one, same, other = (try_at_random(subject("key"), 6, seed).campaign for seed in (1, 1, 2))
    assert one is not None and same is not None and other is not None
    assert (one.fired, one.ends, one.points) == (same.fired, same.ends, same.points)
    assert (one.fired, one.points) != (other.fired, other.points)


@pytest.mark.parametrize("name", ["message", "right probe", "right undo"])
def test_what_is_right_is_left_alone(name: str) -> None:
    """Messages after weeks, a probe that closes, an undo of a receiver that knows keys."""
    assert try_at_random(subject(name), 12, 5).failures == []


PLANTED: dict[str, tuple[Mishap, ...]] = {
    "buy": (at("step charge", Edge.AFTER, Kind.STOPPED),),
    "looking": (at("inside step look_then_charge", Edge.BEFORE, Kind.CRASH, number=2),),
    "noting": (at("inside step note_then_charge", Edge.BEFORE, Kind.CRASH, number=2),),
    "probe": (at("step pay_badly", Edge.BEFORE, Kind.CRASH_SENT, 3),),
    "undo": (at("inside step reserve", Edge.BEFORE, Kind.CRASH),),
    "tx": (at("step commit", Edge.BEFORE, Kind.NOT_COMMITTED),),
}


@pytest.mark.parametrize("name", PLANTED)
def test_each_mistake_shows_in_a_history_of_its_own(name: str) -> None:
    """Idempotent or not, a probe, an undo, a transaction, and deaths between lines of a body."""
    assert played(name, *PLANTED[name]) == [WRONG[name][2]]
    assert played(name) == []


def test_zombies_wake_and_their_requests_land() -> None:
    """A worker stands still with its call in flight, another takes over; a third is there, too."""
    zombie = at("step pay", Edge.AFTER, Kind.STOPPED)
    assert played("right probe", zombie, workers=3) == []
    late = at("step pay", Edge.BEFORE, Trouble.DELIVERED_LATE, 3)
    ousted = at("step charge_by_key", Edge.BEFORE, Trouble.OUSTED)
    assert played("right probe", late) == [] and played("key", ousted, workers=2) == []


def test_a_month_and_a_wait_for_a_message_take_no_time() -> None:
    """Whatever the wall clock does; and nothing waits for a message to what was cancelled."""
    for kind, detail in ((Trouble.WALL_JUMP, 2), (Trouble.WALL_JUMP, 3), (Kind.CANCELLED, 0)):
        jump = at("append", Edge.AFTER, kind, detail)
        assert again(subject("message"), script(jump)) == Again([], True)


@pytest.mark.parametrize("kind", [Trouble.MESSAGE_TWICE, Trouble.MESSAGE_LATE])
def test_messages_come_twice_and_late(kind: Trouble) -> None:
    """A message has a boundary of its own, by its id."""
    there = Mishap(Boundary("client", "m-1", 1, Edge.BEFORE), kind, (1,))
    assert again(subject("message"), script(there)) == Again([], True)


def test_mail_that_a_release_met_is_read_when_the_store_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by a campaign: the error of a store that could not be reached was heard by nobody. The
    two workers fence each other, as they did there."""
    monkeypatch.setattr(wild_process, "OneWay", Watch)
    zombie = at("define", Edge.AFTER, Kind.STOPPED)
    away = at("messages", Edge.BEFORE, Trouble.UNAVAILABLE)
    assert played("value", zombie, away) == []


def test_what_is_not_met_any_more_is_said() -> None:
    """The boundary is not there; or the kind does not fit there any more."""
    for gone in (at("step paid", Edge.AFTER, Kind.CRASH), at("step pay", Edge.BEFORE, Kind.HANGS)):
        assert again(subject("right probe"), script(gone)) == Again([], False)


# --- the story ------------------------------------------------------------------------------------


def test_a_story_of_two_workers_has_the_users_lines() -> None:
    """Who stands still, who goes on, which call again: with the line of each."""
    cause = script(
        at("append", Edge.BEFORE, Trouble.SLOW, 1), at("step charge", Edge.AFTER, Kind.STOPPED)
    )
    one = subject("buy")
    happenings = tell(one, cause)
    told = [happening.says for happening in happenings]
    assert told[0] == "worker 1 starts buy"
    assert "the store is slow for worker 1 before a commit of records" in told
    stands = next(h for h in happenings if "stands still" in h.says)
    assert stands.says.endswith(
        "before its outcome is durable, and wakes when another has taken over"
    )
    lines = Path(theirs.__file__).read_text().splitlines()
    assert lines[stands.where.line - 1].strip() == "receipt = await charge(order)"
    assert told.index("worker 2 opens the same database and goes on") < told.index("worker 1 wakes")
    assert "charge('o-1') is called again, with the same effect_key()" in told
    assert not any(says.startswith(("BROKEN", "DEFECT", "everything")) for says in told)
    assert happenings[-1].marking == ("done",)
    (finding,) = again(one, cause).findings
    assert "  fix  " in story(one, finding, happenings)


def test_a_death_within_a_body_is_told_with_its_line() -> None:
    """The line that was not reached any more."""
    inside = at("inside step look_then_charge", Edge.BEFORE, Kind.CRASH, number=2)
    told = tell(subject("looking"), script(inside))
    death = next(each for each in told if "dies" in each.says)
    assert death.says == "worker 1 dies in the middle of look_then_charge, before this line"
    lines = Path(theirs.__file__).read_text().splitlines()
    assert lines[death.where.line - 1].strip() == "service.seen.add(order)"


# --- what is found beyond single faults -----------------------------------------------------------


@idempotent
async def greet(name: str) -> str:
    """Tell somebody."""
    return name


WORD = Signal[str]("word")


@workflow
async def greets(name: str) -> str:
    """Waits for a word that nobody says, if greeting fails."""
    try:
        return await greet(name)
    except ConnectionError:
        return await WORD.wait()


@workflow
async def careless(name: str) -> str:
    """Its own code raises, when greeting fails."""
    try:
        return await greet(name)
    except ConnectionError:
        names = [name]
        return names[1]


def refusals(call: Callable[[], Coroutine[Any, Any, Any]]) -> list[Finding]:
    """What is found when every call of `greet` fails."""
    mishaps = [at("step greet", Edge.BEFORE, Kind.RAISES, number=n) for n in range(1, 30)]
    one = Subject.of(call(), lambda world: {greet: "hello"})
    for count in range(1, 30):
        findings, met = again(one, script(*mishaps[:count]))
        if not met or findings:
            return findings
    raise AssertionError("it is retried for ever")


def test_a_way_to_a_wait_that_nobody_answers_is_told() -> None:
    """Several troubles lead where no single one does; it is no defect of ours."""
    (finding,) = refusals(lambda: greets("Ann"))
    assert finding.kind == ("stalled", "")
    assert finding.says == "the execution waits for a message that nobody sends"
    assert "world.send" in finding.fix


def test_code_that_raises_on_another_way_stalls_the_execution() -> None:
    """A stalled history has ended; it is compared with the calm one."""
    (finding,) = refusals(lambda: careless("Ann"))
    assert finding.kind == ("stalled", "") and "raised" in finding.why


# --- what cannot be tried -------------------------------------------------------------------------


def test_a_kind_that_never_came_is_said_once_there_were_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of those that fit what the calm run calls: the others cannot come."""
    monkeypatch.setattr(trials, "FAIRLY_MANY", 1)
    trial = try_at_random(subject("key"), 1, 0)
    assert trial.campaign is not None
    assert trial.never and set(trial.never) < {str(kind) for kind in KINDS}
    assert not {Kind.HANGS, Trouble.PROBE_LATE, Trouble.MESSAGE_LATE} & set(trial.campaign.fired)


def test_only_what_a_run_calls_can_go_wrong() -> None:
    """A probe of a step on another way is never asked: it is not missed."""
    flow = subject("right probe").flow()
    assert Trouble.PROBE_LATE in possible([flow], {"pay"})
    assert Trouble.PROBE_LATE not in possible([flow], {"another"})
    assert Kind.CRASH_SENT not in possible([subject("tx").flow()])


def test_no_more_goes_wrong_than_is_asked_for() -> None:
    """One trouble in each history, at most."""
    trial = try_at_random(subject("key"), 10, 0, troubles_max=1)
    assert trial.campaign is not None and 0 < trial.campaign.fired.total() <= 10


def test_a_body_that_reaches_the_real_world_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """PD501, as everywhere: in the run in which nothing goes wrong."""
    monkeypatch.setattr(theirs, "DEEDS", [theirs.connect])
    with pytest.raises(TrialRefused, match="PD501 act looks up a host"):
        try_at_random(Subject.of(theirs.acting(1), theirs.fakes), 5)


def test_a_failure_that_does_not_come_again_is_refused() -> None:
    """PD503: something outlives the histories, and what was found cannot be played again."""
    counts: list[int] = []

    def fakes(world: World) -> dict[Any, Any]:
        counts.append(1)
        twice = len(counts) == 6  # behind three calm runs

        def greeted(name: str) -> str:
            for _ in range(1 + twice):
                world.happened("greet", name)
            return name

        return {greet: greeted}

    with pytest.raises(TrialRefused, match="PD503") as refused:
        try_at_random(Subject.of(greets("Ann"), fakes), 3)
    assert "greet Ann happened 2 times" in str(refused.value)


@compensatable
async def reserve(n: int) -> int:
    return n


@reserve.undo
async def release(n: int | None) -> None:
    return None


@idempotent
async def note(n: int) -> int:
    return n


@workflow
async def books(n: int) -> int:
    async with saga():
        return await note(await reserve(n))


def test_an_undo_that_ends_well_takes_back_what_its_step_is_taken_to_have_done() -> None:
    """Bodies that tell of nothing: each call counts as one effect, each undo as its end."""
    silent = try_at_random(Subject.of(books(1), lambda world: {}), 120, 1)
    assert silent.failures == [] and silent.ends["cancelled"] > 0


def test_an_undo_that_tells_of_nothing_takes_back_nothing_that_was_told() -> None:
    """A step that says what it does has to be undone by somebody who says so."""

    def fakes(world: World) -> dict[Any, Any]:
        def in_a_room(n: int) -> int:
            world.happened("room", n)
            return n

        def out_of_it(n: int | None) -> None:
            return None

        return {reserve: in_a_room, release: out_of_it}

    told = try_at_random(Subject.of(books(1), fakes), 120, 1)
    assert {failure.finding.kind for failure in told.failures} >= {("left", "reserve")}
