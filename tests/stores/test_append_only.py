"""Rule 64 on the real file: no statement of anybody changes what a log says or takes a part of it.

Each statement is tried on the engine's own connection, on a plain one of somebody else, and beside
an execution that has ended. What triggers cannot see (REPLACE on a foreign connection, a guard that
was dropped) is found by the hashes, and by the store that opens next.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, Signal, compensatable, observe, saga, workflow
from perdure.engine.audit import Audited, audit
from perdure.engine.errors import SchemaMismatch
from perdure.engine.schema import SQLITE_TRIGGERS
from perdure.engine.sqlite import SqliteStore

go = Signal[str]("go")
TABLES = ("log", "message", "effect", "attempt", "payload")


@observe
async def look(size: int) -> str:
    return "x" * size


@compensatable
async def hold(n: int) -> int:
    return n


@hold.undo
async def release(got: int | None, n: int) -> None: ...


@workflow
async def keeps(n: int) -> int:
    large = await look(10_000)
    async with saga():
        held = await hold(n)
        word = await go.wait()
    return held + len(large) + len(word)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an execution that has ended, and one that waits with a message to read."""
    path = tmp_path_factory.mktemp("append-only") / "made.db"

    async def fill() -> None:
        async with Engine(f"sqlite:///{path}") as engine:
            done = await engine.start(keeps(1), id="done")
            await done.send(go, "on")
            assert await done.result() == 10_003
            await engine.start(keeps(2), id="live")
            while (row := await engine.store.find("live")) is None or row.waits is None:
                await asyncio.sleep(0.001)

    asyncio.run(fill())
    with closing(sqlite3.connect(path)) as db:
        db.execute("insert into attempt select id, 'hold', 1, 1, 1, '' from execution")
        db.commit()
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    with (
        closing(sqlite3.connect(made)) as source,
        closing(sqlite3.connect(tmp_path / "c.db")) as to,
    ):
        source.backup(to)
    return tmp_path / "c.db"


@pytest.fixture
def ours(path: Path) -> Iterator[sqlite3.Connection]:
    """The writer's connection of a store, as the engine opens it."""
    store = SqliteStore(path)
    yield store.links.link("writer").driver
    asyncio.run(store.close())


def rows(db: sqlite3.Connection) -> dict[str, list[Any]]:
    """Everything there is."""
    tables = ("execution", *TABLES)
    return {
        table: db.execute(f"select * from {table} order by 1, 2").fetchall() for table in tables
    }


def of(key: str) -> str:
    """The log rows of an execution."""
    return f"execution = (SELECT id FROM execution WHERE key = '{key}')"


COLUMNS = ("execution", "seq", "tenure", "kind", "transition", "at", "body", "hash")
UPDATES = [
    *(f"UPDATE log SET {column} = {column}" for column in COLUMNS),
    *(f"UPDATE log SET {column} = x'00' WHERE seq = 1" for column in COLUMNS),
    "UPDATE log SET seq = seq + 100",
    "UPDATE OR IGNORE log SET body = x'00'",
    "UPDATE OR REPLACE log SET seq = 0 WHERE seq = 1",
    "INSERT INTO log SELECT * FROM log WHERE true ON CONFLICT DO UPDATE SET body = x'00'",
    "WITH t AS (SELECT 1) UPDATE log SET at = 0 WHERE seq IN t",
    "UPDATE execution SET id = id + 50",
    "UPDATE execution SET key = 'other' WHERE key = 'live'",
    "UPDATE execution SET key = 'other' WHERE key = 'done'",
    "UPDATE execution SET input_digest = x'00'",
    "UPDATE execution SET status = 'active' WHERE key = 'done'",
    "UPDATE execution SET status = 'failed' WHERE key = 'done'",
    "UPDATE OR REPLACE execution SET id = 1",
]
DELETES = [
    "DELETE FROM log",
    f"DELETE FROM log WHERE {of('live')}",
    f"DELETE FROM log WHERE {of('done')}",
    f"DELETE FROM log WHERE {of('live')} AND seq = 0",
    f"DELETE FROM log WHERE {of('done')} AND seq = (SELECT max(seq) FROM log)",
    "DELETE FROM log WHERE execution IN (SELECT id FROM execution WHERE status = 'done')",
    "DELETE FROM execution",
    "DELETE FROM execution WHERE key = 'live'",
]
REPLACES = [
    "INSERT OR REPLACE INTO log SELECT execution, seq, 9, 9, 9, 9, x'', x'' FROM log",
    f"REPLACE INTO log SELECT execution, seq, tenure, kind, 1, at, body, hash FROM log "
    f"WHERE {of('live')} AND seq = 1",
    "REPLACE INTO log SELECT * FROM log",
    "REPLACE INTO execution SELECT * FROM execution WHERE key = 'live'",
]
DUPLICATES = [
    "INSERT INTO log SELECT * FROM log",
    "INSERT INTO execution SELECT * FROM execution",
    "INSERT INTO execution SELECT id + 9, key, workflow, version, net, input_digest, status, "
    "owner, tenure, mail, waits, wake_at, checkpoint, checkpoint_seq, lost, lost_head, "
    "recoveries, created, updated FROM execution",
]


@pytest.mark.parametrize("statement", [*UPDATES, *DELETES, *REPLACES, *DUPLICATES])
def test_each_statement_is_refused_on_our_connections(
    ours: sqlite3.Connection, statement: str
) -> None:
    """Refused by the database, and nothing at all has changed."""
    before = rows(ours)
    with pytest.raises(sqlite3.IntegrityError):
        ours.execute(statement)
    assert rows(ours) == before


@pytest.mark.parametrize("statement", [*UPDATES, *DELETES, *DUPLICATES])
def test_each_statement_is_refused_on_a_connection_of_somebody_else(
    path: Path, statement: str
) -> None:
    """A plain connection, as a person with `sqlite3` has it: the guards are the file's own."""
    with closing(sqlite3.connect(path)) as db:
        before = rows(db)
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
        assert rows(db) == before


def audited(path: Path) -> dict[str, Audited]:
    """What the audit says of each execution."""

    async def look() -> list[Audited]:
        store = SqliteStore(path, create=False)
        try:
            return [await audit(store, row) for row in await store.list()]
        finally:
            await store.close()

    return {found.key: found for found in asyncio.run(look())}


def test_what_replace_does_past_the_guards_is_found_by_the_hashes(path: Path) -> None:
    """On a foreign connection REPLACE deletes without asking the trigger; the chain tells."""
    assert not any(found.problems for found in audited(path).values())
    with closing(sqlite3.connect(path)) as db:
        db.execute(REPLACES[1])
        db.commit()
    found = audited(path)
    assert [problem.kind for problem in found["live"].problems] == ["chain"]
    assert not found["done"].problems


@pytest.mark.parametrize("table", ["log", "execution"])
def test_a_table_that_was_rebuilt_has_lost_its_guards_and_is_refused(
    path: Path, table: str
) -> None:
    """As tools do that cannot alter a table: copy, drop, rename. The rows are the same, the
    triggers are gone, and no store opens it."""
    with closing(sqlite3.connect(path)) as db:
        ((sql,),) = db.execute("select sql from sqlite_master where name = ?", (table,))
        db.execute("PRAGMA legacy_alter_table = ON")  # what such tools do
        db.execute(sql.replace(f"CREATE TABLE {table}", "CREATE TABLE rebuilt"))
        db.execute(f"INSERT INTO rebuilt SELECT * FROM {table}")
        db.execute(f"DROP TABLE {table}")
        db.execute(f"ALTER TABLE rebuilt RENAME TO {table}")
        db.commit()
    with pytest.raises(SchemaMismatch, match="trigger"):
        asyncio.run(SqliteStore(path).open())


@pytest.mark.parametrize("name", SQLITE_TRIGGERS)
@pytest.mark.parametrize("how", ["gone", "weaker"])
def test_a_guard_that_is_gone_or_weaker_is_missed_at_open(path: Path, name: str, how: str) -> None:
    """Each of them, by name: the engine does not start, and says which."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"DROP TRIGGER {name}")
        if how == "weaker":
            head = SQLITE_TRIGGERS[name].split(" WHEN ")[0].split(" BEGIN ")[0]
            db.execute(f"{head} WHEN false BEGIN SELECT 1; END")
        db.commit()

    async def opened() -> None:
        async with Engine(f"sqlite:///{path}"):
            raise AssertionError("it opened")

    with pytest.raises(
        SchemaMismatch, match=f"{'no' if how == 'gone' else 'another'} trigger {name}"
    ):
        asyncio.run(opened())


def test_an_ended_execution_goes_with_everything_of_it_or_not_at_all(
    path: Path, ours: sqlite3.Connection
) -> None:
    """One DELETE of its row takes the rows of all five tables, in its transaction: rolled back,
    each is there again; committed, none is, and the neighbour has lost nothing."""
    ((done, live),) = ours.execute(
        "select max(iif(key = 'done', id, 0)), max(iif(key = 'live', id, 0)) from execution"
    )

    def counts(execution: int) -> list[int]:
        sql = "select count(*) from {} where execution = ?"
        return [ours.execute(sql.format(t), (execution,)).fetchone()[0] for t in TABLES]

    before, neighbour = counts(done), counts(live)
    assert all(before), "it has rows in every table"
    for end in ("ROLLBACK", "COMMIT"):
        ours.execute("BEGIN IMMEDIATE")
        ours.execute("DELETE FROM execution WHERE key = 'done'")
        assert counts(done) == [0] * len(TABLES)
        ours.execute(end)
        assert counts(done) == (before if end == "ROLLBACK" else [0] * len(TABLES))
        assert counts(live) == neighbour
    assert {key: found.problems for key, found in audited(path).items()} == {"live": ()}
