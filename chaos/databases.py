"""The database under a random history, behind a port of its own: any store can be put in here.

`SqliteDatabase` is the real store on a file, which is best laid into memory (/dev/shm). A history
begins with a copy of a prepared file. Nothing is broken here but connections.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..engine.sqlite import SqliteStore
from ..engine.store import Store
from ..specs.oracle import Rows
from .lending import Pool

TABLES = ("execution", "log", "message", "effect", "session", "definition")
_GROWING = ("log", "definition")
CHECKS = Callable[[sqlite3.Connection, str], list[str]]


class Database(Protocol):
    """One database that several processes open, and that can be put back to its beginning."""

    def begin(self) -> None:
        """Be as prepared again; nobody is connected."""
        ...

    def store(self, number: int, now: Callable[[], int]) -> Store:
        """The store of process `number` of a history, which opens it by itself."""
        ...

    def kill(self, number: int) -> None:
        """Cut the process's connections: what was not committed is gone."""
        ...

    def hold(self) -> None:
        """Take the write lock, as somebody else who keeps it; nothing if it is taken."""
        ...

    def let_go(self) -> None:
        """Give it back."""
        ...

    def locked(self) -> bool:
        """Somebody has the write lock, at this moment."""
        ...

    def rows(self) -> Rows:
        """All rows as they are committed now; those of the log that were read before are kept."""
        ...

    def whole(self) -> Rows:
        """The same, read anew."""
        ...

    def complaints(self, check: CHECKS, status: str) -> list[str]:
        """What an author's check of his own tables says."""
        ...


class SqliteDatabase:
    """See `Database`. `tables` are statements that make an author's own tables.

    Stores and connections outlive a history, with the statements that were compiled for them; what
    they held does not. The rows of a history go before the next one as retention takes them, by
    the front door: every trigger is in force.
    """

    def __init__(
        self, path: Path, tables: Sequence[str] = (), store: type[SqliteStore] = SqliteStore
    ) -> None:
        self.path, self._class, self._tables = path, store, tables
        self._pool = Pool(path)
        self._stores: dict[int, SqliteStore] = {}
        self._now: dict[int, Callable[[], int]] = {}
        self._holds = False
        self._rows: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._seen = -1
        self._files = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]
        self._prepare()

    def _prepare(self) -> None:
        self.close()
        store = self._class(self.path)
        asyncio.run(store.open())
        for statement in self._tables:
            store.links.link("writer").run(statement)
        asyncio.run(store.close())
        self.eye, self._holder = self._pool.lend(), self._pool.lend()
        found = self.eye.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        kept = ("perdure_schema", "execution", "session", "sqlite_sequence")
        own = [name for (name,) in found if name not in kept]
        self._reset = [
            "BEGIN IMMEDIATE",
            "UPDATE execution SET status = 'cancelled', owner = NULL "
            "WHERE status NOT IN ('done', 'failed', 'cancelled')",
            "DELETE FROM execution",
            "UPDATE session SET fenced = 0 WHERE fenced IS NULL",
            "DELETE FROM session",
            *(f'DELETE FROM "{name}"' for name in own),
            "DELETE FROM sqlite_sequence",
            "COMMIT",
        ]

    def close(self) -> None:
        """Cut all connections and remove the files."""
        for number in self._stores:
            self.kill(number)
        self._pool.close()
        for file in self._files:
            file.unlink(missing_ok=True)

    def begin(self) -> None:
        """Be empty again; nobody is connected."""
        for number in self._stores:
            self.kill(number)
        self.let_go()
        for statement in self._reset:
            self._holder.execute(statement)
        self._rows = {}
        self._seen = -1

    def store(self, number: int, now: Callable[[], int]) -> Store:
        """The store of process `number`; `now` is its clock in this history."""
        self._now[number] = now
        found = self._stores.get(number)
        if found is None:
            clocks = self._now
            found = self._class(self.path, creator=self._pool.lend, now=lambda: clocks[number]())
            self._stores[number] = found
        return found

    def kill(self, number: int) -> None:
        """Close its connections: what was not committed is rolled back."""
        self._stores[number].links.dispose()

    def hold(self) -> None:
        """Begin a write transaction on a connection of nobody's."""
        self._holds = self._holds or self._lock()

    def _lock(self) -> bool:
        try:
            self._holder.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def locked(self) -> bool:
        """Try to take it."""
        if self._holds or not self._lock():
            return True
        self._holder_ends()
        return False

    def _holder_ends(self) -> None:
        self._holder.execute("ROLLBACK")

    def let_go(self) -> None:
        """End it."""
        if self._holds:
            self._holder_ends()
            self._holds = False

    def rows(self) -> Rows:
        """What has changed is read; a log only grows, and `whole` shows that it did no else."""
        version = self.eye.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen or not self._rows:
            self._seen = version
            self._rows = {**self._rows, **{t: self._table(t) for t in TABLES if t not in _GROWING}}
            self._rows["log"] = self._grown_log()
            nets = {row["net"] for row in self._rows["execution"]}
            if nets - {row["net"] for row in self._rows.get("definition", ())}:
                self._rows["definition"] = self._table("definition")
            self._rows.setdefault("definition", ())
        return self._rows

    def whole(self) -> Rows:
        """Every row of every table."""
        return {table: self._table(table) for table in TABLES}

    def _table(self, table: str) -> list[Mapping[str, Any]]:
        cursor = self.eye.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _grown_log(self) -> list[Mapping[str, Any]]:
        known = list(self._rows.get("log", ()))
        counts = dict.fromkeys((row["id"] for row in self._rows["execution"]), 0)
        for row in known:
            counts[row["execution"]] += 1
        for execution, count in counts.items():
            sql = "SELECT * FROM log WHERE execution = ? AND seq >= ? ORDER BY seq"
            cursor = self.eye.execute(sql, (execution, count))
            names = [column[0] for column in cursor.description]
            known += [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return known

    def complaints(self, check: CHECKS, status: str) -> list[str]:
        """Ask the author's check over a connection that only reads."""
        return check(self.eye, status)
