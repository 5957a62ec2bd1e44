"""A moment that is about as near as parking begins: whatever the clock does between two looks at
it, the execution is either woken in memory or parked (rule 52).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from perdure import Engine, sleep, workflow
from perdure.engine.driver import KEEP_SECONDS

from .stage import Kept, Stage

NAPS = 30  # each a microsecond longer: one of them ends between any two looks


@workflow
async def nap(microseconds: int) -> int:
    await sleep(timedelta(microseconds=microseconds))
    return microseconds


def test_time_goes_on_between_two_looks_at_it_and_nobody_oversleeps() -> None:
    """Every reading of the database's clock is a microsecond behind the last one."""
    stage = Stage()
    looks = 0

    def now() -> int:
        nonlocal looks
        looks += 1
        return stage.time.database() + looks

    stage.store = Kept("sqlite://", now=now, sleep=asyncio.sleep)

    async def life(engine: Engine) -> list[int]:
        lengths = [KEEP_SECONDS * 1_000_000 + more for more in range(NAPS)]
        runs = [await engine.start(nap(length), id=f"e{length}") for length in lengths]
        await stage.until(lambda: not engine.worker.instances)
        return [await run.result() - length for run, length in zip(runs, lengths, strict=True)]

    assert stage.play(life) == [0] * NAPS
