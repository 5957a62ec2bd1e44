"""A defect of ours, or of a driver, in what serves: the worker ends, loudly, and others take over.

What it must never do is beat on for executions that nobody drives. Faults are raised by the store's
operations; loop, worker and file are the real ones.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, Run, idempotent, workflow
from perdure.engine.clock import SystemClock
from perdure.engine.errors import StoreUnavailable, WorkerRetired
from perdure.engine.glances import Glances
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Ambiguous, Append, Appended, Identity, MessageRow, SessionRow
from perdure.model.values import PAYLOAD_BYTES_MIN

from .ledger import Ledger, until

SOON_SECONDS = 10.0
GATES: list[asyncio.Event] = []


@idempotent
async def fetch(n: int) -> str:
    """A large value, once the test lets it come."""
    await GATES[-1].wait()
    return "x" * (PAYLOAD_BYTES_MIN + n)


@idempotent
async def measure(text: str) -> int:
    return len(text) - PAYLOAD_BYTES_MIN


@workflow
async def measured(n: int) -> int:
    text = await fetch(n)
    return await measure(text)


class Broken(SqliteStore):
    """A store one operation of which has a defect, from when on it is named."""

    broken = ""
    looks_away = 0

    def _meet(self, name: str) -> None:
        if name == self.broken:
            raise RuntimeError(f"a bug in {name}")

    def changes(self) -> int:
        if self.looks_away:
            self.looks_away -= 1
            raise StoreUnavailable(self.path, "for a moment")
        return super().changes()

    async def sessions(self) -> list[SessionRow]:
        self._meet("sessions")
        return await super().sessions()

    async def messages(self, execution: int, after: int = 0) -> list[MessageRow]:
        self._meet("messages")
        return await super().messages(execution, after)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        self._meet("append")
        if self.broken in ("handover", "all"):
            raise Ambiguous("no answer")
        return await super().append(session, batch)

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        self._meet("keep")
        await super().keep(execution, digest, body)

    async def handover(self, session: int, identity: Identity) -> tuple[int, dict[int, int]]:
        self._meet("handover")
        if self.broken == "all":
            raise ValueError("another bug")
        return await super().handover(session, identity)

    async def fence(self, session: int) -> int:
        if self.broken == "all":
            raise ValueError("a third bug")
        return await super().fence(session)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    yield Ledger(tmp_path)
    GATES.clear()


@asynccontextmanager
async def hanging(ledger: Ledger, store: Broken) -> AsyncGenerator[tuple[Engine, Run[int]]]:
    """An engine with an execution in memory, whose step hangs at the gate."""
    GATES.append(asyncio.Event())
    async with Engine("", store=store, drain_seconds=0) as engine:
        run = await engine.start(measured(7), id="e")
        await until(lambda: engine.worker.instances["e"].running)
        yield engine, run


async def taken_over(ledger: Ledger) -> int:
    """What another worker makes of it."""
    GATES[-1].set()
    async with Engine(ledger.url) as second:
        await second.serve(measured)
        return await second.find(measured, "e").result()


@pytest.mark.parametrize("where", ["sessions", "messages", "append", "keep", "handover"])
async def test_a_defect_ends_the_worker_and_others_take_over(
    ledger: Ledger, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the loop that serves, in a batch, in a recovery. Who waits in this process is told at
    once; the session is fenced, and nobody waits for its lease of a thousand seconds."""
    store = Broken(ledger.path)
    async with hanging(ledger, store) as (engine, run):
        waits = asyncio.create_task(run.result())
        store.broken = where
        if where == "messages":
            await run.cancel(reason="to be read")
        if where not in ("sessions", "messages"):
            GATES[-1].set()
        await until(lambda: engine.worker.retired)
        GATES[-1].set()
        with pytest.raises(WorkerRetired, match=f"a bug in {where}"):
            await asyncio.wait_for(waits, SOON_SECONDS)
        with pytest.raises(WorkerRetired):
            await engine.start(measured(8), id="f")
        await until(lambda: not ledger.rows("select 1 from session where fenced is null"))
    told, *_ = [r for r in caplog.records if r.getMessage() == "a defect ends this worker"]
    assert told.levelno == logging.ERROR and told.exc_info is not None
    store.broken = ""
    if where != "messages":
        assert await taken_over(ledger) == 7
        await ledger.sound()


async def test_a_start_learns_that_its_worker_ended(ledger: Ledger) -> None:
    """Its first record was never written, and never will be here."""
    store = Broken(ledger.path)
    async with hanging(ledger, store) as (engine, _):
        store.broken = "append"
        with pytest.raises(WorkerRetired, match="PD806"):
            await asyncio.wait_for(engine.start(measured(1), id="f"), SOON_SECONDS)
        store.broken = ""


async def test_a_worker_that_cannot_even_fence_itself_beats_no_more(ledger: Ledger) -> None:
    """Its lease runs out then."""
    store = Broken(ledger.path)
    beats = "select beats from session"
    async with hanging(ledger, store) as (engine, _):
        store.broken = "all"
        GATES[-1].set()
        await until(lambda: engine.worker.retired)
        await asyncio.wait_for(engine.worker.stop(), SOON_SECONDS)
        before = ledger.one(beats)
        await asyncio.sleep(0.5)
        assert ledger.one(beats) == before and not engine.worker.instances
        store.broken = ""


async def test_a_look_that_fails_for_a_moment_is_repeated(ledger: Ledger) -> None:
    """The glance meets it, and the look after it too."""
    store = Broken(ledger.path)
    GATES.append(asyncio.Event())
    GATES[-1].set()
    async with Engine("", store=store) as engine:
        assert await engine.run(measured(1)) == 1
        store.looks_away = 4
        await until(lambda: not store.looks_away)
        assert await engine.run(measured(2)) == 2
        assert not engine.worker.retired


class Failing(sqlite3.Connection):
    """A connection that cannot be asked whether somebody else has committed."""

    code = sqlite3.SQLITE_IOERR

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "PRAGMA data_version" and self.code:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.code  # pyright: ignore[reportAttributeAccessIssue]
            raise error
        return super().execute(sql, *parameters)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY])
async def test_a_store_that_cannot_say_whether_it_changed_is_unavailable(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As in every other operation of the port: it is asked again later."""
    monkeypatch.setattr(Failing, "code", code)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            ledger.path, timeout=0, check_same_thread=False, isolation_level=None, factory=Failing
        )

    store = SqliteStore(ledger.path, creator=connect)
    await store.open()
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        store.changes()
    monkeypatch.setattr(Failing, "code", 0)
    assert store.changes() == store.changes()
    await store.close()


async def test_who_is_cancelled_while_waiting_glances_no_more() -> None:
    """Else it would look into a store that was closed, for as long as the loop lives."""
    looked: list[None] = []

    def nothing() -> bool:
        looked.append(None)
        return False

    waits = asyncio.create_task(Glances(SystemClock(), nothing).something())
    await until(lambda: looked)
    waits.cancel()
    await asyncio.wait({waits})
    before = len(looked)
    await asyncio.sleep(0.1)
    assert len(looked) == before
