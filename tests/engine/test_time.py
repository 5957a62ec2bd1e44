"""Rule 71: one clock decides, the database's. Workers whose own clocks run fast, slow or by turns
fire no timer early; `now()` is one moment per firing; the times of a log never fall.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perdure import (
    Elapsed,
    Engine,
    Retry,
    Signal,
    after,
    at,
    first,
    idempotent,
    now,
    pure,
    seconds,
    sleep,
    sleep_until,
    together,
    workflow,
)
from perdure.chaos.simulation import EPOCH, SimLoop, run
from perdure.engine.bodies import decode
from perdure.engine.clock import Timer

from .stage import Kept, Stage, StageClock, outside

T = TypeVar("T")
LONG = 600_000_000
go = Signal[str]("go")


@pure
async def think(n: int) -> int:
    return n


@idempotent(retry=Retry(attempts=3, first=seconds(20)))
async def tell(n: int) -> str:
    return await outside().attempt("tell", n)


@workflow
async def sleeps(n: int) -> int:
    await sleep(seconds(0.9))  # kept in memory, and woken by the worker's clock
    await sleep(seconds(0.3))
    await sleep(seconds(40))  # parked, and found due in the database
    return await think(n)


@workflow
async def until_then(moment: datetime) -> datetime:
    await sleep_until(moment)
    return now()


@workflow
async def races(moment: datetime) -> str:
    answer = await first(go.wait(), at(moment))
    match answer:
        case Elapsed():
            pass
        case word:
            return word
    answer = await first(go.wait(), after(seconds(90)))
    match answer:
        case Elapsed():
            return "late"
        case word:
            return word


@workflow
async def tells(n: int) -> str:
    return await tell(n)


@workflow
async def moments(n: int) -> list[datetime]:
    one = now()
    two = now()
    found = [one, two]
    while len(found) < n:
        await think(n)
        found = [*found, now(), now()]
        await sleep(seconds(30))
    return found


@workflow
async def hears(n: int) -> list[datetime]:
    found: list[datetime] = []
    while len(found) < n:
        await go.wait()
        found.append(now())
    return found


@workflow
async def by_two(n: int) -> tuple[datetime, datetime]:
    await together(think(1), think(2))
    before = now()
    await sleep(seconds(30))
    return before, now()


class Skewed(StageClock):
    """A worker's clock that calls back too early, too late, or by turns."""

    factors: deque[float]

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """What waits for a moment is called at another one; polls stay polls."""
        if seconds in (0.01, 0.05, 0.25):
            return super().later(seconds, callback)
        self.factors.rotate(-1)
        return super().later(max(seconds * self.factors[0], 1e-6), callback)


class House:
    """A stage whose workers' clocks are wrong, and whose database's clock is set now and then."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.offset = 0
        self.stage.store = Kept("sqlite://", now=self.database)

    def database(self) -> int:
        """Database time: it goes on with the world, and somebody may set it."""
        return self.stage.time.database() + self.offset

    def live(
        self, factors: list[float], main: Callable[[Engine], Coroutine[Any, Any, T]], *, die: bool
    ) -> T:
        """One life under a clock of its own; it may end at once."""
        loop, found = SimLoop(self.stage.time), list[T]()
        clock = Skewed(self.stage.time, loop)
        clock.factors = deque(factors)

        async def life() -> None:
            engine = Engine("sqlite://", store=self.stage.store, clock=clock)
            await engine.__aenter__()
            found.append(await main(engine))
            if not die:
                await engine.__aexit__(None, None, None)

        run(loop, life())
        if die:
            loop.abandon()
        return found[0]


def moment(microseconds: int) -> datetime:
    """A moment of the database's clock."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


CLOCKS = {
    "right": [1.0],
    "fast": [0.5],
    "very fast": [0.05],
    "slow": [1.7],
    "by turns": [0.3, 2.0, 1.0, 0.01],
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_no_timer_fires_before_its_moment_whatever_the_workers_clock(clock: str) -> None:
    """`sleep`, `sleep_until`, `at`, `after`: the record that says so is not older than the moment,
    by the database's clock, and the code behind it has not run before."""
    house = House()

    async def main(engine: Engine) -> tuple[int, list[int]]:
        begun = house.database()
        late = moment(begun + 50_000_000)
        runs = [
            await engine.start(sleeps(1), id="s"),
            await engine.start(until_then(late), id="u"),
            await engine.start(races(late), id="r"),
        ]
        ends: list[int] = []
        for one in runs:
            await one.result()
            ends.append(house.database())
        assert await engine.find(until_then, "u").result() >= late
        assert await engine.find(races, "r").result() == "late"
        return begun, ends

    begun, ends = house.live(CLOCKS[clock], main, die=False)
    slept, until, raced = (end - begun for end in ends)
    assert slept >= 41_200_000 and until >= 50_000_000 and raced >= 140_000_000
    asyncio.run(house.stage.lawful("s"))
    asyncio.run(house.stage.lawful("u"))
    asyncio.run(house.stage.lawful("r"))


@pytest.mark.parametrize("clock", CLOCKS)
def test_no_attempt_is_made_before_its_backoff_is_over(clock: str) -> None:
    """Twenty and then forty seconds between the attempts, by the database's clock."""
    house = House()
    house.stage.out.script["tell"] = deque(["raises", "raises"])

    async def main(engine: Engine) -> str:
        return await engine.run(tells(1), id="e")

    assert house.live(CLOCKS[clock], main, die=False) == "tell 1"
    calls = [h.at for h in house.stage.out.seen if h.what == "called"]
    assert len(calls) == 3 and calls[1] - calls[0] >= 20 and calls[2] - calls[1] >= 40


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from([-LONG, -1_000_000, 0, 1_000_000, LONG]), min_size=3, max_size=6),
    st.lists(st.sampled_from([0.01, 0.5, 1.0, 3.0]), min_size=1, max_size=4),
)
def test_the_times_of_a_log_never_fall_when_a_clock_is_set_back(
    steps: list[int], factors: list[float]
) -> None:
    """One life after the other, and before each the database's clock is set: records do not get
    older, no timer fires before its moment by that clock (the audit looks), and it ends."""
    house = House()

    async def begin(engine: Engine) -> None:
        await engine.start(moments(8), id="e")
        await engine.start(hears(len(steps)), id="h")
        await asyncio.sleep(10)

    house.live(factors, begin, die=True)
    for number, step in enumerate(steps):
        house.offset += step

        async def some(engine: Engine, number: int = number) -> None:
            await engine.serve(moments, hears)
            await engine.send("h", go, "on")

            async def heard() -> bool:
                mail = await house.stage.mail("h")
                return mail[number].consumed_at is not None

            await house.stage.until(heard)
            await asyncio.sleep(25)

        house.live(factors, some, die=True)

    async def end(engine: Engine) -> list[list[datetime]]:
        await engine.serve(moments, hears)
        return [
            await engine.find(moments, "e").result(),
            await engine.find(hears, "h").result(),
        ]

    async def times(key: str) -> list[int]:
        await house.stage.lawful(key)
        return [r.at for r in await house.stage.store.log((await house.stage.row(key)).id)]

    told = house.live([1.0], end, die=False)
    for key, found, count in zip("eh", told, (8, len(steps)), strict=True):
        ats = asyncio.run(times(key))
        assert ats == sorted(ats) and found == sorted(found) and len(found) == count
        assert set(found) <= {moment(t) for t in ats}, "a moment is that of a record"


def test_now_is_one_moment_in_a_firing_and_another_in_the_next() -> None:
    """Asked twice in the same piece of code it says the same; after a wait it has gone on."""
    house = House()

    async def main(engine: Engine) -> list[datetime]:
        return await engine.run(moments(6), id="e")

    found = house.live([1.0], main, die=False)
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert all(one == two for one, two in pairs)
    assert pairs[1][0] < pairs[2][0], "half a minute lies between"
    assert found[0] >= moment(EPOCH)


def test_now_says_the_same_after_a_restart() -> None:
    """A process that dies during the sleep has written its moment down: the next one has it."""
    house = House()

    async def begin(engine: Engine) -> None:
        await engine.start(by_two(1), id="e")
        await house.stage.at("waiting for timer")

    async def end(engine: Engine) -> tuple[datetime, datetime]:
        await engine.serve(by_two)
        return await engine.find(by_two, "e").result()

    house.live([1.0], begin, die=True)

    async def written() -> bytes:
        row = await house.stage.row()
        records = [decode(r.body) for r in await house.stage.store.log(row.id)]
        (said,) = [body.d["before"] for body in records if "before" in body.d]
        return bytes(said)

    before = asyncio.run(written())
    house.stage.pass_time(3_600)
    first, second = house.live([1.0], end, die=False)
    assert before.decode().strip('"').replace("Z", "+00:00") == first.isoformat()
    assert second - first >= timedelta(hours=1)
