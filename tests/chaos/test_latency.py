"""A store that is far away in a random history: what its operations take, and what that opens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from perdure.chaos.campaign import database, quietly
from perdure.chaos.choices import Dice, Replay, Tape
from perdure.chaos.databases import SqliteDatabase
from perdure.chaos.faults import Edge
from perdure.chaos.latency import SEEDS, latency
from perdure.chaos.plan import PACES, SHAPES, draw_plan
from perdure.chaos.troubles import DISTANCE, LOSES_SESSION, NEAR, Chance, Trouble, Woe, fits
from perdure.chaos.wild_history import WildOutcome, play

from ..crash.flows import FLOWS

ALL = list(FLOWS.values())
FAR = len(SHAPES) * len(PACES)  # shapes from here on have a store far away


@pytest.fixture(scope="module")
def base() -> Iterator[SqliteDatabase]:
    """A database for all five flows."""
    with database(ALL) as one, quietly():
        yield one


def test_a_near_store_takes_no_time_and_a_far_one_mostly_little() -> None:
    """Mostly below two milliseconds, sometimes twenty, seldom what a lost packet costs."""
    assert latency(0) is None
    way = latency(7)
    assert way is not None
    taken = [way() for _ in range(2_000)]
    assert min(taken) >= 0.0
    little, some, much = (
        sum(low <= seconds < high for seconds in taken)
        for low, high in ((0.0, 0.002), (0.002, 0.1), (0.1, 1.0))
    )
    assert little > some > much > 0 and little + some + much == 2_000


def test_the_same_seed_is_the_same_way_and_another_is_another() -> None:
    """So a history with it can be played again."""
    ways = [latency(seed) for seed in (3, 3, 4)]
    first, again, other = ([way() for _ in range(20)] for way in ways if way is not None)
    assert first == again != other


def test_half_of_the_histories_have_a_store_far_away_and_the_dull_one_has_not() -> None:
    """How far it is costs one choice, and none where it is near."""
    assert draw_plan(Replay([]), ALL).far == 0
    plans = [draw_plan(Dice(f"far:{n}"), ALL) for n in range(400)]
    assert 150 < sum(plan.far > 0 for plan in plans) < 250
    assert all(plan.far <= SEEDS for plan in plans)
    near, far = Tape(Replay([FAR - 1, 0, 0])), Tape(Replay([FAR, 0, 0, 5]))
    assert draw_plan(near, ALL).far == 0 and draw_plan(far, ALL).far == 6
    assert len(far.taken) == len(near.taken) + 1


def test_a_history_with_a_far_store_takes_longer_and_ends_as_with_a_near_one(
    base: SqliteDatabase,
) -> None:
    """Without trouble the same records are written, later."""
    near, far = (play([FLOWS["parallel"]], base, Replay([shape])) for shape in (0, FAR))
    assert near.wrong == far.wrong == [] and near.ends == far.ends == ["done"]
    assert far.firings == near.firings and near.seconds + 0.01 < far.seconds < near.seconds + 20


def test_a_history_with_a_far_store_replays_from_its_choices(base: SqliteDatabase) -> None:
    """The same choices, the same happenings to the microsecond."""
    played = 0
    for number in range(12):
        first = play(ALL, base, Dice(f"far again:{number}"), told=True)
        again = play(ALL, base, Replay(first.choices), told=True)
        assert again.story == first.story and again.ledger == first.ledger
        played += first.choices[0] >= FAR
    assert played > 2


def gap(kind: Woe, drawn: int) -> int:
    """Boundaries from a trouble of this kind to the next, where so many were drawn."""
    chance = Chance(Replay([drawn]), favoured=kind)
    chance.met_execution = True
    edge = Edge.BEFORE if fits(kind, "commit", Edge.BEFORE) else Edge.AFTER
    assert chance.meet("commit", edge) is kind
    return next(n for n in range(1, DISTANCE + 1) if chance.meet("commit", edge) is not None)


@pytest.mark.parametrize("drawn", [1, NEAR, NEAR + 1, DISTANCE - 1])
def test_after_a_session_is_lost_the_next_trouble_is_near(drawn: int) -> None:
    """While one session gives way to the next, all that can go wrong is between few boundaries."""
    assert all(1 <= gap(kind, drawn) <= NEAR for kind in LOSES_SESSION)
    assert gap(Trouble.PAUSED, drawn) == drawn


FOUND = {
    "a creation answered while a handover looked for it ended its worker": (
        [FAR + 6, 7, 3, 0, 119, 20, 2, 4],
        "worker 1: ambiguous, not committed before store.claim",
    ),
    "what a handover let go slept until a wall clock that had gone back was there again": (
        [16, 21, 0, 56, 0, 1, 8, 4, 7, 11, 0, 1],
        "worker 2: wall clock jumps before store.append",
    ),
    "what had left by a commit in doubt, and was claimed by a look that had begun, lay for ever": (
        [FAR + 7, 7, 3, 54, 11, 0, 5, 3, 0, 4],
        "the late append of worker 1 has come",
    ),
    "what a session claimed while it told of the last one was created again, and refused": (
        [FAR + 10, 13, 0, 4, 143, 41, 1, 4],
        "worker 3: taken over before store.next_wake",
    ),
}
"""Choices of histories that were wrong once, made short; and what must still happen in them."""


@pytest.mark.parametrize("choices, told", FOUND.values(), ids=FOUND)
def test_what_a_history_found_stays_found(
    base: SqliteDatabase, choices: list[int], told: str
) -> None:
    """It is lawful now; what led to it comes as it did."""
    outcome: WildOutcome = play(ALL, base, Replay(choices), told=True)
    assert outcome.wrong == []
    story = [happening.what for happening in outcome.story]
    assert told in story and ("far away" in story[0]) == (choices[0] >= FAR)
