"""Closing while the store cannot be reached: what is pending stays undone, and nobody is told that
it was done; a caller learns it once, and nothing dies unheard."""

from __future__ import annotations

import pytest
from perdure import idempotent, workflow
from perdure.chaos.simulation import SimLoop, run
from perdure.engine.client import Engine
from perdure.engine.errors import StoreUnavailable
from perdure.engine.store import Store

from .stage import Beside, Stage, StageClock


@idempotent
async def tell(name: str) -> str:
    """Tell somebody."""
    return name


@workflow(version=1)
async def told(name: str) -> str:
    """One call."""
    return await tell(name)


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
