"""The database below random histories: lent connections, a fresh beginning, rows as they are."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from perdure.chaos.choices import Dice, Replay
from perdure.chaos.databases import TABLES, SqliteDatabase
from perdure.chaos.lending import Pool
from perdure.chaos.wild_history import play
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Identity

from ..crash.flows import FLOWS

ME = Identity("w", "h", "b", "n", 1, 1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """One with a table of the author's."""
    one = SqliteDatabase(tmp_path / "here.db", ["CREATE TABLE mine (a INTEGER)"])
    yield one
    one.close()


def test_a_connection_given_back_is_closed_for_who_had_it(tmp_path: Path) -> None:
    """Whatever its borrower still tries fails, as on a connection that was closed."""
    pool = Pool(tmp_path / "one.db")
    lent = pool.lend()
    lent.execute("CREATE TABLE t (a)")
    lent.close()
    lent.close()
    other = pool.lend()
    for late in (
        lambda: lent.execute("SELECT 1"),
        lambda: lent.executemany("INSERT INTO t VALUES (?)", [(1,)]),
        lambda: lent.in_transaction,
        lambda: lent.cursor(),
    ):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            late()
    assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
    pool.close()


def test_what_was_not_committed_is_gone_when_it_is_given_back(tmp_path: Path) -> None:
    """A crash in a transaction: the next one finds no trace and no lock."""
    pool = Pool(tmp_path / "one.db")
    lent = pool.lend()
    lent.execute("CREATE TABLE t (a)")
    lent.execute("BEGIN IMMEDIATE")
    lent.execute("INSERT INTO t VALUES (1)")
    lent.close()
    again = pool.lend()
    again.execute("BEGIN IMMEDIATE")
    assert again.execute("SELECT count(*) FROM t").fetchone() == (0,)
    pool.close()


def test_the_functions_of_sqlalchemy_are_there_for_whoever_comes_first_with_it(
    tmp_path: Path,
) -> None:
    """Made once for each connection: not for none, where its first borrower had no use for them."""
    pool, made = Pool(tmp_path / "one.db"), list[str]()
    pool.lend().close()
    for name in ("regexp", "other", "regexp"):
        lent = pool.lend()
        lent.create_function(name, 1, made.append)
        lent.close()
    lent = pool.lend()
    lent.execute("SELECT regexp('x')")
    with pytest.raises(sqlite3.OperationalError, match="no such function"):
        lent.execute("SELECT other('x')")
    assert made == ["x"]
    pool.close()


def test_a_setting_that_was_made_is_answered_and_what_it_is_now_is_asked(tmp_path: Path) -> None:
    """Who sets what the one before had set hears the same; reading back finds what is so."""
    pool, answers = Pool(tmp_path / "one.db"), list[object]()
    for spoils in (True, False):
        lent = pool.lend()
        for sql in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA synchronous"):
            answers.append(lent.execute(sql).fetchall())
        lent.execute("SELECT 1")
        if spoils:
            lent.execute("PRAGMA synchronous = OFF")
        lent.close()
    assert answers == [[("wal",)], [], [(2,)], [("wal",)], [], [(0,)]]
    pool.close()


def test_no_other_process_gets_at_the_file(tmp_path: Path) -> None:
    """Locks are held in memory, so whoever is not of this pool is kept out altogether."""
    pool = Pool(tmp_path / "one.db")
    pool.lend().execute("CREATE TABLE t (a)")
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM t')"
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "one.db")], capture_output=True, text=True
    )
    pool.close()
    assert "database is locked" in told.stderr


def test_two_who_hold_one_have_two(tmp_path: Path) -> None:
    """What one has not committed the other does not see."""
    pool = Pool(tmp_path / "one.db")
    one, other = pool.lend(), pool.lend()
    one.execute("PRAGMA journal_mode = WAL")
    one.execute("CREATE TABLE t (a)")
    one.execute("BEGIN IMMEDIATE")
    one.execute("INSERT INTO t VALUES (1)")
    assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    pool.close()


def test_a_history_begins_with_nothing_of_the_one_before(database: SqliteDatabase) -> None:
    """Every row is gone, of the author's tables too, and numbers begin at one again; the triggers
    that keep a log are in force all the while."""
    play([FLOWS["sequence"]], database, Replay([8, 0]))
    database.eye.execute("INSERT INTO mine VALUES (7)")
    assert database.whole()["log"]
    database.begin()
    assert {table: len(rows) for table, rows in database.whole().items()} == dict.fromkeys(
        TABLES, 0
    )
    assert database.eye.execute("SELECT count(*) FROM mine").fetchone() == (0,)
    outcome = play([FLOWS["sequence"]], database, Replay([]))
    assert [row["id"] for row in outcome.rows["execution"]] == [1]
    assert min(row["id"] for row in outcome.rows["session"]) == 1
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.eye.execute("UPDATE log SET at = 1")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.eye.execute("DELETE FROM log")


def test_what_is_read_step_by_step_is_what_is_there(database: SqliteDatabase) -> None:
    """The rows that were judged on the way, put together, are those of a reading anew."""
    for seed in range(5):
        outcome = play(list(FLOWS.values())[:4], database, Dice(seed))
        whole = database.whole()
        kept = {t: sorted(map(repr, rows)) for t, rows in outcome.rows.items()}
        assert kept == {t: sorted(map(repr, whole[t])) for t in TABLES}


def test_unchanged_rows_are_not_read_again(database: SqliteDatabase) -> None:
    """The same object tells that nothing was committed meanwhile."""
    store = database.store(1, lambda: 5)
    before = database.rows()
    assert database.rows() is before

    async def register() -> None:
        await store.open()
        await store.register(ME)

    asyncio.run(register())
    assert database.rows() is not before and len(database.rows()["session"]) == 1


def test_rows_that_are_as_they_were_are_the_same_objects(database: SqliteDatabase) -> None:
    """Of three sessions one is fenced, and then the first is gone: only what differs is new."""
    eye = database.eye
    for worker in "abc":
        eye.execute(
            "INSERT INTO session (worker, host, boot, namespace, pid, started, beats, registered) "
            "VALUES (?, 'h', 'b', 'n', 1, 1, 0, 1)",
            (worker,),
        )
    store = database.store(1, lambda: 5)
    first = database.rows()["session"]
    asyncio.run(store.fence(2))
    second = database.rows()["session"]
    assert [x is y for x, y in zip(first, second, strict=True)] == [True, False, True]
    assert [row["fenced"] for row in second] == [None, 5, None]
    other = database.store(2, lambda: 5)
    assert isinstance(other, SqliteStore)
    other.links.link("writer").run("DELETE FROM session WHERE id = 2")
    assert list(database.rows()["session"]) == database.whole()["session"]
    assert [row["worker"] for row in database.rows()["session"]] == ["a", "c"]


def test_the_tables_that_change_are_read_by_one_query(database: SqliteDatabase) -> None:
    """Each row comes back to its own table, with its own columns, in its order."""
    for seed in range(4):
        play(list(FLOWS.values())[:4], database, Dice(f"together {seed}"))
        read, whole = database.rows(), database.whole()
        for table in ("execution", "message", "effect", "session"):
            assert list(read[table]) == whole[table], table


def test_somebody_may_hold_the_write_lock(database: SqliteDatabase) -> None:
    """It is seen, it keeps others out, and it is given back."""
    assert not database.locked()
    database.hold()
    assert database.locked()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        database.eye.execute("BEGIN IMMEDIATE")
    database.let_go()
    assert not database.locked()
    database.eye.execute("BEGIN IMMEDIATE")
    assert database.locked()
    database.hold()  # it cannot be had: nothing happens
    database.eye.execute("ROLLBACK")
    assert not database.locked()


def test_each_process_has_its_own_clock(database: SqliteDatabase) -> None:
    """A store outlives a history, and tells the time of the one that is played."""
    first = database.store(1, lambda: 5)
    assert database.store(1, lambda: 9) is first
    assert first.now() == 9
