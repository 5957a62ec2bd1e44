"""Connections to one SQLite file that are lent and given back, so that a thousand short lives of a
process need not open a thousand of them: opening and preparing costs more than a history's writes.

All of them are this process's, and it keeps the file to itself: SQLite holds its locks against each
other in memory, as it does in any process that has two, and leaves out those of the system, which
tell processes apart.

To whoever borrows one it is new, and gone when it is closed: what was not committed is rolled back,
and every later use of it is refused. No statement of the engine's is known here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast


class _Answer(NamedTuple):
    """What a setting said when it was made."""

    rows: Sequence[Any]

    def fetchall(self) -> Sequence[Any]:
        """All of it."""
        return self.rows


class _Lent:
    """A connection as its borrower sees it. `made` are the settings that were made on it before,
    by name: the statement that made it last, and what it answered."""

    def __init__(
        self, pool: Pool, real: sqlite3.Connection, made: dict[str, tuple[str, _Answer]]
    ) -> None:
        self._pool, self._real, self._closed, self._made = pool, real, False, made
        self.execute: Any = self._set_up
        self.executemany: Any = real.executemany
        self.isolation_level = None

    def _set_up(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor | _Answer:
        """The statements that come first are settings; one that was made is not made again: SQLite
        compiles all statements of a connection anew after some. What they are is asked of it."""
        if not sql.startswith("PRAGMA"):
            self.execute = self._real.execute
            return self.execute(sql, parameters)
        name, sets, _ = sql.partition(" = ")
        if not sets:
            return self._real.execute(sql, parameters)
        made, answer = self._made.get(name, ("", _Answer(())))
        if made != sql:
            answer = _Answer(self._real.execute(sql, parameters).fetchall())
            self._made[name] = sql, answer
        return answer

    def __getattr__(self, name: str) -> Any:
        if self._closed:
            _refuse()
        return getattr(self._real, name)

    def create_function(self, *args: Any, **settings: Any) -> None:
        """What SQLAlchemy makes for every connection: once, or all statements are compiled anew."""
        if "create_function" not in self._made:
            self._made["create_function"] = "", _Answer(())
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
        self._made: dict[sqlite3.Connection, dict[str, tuple[str, _Answer]]] = {}

    def lend(self) -> sqlite3.Connection:
        """A connection that nobody else has."""
        if self._free:
            real = self._free.pop()
        else:
            real = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?vfs=unix-excl",
                uri=True,
                timeout=0,
                check_same_thread=False,
                isolation_level=None,
                cached_statements=500,
            )
            self._all.append(real)
            self._made[real] = {}
        return cast("sqlite3.Connection", _Lent(self, real, self._made[real]))

    @property
    def writing(self) -> bool:
        """One of them is in a transaction; whoever only reads begins none."""
        return any(real.in_transaction for real in self._all)

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
