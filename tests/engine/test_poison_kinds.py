"""Rules 9 and 13: every kind of poison at once among a hundred healthy executions, in one session;
and what a batch may hold, whoever is in it.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Engine,
    Retry,
    Signal,
    Tx,
    compensatable,
    idempotent,
    irreversible,
    observe,
    pure,
    transactional,
    workflow,
)
from perdure.engine.audit import audit
from perdure.engine.bodies import decode
from perdure.engine.committer import BYTES_MAX, RECORDS_MAX
from perdure.engine.desk import cases
from perdure.engine.looking import view
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended
from perdure.model.values import PAYLOAD_BYTES_MIN

HEALTHY = 100
go = Signal[int]("go")
ONCE = Retry(attempts=1)


@dataclass
class Order:
    """What steps here are said to return."""

    id: str
    weight: float = 1.0


class Liar:
    """No JSON, and its `repr` fails too."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Text(str):
    """Nearly a text."""


def knot() -> list[Any]:
    """A list in itself."""
    made: list[Any] = []
    made.append(made)
    return made


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def odd_order(*fields: Any) -> Order:
    """An order of fields that its class does not allow, as careless code makes one."""
    return Order(*fields)


RESULTS: dict[str, Callable[[], Any]] = {
    "a lock": threading.Lock,
    "a function": lambda: print,
    "a class": lambda: Order,
    "a generator": lambda: (n for n in range(3)),
    "a path": lambda: Path("a"),
    "an exception": lambda: ValueError("returned"),
    "nothing": lambda: None,
    "a number": lambda: 7,
    "bytes": lambda: b"\xff\x00",
    "half a pair": lambda: Order("\ud800"),
    "no number": lambda: Order("a", math.nan),
    "endless": lambda: Order("a", math.inf),
    "a field of another type": lambda: odd_order(7),
    "a field with a lock": lambda: odd_order(threading.Lock()),
    "a kind of text": lambda: odd_order(Text("a"), threading.Lock()),
    "a knot": knot,
    "a deep one": lambda: nested(100_000),
    "one that lies": Liar,
    "a fresh coroutine": lambda: asyncio.sleep(0),
}
FINE: dict[str, Callable[[], Order]] = {
    "NUL": lambda: Order("\x00" * 10),
    "quotes and lines": lambda: Order("'\";--\r\n\u2028"),
    "outside the plane": lambda: Order("\U0001f4a3" * 100),
    "8 KiB and a bit": lambda: Order("x" * (PAYLOAD_BYTES_MIN + 1)),
    "more than a batch": lambda: Order("x" * (BYTES_MAX + 1)),
    "nothing at all": lambda: Order(""),
    "the smallest": lambda: Order("a", 5e-324),
}


def made(kind: str) -> Any:
    """A result that is none, or one that is only strange."""
    value = {**RESULTS, **FINE}[kind]()
    if asyncio.iscoroutine(value):
        value.close()
    return value


@pure
async def a_pure(kind: str) -> Order:
    return made(kind)


@observe(retry=ONCE)
async def an_observe(kind: str) -> Order:
    return made(kind)


@idempotent(retry=ONCE)
async def an_idempotent(kind: str) -> Order:
    return made(kind)


@transactional
async def a_transactional(tx: Tx, kind: str) -> Order:
    return made(kind)


@compensatable
async def a_compensatable(kind: str) -> Order:
    return made(kind)


@a_compensatable.undo
async def _undo(got: Order) -> None:
    raise AssertionError(got)


@irreversible
async def an_irreversible(kind: str) -> Order:
    return made(kind)


@workflow
async def w_pure(kind: str) -> int:
    return len((await a_pure(kind)).id)


@workflow
async def w_observe(kind: str) -> int:
    return len((await an_observe(kind)).id)


@workflow
async def w_idempotent(kind: str) -> int:
    return len((await an_idempotent(kind)).id)


@workflow
async def w_transactional(kind: str) -> int:
    return len((await a_transactional(kind)).id)


@workflow
async def w_compensatable(kind: str) -> int:
    return len((await a_compensatable(kind)).id)


@workflow
async def w_irreversible(kind: str) -> int:
    return len((await an_irreversible(kind)).id)


STALL: list[Any] = [w_pure, w_observe, w_idempotent, w_transactional]
DESK: list[Any] = [w_compensatable, w_irreversible]


@idempotent
async def good(number: int) -> int:
    """Behave."""
    return number


@workflow
async def behaves(number: int) -> int:
    """Two steps and a message between them."""
    first = await good(number)
    return first + await go.wait() + await good(number)


async def healthy(engine: Engine) -> None:
    """A hundred executions from their start to their end."""
    runs = [await engine.start(behaves(n), id=f"healthy {n}") for n in range(HEALTHY)]
    for run in runs:
        await run.send(go, 1)
    assert [await run.result() for run in runs] == [2 * n + 1 for n in range(HEALTHY)]


async def lawful(engine: Engine) -> None:
    """What is stored of everybody is a run of its net."""
    for row in await engine.store.list(limit=10_000):
        assert (await audit(engine.store, row)).problems == (), row.key


@pytest.mark.parametrize("memory", [True, False], ids=["memory", "file"])
async def test_every_kind_of_result_from_every_class_among_a_hundred(
    tmp_path: Path, memory: bool
) -> None:
    """No JSON, the wrong type, half a pair, a knot: the hundred finish, the guilty are stalled with
    the step's name, or on the desk for a value where it landed; the session is the first one."""
    url = "sqlite://" if memory else f"sqlite:///{tmp_path}/k.db"
    async with Engine(url, drain_seconds=0) as engine:
        session = engine.worker.session
        bad = {
            f"{flow.name} {kind}": await engine.start(flow(kind), id=f"{flow.name} {kind}")
            for kind in RESULTS
            for flow in (*STALL, *DESK)
        }
        await healthy(engine)
        for key in bad:
            if any(key.startswith(flow.name) for flow in STALL):
                status, body = await engine.ended(key)
                assert status == "stalled" and "cannot be stored" in body.why, (key, body)
                continue
            while not (found := cases(await view(engine.store, key))):
                await asyncio.sleep(0.001)
            assert [(c.kind, c.verdicts) for c in found] == [("in-doubt", ("landed",))], key
            assert "cannot be stored" in found[0].why
        assert engine.worker.session == session
        await lawful(engine)


async def test_what_is_only_strange_finishes_like_everybody(tmp_path: Path) -> None:
    """NUL, quotes, four megabytes: they come back as they were, from every class."""
    async with Engine(f"sqlite:///{tmp_path}/f.db") as engine:
        runs = {
            (flow.name, kind): await engine.start(flow(kind), id=f"{flow.name} {kind}")
            for kind in FINE
            for flow in (*STALL, *DESK)
        }
        await healthy(engine)
        for (_, kind), run in runs.items():
            assert await run.result() == len(FINE[kind]().id)
        await lawful(engine)


# --- the size of a batch --------------------------------------------------------------------------


class Weighed(SqliteStore):
    """Notes what each batch holds, and which payloads were stored before it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batches: list[tuple[int, int, int]] = []  # executions, records, bytes
        self.kept: set[str] = set()
        self.missing: list[str] = []
        self.largest = 0

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        await super().keep(execution, digest, body)
        self.kept.add(digest.hex())

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        records = [record for append in batch for record in append.records]
        size = sum(len(record.body) for record in records)
        self.batches.append((len(batch), len(records), size))
        for record in records:
            self.missing += [d for d in decode(record.body).x.values() if d not in self.kept]
            if record.seq:
                self.largest = max(self.largest, len(record.body))
        return await super().append(session, batch)


@idempotent
async def grows(number: int) -> str:
    """Just what still rides in a record."""
    return "x" * (PAYLOAD_BYTES_MIN - 100)


@idempotent
async def is_large(size: int) -> str:
    """One that does not."""
    return "y" * size


@workflow
async def rides(number: int) -> str:
    return await grows(number)


@workflow
async def weighs(size: int) -> int:
    return len(await is_large(size))


async def test_a_batch_is_bounded_in_records_and_in_bytes(tmp_path: Path) -> None:
    """1,500 executions are ready at once, each with what still rides in a record: no batch holds
    more than a thousand records or four megabytes, and the rest is the next one."""
    store = Weighed(tmp_path / "b.db")
    async with Engine("", store=store, concurrency=2_000) as engine:
        runs = await asyncio.gather(*(engine.start(rides(n), id=f"r{n}") for n in range(1_500)))
        assert {len(await run.result()) for run in runs} == {PAYLOAD_BYTES_MIN - 100}
    assert max(records for _, records, _ in store.batches) == RECORDS_MAX
    assert BYTES_MAX / 2 < max(size for *_, size in store.batches) <= BYTES_MAX
    assert sum(records for _, records, _ in store.batches) >= 3 * 1_500


@pytest.mark.parametrize("size", [PAYLOAD_BYTES_MIN, 100_000, BYTES_MAX + 1, 20_000_000])
async def test_a_large_value_is_stored_before_the_batch_and_never_in_it(
    tmp_path: Path, size: int
) -> None:
    """Among a hundred: the record holds a digest whose payload is there already, and the batch of
    the others is as small as without it."""
    store = Weighed(tmp_path / "l.db")
    async with Engine("", store=store) as engine:
        run = await engine.start(weighs(size), id="large")
        await healthy(engine)
        assert await run.result() == size
        await lawful(engine)
    assert store.missing == [] and store.kept
    assert store.largest < PAYLOAD_BYTES_MIN
    assert max(held for *_, held in store.batches) < HEALTHY * 1_000
