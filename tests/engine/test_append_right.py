"""Rule 18: the append right of an execution, which a transactional step takes before it begins, is
given back whatever becomes of the step. Held for ever, nothing of the execution would be written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Elapsed,
    Engine,
    Retry,
    Run,
    Tx,
    after,
    first,
    pure,
    seconds,
    together,
    transactional,
    workflow,
)
from perdure.engine.audit import audit
from perdure.engine.instance import Instance
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended
from perdure.model.values import PAYLOAD_BYTES_MIN

from .ledger import until
from .stage import ended

CALLS: Counter[str] = Counter()
TIMER_SECONDS = 0.5
PATIENCE_SECONDS = 5.0  # for what never comes


@transactional(retry=Retry(attempts=3, first=seconds(0.1)))
async def book(tx: Tx, n: int) -> int:
    CALLS["book"] += 1
    if CALLS["book"] == 1:
        raise OSError("once")
    return n


@pure
async def large(n: int) -> str:
    while CALLS["append"] == 0:  # else its value would go with the row of the first attempt
        await asyncio.sleep(0)
    return "x" * (PAYLOAD_BYTES_MIN + n)


@workflow
async def raced(n: int) -> str:
    got = await first(book(n), after(seconds(TIMER_SECONDS)))
    return "the timer" if isinstance(got, Elapsed) else "the step"


@workflow
async def alone(n: int) -> int:
    return await book(n)


@workflow
async def beside_a_large_value(n: int) -> int:
    number, text = await together(book(n), large(n))
    return number + len(text)


class Slow(SqliteStore):
    """The row of an attempt is written when the gate opens, a large value never, unless a driver
    swallows that nobody waits for it any more."""

    def __init__(self, path: Path, *, swallows: bool = False) -> None:
        super().__init__(path)
        self.gate, self.end = asyncio.Event(), asyncio.Event()
        self._swallows, self.kept = swallows, 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """The write, late if it counts an attempt."""
        if any(each.attempts for each in batch):
            CALLS["append"] += 1
            await self.gate.wait()
        return await super().append(session, batch)

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        """Wait to be given up."""
        self.kept += 1
        try:
            if self.kept == 1:
                await self.end.wait()
        except asyncio.CancelledError:
            if not self._swallows:
                raise
        await super().keep(execution, digest, body)


async def lawful(engine: Engine) -> None:
    """The step was called once, and the audit finds nothing wrong with what is stored."""
    assert CALLS["book"] == 1
    row = await engine.store.find("e")
    assert row is not None and (await audit(engine.store, row)).problems == ()


@asynccontextmanager
async def serving(store: Slow) -> AsyncGenerator[Engine]:
    """An engine that ends even where nothing goes on any more."""
    async with Engine("x", store=store) as engine:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield engine
        finally:
            store.gate.set()
            store.end.set()
            engine.worker.hurry()


async def begun(engine: Engine, flow: Any) -> tuple[Run[Any], Instance]:
    """The execution, when its second attempt waits for what it said before to be written."""
    CALLS.clear()
    run = await engine.start(flow, id="e")
    await until(lambda: CALLS["book"] == 1 and engine.worker.instances["e"].held == 1)
    instance = engine.worker.instances["e"]
    assert instance.flying is not None
    return run, instance


async def test_a_race_that_is_lost_while_the_step_waits_for_the_right_goes_on(
    tmp_path: Path,
) -> None:
    """The timer wins while the row of the first attempt is being written."""
    store = Slow(tmp_path / "a.db")
    async with serving(store) as engine:
        run, instance = await begun(engine, raced(1))
        await until(lambda: instance.pending and instance.pending.records)
        store.gate.set()
        assert await run.result() == "the timer"
        await lawful(engine)


async def test_a_step_that_is_cancelled_while_it_waits_for_the_right_ends(tmp_path: Path) -> None:
    """A person cancels while the row of the first attempt is being written."""
    store = Slow(tmp_path / "a.db")
    async with serving(store) as engine:
        run, instance = await begun(engine, alone(1))
        await run.cancel(reason="no more")
        await until(lambda: instance.pending and instance.pending.records)
        store.gate.set()
        assert (await ended(run))[0] == "ExecutionCancelled"
        await lawful(engine)


@pytest.mark.parametrize("swallows", [False, True])
async def test_a_step_that_is_cancelled_while_its_sibling_is_stored_ends_uncalled(
    swallows: bool, tmp_path: Path
) -> None:
    """The large value beside it goes first; where a driver swallows the cancellation, a step that
    nobody wants is not called all the same."""
    store = Slow(tmp_path / "a.db", swallows=swallows)
    async with serving(store) as engine:
        run, _ = await begun(engine, beside_a_large_value(1))
        store.gate.set()
        await until(lambda: store.kept == 1)
        await run.cancel(reason="no more")
        assert (await ended(run))[0] == "ExecutionCancelled"
        await lawful(engine)
