"""What tests of a living engine share: waiting for a condition, reading a store others write.

No test lives here. Nothing waits for a time: `until` looks again and again, and its limit only
ends a test that would hang.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure.engine.audit import audit
from perdure.engine.records import Kind
from perdure.engine.sqlite import SqliteStore

HANG_SECONDS = 60.0


async def until(holds: Callable[[], Any]) -> Any:
    """Look until it holds; what it gave."""
    end = time.monotonic() + HANG_SECONDS
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        await asyncio.sleep(0.002)
    raise AssertionError("it never held")


class Ledger:
    """A store read from outside, with connections of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.url = f"sqlite:///{self.path}"

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of one query; none while the tables are not made."""
        if not self.path.exists():
            return []
        db = sqlite3.connect(self.path, timeout=10)
        try:
            return db.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            db.close()

    def one(self, sql: str, *values: Any) -> Any:
        """The only column of the only row; None without one."""
        found = self.rows(sql, *values)
        return found[0][0] if found else None

    def words(self, key: str) -> list[str]:
        """The words of an execution's log, in order."""
        sql = "select kind from log where execution = (select id from execution where key = ?)"
        return [Kind(kind).word for (kind,) in self.rows(f"{sql} order by seq", key)]

    def status(self, key: str) -> str | None:
        """The status of an execution; None without one."""
        return self.one("select status from execution where key = ?", key)

    def owner(self, key: str) -> int | None:
        """The session that owns an execution."""
        return self.one("select owner from execution where key = ?", key)

    async def sound(self) -> None:
        """Every log is a whole chain and a run of its net, and agrees with what lies beside it."""
        store = SqliteStore(self.path, create=False)
        await store.open()
        try:
            rows = await store.list(limit=10_000)
            found = [await audit(store, row) for row in rows]
        finally:
            await store.close()
        assert found
        assert not [(each.key, each.problems) for each in found if each.problems]
