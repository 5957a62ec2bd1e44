"""Rule 9: whatever one execution brings along, the other hundred finish and the worker lives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from perdure import Engine, Signal, idempotent, irreversible, pure, transactional, workflow
from perdure.engine.audit import audit
from perdure.engine.bodies import decode
from perdure.engine.client import enqueue, new_instance
from perdure.engine.errors import StoreUnavailable
from perdure.engine.records import NO_TRANSITION, Kind, Record, chain
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended, AttemptRow, EffectRow, Status
from perdure.engine.transactional import Tx
from perdure.model.compiler import compile_workflow
from perdure.model.language.effects import Retry
from perdure.model.values import Value
from sqlalchemy import text

HEALTHY = 100
go = Signal[int]("go")


class Unspeakable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def explode(kind: str) -> Any:
    """What a step of the user's can do."""
    if kind == "surrogate in an error":
        raise ValueError("\ud800")
    if kind == "huge error":
        raise ValueError("x" * 3_000_000)
    if kind == "no text":
        raise Unspeakable()
    if kind == "exit":
        raise SystemExit(3)
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "cancelled":
        raise asyncio.CancelledError
    if kind == "memory":
        raise MemoryError
    if kind == "stop":
        raise StopIteration(1)
    results: dict[str, Any] = {
        "lock": threading.Lock(),
        "nan": float("nan"),
        "surrogate": "\ud800",
        "wrong type": object(),
        "nul": "\x00",
    }
    return results[kind]


@idempotent(retry=Retry(attempts=2, first=timedelta(0)))
async def bad(kind: str) -> str | float:
    """Misbehave as told."""
    return explode(kind)


@idempotent
async def good(number: int) -> int:
    """Behave."""
    return number


@workflow
async def misbehaves(kind: str) -> str | float:
    """One step that goes wrong."""
    return await bad(kind)


@workflow
async def behaves(number: int) -> int:
    """Two steps and a message between them."""
    first = await good(number)
    return first + await good(number) + await go.wait()


@workflow
async def stumbles(number: int) -> int:
    """Its glue fails by accident."""
    found = await good(number)
    return found // (number - number)


async def healthy(engine: Engine, start: int = 0) -> list[int]:
    """Hundred executions from start to end beside whatever else there is."""
    runs = [
        await engine.start(behaves(n), id=f"healthy {n}") for n in range(start, start + HEALTHY)
    ]
    for run in runs:
        await run.send(go, 1)
    return [await run.result() for run in runs]


EXPECTED = [2 * n + 1 for n in range(HEALTHY)]
STEPS = {
    "surrogate in an error": Status.FAILED,
    "huge error": Status.FAILED,
    "no text": Status.FAILED,
    "exit": Status.FAILED,
    "interrupt": Status.FAILED,
    "cancelled": Status.FAILED,
    "memory": Status.FAILED,
    "stop": Status.FAILED,
    "lock": Status.STALLED,
    "nan": Status.STALLED,
    "surrogate": Status.STALLED,
    "wrong type": Status.STALLED,
    "nul": Status.DONE,
}


@pytest.mark.parametrize("kind", STEPS)
async def test_a_step_that_misbehaves_harms_nobody_else(kind: str) -> None:
    """It fails or stalls by itself, and says why; the others finish."""
    async with Engine("sqlite://") as engine:
        await engine.start(misbehaves(kind), id="bad")
        assert await healthy(engine) == EXPECTED
        status, body = await engine.ended("bad")
        assert status is STEPS[kind], body
        if status is Status.STALLED:
            assert "bad" in body.why
        await clean(engine, "bad")


async def test_glue_that_stumbles_harms_nobody_else() -> None:
    """Stalled with the traceback in the user's file."""
    async with Engine("sqlite://") as engine:
        await engine.start(stumbles(1), id="bad")
        assert await healthy(engine) == EXPECTED
        status, body = await engine.ended("bad")
        assert status is Status.STALLED and "ZeroDivisionError" in body.why
        await clean(engine, "bad")


async def clean(engine: Engine, key: str) -> list[Record]:
    """The history of an execution is lawful; its records."""
    row = await engine.store.find(key)
    assert row is not None
    assert (await audit(engine.store, row)).problems == ()
    return await engine.store.log(row.id)


@pytest.mark.parametrize("channel", ["$desk", "$cancel", "$evidence", "go", "no such channel"])
async def test_a_message_that_is_none_harms_nobody_else(channel: str) -> None:
    """A foreign sender's bytes on any channel: set aside, or the receiver alone is stalled."""
    async with Engine("sqlite://") as engine:
        bad = await engine.start(behaves(1), id="bad")
        await engine.store.send("bad", channel, "m", b"\xff not json")
        engine.worker.kick()
        assert await healthy(engine) == EXPECTED
        await bad.send(go, 1)
        status, body = await engine.ended("bad")
        if channel in ("go", "no such channel", "$desk"):  # refused with a record
            assert status is Status.DONE
        else:
            assert status is Status.STALLED and "DecodeError" in body.why
        await clean(engine, "bad")


# --- what the store refuses ---------------------------------------------------------------------

Plant = Callable[[Append], Append]


def too_large(append: Append) -> Append:
    """A number that no column takes."""
    row = EffectRow(append.execution, "k", "s", "e", 2**70, "open", None, "", "")
    return msgspec.structs.replace(append, effects=[row])


def no_text(append: Append) -> Append:
    """A text that has no bytes."""
    return msgspec.structs.replace(
        append, attempts=[AttemptRow(append.execution, "s", 1, 0, 0, "\ud800")]
    )


def strange(append: Append) -> Append:
    """A row that is none: a bug of ours that shows only while writing."""
    broken: Any = None
    return msgspec.structs.replace(append, attempts=[broken])


def text_body(append: Append) -> Append:
    """A body that is not bytes."""
    body: Any = "text"
    return msgspec.structs.replace(append, records=[append.records[0]._replace(body=body)])


def other_head(append: Append) -> Append:
    """It does not follow the log: another writer, or a bug of ours."""
    return msgspec.structs.replace(append, previous=b"?" * 16)


def no_message(append: Append) -> Append:
    """It takes a message that is not there."""
    return msgspec.structs.replace(append, consumed=[(99, append.records[0].seq)])


class Planted(SqliteStore):
    """Damages the appends of one execution that hold records, `times` times, from its third on."""

    def __init__(self, path: Path, plant: Plant, times: int) -> None:
        super().__init__(path)
        self.plant, self.times, self.batches = plant, times, 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        bad = await self.find("bad")
        damaged: list[Append] = []
        for each in batch:
            hit = bad is not None and each.execution == bad.id and self.times > 0
            if hit and each.records and each.records[0].seq >= 1 and len(batch) > 1:
                self.times -= 1
                self.batches += 1
                damaged.append(self.plant(each))
            else:
                damaged.append(each)
        return await super().append(session, damaged)


@pytest.mark.parametrize("plant", [too_large, no_text, strange, text_body])
async def test_values_that_cannot_be_stored_stall_their_execution(
    plant: Plant, tmp_path: Path
) -> None:
    """Poison among a hundred: they commit in the same call; the guilty one says why, and goes on
    after `resume` since nothing of it was written."""
    store = Planted(tmp_path / "p.db", plant, 1)
    async with Engine(f"sqlite:///{tmp_path}/p.db", store=store) as engine:
        run = await engine.start(behaves(1), id="bad")
        assert await healthy(engine) == EXPECTED
        await run.send(go, 1)
        status, body = await engine.ended("bad")
        assert status is Status.STALLED and body.why and store.batches == 1
        assert engine.worker.session == 1, "the session goes on"
        records = await clean(engine, "bad")
        assert records[-1].kind is Kind.STALLED
        assert await engine.resume("bad")
        assert await run.result() == 3
        await clean(engine, "bad")


@pytest.mark.parametrize("plant", [other_head, no_message])
async def test_what_does_not_fit_its_log_is_read_again(plant: Plant, tmp_path: Path) -> None:
    """A mismatch drops what is in memory, and the log decides: everybody finishes."""
    store = Planted(tmp_path / "m.db", plant, 2)
    async with Engine(f"sqlite:///{tmp_path}/m.db", store=store) as engine:
        run = await engine.start(behaves(1), id="bad")
        assert await healthy(engine) == EXPECTED
        await run.send(go, 1)
        assert await run.result() == 3 and store.batches >= 1
        assert engine.worker.session == 1, "the session goes on"
        await clean(engine, "bad")


async def test_a_mismatch_without_end_stalls(tmp_path: Path) -> None:
    """What is read again three times without a new record is a matter for a person."""

    class Always(Planted):
        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            bad = await self.find("bad")
            damaged = [
                other_head(a)
                if bad and a.execution == bad.id and any(r.kind is Kind.FIRED for r in a.records)
                else a
                for a in batch
            ]
            self.batches += damaged != list(batch)
            return await SqliteStore.append(self, session, damaged)

    store = Always(tmp_path / "a.db", other_head, 0)
    async with Engine(f"sqlite:///{tmp_path}/a.db", store=store) as engine:
        await enqueue(store, compile_workflow(behaves), "bad", sealed(1))
        await engine.serve(behaves)
        assert await healthy(engine) == EXPECTED
        status, body = await engine.ended("bad")
        assert status is Status.STALLED and "does not follow" in body.why
        assert store.batches == 3
        await clean(engine, "bad")


def sealed(number: int) -> dict[str, Value]:
    """The input of `behaves`."""
    return {"number": compile_workflow(behaves).codecs["number"].seal(number)}


async def test_a_log_that_cannot_be_loaded_stalls_its_execution(tmp_path: Path) -> None:
    """A record that is no firing of the net: the claim stalls it, with the reason."""
    store = SqliteStore(tmp_path / "l.db")
    await store.open()
    program = compile_workflow(behaves)
    await enqueue(store, program, "bad", sealed(1))
    instance = new_instance(program, "bad", sealed(1), 0, store.now())
    row = await store.find("bad")
    assert row is not None
    (start,) = await store.log(row.id)
    transition = len(program.net.transitions) - 1
    hash = chain(start.hash, 1, 1, Kind.FIRED, transition, start.at, b"{}")
    async with store.links.write() as link:
        values = (row.id, 1, 1, int(Kind.FIRED), transition, start.at, b"{}", hash)
        link.run("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    assert instance.key == "bad"
    await store.close()
    async with Engine(f"sqlite:///{tmp_path}/l.db") as engine:
        await engine.serve(behaves)
        assert await healthy(engine) == EXPECTED
        status, body = await engine.ended("bad")
        assert status is Status.STALLED and "PD901" in body.why


# --- transactional steps, and a store that is away ----------------------------------------------


@transactional
async def book(tx: Tx, number: int) -> int:
    """Write one line."""
    await tx.execute(text("INSERT INTO lines VALUES (:n)"), {"n": number})
    return number


@workflow
async def books(number: int) -> int:
    """The glue behind the write stumbles at zero."""
    line = await book(number)
    return 10 // line


async def test_writes_whose_glue_gets_stuck_are_not_committed(tmp_path: Path) -> None:
    """The record of the step is not written, so neither are its writes; the stall is."""
    async with Engine(f"sqlite:///{tmp_path}/t.db") as engine:
        store = engine.store
        assert isinstance(store, SqliteStore)
        async with store.links.write() as link:
            link.run("CREATE TABLE lines (n INTEGER)")
        assert await engine.run(books(5), id="good") == 2
        await engine.start(books(0), id="bad")
        assert (await engine.ended("bad"))[0] is Status.STALLED
        records = await clean(engine, "bad")
        rows = await store.links.read(lambda link: link.rows("SELECT n FROM lines"))
    assert rows == [(5,)]
    steps = [r for r in records if r.transition != NO_TRANSITION and bytes(decode(r.body).r)]
    assert steps == []


async def test_a_store_that_is_away_delays_and_loses_nothing(tmp_path: Path) -> None:
    """An append that could not be tried is tried again; nobody is stalled, no session ends."""

    class Away(SqliteStore):
        away = 3

        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            if self.away > 0:
                self.away -= 1
                raise StoreUnavailable(self.path, "disk full")
            return await super().append(session, batch)

    store = Away(tmp_path / "w.db")
    async with Engine(f"sqlite:///{tmp_path}/w.db", store=store) as engine:
        assert await healthy(engine) == EXPECTED
        assert engine.worker.session == 1 and store.away == 0


@pure
async def think(number: int) -> int:
    """Nothing outside."""
    return number


@irreversible
async def pay(number: int) -> int:
    """The outcome of this one is poison to the store."""
    PAID.append(number)
    return number


PAID: list[int] = []


@workflow
async def pays(number: int) -> int:
    """An irreversible call."""
    return await pay(await think(number))


async def test_a_landed_effect_whose_record_is_refused_is_not_made_again(tmp_path: Path) -> None:
    """The outcome could not be stored: after `resume` it is in doubt, never called twice."""
    PAID.clear()

    class Refusing(SqliteStore):
        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            landed = [a for a in batch if any(e.outcome == "landed" for e in a.effects)]
            return await super().append(session, [no_text(a) if a in landed else a for a in batch])

    store = Refusing(tmp_path / "i.db")
    async with Engine(f"sqlite:///{tmp_path}/i.db", store=store) as engine:
        await engine.start(pays(7), id="p")
        assert (await engine.ended("p"))[0] is Status.STALLED
        assert await engine.resume("p")
        while (await store.effects())[0].outcome != "in-doubt":
            await asyncio.sleep(0)
        await clean(engine, "p")
    assert PAID == [7]
