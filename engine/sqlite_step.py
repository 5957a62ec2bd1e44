"""A transactional step on SQLite: the author's writes, then our rows, one commit.

The write lock is held while the author's function runs, hence its time limit (rule 19); the fence
is checked after it, before our rows (rule 18). No step is chosen and no retry is made here.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from .errors import TransactionEnded, TransactionTooLong
from .sqlite_append import is_value, write_batch, write_each
from .sqlite_link import Link
from .store import Append, Appended
from .transactional import LENT, Tx, end

T = TypeVar("T")


class Doomed(Exception):
    """The own append did not fit; raised inside the transaction to roll it back, never beyond."""


class SqliteStepTransaction:
    """See `StepTransaction` of the port."""

    def __init__(
        self, link: Link, session: int, now: Callable[[], int], seconds_max: float
    ) -> None:
        self._link, self._session, self._now = link, session, now
        self._seconds_max = seconds_max
        self.doomed = False

    async def run(self, function: Callable[[Tx], Awaitable[T]]) -> T:
        """Call the author's function; on any error the whole transaction is to be rolled back."""
        tx = Tx(self._link.core)
        self._link.run("SAVEPOINT lent")
        limit = asyncio.timeout(self._seconds_max)
        lent = LENT.set(True)
        try:
            async with limit:
                result = await function(tx)
        except TimeoutError as error:
            if limit.expired():
                raise TransactionTooLong(self._seconds_max) from error
            raise
        finally:
            LENT.reset(lent)
            end(tx)
        try:
            self._link.run("RELEASE lent")
        except sqlite3.OperationalError as error:
            raise TransactionEnded() from error
        return result

    def append(self, own: Append, riders: Sequence[Append] = ()) -> list[Appended]:
        """Write the records of the step's execution and of those that ride along."""
        batch = [own, *riders]
        self._link.run("SAVEPOINT rows")
        try:
            results = write_batch(self._link, self._session, batch, self._now())
        except Exception as error:
            if not is_value(error):
                raise
            self._link.run("ROLLBACK TO rows")
            results = write_each(self._link, self._session, batch, self._now())
        self._link.run("RELEASE rows")
        self.doomed = not results[0].ok
        return results
