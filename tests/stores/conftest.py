"""The laboratory of the store tests: a store, a clock that the test turns, a worker's vocabulary.

Records here are chained as the engine chains them; what they mean is of no concern to a store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from perdure.engine.records import Kind, Record, chain, genesis
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import (
    Append,
    Appended,
    Claimed,
    Create,
    ExecutionRow,
    Identity,
    RowChange,
)

NET = "net-1"


@dataclass
class Execution:
    """An owned execution as its worker holds it in memory."""

    id: int
    key: str
    session: int
    tenure: int
    head: bytes
    seq: int

    def record(self, kind: Kind = Kind.FIRED, body: bytes = b"{}") -> Record:
        """The next record of the log; call `after` when it is durable."""
        return record(self.head, self.seq + 1, self.tenure, kind, body)

    def append(self, *records: Record, change: RowChange | None = None, **more: Any) -> Append:
        """What the worker hands to the store."""
        return Append(self.id, self.tenure, self.head, list(records), change=change, **more)

    def after(self, *records: Record) -> None:
        """The records are durable."""
        self.head, self.seq = records[-1].hash, records[-1].seq


def record(head: bytes, seq: int, tenure: int, kind: Kind, body: bytes = b"{}") -> Record:
    at = 1_000_000 + seq
    return Record(seq, tenure, kind, 0, at, body, chain(head, seq, tenure, kind, 0, at, body))


def creation(key: str, owner: int | None, wake_at: int | None = None) -> Create:
    return Create(key, "flow", 1, NET, b"input", owner, wake_at)


def identity() -> Identity:
    return Identity("worker", "host", "boot", "pid:[1]", 7, 8)


class Lab:
    """A store, a clock that the test turns, and short ways to say what a worker does."""

    def __init__(self, path: str, **settings: Any) -> None:
        self.time = 1_000_000
        self.store = SqliteStore(path, now=lambda: self.time, **settings)

    net = NET
    record = staticmethod(record)
    creation = staticmethod(creation)
    identity = staticmethod(identity)

    async def row(self, key: str) -> ExecutionRow:
        """The row of an execution that exists."""
        row = await self.store.find(key)
        assert row is not None
        return row

    async def session(self) -> int:
        return await self.store.register(identity())

    async def owned(self, session: int, key: str = "a") -> Execution:
        """A new execution that runs in this session."""
        start = record(genesis(key, "flow", NET, b"input"), 0, 1, Kind.STARTED)
        append = Append(0, 1, b"", [start], creation(key, session))
        [made] = await self.store.append(session, [append])
        assert made.ok
        return Execution(made.execution, key, session, 1, start.hash, 0)

    async def write(self, execution: Execution, *records: Record, **more: Any) -> Appended:
        """Append and, when it went well, go on from it."""
        append = execution.append(*records, **more)
        [done] = await self.store.append(execution.session, [append])
        if done.ok and records:
            execution.after(*records)
        return done

    async def park(self, execution: Execution, seen: int = 0, **change: Any) -> Appended:
        return await self.write(execution, change=RowChange(release=True, mail_seen=seen, **change))

    async def claim(self, session: int, limit: int = 100) -> list[Claimed]:
        return await self.store.claim(session, [NET], limit)

    def taken(self, claimed: Claimed, session: int) -> Execution:
        """A claimed execution as its new worker holds it."""
        row, seq = claimed.row, claimed.row.checkpoint_seq
        seq = claimed.records[-1].seq if claimed.records else seq
        return Execution(row.id, row.key, session, row.tenure, claimed.head, seq)

    async def claim_one(self, session: int) -> Execution:
        [claimed] = await self.claim(session)
        return self.taken(claimed, session)

    async def seqs(self, execution: Execution) -> list[int]:
        return [one.seq for one in await self.store.log(execution.id)]


@pytest_asyncio.fixture(params=["file", "memory"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    path = ":memory:" if request.param == "memory" else str(tmp_path / "store.db")
    lab = Lab(path)
    await lab.store.open()
    yield lab
    await lab.store.close()


@pytest.fixture
def laboratory() -> type[Lab]:
    """The laboratory itself, for tests that open a store of their own."""
    return Lab
