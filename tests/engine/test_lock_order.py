"""Rule 83: loop, append right, write lock: taken in this order by everybody, and never held over an
author's code, except that of the transactional step they are for.

A recorder stands in the places where the locks are: the write lock of the store's file, and the
counter of each instance that lends its append right. The locks themselves are the real ones.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from perdure import (
    Engine,
    InDoubt,
    Landed,
    Signal,
    Tx,
    Voided,
    compensatable,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    together,
    transactional,
    workflow,
)
from perdure.engine.instance import Instance
from perdure.engine.sqlite import SqliteStore
from sqlalchemy import text

from .ledger import Ledger

go = Signal[str]("go")
RIGHT, WRITE = "append right", "write lock"


class Recorder:
    """Who holds what, and in which order it was taken."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.held: dict[asyncio.Task[Any] | None, list[str]] = {}
        self.orders: Counter[tuple[str, str]] = Counter()
        self.taken: Counter[str] = Counter()
        self.during: dict[str, set[tuple[str, ...]]] = {}
        self.wrong: list[str] = []

    def mine(self) -> list[str]:
        """What the running task holds, in order."""
        return self.held.setdefault(asyncio.current_task(), [])

    def take(self, lock: str) -> None:
        """The running task has this lock from now on."""
        if threading.get_ident() != self.thread:
            self.wrong.append(f"{lock} was taken outside the loop")
        for before in self.mine():
            self.orders[before, lock] += 1
        self.mine().append(lock)
        self.taken[lock] += 1

    def give(self, lock: str) -> None:
        """It has it no more."""
        if lock not in self.mine():
            self.wrong.append(f"{lock} was given back by a task that did not have it")
            return
        self.mine().remove(lock)

    def runs(self, what: str) -> None:
        """The author's code of this kind runs now, in this task."""
        self.during.setdefault(what, set()).add(tuple(self.mine()))


RECORDERS: list[Recorder] = []


def runs(what: str) -> None:
    RECORDERS[-1].runs(what)


class WriteLock:
    """The lock of a file, with a note of who has it."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock

    def locked(self) -> bool:
        return self._lock.locked()

    async def acquire(self) -> None:
        await self._lock.acquire()
        RECORDERS[-1].take(WRITE)

    def release(self) -> None:
        RECORDERS[-1].give(WRITE)
        self._lock.release()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *exc: object) -> None:
        self.release()


class Lent:
    """In the place of `Instance.held`: a right is taken when it grows, given back when it falls."""

    def __init__(self, slot: Any) -> None:
        self.slot = slot

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else self.slot.__get__(instance, owner)

    def __set__(self, instance: Any, count: int) -> None:
        before = getattr(instance, "held", 0)
        self.slot.__set__(instance, count)
        if count > before:
            RECORDERS[-1].take(RIGHT)
        elif count < before:
            RECORDERS[-1].give(RIGHT)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    RECORDERS[:] = [Recorder()]
    monkeypatch.setattr(Instance, "held", Lent(vars(Instance)["held"]))
    yield RECORDERS[-1]
    RECORDERS.clear()


class Recorded(SqliteStore):
    """A store whose write lock is watched."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        real = self.links.write_lock
        vars(self.links)["write_lock"] = lambda: WriteLock(real())


@pure
async def think(n: int) -> int:
    runs("pure")
    return n


@observe
async def look(size: int) -> str:
    runs("observe")
    return "x" * size


@idempotent
async def tell(n: int) -> int:
    runs("idempotent")
    await asyncio.sleep(0)
    runs("idempotent")
    return n


@transactional
async def book(tx: Tx, n: int) -> int:
    runs("transactional")
    await tx.execute(text("insert into booked values (:n)"), {"n": n})
    await asyncio.sleep(0)
    runs("transactional")
    if n % 7 == 3:
        raise ValueError(n)
    return n


@compensatable
async def hold(n: int) -> int:
    runs("compensatable")
    return n


@hold.undo
async def release(got: int | None, n: int) -> None:
    runs("undo")


@irreversible
async def charge(n: int) -> int:
    runs("irreversible")
    if n % 5 == 4:
        raise OSError("reset by peer")
    return n


@charge.probe
async def ask(n: int) -> Landed[int] | Voided | InDoubt:
    runs("probe")
    return Landed(n)


@workflow
async def everything(n: int) -> int:
    large = await look(20_000)
    async with saga():
        held = await hold(n)
        word = await go.wait()
        a, b, c, d = await together(book(n), book(n + 7), tell(n), think(n))
        paid = await charge(n)
    return held + a + b + c + d + paid + len(word) + len(large)


async def test_locks_are_taken_in_one_order_and_not_held_over_other_code(
    tmp_path: Path, recorder: Recorder
) -> None:
    """Forty executions with steps of every class, parallel transactional ones among them, failures,
    undo, doubt, cancels, payloads and another engine on the same file."""
    ledger = Ledger(tmp_path)
    with sqlite3.connect(ledger.path) as db:
        db.execute("create table booked (n integer)")
    db.close()
    one, two = (Engine("", store=Recorded(ledger.path)) for _ in range(2))
    async with one as engine, two as other:
        await other.serve(everything)
        runs = [await engine.start(everything(n), id=f"e{n}") for n in range(40)]
        for n, run in enumerate(runs):
            if n % 8 == 6:
                await run.cancel(reason="enough")
            else:
                await run.send(go, "on")
        await asyncio.gather(*(r.result() for r in runs), return_exceptions=True)
    statuses = Counter(s for (s,) in ledger.rows("select status from execution"))
    assert statuses == {"done": 30, "failed": 5, "cancelled": 5}
    assert recorder.wrong == [] and not any(recorder.held.values())
    assert min(recorder.taken[RIGHT], recorder.orders[RIGHT, WRITE]) > 60
    graph = nx.DiGraph(list(recorder.orders))
    assert nx.is_directed_acyclic_graph(graph), recorder.orders
    assert recorder.orders.keys() == {(RIGHT, WRITE)}
    held = {what: found for what, found in recorder.during.items() if found != {()}}
    assert held == {"transactional": {(RIGHT, WRITE)}}
    assert {
        "pure",
        "observe",
        "idempotent",
        "compensatable",
        "undo",
        "irreversible",
        "probe",
    } < set(recorder.during)
    await ledger.sound()
