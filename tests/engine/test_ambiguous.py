"""Rule 10: a commit of which nobody knows whether it holds ends the session, and nothing else.

The fault is in the driver: COMMIT fails, before or after it took effect, at each commit of a run in
turn. The loop, the worker, the store and the file are the real ones.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Engine,
    Signal,
    Tx,
    compensatable,
    idempotent,
    irreversible,
    pure,
    saga,
    together,
    transactional,
    workflow,
)
from perdure.engine.sqlite import SqliteStore
from sqlalchemy import text

from .ledger import Ledger

go = Signal[str]("go")
CALLS: Counter[str] = Counter()


@pure
async def think(n: int) -> int:
    CALLS["think"] += 1
    return n + 1


@idempotent
async def tell(n: int) -> int:
    CALLS["tell"] += 1
    return n + 1


@transactional
async def book(tx: Tx, n: int) -> int:
    await tx.execute(text("insert into booked values (:n)"), {"n": n})
    return n + 1


@compensatable
async def hold(n: int) -> int:
    CALLS["hold"] += 1
    return n + 1


@hold.undo
async def _undo(got: int | None, n: int) -> None:
    CALLS["undo"] += 1


@irreversible
async def charge(n: int) -> int:
    CALLS["charge"] += 1
    return n + 1


@workflow
async def every_kind(n: int) -> str:
    n = await think(n)
    word = await go.wait()
    n = await tell(n)
    async with saga():
        n = await hold(n)
        n = await book(n)
        n = await charge(n)
    return f"{word} {n}"


@workflow
async def beside(n: int) -> int:
    a, b = await together(book(n), charge(n))
    return a + b


class Driver:
    """Counts the commits of the loop's thread, and fails those it was told to."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.count = 0
        self.faults: dict[int, str] = {}
        self.failed = 0
        self.armed = False

    def connect(self, path: Path) -> sqlite3.Connection:
        """What the store opens its connections with."""
        driver = self

        class Faulty(sqlite3.Connection):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                mine = driver.armed and threading.get_ident() == driver.thread
                if sql != "COMMIT" or not mine:
                    return super().execute(sql, *parameters)
                driver.count += 1
                fault = driver.faults.get(driver.count)
                if fault is None:
                    return super().execute(sql, *parameters)
                driver.failed += 1
                if fault == "after":
                    super().execute(sql, *parameters)
                raise sqlite3.OperationalError("disk I/O error")

        return sqlite3.connect(
            path, timeout=0, check_same_thread=False, isolation_level=None, factory=Faulty
        )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    CALLS.clear()
    yield Ledger(tmp_path)


async def play(ledger: Ledger, driver: Driver) -> None:
    """Two executions from start to end, with commits of every kind."""
    CALLS.clear()
    if ledger.path.exists():
        for file in ledger.path.parent.glob("store.db*"):
            file.unlink()
    with sqlite3.connect(ledger.path) as db:
        db.execute("create table booked (n integer)")
    store = SqliteStore(ledger.path, creator=lambda: driver.connect(ledger.path))
    async with Engine("", store=store, lease_seconds=2.0) as engine:
        await engine.serve(every_kind, beside)
        driver.armed = True
        run = await engine.start(every_kind(1), id="a")
        other = await engine.start(beside(10), id="b")
        await run.send(go, "gone", message_id="m")
        assert await run.result() == "gone 6"
        assert await other.result() == 22
        driver.armed = False


async def holds(ledger: Ledger) -> None:
    """Nothing twice, nothing lost, no doubt about calls of a process that lives."""
    once = {"think": 1, "tell": 1, "hold": 1, "charge": 2}
    assert once == CALLS
    assert sorted(ledger.rows("select n from booked")) == [(4,), (10,)]
    assert [ledger.status(key) for key in "ab"] == ["done", "done"]
    assert ledger.one("select count(*) from message where consumed_at is not null") == 1
    assert "in-doubt" not in ledger.words("a") + ledger.words("b")
    await ledger.sound()


async def commits(ledger: Ledger) -> int:
    """How many commits a run without faults has."""
    driver = Driver()
    await play(ledger, driver)
    await holds(ledger)
    return driver.count


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_every_commit_may_be_ambiguous(ledger: Ledger, fault: str) -> None:
    """Creation, message, outcome, intent, transactional step, finish: each in turn."""
    count = await commits(ledger)
    assert count >= 10
    for number in range(1, count + 1):
        driver = Driver()
        driver.faults = {number: fault}
        await play(ledger, driver)
        assert driver.failed == 1
        await holds(ledger)
        assert ledger.one("select count(*) from session") >= 1


@pytest.mark.parametrize("second", ["before", "after"])
@pytest.mark.parametrize("first", ["before", "after"])
async def test_the_handover_may_be_ambiguous_too(ledger: Ledger, first: str, second: str) -> None:
    """The commit after an ambiguous one is that of the handover, or of a repeated send."""
    count = await commits(ledger)
    for number in range(1, count + 1):
        driver = Driver()
        driver.faults = {number: first, number + 1: second}
        await play(ledger, driver)
        assert driver.failed >= 1
        await holds(ledger)
