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

    The stores outlive a history, with the statements that SQLAlchemy has compiled for them; their
    connections do not.
    """

    def __init__(
        self, path: Path, tables: Sequence[str] = (), store: type[SqliteStore] = SqliteStore
    ) -> None:
        self.path, self._class = path, store
        self._stores: dict[int, SqliteStore] = {}
        self._now: dict[int, Callable[[], int]] = {}
        self._eye: sqlite3.Connection | None = None
        self._holder: sqlite3.Connection | None = None
        self._holds = False
        self._rows: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._seen = -1
        self._files = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]
        self._prepared = self._prepare(tables)

    def _prepare(self, tables: Sequence[str]) -> bytes:
        self.close()
        store = self._class(self.path)
        asyncio.run(store.open())
        for statement in tables:
            store.links.link("writer").run(statement)
        asyncio.run(store.close())  # the last connection folds the write-ahead log into the file
        return self.path.read_bytes()

    def close(self) -> None:
        """Cut all connections and remove the files."""
        self._cut()
        for file in self._files:
            file.unlink(missing_ok=True)

    def _cut(self) -> None:
        for store in self._stores.values():
            store.links.dispose()
        for connection in (self._eye, self._holder):
            if connection is not None:
                connection.close()
        self._eye = self._holder = None
        self._holds = False

    def begin(self) -> None:
        """A fresh copy of the prepared file."""
        self.close()
        self.path.write_bytes(self._prepared)
        self._rows = {}
        self._seen = -1

    def store(self, number: int, now: Callable[[], int]) -> Store:
        """The store of process `number`; `now` is its clock in this history."""
        self._now[number] = now
        found = self._stores.get(number)
        if found is None:
            found = self._class(self.path, now=lambda: self._now[number]())
            self._stores[number] = found
        return found

    def kill(self, number: int) -> None:
        """Close its connections: what was not committed is rolled back."""
        self._stores[number].links.dispose()

    def hold(self) -> None:
        """Begin a write transaction on a connection of nobody's."""
        self._holds = self._holds or self._lock()

    def _lock(self) -> bool:
        if self._holder is None:
            self._holder = sqlite3.connect(self.path, timeout=0, isolation_level=None)
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
        if self._holder is not None:
            self._holder.execute("ROLLBACK")

    def let_go(self) -> None:
        """End it."""
        if self._holds:
            self._holder_ends()
            self._holds = False

    @property
    def eye(self) -> sqlite3.Connection:
        """A connection that only reads."""
        if self._eye is None:
            self._eye = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        return self._eye

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
