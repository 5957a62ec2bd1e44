"""Rules 20 and 76: what a transactional step may not do, and what a weak database may not run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from perdure import Engine, Signal, compensatable, idempotent, transactional, workflow
from perdure.engine.audit import audit
from perdure.engine.errors import WeakDurability
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Status
from perdure.engine.transactional import Tx
from perdure.model.errors import PlacementError, Stalled
from sqlalchemy import text

go = Signal[int]("go")
ENGINES: list[Engine] = []


@idempotent
async def other(number: int) -> int:
    """Any step."""
    return number


@workflow
async def elsewhere(number: int) -> int:
    """Any workflow."""
    return await other(number)


async def commits(tx: Tx) -> None:
    await tx.execute(text("COMMIT"))


async def begins_again(tx: Tx) -> None:
    await tx.execute(text("COMMIT"))
    await tx.execute(text("BEGIN IMMEDIATE"))


async def rolls_back(tx: Tx) -> None:
    await tx.execute(text("ROLLBACK"))


async def starts(tx: Tx) -> None:
    await ENGINES[-1].start(elsewhere(1), id="inner")


async def runs(tx: Tx) -> None:
    await ENGINES[-1].run(elsewhere(1), id="inner")


async def sends(tx: Tx) -> None:
    await ENGINES[-1].send("x", go, 1)


async def cancels(tx: Tx) -> None:
    await ENGINES[-1].cancel("x", reason="no")


async def resumes(tx: Tx) -> None:
    await ENGINES[-1].resume("x")


async def waits(tx: Tx) -> None:
    await ENGINES[-1].ended("x")


async def serves(tx: Tx) -> None:
    await ENGINES[-1].serve(elsewhere)


INSIDE: dict[str, tuple[Callable[[Tx], Awaitable[None]], type[Exception], str]] = {
    "commit": (commits, Stalled, "PD708"),
    "commit and begin": (begins_again, Stalled, "PD708"),
    "rollback": (rolls_back, Stalled, "PD708"),
    "start": (starts, PlacementError, "PD610"),
    "run": (runs, PlacementError, "PD610"),
    "send": (sends, PlacementError, "PD610"),
    "cancel": (cancels, PlacementError, "PD610"),
    "resume": (resumes, PlacementError, "PD610"),
    "wait": (waits, PlacementError, "PD610"),
    "serve": (serves, PlacementError, "PD610"),
}


@transactional
async def writes(tx: Tx, what: str) -> str:
    """Write a line, then do what is not allowed."""
    await tx.execute(text("INSERT INTO lines VALUES (:what)"), {"what": what})
    await INSIDE[what][0](tx)
    return what


@workflow
async def tries(what: str) -> str:
    """One transactional step."""
    return await writes(what)


@pytest.mark.parametrize("what", INSIDE)
async def test_a_transactional_step_neither_ends_its_transaction_nor_uses_the_engine(
    tmp_path: Path, what: str
) -> None:
    """Use of the engine fails the step, an ended transaction stalls the execution, each with the
    code that says why; the engine goes on."""
    store = SqliteStore(tmp_path / "t.db")
    async with Engine("", store=store) as engine:
        ENGINES.append(engine)
        async with store.links.write() as link:
            link.run("CREATE TABLE lines (what TEXT)")
        _, error, code = INSIDE[what]
        with pytest.raises(error, match=code):
            await engine.run(tries(what), id="x")
        row = await store.find("x")
        assert row is not None
        assert row.status is (Status.STALLED if error is Stalled else Status.FAILED)
        assert (await audit(store, row)).problems == ()
        assert await store.find("inner") is None
        assert await engine.run(elsewhere(3), id="after") == 3
        lines = await store.links.read(lambda link: link.rows("SELECT what FROM lines"))
    # What the author committed under our feet stays: it is found, not prevented (rule 20).
    assert lines == ([(what,)] if what.startswith("commit") else [])


@compensatable
async def hold(number: int) -> int:
    """Needs an intent."""
    return number


@hold.undo
async def release(made: int) -> None:
    """Undo it."""


@workflow
async def holds(number: int) -> int:
    """An effect that needs an intent."""
    return await hold(number)


async def test_a_weak_database_runs_nothing_that_needs_an_intent(tmp_path: Path) -> None:
    """Refused with the code of weak durability, which is not that of a cancelled execution; what
    needs no intent runs."""
    store = SqliteStore(tmp_path / "w.db", synchronous="NORMAL")
    async with Engine("sqlite:///w.db", store=store) as engine:
        for refused in (engine.start(holds(1), id="h"), engine.serve(holds)):
            with pytest.raises(WeakDurability) as told:
                await refused
            assert told.value.code == "PD803" and "PD803 holds has effects" in str(told.value)
        assert await store.list() == []
        assert await engine.run(elsewhere(3), id="e") == 3


async def test_every_connection_of_a_running_engine_has_the_settings(tmp_path: Path) -> None:
    """Rule 76: read back on each: writer, reader and the beat's own."""
    store = SqliteStore(tmp_path / "s.db")
    async with Engine("", store=store) as engine:
        await engine.run(elsewhere(3), id="e")
        assert store.beat(engine.worker.session)
        for role in ("writer", "reader", "beat"):
            link = store.links.link(role)
            assert link.rows("PRAGMA synchronous") == [(2,)]
            assert link.rows("PRAGMA journal_mode") == [("wal",)]
            assert link.rows("PRAGMA recursive_triggers") == [(1,)]
            assert link.rows("PRAGMA busy_timeout") == [(0,)]
