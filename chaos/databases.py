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
_CHANGING = ("execution", "message", "effect", "session")
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


class _Checked(SqliteStore):
    """The store on a file that was made here: what its tables are need not be asked again by every
    life of a process. Settings are made and read back as always."""

    async def open(self) -> None:
        """Connect, to write and to read."""
        self.links.link("writer")
        self.links.link("reader")


class SqliteDatabase:
    """See `Database`. `tables` are statements that make an author's own tables.

    Stores and connections outlive a history, with the statements that were compiled for them; what
    they held does not. The rows of a history go before the next one as retention takes them, by
    the front door: every trigger is in force.
    """

    def __init__(self, path: Path, tables: Sequence[str] = ()) -> None:
        self.path, self._tables = path, tables
        self._pool = Pool(path)
        self._stores: dict[int, SqliteStore] = {}
        self._now: dict[int, Callable[[], int]] = {}
        self._holds = False
        self._forget()
        self._files = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]
        self._prepare()

    def _prepare(self) -> None:
        self.close()
        store = SqliteStore(self.path)
        asyncio.run(store.open())
        for statement in self._tables:
            store.links.link("writer").run(statement)
        asyncio.run(store.close())
        self.eye, self._holder = self._pool.lend(), self._pool.lend()
        self._names: dict[str, list[str]] = {}
        self._selects = {table: f"SELECT * FROM {table}" for table in TABLES}
        for table in TABLES:
            described = self.eye.execute(self._selects[table]).description
            self._names[table] = [column[0] for column in described]
        self._changing = self._together()
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

    def _together(self) -> str:
        """One query for the tables in which rows change; which of them a row is of comes last."""
        width = max(len(self._names[table]) for table in _CHANGING)
        parts = [
            f"SELECT {', '.join(self._names[table])}"
            f"{', NULL' * (width - len(self._names[table]))}, {number} FROM {table}"
            for number, table in enumerate(_CHANGING)
        ]
        return " UNION ALL ".join(parts)

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
        self._forget()

    def _forget(self) -> None:
        """Nothing has been read yet."""
        self._seen = -1
        self._rows: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._kept: dict[str, tuple[list[Any], Sequence[Mapping[str, Any]]]]
        self._kept = dict.fromkeys(_CHANGING, ([], []))
        self._lengths: dict[int, int] = {}  # of logs, by execution

    def store(self, number: int, now: Callable[[], int]) -> Store:
        """The store of process `number`; `now` is its clock in this history."""
        self._now[number] = now
        found = self._stores.get(number)
        if found is None:
            clocks = self._now
            found = _Checked(self.path, creator=self._pool.lend, now=lambda: clocks[number]())
            self._stores[number] = found
        return found

    def kill(self, number: int) -> None:
        """Close its connections: what was not committed is rolled back."""
        self._stores[number].links.dispose()

    def hold(self) -> None:
        """Begin a write transaction on a connection of nobody's."""
        if not self._pool.writing:
            self._holder.execute("BEGIN IMMEDIATE")
            self._holds = True

    def locked(self) -> bool:
        """Look at all connections; there are no others."""
        return self._pool.writing

    def let_go(self) -> None:
        """End it."""
        if self._holds:
            self._holder.execute("ROLLBACK")
            self._holds = False

    def rows(self) -> Rows:
        """What has changed is read, and rows that are as they were are the same objects; a log only
        grows, and `whole` shows that it did no else."""
        version = self.eye.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen or not self._rows:
            self._seen = version
            self._read()
        return self._rows

    def _read(self) -> None:
        found: list[list[Any]] = [[] for _ in _CHANGING]
        for raw in self.eye.execute(self._changing):
            found[raw[-1]].append(raw)
        rows = self._rows = {**self._rows}
        for table, raws in zip(_CHANGING, found, strict=True):
            rows[table] = self._changed(table, raws)
        rows["log"] = self._grown_log()
        nets = {row["net"] for row in rows["execution"]}
        if nets - {row["net"] for row in rows.get("definition", ())}:
            rows["definition"] = self._table("definition")
        rows.setdefault("definition", ())

    def whole(self) -> Rows:
        """Every row of every table."""
        return {table: self._table(table) for table in TABLES}

    def _table(self, table: str) -> list[Mapping[str, Any]]:
        names = self._names[table]
        raws = self.eye.execute(self._selects[table]).fetchall()
        return [dict(zip(names, raw, strict=True)) for raw in raws]

    def _changed(self, table: str, raws: list[Any]) -> Sequence[Mapping[str, Any]]:
        before, rows = self._kept[table]
        if raws != before:
            names, known = self._names[table], len(before)
            rows = [
                rows[n] if n < known and before[n] == raw else dict(zip(names, raw, strict=False))
                for n, raw in enumerate(raws)
            ]
            self._kept[table] = raws, rows
        return rows

    def _grown_log(self) -> Sequence[Mapping[str, Any]]:
        grown: list[Mapping[str, Any]] = []
        for row in self._rows["execution"]:
            sql = "SELECT * FROM log WHERE execution = ? AND seq >= ? ORDER BY seq"
            known = self._lengths.get(row["id"], 0)
            new = self.eye.execute(sql, (row["id"], known)).fetchall()
            self._lengths[row["id"]] = known + len(new)
            grown += [dict(zip(self._names["log"], raw, strict=True)) for raw in new]
        known_log = self._rows.get("log", ())
        return [*known_log, *grown] if grown else known_log

    def complaints(self, check: CHECKS, status: str) -> list[str]:
        """Ask the author's check over a connection that only reads."""
        return check(self.eye, status)
