"""A thin DB-API over apsw, whose own SQLite can run on a file system written in Python. No test.

As much of the `sqlite3` module as the store and SQLAlchemy use, errors included, so that the engine
runs unchanged by `SqliteStore(creator=...)`. The file system passes everything on to the real one
and notes it, so that `chaos/disk.py` can say what a power failure would have left.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import apsw
from perdure.chaos.disk import Did, Operation

_DML = re.compile(r"\s*(?:insert|update|delete|replace)\b", re.IGNORECASE)


def _translated(error: apsw.Error) -> sqlite3.Error:
    """The same error as Python's own module raises it."""
    code = int(getattr(error, "extendedresult", 0))
    kind = sqlite3.IntegrityError if code & 0xFF == sqlite3.SQLITE_CONSTRAINT else None
    told = (kind or sqlite3.OperationalError)(str(error))
    told.sqlite_errorcode = code
    return told


class Cursor:
    """A cursor whose statement has run to its end when `execute` returns."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: Any = None
        self.rowcount, self.lastrowid = -1, 0
        self._rows: list[Any] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run one statement."""
        raw = self.connection.raw
        try:
            cursor = raw.cursor()
            self._rows, self.description = [], None
            for row in cursor.execute(sql, tuple(parameters)):
                self.description = self.description or cursor.description
                self._rows.append(row)
        except apsw.Error as error:
            raise _translated(error) from error
        if self.description is None and sql.lstrip()[:6].upper() in ("SELECT", "PRAGMA"):
            self.description = (("none", *(None,) * 6),)  # rows there could have been
        self.rowcount = raw.changes() if _DML.match(sql) else -1
        self.lastrowid = raw.last_insert_rowid()
        return self

    def executemany(self, sql: str, many: Iterable[Sequence[Any]]) -> Cursor:
        """Run a statement for each; the changed rows are counted together."""
        count = 0
        for parameters in many:
            count += self.execute(sql, parameters).rowcount
        self.rowcount = count
        return self

    def fetchall(self) -> list[Any]:
        """What is left of the rows."""
        rows, self._rows = self._rows, []
        return rows

    def fetchone(self) -> Any:
        """The next row, or None."""
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = 1) -> list[Any]:
        """The next rows."""
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    def close(self) -> None:
        """Nothing is held."""


class Connection:
    """A connection in autocommit, as the store opens its own."""

    isolation_level: str | None = None

    def __init__(self, path: str, power: Power) -> None:
        # Its stubs name a type that Python 3.11 does not have.
        self.raw: Any = apsw.Connection(path, vfs=power.name)
        self._power = power

    def cursor(self) -> Cursor:
        """A new cursor."""
        return Cursor(self)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run one statement on a cursor of its own."""
        done = self.cursor().execute(sql, parameters)
        if sql == "COMMIT":
            self._power.commits.append(len(self._power.operations))
        return done

    def executemany(self, sql: str, many: Iterable[Sequence[Any]]) -> Cursor:
        """Run one statement for each, on a cursor of its own."""
        return self.cursor().executemany(sql, many)

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""
        return self.raw.in_transaction

    @property
    def total_changes(self) -> int:
        """Rows that were changed since it was opened."""
        return self.raw.total_changes()

    def commit(self) -> None:
        """End the open transaction, if there is one."""
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        if self.in_transaction:
            self.execute("ROLLBACK")

    def create_function(self, name: str, narg: int, func: Any, **settings: Any) -> None:
        """SQLAlchemy brings a function for regular expressions."""
        self.raw.create_scalar_function(name, func, narg)

    def close(self) -> None:
        """Close it for good."""
        self.raw.close()


class _File(apsw.VFSFile):
    def __init__(self, power: Power, name: str, flags: list[int], given: Any) -> None:
        self._power, self._name = power, name
        super().__init__("", given, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._power.note(Did.WRITE, self._name, offset, bytes(data))
        real: Any = super()
        real.xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._power.note(Did.TRUNCATE, self._name, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._power.note(Did.SYNC, self._name)


class Power(apsw.VFS):
    """The file system: `operations` are what it was asked to do, in order, and `commits` say how
    many of them were done when a COMMIT was acknowledged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"power in {folder}"
        self.operations: list[Operation] = []
        self.commits: list[int] = []
        super().__init__(self.name, "", makedefault=False)

    def note(self, did: Did, name: str, at: int = 0, data: bytes = b"") -> None:
        """One operation more."""
        self.operations.append(Operation(did, name, at, data))

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        """Open or create a file."""
        path = Path(name if isinstance(name, str) else name.filename())
        if not path.exists():
            self.note(Did.CREATE, path.name)
        return _File(self, path.name, flags, name)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete a file."""
        super().xDelete(filename, syncdir)
        self.note(Did.DELETE, Path(filename).name)

    def connect(self, path: Path) -> sqlite3.Connection:
        """A connection to a database on this file system, as the store takes it."""
        return cast("sqlite3.Connection", Connection(str(path), self))
