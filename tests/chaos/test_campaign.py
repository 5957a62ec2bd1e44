"""Random histories with many faults: none is wrong, all kinds of trouble come, broken engines are
found, and what is found is short and replays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perdure import workflow
from perdure.chaos.campaign import SOME, Campaign, campaign, database, possible, quietly, replay
from perdure.chaos.choices import Dice, Drawn, Replay, Settled
from perdure.chaos.databases import SqliteDatabase
from perdure.chaos.faults import Kind
from perdure.chaos.history import Flow, Message
from perdure.chaos.troubles import FAVOURED, FAVOURED_AT, KINDS, Trouble, Woe
from perdure.chaos.wild_history import WildOutcome, play
from perdure.engine.post import CANCEL

from .. import kept
from ..crash.flows import FLOWS, PAID, notify, says
from ..crash.mutants import MUTANTS, PAST, Mutant, no_fence

ALL = list(FLOWS.values())
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
HISTORIES, SHARDS = (25_000, 4) if NIGHTLY else (200, 1)
CHOICES_MAX = 12


@pytest.fixture(scope="module")
def base() -> Iterator[SqliteDatabase]:
    """A database for all five flows."""
    with database(ALL) as one, quietly():
        yield one


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_histories_are_lawful(hypothesis_seed: str, shard: int) -> None:
    """Every history of a campaign ends, and the oracle finds no broken rule at any durable point;
    nearly all of them count: they differ, with a fault and five firings."""
    report = campaign(ALL, histories=HISTORIES, seed=f"{hypothesis_seed}/{shard}")
    print(f"\n{report}")
    if NIGHTLY:
        kept.keep(f"random histories {shard}", report.data)
    assert report.wrong == [] and report.never == []
    assert report.counted > 0.85 * report.histories
    assert report.points > 5 * report.histories


@pytest.fixture
def hypothesis_seed(request: pytest.FixtureRequest) -> str:
    """The nightly run's, or always the same."""
    return str(request.config.getoption("hypothesis_seed") or "dev")


@given(st.data())
@settings(max_examples=1000 if NIGHTLY else 25)
def test_histories_that_hypothesis_draws_are_lawful(
    base: SqliteDatabase, data: st.DataObject
) -> None:
    """Every choice of the schedule is drawn, so that one shrinker owns it."""
    outcome = play(ALL, base, Drawn(lambda n: data.draw(st.integers(0, n - 1))))
    assert outcome.wrong == [], outcome.choices


class Forced:
    """Choices of a history with one kind of trouble, as soon as it fits, and in one flow."""

    def __init__(self, kind: Woe, shape: int = 0) -> None:
        self._left = [shape, 1 + KINDS.index(kind)]

    def choose(self, below: int) -> int:
        """Shape and kind, and then zeros."""
        return self._left.pop(0) if self._left else 0


CANCELS = {FAVOURED_AT: 1 + FAVOURED.index(Kind.CANCELLED)}


class Late:
    """No trouble until so many boundaries have been met."""

    def __init__(self, distance: int) -> None:
        self._choices = [0, 0, distance, 1]

    def choose(self, below: int) -> int:
        """Shape, nothing favoured, the distance, and then zeros."""
        return self._choices.pop(0) if self._choices else 0


FITTING = {
    **dict.fromkeys(KINDS, "parallel"),
    Trouble.MESSAGE_TWICE: "reminders",
    Trouble.MESSAGE_LATE: "reminders",
    Trouble.BEATS_LOST: "reminders",
}
AFTER_A_DOUBT = (Trouble.PROBE_IN_DOUBT, Trouble.PROBE_LATE)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in AFTER_A_DOUBT])
def test_a_kind_of_trouble_comes_and_is_survived(kind: Woe, base: SqliteDatabase) -> None:
    """Alone, at the first boundary where it fits: it fires once, and its story tells it."""
    outcome = play([FLOWS[FITTING[kind]]], base, Forced(kind), told=True)
    assert outcome.fired == {kind: 1}
    assert outcome.wrong == []
    assert any(str(kind) in happening.what for happening in outcome.story)
    assert outcome.ends in (["done"], ["cancelled"])
    assert (outcome.ends == ["cancelled"]) <= (kind is Kind.CANCELLED)


@pytest.mark.parametrize("kind", AFTER_A_DOUBT)
def test_a_probe_may_be_in_doubt_or_late_after_a_doubt(kind: Woe, base: SqliteDatabase) -> None:
    """Trouble upon trouble, which no single fault can show: it is settled in the end, or waits for
    a person."""
    for distance in range(1, 30):
        choices = [0, 1 + KINDS.index(kind), distance, 0, 1]
        outcome = play([FLOWS["parallel"]], base, Replay(choices))
        assert outcome.wrong == []
        if outcome.fired[kind]:
            assert outcome.fired.total() > 1
            return
    raise AssertionError("no doubt ever came to its probe")


def test_zombies_are_woken_while_others_work(base: SqliteDatabase) -> None:
    """A worker stands still, another takes over, the first one wakes: the story tells it."""
    outcome = play([FLOWS["parallel"]], base, Forced(Kind.STOPPED), told=True)
    told = [happening.what for happening in outcome.story]
    stopped = next(n for n, what in enumerate(told) if "stopped until taken over" in what)
    woken = next(n for n, what in enumerate(told) if "wakes" in what)
    between = told[stopped:woken]
    assert any("(tenure 2)" in what or "begins on" in what for what in between)


def test_a_history_replays_from_its_choices(base: SqliteDatabase) -> None:
    """The same choices, the same happenings to the microsecond."""
    for number in range(12):
        first = play(ALL, base, Dice(f"again:{number}"), told=True)
        again = play(ALL, base, Replay(first.choices), told=True)
        assert again.choices == first.choices
        assert again.story == first.story and again.ledger == first.ledger


@pytest.mark.parametrize("mutant", [*MUTANTS, PAST], ids=lambda mutant: mutant.name)
def test_a_mutant_is_found_and_told_in_a_few_choices(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The campaign finds it, by a rule; its failure is short, and replays from its choices."""
    mutant.patch(monkeypatch)
    report = campaign(ALL, histories=2_000, seed="mutant")
    (failure,) = report.failures
    print(f"\n{mutant.name}: history {failure.history}, {len(failure.choices)} choices")
    assert len(failure.choices) <= CHOICES_MAX
    again = replay(ALL, failure.choices)
    assert again.wrong == failure.wrong and again.story == failure.story
    told = "\n".join(failure.story)
    assert all(f"BROKEN: {what}" in told or f"DEFECT: {what}" in told for what in failure.wrong)


def test_a_story_tells_what_happened_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins, what goes wrong where, what becomes durable, and what that breaks."""
    no_fence(monkeypatch)
    report = campaign([FLOWS["parallel"]], histories=500, seed="story")
    story = "\n".join(report.failures[0].story)
    assert "worker 1 begins on machine 1" in story
    assert "parallel-1 record 0 (tenure 1): started" in story
    broken = "BROKEN: every step is one of the proved protocol: claim: the session is not fenced"
    assert story.index("started") < story.index(broken)


def test_a_report_is_plain_data() -> None:
    """As a verb or a page takes it: counts by kind, speed, and failures with their choices."""
    report = campaign([FLOWS["parallel"]], histories=20, seed=3)
    told = json.loads(json.dumps(report.data))
    assert told["histories"] == 20 and told["failures"] == [] and told["wrong"] == []
    assert set(told["fired"]) == {str(kind) for kind in possible([FLOWS["parallel"]])}
    assert sum(told["fired"].values()) == report.fired.total() > 20
    assert "20 histories" in str(report)


def test_the_same_seed_gives_the_same_campaign() -> None:
    """All but the time it took."""
    one, other = (campaign(ALL, histories=15, seed=8).data for _ in range(2))
    for data in (one, other):
        del data["cpu seconds"], data["histories per second"]
    assert one == other


SAME = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from perdure.chaos.campaign import SOME, Campaign, database, quietly
from tests.crash.flows import FLOWS
flows, told = list(FLOWS.values()), hashlib.sha256()
with database(flows) as one, quietly():
    if sys.argv[2:]:
        Campaign(flows, one, "before").run(10)
    campaign = Campaign(flows, one, "same")
    for number in range(12):
        outcome = campaign.play(campaign.dice(number))
        logs = [bytes(row["hash"]) for row in outcome.rows["log"]]
        told.update(repr((outcome.choices, logs, outcome.ends, outcome.seconds)).encode())
print(told.hexdigest())
"""


def test_the_same_seed_gives_the_same_histories_in_any_process(root: Path) -> None:
    """Whatever the seed of hashes is, and whatever the process has played before: the same logs."""
    told: set[str] = set()
    for seed, before in (("1", []), ("2", []), ("3", ["after others"])):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", SAME, str(root), *before]
        told.add(
            subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        )
    assert len(told) == 1


def test_a_kind_that_has_not_come_yet_is_favoured(base: SqliteDatabase) -> None:
    """After some histories the second choice of the next says so, and nothing else is changed."""
    one = Campaign(ALL, base, "steered")
    for kind in one.report.expected:
        one.report.fired[kind] = 1
    plain, wanted = one.dice(SOME), Trouble.PROBE_LATE
    one.report.fired[wanted] = 0
    first, then = one.dice(SOME - 1), one.dice(SOME)
    assert isinstance(plain, Dice) and isinstance(first, Dice)
    drawn, steered = ([source.choose(100) for _ in range(9)] for source in (plain, then))
    assert FAVOURED[steered.pop(1) - 1] is wanted
    del drawn[1]
    assert steered == drawn


def test_what_never_fired_fails_a_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of trouble that could have come and did not is said, once there were enough."""
    monkeypatch.setattr("perdure.chaos.campaign.FAIRLY_MANY", 1)
    report = campaign([FLOWS["parallel"]], histories=1, seed=0)
    assert "never fired: store busy" in report.wrong


def test_what_cannot_come_is_not_asked_for() -> None:
    """Without a timeout no call hangs, without a probe none is late, without mail none is sent."""
    assert set(KINDS) - set(possible([Flow("calm", lambda: calm("x"))])) == {
        Kind.HANGS,
        Trouble.PROBE_IN_DOUBT,
        Trouble.PROBE_LATE,
        Trouble.MESSAGE_TWICE,
        Trouble.MESSAGE_LATE,
    }
    assert possible(ALL) == list(KINDS)


def test_what_comes_to_nothing_has_not_fired(base: SqliteDatabase) -> None:
    """A cancel of what is not there or has ended, or a fence of a session that is fenced, was none:
    as many cancels as were sent are counted, and some came to nothing."""
    said: Counter[str] = Counter()
    for number in range(60):
        outcome = play(ALL, base, Settled(Dice(f"void:{number}"), CANCELS), told=True)
        sent = [row for row in outcome.rows["message"] if row["channel"] == CANCEL]
        assert outcome.fired[Kind.CANCELLED] == len(sent)
        said["cancelled"] += sum("cancelled by somebody" in str(told) for told in outcome.story)
        said["sent"] += len(sent)
    assert said["cancelled"] > said["sent"] > 30


def test_a_fault_after_all_has_settled_does_not_count(base: SqliteDatabase) -> None:
    """It can break something, and is played; but a history of such faults alone is a calm one."""
    late = next(
        outcome
        for distance in range(20, 400)
        if (outcome := play([FLOWS["parallel"]], base, Late(distance))).fired
        and not outcome.in_time
    )
    assert late.fired.total() >= 1 and late.wrong == []

    def again(*_: object) -> WildOutcome:
        return late

    one = Campaign([FLOWS["parallel"]], base, 0, player=again)
    one.play(Replay([]))
    assert (one.report.histories, one.report.counted) == (1, 0)


def test_equal_histories_count_once(base: SqliteDatabase) -> None:
    """And one without a fault does not count at all."""
    one = Campaign([FLOWS["sequence"]], base, 0)
    for _ in range(3):
        one.play(Forced(Kind.CANCELLED))
        one.play(Replay([]))
    assert (one.report.histories, one.report.counted) == (6, 1)


@workflow(version=1)
async def calm(who: str) -> str:
    """One step that may be repeated."""
    return await notify(who, "hello")


@workflow(version=1)
async def waits_for_ever() -> str:
    """Nobody sends what it waits for."""
    return await PAID.wait()


def test_a_history_that_does_not_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told where it stands."""
    monkeypatch.setattr("perdure.chaos.wild_history.SECONDS_MAX", 20)
    report = campaign([Flow("waits", waits_for_ever)], histories=1, seed=0)
    assert "waits" in report.wrong[0] and "paid" in report.wrong[0]


def test_an_authors_own_check_is_asked(tmp_path: Path) -> None:
    """What it complains about is a failure, with the choices that lead to it."""
    flow = Flow(
        "calm", lambda: calm("x"), {"notify": says("told")}, check=lambda eye, how: [f"no {how}"]
    )
    report = campaign([flow], histories=1, seed=0, folder=tmp_path)
    assert report.failures[0].wrong == ["no done"] and report.failures[0].choices == ()
    assert list(tmp_path.iterdir()) == [], "nothing is left lying about"


def test_what_the_client_sends_is_sent_to_each_execution(base: SqliteDatabase) -> None:
    """Every message arrives, whatever happens, or its execution had ended before."""
    flow = FLOWS["reminders"]
    assert isinstance(flow.messages[0], Message)
    one = Campaign([flow], base, "mail")
    for number in range(15):
        outcome = one.play(Dice(f"mail:{number}"))
        assert outcome.wrong == []
        sent = {each.execution for each in outcome.ledger.sent if each.id == "m-1"}
        for row in outcome.rows["execution"]:
            assert row["key"] in sent or row["status"] in ("done", "cancelled")
