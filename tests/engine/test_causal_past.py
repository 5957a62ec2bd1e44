"""Rule 22: no call before its causal prefix is durable. Rules 83 and 19: parallel transactional
steps that await inside. Timers are not forgotten.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from perdure import (
    Engine,
    Signal,
    Tx,
    compensatable,
    effect_order,
    idempotent,
    irreversible,
    pure,
    saga,
    sleep,
    together,
    transactional,
    workflow,
)
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended
from sqlalchemy import text

from .ledger import Ledger, until

go = Signal[str]("go")
DURABLE: Counter[str] = Counter()
SEEN: list[tuple[str, int, int]] = []
ENGINES: list[Engine] = []


class Slow(SqliteStore):
    """Commits take a while, in which the loop goes on; what is durable is noted after them."""

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        for _ in range(20):
            await asyncio.sleep(0)
        done = await super().append(session, batch)
        for append, result in zip(batch, done, strict=True):
            if result.ok and append.records:
                DURABLE[str(result.execution)] = append.records[-1].seq
        return done


def look(name: str) -> None:
    """What has been fired and what is durable at this moment; the receiver is told the latter."""
    if not ENGINES:
        return
    fired = ENGINES[-1].worker.instances["a"].seq - 1
    assert effect_order()[2] == DURABLE["1"]
    SEEN.append((name, fired, DURABLE["1"]))


@pure
async def think(n: int) -> int:
    return n + 1


@idempotent
async def tell(n: int) -> int:
    look("idempotent")
    return n + 1


@compensatable
async def hold(n: int) -> int:
    look("compensatable")
    return n + 1


@hold.undo
async def _undo(got: int | None, n: int) -> None:
    look("undo")


@irreversible
async def charge(n: int) -> int:
    look("irreversible")
    return n + 1


@workflow
async def chain(n: int) -> int:
    n = await think(n)
    n = await tell(n)
    n = await think(n)
    async with saga():
        n = await hold(n)
        n = await think(n)
        n = await charge(n)
    n = await think(n)
    return await tell(n)


async def test_every_call_with_an_effect_finds_its_whole_past_durable(tmp_path: Path) -> None:
    """Commits are slow: at each call the log reaches what was decided before it, and the pure
    results on the way there have not been waited for one by one."""
    DURABLE.clear()
    SEEN.clear()
    ledger = Ledger(tmp_path)
    async with Engine("", store=Slow(ledger.path)) as engine:
        ENGINES.append(engine)
        assert await engine.run(chain(1), id="a") == 9
    ENGINES.clear()
    calls = [name for name, _, _ in SEEN]
    assert calls == ["idempotent", "compensatable", "irreversible", "idempotent"]
    for name, fired, durable in SEEN:
        assert fired == durable, f"{name} was called with record {fired} in memory only"
    orders = [durable for _, _, durable in SEEN]
    assert orders == sorted(set(orders))
    await ledger.sound()


# --- one writer -----------------------------------------------------------------------------------


@transactional
async def book(tx: Tx, n: int) -> int:
    await tx.execute(text("insert into booked values (:n)"), {"n": n})
    await asyncio.sleep(0)
    return n


@workflow
async def books(n: int) -> int:
    a, b, c = await together(book(n), book(n), tell(n))
    return a + b + c


@workflow
async def books_and_breaks(n: int) -> int:
    table = {-1: 0}
    got = await book(n)
    return await think(table[got])


@workflow
async def thinks(n: int) -> int:
    return await think(n)


@workflow
async def naps(n: int) -> int:
    await sleep(timedelta(seconds=1.5))
    return n


async def booked(ledger: Ledger, engine: Engine) -> None:
    await engine.store.open()
    with sqlite3.connect(ledger.path) as db:
        db.execute("create table booked (n integer)")


async def test_parallel_transactional_steps_of_50_executions_do_not_lock_each_other_out(
    tmp_path: Path,
) -> None:
    """100 that await inside, two at a time in one execution, beside other commits: all once."""
    ledger = Ledger(tmp_path)
    engine = Engine(ledger.url)
    await booked(ledger, engine)
    async with engine:
        runs = [engine.run(books(n), id=f"{n}") for n in range(50)]
        assert await asyncio.gather(*runs) == [3 * n + 1 for n in range(50)]
    assert Counter(n for (n,) in ledger.rows("select n from booked")) == dict.fromkeys(range(50), 2)
    await ledger.sound()


async def test_a_transactional_step_whose_glue_breaks_writes_nothing(tmp_path: Path) -> None:
    """The accident behind it stalls the execution before the firing: the writes go too, and the
    step is called again after the mend, so they are there once."""
    ledger = Ledger(tmp_path)
    engine = Engine(ledger.url)
    await booked(ledger, engine)
    async with engine:
        for _ in range(2):
            run = await engine.start(books_and_breaks(1), id="a")
            with pytest.raises(Exception, match="KeyError"):
                await run.result()
            assert ledger.rows("select * from booked") == []
            assert await engine.resume("a")
            await until(lambda: ledger.status("a") == "stalled")
    await ledger.sound()


async def test_a_sleeper_is_woken_though_others_end_meanwhile(tmp_path: Path) -> None:
    """Its moment is kept when an execution without one leaves the worker, with nobody else's
    commits, and no beat, to look by."""
    ledger = Ledger(tmp_path)
    async with Engine(ledger.url, lease_seconds=1000.0) as engine:
        run = await engine.start(naps(3), id="s")
        await until(lambda: ledger.owner("s") is None)
        assert await engine.run(thinks(0)) == 1
        assert await run.result() == 3
