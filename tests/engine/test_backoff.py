"""Rule 32: a long backoff is a row, not a task: nothing is in memory, and the count survives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, compensatable, saga, workflow
from perdure import idempotent as repeatable
from perdure.chaos.simulation import SimClock, SimLoop, Time, run
from perdure.engine.audit import audit
from perdure.engine.bodies import decode
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import AttemptRow, ExecutionRow, Status
from perdure.model.language.effects import Retry

DAY = 24 * 3600
MINUTE = Retry(attempts=10, first=timedelta(seconds=60), factor=1.0)
CALLS: list[tuple[str, int]] = []
"""What was called, at which second."""
FAILS: dict[str, int] = {}
"""How many more calls fail."""
CLOCKS: list[Time] = []


def happen(name: str) -> None:
    """Note a call, and fail it if it is to fail."""
    CALLS.append((name, CLOCKS[-1].now // 1_000_000))
    if FAILS.get(name, 0) > 0:
        FAILS[name] -= 1
        raise Refused(name)


class Refused(Exception):
    """Not now."""


@repeatable(retry=MINUTE)
async def fetch(number: int) -> int:
    """Fails for a while."""
    happen("fetch")
    return number


@repeatable(retry=Retry(attempts=None, first=timedelta(days=1), ceiling=timedelta(days=10)))
async def hopeless(number: int) -> int:
    """Fails for a year."""
    happen("hopeless")
    return number


@compensatable(refused=(Refused,), retry=MINUTE)
async def pay(number: int) -> int:
    """Refused for a while."""
    happen("pay")
    return number


@pay.undo
async def refund(made: int) -> None:
    """Nothing is ever undone here."""
    raise AssertionError("it landed")


@compensatable
async def hold(number: int) -> int:
    """Something to undo."""
    return number


@hold.undo
async def release(made: int) -> None:
    """Fails for a while."""
    happen("release")


@workflow
async def fetches(number: int) -> int:
    """One call."""
    return await fetch(number)


@workflow
async def hopes(number: int) -> int:
    """One call without end."""
    return await hopeless(number)


@workflow
async def pays(number: int) -> int:
    """One call with an intent."""
    async with saga():
        return await pay(number)


@workflow
async def changes_its_mind(number: int) -> int:
    """A saga that is undone."""
    async with saga():
        await hold(number)
        raise Refused("no")
    return number


FLOWS: dict[str, Any] = {
    "fetch": fetches,
    "hopeless": hopes,
    "pay": pays,
    "release": changes_its_mind,
}


class Lab:
    """Lives of a worker over one file in simulated time."""

    def __init__(self, path: Path) -> None:
        self.path, self.time = path, Time()
        CALLS.clear()
        FAILS.clear()
        CLOCKS.append(self.time)

    @asynccontextmanager
    async def engine(self) -> AsyncGenerator[Engine]:
        """An engine over the file."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        store = SqliteStore(self.path, now=self.time.database)
        async with Engine("", store=store, clock=SimClock(self.time, loop)) as engine:
            await engine.serve(*FLOWS.values())
            yield engine

    def live(self, work: Any) -> Any:
        """One life: `work(engine)` to its end."""

        async def main() -> Any:
            async with self.engine() as engine:
                return await work(engine)

        return run(SimLoop(self.time), main())


async def row_of(engine: Engine) -> ExecutionRow:
    """The only execution."""
    (row,) = await engine.store.list()
    return row


async def until_parked(engine: Engine) -> AttemptRow:
    """Nothing is in memory; the counter that is left."""
    while engine.worker.instances or (await row_of(engine)).owner is not None:
        await asyncio.sleep(0.001)
    (row,) = await engine.store.attempts(1)
    return row


@pytest.mark.parametrize(
    ("name", "failures", "wait"), [("fetch", 1, 60), ("pay", 1, 60), ("release", 2, 2)]
)
def test_a_call_that_waits_long_is_not_in_memory(
    tmp_path: Path, name: str, failures: int, wait: int
) -> None:
    """Whatever class it has and on the way back too: parked with its moment, woken by it."""
    lab = Lab(tmp_path / "b.db")
    FAILS[name] = failures

    async def work(engine: Engine) -> None:
        started = lab.time.database()
        run = await engine.start(FLOWS[name](7), id="x")
        counter = await until_parked(engine)
        row = await row_of(engine)
        assert row.wake_at == counter.next_at >= started + wait * 1_000_000
        assert (counter.tries, row.waits) == (failures, "")
        assert all(task.done() for task in engine.worker.caller.tasks)
        await engine.ended(run.id)
        row = await row_of(engine)
        assert (await audit(engine.store, row)).problems == ()
        assert await engine.store.attempts(row.id) == []

    lab.live(work)
    *_, (_, before), (_, last) = CALLS
    assert [called for called, _ in CALLS] == [name] * (failures + 1)
    assert last - before >= wait


@pytest.mark.parametrize("name", ["fetch", "pay"])
def test_count_and_moment_survive_restarts(tmp_path: Path, name: str) -> None:
    """Three failures, a new worker for each attempt: the fourth lands, a minute after each, and
    its record says that it took four."""
    lab = Lab(tmp_path / "b.db")
    FAILS[name] = 3

    async def begin(engine: Engine) -> None:
        await engine.start(FLOWS[name](7), id="x")
        await until_parked(engine)

    async def go_on(engine: Engine) -> None:
        before = len(CALLS)
        while len(CALLS) == before:
            await asyncio.sleep(0.1)
        if FAILS[name]:
            await until_parked(engine)

    lab.live(begin)
    lab.live(go_on)
    lab.live(go_on)

    async def end(engine: Engine) -> list[int]:
        assert await engine.find(FLOWS[name], "x").result() == 7
        records = await engine.store.log(1)
        row = await row_of(engine)
        assert row.recoveries == 0 and (await audit(engine.store, row)).problems == ()
        return [n for r in records if (n := decode(r.body).n)]

    assert lab.live(end) == [4]
    seconds = [second for _, second in CALLS]
    assert len(seconds) == 4
    assert all(b - a >= 60 for a, b in pairwise(seconds))


def test_a_year_of_failures_is_one_row(tmp_path: Path) -> None:
    """Some forty attempts: one counter, two records, no growth."""
    lab = Lab(tmp_path / "b.db")
    FAILS["hopeless"] = 10**6

    async def begin(engine: Engine) -> None:
        await engine.start(hopes(7), id="x")
        await until_parked(engine)

    async def attempt(engine: Engine) -> AttemptRow:
        while len(CALLS) == tries:
            await asyncio.sleep(0.01)
        return await until_parked(engine)

    lab.live(begin)
    tries = 1
    while lab.time.now < 365 * DAY * 1_000_000:

        async def next_at(engine: Engine) -> int:
            (row,) = await engine.store.attempts(1)
            return row.next_at - lab.time.database()

        lab.time.now += max(0, lab.live(next_at))
        counter: AttemptRow = lab.live(attempt)
        tries += 1
        assert counter.tries == tries
    assert tries > 35

    async def look(engine: Engine) -> tuple[int, int, Status]:
        row = await row_of(engine)
        attempts = await engine.store.attempts(row.id)
        return len(attempts), len(await engine.store.log(row.id)), row.status

    assert lab.live(look) == (1, 2, Status.ACTIVE)


def test_a_short_backoff_stays_in_memory(tmp_path: Path) -> None:
    """Below a second nothing is parked: one tenure, and the count is in the record."""
    lab = Lab(tmp_path / "b.db")
    FAILS["release"] = 0

    @repeatable(retry=Retry(attempts=5, first=timedelta(seconds=0.1), factor=1.0))
    async def quick(number: int) -> int:
        happen("quick")
        return number

    FAILS["quick"] = 3

    @workflow
    async def quickly(number: int) -> int:
        return await quick(number)

    async def work(engine: Engine) -> int:
        assert await engine.run(quickly(3), id="x") == 3
        assert await engine.store.attempts(1) == []
        return (await row_of(engine)).tenure

    assert lab.live(work) == 1 and len(CALLS) == 4


def test_a_cancel_reaches_an_execution_that_waits_for_its_next_attempt(tmp_path: Path) -> None:
    """Parked before a refused intent: the wish wakes it, and no further call is made."""
    lab = Lab(tmp_path / "b.db")
    FAILS["pay"] = 5

    async def work(engine: Engine) -> Status:
        run = await engine.start(pays(7), id="x")
        await until_parked(engine)
        await run.cancel(reason="enough")
        return (await engine.ended(run.id))[0]

    assert lab.live(work) is Status.CANCELLED and len(CALLS) == 1
