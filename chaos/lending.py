"""Connections to one SQLite file that are lent and given back, so that a thousand short lives of a
process need not open a thousand of them: opening and preparing costs more than a history's writes.

To whoever borrows one it is new, and gone when it is closed: what was not committed is rolled back,
and every later use of it is refused. No statement of the engine's is known here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast


class _Lent:
    """A connection as its borrower sees it. `made` are the settings that were made on it before,
    by name, each as the statement that made it last."""

    def __init__(self, pool: Pool, real: sqlite3.Connection, made: dict[str, str]) -> None:
        self._pool, self._real, self._closed, self._made = pool, real, False, made
        self.execute: Any = self._set_up
        self.executemany: Any = real.executemany
        self.isolation_level = None

    def _set_up(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """The statements that come first are settings; one that was made and says nothing is not
        made again: SQLite compiles all statements of a connection anew after it."""
        if not sql.startswith("PRAGMA"):
            self.execute = self._real.execute
            return self.execute(sql, parameters)
        name, sets, _ = sql.partition(" = ")
        if self._made.get(name) == sql:
            return self._real.cursor()
        cursor = self._real.execute(sql, parameters)
        if sets and cursor.description is None:
            self._made[name] = sql
        return cursor

    def __getattr__(self, name: str) -> Any:
        if self._closed:
            _refuse()
        return getattr(self._real, name)

    def create_function(self, *args: Any, **settings: Any) -> None:
        """What SQLAlchemy makes for every connection: once, or all statements are compiled anew."""
        if "create_function" not in self._made:
            self._made["create_function"] = ""
            self._real.create_function(*args, **settings)

    def close(self) -> None:
        """Give it back; twice is once."""
        if not self._closed:
            self._closed = True
            self.execute = self.executemany = _refuse
            self._pool.take_back(self._real)


def _refuse(*args: Any) -> None:
    raise sqlite3.ProgrammingError("Cannot operate on a closed database.")


class Pool:
    """All connections to one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._made: dict[sqlite3.Connection, dict[str, str]] = {}

    def lend(self) -> sqlite3.Connection:
        """A connection that nobody else has."""
        if self._free:
            real = self._free.pop()
        else:
            real = sqlite3.connect(
                self._path,
                timeout=0,
                check_same_thread=False,
                isolation_level=None,
                cached_statements=500,
            )
            self._all.append(real)
            self._made[real] = {}
        return cast("sqlite3.Connection", _Lent(self, real, self._made[real]))

    def take_back(self, real: sqlite3.Connection) -> None:
        """Roll back what is open, as closing does."""
        if real.in_transaction:
            real.rollback()
        self._free.append(real)

    def close(self) -> None:
        """Close all of them, lent or not."""
        for real in self._all:
            real.close()
        self._all, self._free, self._made = [], [], {}
