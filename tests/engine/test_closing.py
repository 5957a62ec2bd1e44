"""Closing while the store cannot be reached: what is pending stays undone, and nobody is told that
it was done; a caller learns it once, and nothing dies unheard."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace
from perdure import idempotent, pure, workflow
from perdure.chaos.simulation import SimLoop, run
from perdure.engine.client import Engine
from perdure.engine.errors import StoreUnavailable
from perdure.engine.instance import Instance
from perdure.engine.kernel import Call
from perdure.engine.running import Running
from perdure.engine.store import Ambiguous, Append, Appended, ExecutionRow, Identity, Store

from .stage import (
    FOREVER,
    QUIET_SECONDS,
    SLOW_SECONDS,
    Beside,
    Stage,
    StageClock,
    Troubled,
    outside,
)

LATER_SECONDS = 30.0  # longer than a worker waits for its calls


@idempotent
async def tell(name: str) -> str:
    """Tell somebody."""
    return name


@workflow(version=1)
async def told(name: str) -> str:
    """One call."""
    return await tell(name)


@pure
async def think(n: int) -> int:
    outside().note("called", "think", n)
    return n


@workflow
async def thinks(n: int) -> int:
    return await think(n)


@idempotent
async def hang(n: int) -> int:
    outside().note("called", "hang", n)
    await asyncio.sleep(FOREVER)
    return n


@workflow
async def hangs(n: int) -> int:
    return await hang(n)


class Gone:
    """A store that can be reached for so many writes."""

    def __init__(self, stage: Stage, writes: int) -> None:
        self.store: Store = Beside(stage, self._beside).port
        self._writes = writes

    async def _beside(self, edge: str, number: int) -> None:
        if edge == "before" and number > self._writes:
            raise StoreUnavailable("here", "the network is gone")


@pytest.mark.parametrize("writes", [1, 2])
def test_a_close_without_a_store_leaves_no_error_that_nobody_heard(writes: int) -> None:
    """The batch that could not be written is given up by `close`, not left in a task to be found by
    the collector: the loop is told of no exception. (`run` raises what a loop was told of.)"""
    stage = Stage()
    gone = Gone(stage, writes)

    async def main() -> None:
        clock = StageClock(stage.time, loop)
        engine = Engine("sqlite://", store=gone.store, clock=clock, drain_seconds=1.0)
        async with engine:
            await engine.start(told("Ann"), id="e")

    loop = SimLoop(stage.time)
    run(loop, main())
    assert loop.defects == []


def test_a_start_that_a_close_could_not_write_is_refused_to_whoever_waits_for_it() -> None:
    """It would wait for a worker that is gone. One who has given up leaves nothing unheard."""
    stage = Stage()
    gone = Gone(stage, 0)

    async def main() -> None:
        clock = StageClock(stage.time, loop)
        engine = Engine("sqlite://", store=gone.store, clock=clock, drain_seconds=1.0)
        async with engine:
            waits = loop.create_task(engine.start(told("Ann"), id="e"))
            gives_up = loop.create_task(engine.start(told("Bob"), id="f"))
            await stage.until(lambda: {"e", "f"} <= set(engine.worker.instances))
            gives_up.cancel()
        with pytest.raises(StoreUnavailable, match="its worker has ended"):
            await waits

    loop = SimLoop(stage.time)
    run(loop, main())
    assert loop.defects == []


class EndsSlowly(Troubled):
    """That a session has ended is answered late."""

    ended = False

    async def fence(self, session: int) -> int:
        released = await self.stage.store.fence(session)
        self.ended = True
        await asyncio.sleep(SLOW_SECONDS)
        return released


def test_a_start_after_the_session_has_ended_is_refused_and_does_not_wait_for_ever() -> None:
    """The engine is still open, and its worker will write nothing any more."""
    stage = Stage()
    store = EndsSlowly(stage)

    async def main() -> None:
        clock = StageClock(stage.time, loop)
        async with Engine("sqlite://", store=store.port, clock=clock) as engine:
            closes = loop.create_task(engine.worker.stop())
            await stage.until(lambda: store.ended)
            with pytest.raises(StoreUnavailable, match="its worker has ended"):
                async with asyncio.timeout(QUIET_SECONDS):
                    await engine.start(told("Ann"), id="e")
            await closes
        assert await stage.store.find("e") is None

    loop = SimLoop(stage.time)
    run(loop, main())
    assert loop.defects == []


def test_what_a_close_could_not_write_is_done_by_the_next_life() -> None:
    """Nothing is lost by it: the execution is taken over and ends."""
    stage = Stage()
    gone = Gone(stage, 1)

    async def main(engine: Engine) -> None:
        await engine.start(told("Ann"), id="e")

    async def again(engine: Engine) -> str:
        return await engine.run(told("Ann"), id="e")

    stage.play(main, store=gone.store)
    assert stage.play(again) == "Ann"


class Slow(Troubled):
    """What is released at the end takes its time to be written."""

    released = 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if any(each.change is not None and each.change.release for each in batch):
            await asyncio.sleep(LATER_SECONDS)
            self.released += 1
        return await self.stage.store.append(session, batch)


def test_a_close_waits_for_the_batch_that_is_being_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An execution whose call is given up is released, and there is nothing to complain of."""
    stage = Stage()
    store = Slow(stage)

    async def main(engine: Engine) -> None:
        await engine.start(hangs(1), id="e")
        await stage.until(lambda: outside().count("called"))

    async def look() -> ExecutionRow:
        return await stage.row("e")

    stage.play(main, store=store.port)
    assert store.released == 1 and asyncio.run(look()).owner is None
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []


class Deaf(Troubled):
    """A write that does not follow the log; and the driver hears of no cancellation while it gives
    back what it was refused."""

    gives_back = False

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if batch[0].create is not None:
            return await self.stage.store.append(session, batch)
        if batch[0].records:
            return await self.stage.store.append(session, [replace(batch[0], previous=b"?" * 16)])
        self.gives_back = True
        end = self.stage.time.now + LATER_SECONDS * 1e6
        while self.stage.time.now < end:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        return await self.stage.store.append(session, batch)


def test_what_outlives_its_worker_registers_no_session() -> None:
    """It finds the session gone, as it must be. A new one would beat for what nobody drives."""
    stage = Stage()
    store = Deaf(stage)

    async def main() -> None:
        clock = StageClock(stage.time, loop)
        async with Engine("sqlite://", store=store.port, clock=clock, drain_seconds=1.0) as engine:
            await engine.start(told("Ann"), id="e")
            await stage.until(lambda: store.gives_back)
        await asyncio.sleep(3 * LATER_SECONDS)
        assert store.registered == 1 and not engine.worker.caller.tasks
        assert all(row.fenced is not None for row in await stage.store.sessions())

    loop = SimLoop(stage.time)
    run(loop, main())
    assert loop.defects == []


def test_a_call_that_is_given_up_before_its_first_turn_is_remembered_by_nobody() -> None:
    """A task that never ran has no last words; a worker that kept it would grow for ever."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        make, given = engine.worker.driver.make_call, list[Running]()

        def given_up(instance: Instance, call: Call) -> Running:
            given.append(make(instance, call))
            given[0].cancel()
            return given[0]

        engine.worker.driver.make_call = given_up
        await engine.start(thinks(1), id="e")
        await stage.until(lambda: given and given[0].task is not None and given[0].task.done())
        assert not stage.out.seen and not engine.worker.caller.tasks

    stage.play(main)


class Doubtful(Troubled):
    """Nobody knows what became of the last write; then the store takes its time."""

    def __init__(self, stage: Stage, written: bool) -> None:
        super().__init__(stage)
        self.written, self.releases = written, 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        releases = any(each.change is not None and each.change.release for each in batch)
        self.releases += releases
        doubt = releases and self.releases == 1
        if doubt and not self.written:
            raise Ambiguous("no answer")
        told = await self.stage.store.append(session, batch)
        if doubt:
            raise Ambiguous("no answer")
        return told

    async def sessions(self) -> Any:
        if self.releases:
            await asyncio.sleep(LATER_SECONDS)
        return await self.stage.store.sessions()


@pytest.mark.parametrize("written", [True, False])
def test_a_session_lost_in_the_last_write_is_replaced_before_the_worker_ends(written: bool) -> None:
    """The next one would beat for ever, in a program that goes on, for what nobody drives; and
    what was not written would not be released."""
    stage = Stage()
    store = Doubtful(stage, written)

    async def main() -> None:
        clock = StageClock(stage.time, loop)
        async with Engine("sqlite://", store=store.port, clock=clock, drain_seconds=1.0) as engine:
            await engine.start(hangs(1), id="e")
            await stage.until(lambda: outside().count("called"))
        assert (store.handovers, store.releases) == (1, 1 if written else 2)
        assert await stage.store.sessions() == [] and (await stage.row("e")).owner is None
        await asyncio.sleep(3 * LATER_SECONDS)
        assert await stage.store.sessions() == []

    loop = SimLoop(stage.time)
    run(loop, main())
    assert loop.defects == []


class Full(Troubled):
    """Every commit fails, and nobody knows whether it holds."""

    full = False
    tries = 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if self.full:
            raise Ambiguous("the disk is full")
        return await self.stage.store.append(session, batch)

    async def handover(self, session: int, identity: Identity) -> tuple[int, dict[int, int]]:
        self.tries += 1
        assert self.tries < 100, "it is asked for without a pause"
        if self.full:
            raise Ambiguous("the disk is full")
        return await super().handover(session, identity)


def test_a_disk_that_is_full_stops_nothing_but_what_needs_it() -> None:
    """A new session is asked for again and again, with pauses in which the program goes on."""
    stage = Stage()
    store = Full(stage)

    async def main(engine: Engine) -> str:
        run = await engine.start(told("Ann"), id="e")
        store.full = True
        await asyncio.sleep(10)
        store.full = False
        return await run.result()

    assert stage.play(main, store=store.port) == "Ann"
    assert 15 < store.tries < 25 and store.handovers == 1


def test_a_worker_ends_also_on_a_full_disk() -> None:
    """What it holds is left to others."""
    stage = Stage()
    store = Full(stage)

    async def main(engine: Engine) -> None:
        await engine.start(hangs(1), id="e")
        await stage.until(lambda: outside().count("called"))
        store.full = True

    async def look() -> ExecutionRow:
        return await stage.row("e")

    stage.play(main, store=store.port)
    assert store.handovers == 0 and 0 < store.tries < 5
    assert asyncio.run(look()).owner is None  # its session could be fenced
