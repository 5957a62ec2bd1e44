"""Rule 77 with the real engine at work: consoles that look all the time do not make the write-ahead
log grow, and what they look at is never torn.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, observe, workflow
from perdure.engine.audit import audit
from perdure.engine.looking import view
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended

from .ledger import Ledger

LIMIT = 512 * 1024
SIZE = 30_000


@observe
async def look(n: int) -> str:
    return str(n) * SIZE


@workflow
async def busy(n: int) -> int:
    total = 0
    for number in range(8):
        found = await look(number)
        total += len(found)
    return total


class Measured(SqliteStore):
    """A store that notes how long its write-ahead log is before each commit of records."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, wal_bytes_max=LIMIT)
        self.most = self.written = 0
        self.transactions: list[bool] = []

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        found = Path(f"{self.path}-wal")
        self.most = max(self.most, found.stat().st_size if found.exists() else 0)
        return await super().append(session, batch)

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        self.written += len(body)
        await super().keep(execution, digest, body)


async def console(path: Path, done: asyncio.Event) -> int:
    """A page that is open all the time: it lists, shows and audits, with a store of its own."""
    store, looks = SqliteStore(path, create=False), 0
    await store.open()
    link = store.links.link("reader")
    while not done.is_set():
        for row in await store.list(limit=3):
            seen = await view(store, row.key)
            assert seen.row.id == row.id
            log = await store.log(row.id)
            assert [r.seq for r in log] == list(range(len(log)))
            if row.status.final:
                assert (await audit(store, row)).problems == ()
            looks += 1
            assert not link.driver.in_transaction, "a look is over when it is answered"
        await asyncio.sleep(0)
    await store.close()
    return looks


async def load(store: Measured, beside: Callable[[asyncio.Event], Any]) -> int:
    """Sixty executions with eight large values each, while something else goes on."""
    done = asyncio.Event()
    async with Engine("", store=store) as engine:
        await engine.serve(busy)
        other = asyncio.ensure_future(beside(done))
        for ten in range(6):
            runs = [engine.run(busy(n), id=f"e{ten}.{n}") for n in range(10)]
            assert await asyncio.gather(*runs) == [8 * SIZE] * 10
        done.set()
        return await other


async def test_the_log_is_bounded_while_consoles_look_all_the_time(tmp_path: Path) -> None:
    """Two pages open beside sixty busy executions: many times the limit is written, and the log
    has never more than a few of it."""
    ledger = Ledger(tmp_path)
    store = Measured(ledger.path)

    async def pages(done: asyncio.Event) -> int:
        return sum(await asyncio.gather(console(ledger.path, done), console(ledger.path, done)))

    assert await load(store, pages) > 100
    assert store.written > 20 * LIMIT
    assert store.most < 5 * LIMIT
    await ledger.sound()


async def test_a_forgotten_reader_is_what_it_would_cost(tmp_path: Path) -> None:
    """The same load beside a transaction that nobody ends: the log grows with all that is written,
    so the bound above is the short readers' and the committer's doing."""
    ledger = Ledger(tmp_path)
    store = Measured(ledger.path)
    await store.open()
    forgotten = sqlite3.connect(ledger.path, isolation_level=None)
    forgotten.execute("BEGIN")
    forgotten.execute("SELECT count(*) FROM log").fetchall()

    async def nothing(done: asyncio.Event) -> int:
        await done.wait()
        return 0

    await load(store, nothing)
    assert store.most > store.written / 2
    forgotten.close()
    await ledger.sound()


@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_after_a_reader_is_gone_the_log_is_folded_again(tmp_path: Path, ends: str) -> None:
    """However it went; the next commits make the log short."""
    ledger = Ledger(tmp_path)
    store = Measured(ledger.path)
    await store.open()
    reader = sqlite3.connect(ledger.path, isolation_level=None)

    async def goes(done: asyncio.Event) -> int:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM log").fetchall()
        while store.most < 4 * LIMIT:
            await asyncio.sleep(0)
        reader.execute(ends)
        return 0

    await load(store, goes)
    reader.close()
    held, store.most = store.most, 0
    async with Engine("", store=store) as engine:
        for n in range(40):
            await engine.run(busy(n), id=f"later {n}")
            if n == 20:
                store.most = 0
    assert held > 4 * LIMIT > 0 and store.most < 5 * LIMIT
    await ledger.sound()
