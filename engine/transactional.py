"""What a transactional step is lent: `Tx`, statements inside the engine's transaction.

There is no commit, rollback or close here and never will be: the record and the writes are one
commit, and that is the engine's. A method that waits would hold the only writer of SQLite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whoever calls with statements has it; a worker without such steps needs none
    from sqlalchemy import Connection, CursorResult, Executable, ScalarResult

LENT: ContextVar[bool] = ContextVar("LENT", default=False)
"""A transactional step runs here: whoever writes through the engine would wait for itself."""

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Tx:
    """The transaction of a step in the engine's database, for SQLAlchemy Core statements.

    Everything executed here commits together with the record of the step, or not at all. Results
    can be read until the step returns. Valid only during the call that it was given to.
    """

    __slots__ = ("_connection", "_results")

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self._results: list[CursorResult[Any]] = []

    async def execute(
        self, statement: Executable, parameters: Parameters = None
    ) -> CursorResult[Any]:
        """Execute one statement, for each of several parameter sets when a sequence is given."""
        if self._connection is None:
            raise RuntimeError("this tx is over: it belongs to the one call of its step")
        result = self._connection.execute(statement, parameters)
        if not result.closed:
            self._results.append(result)
        return result

    async def scalar(self, statement: Executable, parameters: Parameters = None) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    async def scalars(
        self, statement: Executable, parameters: Parameters = None
    ) -> ScalarResult[Any]:
        """The first column of every row."""
        return (await self.execute(statement, parameters)).scalars()


def end(tx: Tx) -> None:
    """Make `tx` useless and close its results: a half-read one would hold an old snapshot."""
    tx._connection = None  # pyright: ignore[reportPrivateUsage] # the other half of this module
    for result in tx._results:  # pyright: ignore[reportPrivateUsage] # the other half
        result.close()
