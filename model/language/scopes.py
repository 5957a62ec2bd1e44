"""Scopes of a workflow: what holds for all calls between an `async with` and its end.

Only `saga` exists. The scope itself is a marker; the engine, or `.direct`, keeps the stack.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType

from ..errors import PlacementError
from .ambient import DIRECT, Performer


class Saga(AbstractAsyncContextManager[None]):
    """The scope that `saga()` makes."""

    def __init__(self) -> None:
        self._world: Performer | None = None
        self._opened: object = None

    async def __aenter__(self) -> None:
        self._world = DIRECT.get()
        if self._world is None:
            raise PlacementError(
                "PD601",
                "saga() is entered outside a workflow",
                "",
                "only an engine remembers over a crash what must be undone",
                "run the workflow by `await engine.run(flow(...), id=...)`, or without a log, for "
                "tests, by `await flow.direct(...)`",
            )
        self._opened = self._world.enter_saga()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        if self._world is not None:
            await self._world.leave_saga(self._opened, error)


def saga() -> AbstractAsyncContextManager[None]:
    """Open a scope that, when left by an exception, undoes what was done in it, last first.

    After an irreversible step in it (the pivot) nothing may fail for good, and nothing is undone.
    """
    return Saga()
