"""A store that is far away: what it answered is older than what came about meanwhile, and counts
for no more than it says (rules 10 and 18)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from perdure import Engine
from perdure.engine.store import Ambiguous, Claimed, Fenced

from .stage import QUIET_SECONDS, SLOW_SECONDS, Stage, Troubled
from .test_recovery import ENGINES, books, durable, played


class SlowRollback(Troubled):
    """A transactional step gets the lock after its session was handed over, is refused, and what it
    wrote is taken back slowly; meanwhile its log is read."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.asked = False

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        if self.asked and not self.handovers and durable("e"):
            raise Ambiguous("no answer")
        return await self.stage.store.claim(session, nets, limit)

    @asynccontextmanager
    async def transaction(self, session: int, **options: Any) -> AsyncGenerator[Any]:
        if not self.asked:
            self.asked = True
            ENGINES[-1].worker.kick()
            await self.slow.wait()
        try:
            async with self.stage.store.transaction(session, **options) as transaction:
                yield transaction
        except Fenced:
            await asyncio.sleep(2 * SLOW_SECONDS)
            raise


def test_a_step_taken_back_slowly_is_called_once_more_and_by_one_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Recovery has put its execution where the log stands, and has it called again."""
    stage = Stage()
    store = SlowRollback(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        run = await engine.start(books(1), id="e")
        async with asyncio.timeout(QUIET_SECONDS):
            assert await run.result() == 2
        assert (await stage.row("e")).tenure == 2

    played(stage, store, main)
    assert store.handovers == 1 and stage.out.count("booked") == 2
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == []
