"""Tasks that a step starts: what would end the event loop is a failure of that task (rule 34).

asyncio lets `SystemExit` and `KeyboardInterrupt` of any task out of the loop, past every handler,
and with it end all executions of the worker. So while a worker is open, its loop makes the tasks
that are started inside a step, or inside such a task, from a coroutine that turns both into
`StepFailed`. Tasks of the rest of the program are made as always. A plain callback of a step
(`loop.call_soon`, a done callback) is no task: what it raises still ends the loop, and then the
executions are found again like after any death. No step is called here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ..model.errors import StepFailed
from ..model.language.ambient import CALLED

Factory = Callable[..., Any]


class Contained(Coroutine[Any, Any, Any]):
    """A coroutine out of which nothing comes that a loop does not survive."""

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner

    def send(self, value: Any) -> Any:
        """Go on, as the coroutine inside does."""
        try:
            return self._inner.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise _failed(error) from error

    def throw(self, *given: Any) -> Any:
        """Raise inside; what comes out of that is contained too."""
        try:
            return self._inner.throw(*given)
        except (SystemExit, KeyboardInterrupt) as error:
            raise _failed(error) from error

    def close(self) -> None:
        """End the coroutine inside."""
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # what debuggers and `repr` of a task look at


def _failed(error: BaseException) -> StepFailed:
    return StepFailed(type(error).__name__, f"a task that the step started raised {error!r}")


class Containing:
    """The task factory of a loop with workers; the one it had before still makes the tasks."""

    def __init__(self, before: Factory | None) -> None:
        self.before, self.workers = before, 0

    def __call__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        """Make a task, of a contained coroutine when a step starts it."""
        if CALLED.get() is not None:
            work = Contained(work)
        if self.before is not None:
            return self.before(loop, work, **options)
        return asyncio.Task(work, loop=loop, **options)


def begin(loop: asyncio.AbstractEventLoop) -> None:
    """Contain the tasks of steps in this loop from now on."""
    found: Any = loop.get_task_factory()
    if not isinstance(found, Containing):
        found = Containing(found)
        loop.set_task_factory(found)
    found.workers += 1


def end(loop: asyncio.AbstractEventLoop) -> None:
    """A worker is gone; after the last one the loop is as it was, unless others changed it too."""
    found: Any = loop.get_task_factory()
    if isinstance(found, Containing):
        found.workers -= 1
        if found.workers == 0:
            loop.set_task_factory(found.before)
