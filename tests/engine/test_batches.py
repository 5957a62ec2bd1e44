"""What goes into a batch, and when it goes: nobody who is waited for waits for a timer, and what
does not fit is the next batch. Counted in virtual time; how fast it is, is not asked here."""

from __future__ import annotations

import asyncio

from perdure import Engine, idempotent, pure, workflow
from perdure.engine.committer import RECORDS_MAX

from .stage import Stage, outside

MANY = RECORDS_MAX // 2 + 50


@pure
async def add(n: int) -> int:
    await asyncio.sleep(0.1)
    return n + 1


@idempotent
async def tell(n: int) -> int:
    outside().note("called", "tell", n)
    return n


@workflow
async def tells(n: int) -> int:
    return await tell(n)


@workflow
async def adds(n: int) -> int:
    n = await tell(n)
    n = await add(n)
    n = await add(n)
    n = await add(n)
    return await tell(n)


def test_a_start_and_a_result_wait_for_no_timer() -> None:
    """Whoever waits is served by a batch that is made at once: no time has passed at the end."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        run = await engine.start(tells(1), id="e")
        assert stage.time.now == 0
        assert await run.result() == 1
        assert stage.time.now == 0

    stage.play(main)


def test_what_does_not_fit_into_a_batch_is_the_next_one() -> None:
    """So many starts at once are more records than a batch holds; each of them is served."""
    stage = Stage()

    async def main(engine: Engine) -> int:
        await asyncio.gather(*(engine.start(tells(n), id=f"e{n}") for n in range(MANY)))
        batches = engine.worker.committer.batches
        assert stage.time.now == 0
        rows = [await stage.row(f"e{n}") for n in range(MANY)]
        assert len({row.id for row in rows}) == MANY
        return batches

    assert stage.play(main) >= 2


def test_outcomes_that_nobody_waits_for_ride_with_the_next_batch() -> None:
    """Three pure calls in a row between two calls with an effect: their outcomes cost no commit."""
    stage = Stage()

    async def main(engine: Engine) -> int:
        assert await engine.run(adds(1), id="e") == 4
        return engine.worker.committer.batches

    assert stage.play(main) == 3  # the start, the first outcome and what comes behind it, the end
