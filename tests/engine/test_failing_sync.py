"""Rule 10 on a real disk error: `fsync` fails at a COMMIT, at each one in turn.

SQLite reports an I/O error, live readers do not see the transaction, and a crash may bring it back:
nobody can know. The engine closes its connections, hands over to a next session, and reads.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from ctypes import CDLL
from pathlib import Path

import pytest
from perdure import Engine
from perdure.engine.sqlite import SqliteStore

from .failing_sync import library, syncs
from .ledger import Ledger
from .test_ambiguous import CALLS, beside, every_kind, go, holds


class Disk:
    """Counts the `fsync`s of write-ahead logs, and fails those it was told to."""

    def __init__(self, *failing: int) -> None:
        self.failing, self.count, self.armed = set(failing), 0, False
        self.failed = 0

    def fails(self, name: str) -> bool:
        """Whether the disk refuses now."""
        if not self.armed or not name.endswith("-wal"):
            return False
        self.count += 1
        hit = self.count in self.failing
        self.failed += hit
        return hit


@pytest.fixture
def sqlite(need: Callable[[object, str], None]) -> Iterator[CDLL]:
    loaded = library()
    need(loaded, "an SQLite that is a library of its own")
    assert loaded is not None
    yield loaded


async def play(ledger: Ledger, disk: Disk, sqlite: CDLL) -> None:
    """Two executions with commits of every kind, beside a reader that keeps the log alive."""
    CALLS.clear()
    for file in ledger.path.parent.glob("store.db*"):
        file.unlink()
    with sqlite3.connect(ledger.path) as db:
        db.execute("create table booked (n integer)")
    with syncs(sqlite, disk.fails):
        async with Engine("", store=SqliteStore(ledger.path), lease_seconds=5.0) as engine:
            await engine.serve(every_kind, beside)
            reader = sqlite3.connect(ledger.path)
            reader.execute("select count(*) from log").fetchall()
            disk.armed = True
            run = await engine.start(every_kind(1), id="a")
            other = await engine.start(beside(10), id="b")
            await run.send(go, "gone", message_id="m")
            assert await run.result() == "gone 6"
            assert await other.result() == 22
            disk.armed = False
            reader.close()


async def test_an_fsync_that_fails_at_any_commit_loses_and_doubles_nothing(
    tmp_path: Path, sqlite: CDLL
) -> None:
    """Each commit of a run, and the one after it, which is that of the handover: everything ends as
    without a fault, each effect once, and no call of this process is in doubt."""
    ledger = Ledger(tmp_path)
    calm = Disk()
    await play(ledger, calm, sqlite)
    await holds(ledger)
    assert calm.count >= 10
    for number in range(1, calm.count + 1):
        for failing in ({number}, {number, number + 1}):
            disk = Disk(*failing)
            await play(ledger, disk, sqlite)
            assert disk.failed >= 1
            await holds(ledger)


def test_a_commit_whose_fsync_failed_is_absent_until_a_crash_brings_it_back(
    tmp_path: Path, sqlite: CDLL
) -> None:
    """Why "absent, so append again" is no end state: measured on the SQLite that runs here. The
    next commit that succeeds makes an end of it."""
    path, disk = tmp_path / "x.db", Disk()

    def after_a_crash() -> list[int]:
        there = tmp_path / "crashed"
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", there / f"x.db{suffix}")
        found = sqlite3.connect(there / "x.db")
        rows = [n for (n,) in found.execute("select n from t order by n")]
        found.close()
        return rows

    with syncs(sqlite, disk.fails):
        db = sqlite3.connect(path, isolation_level=None)
        for statement in ("journal_mode = wal", "synchronous = full"):
            db.execute(f"pragma {statement}").fetchall()
        db.execute("create table t (n integer)")
        db.execute("insert into t values (1)")
        disk.failing, disk.armed = {1}, True
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            db.execute("insert into t values (2)")
        assert [n for (n,) in db.execute("select n from t")] == [1]
        assert after_a_crash() == [1, 2], "the crash brought it back"
        db.execute("insert into t values (3)")
        assert after_a_crash() == [1, 3], "a later commit has made an end of it"
        db.close()
