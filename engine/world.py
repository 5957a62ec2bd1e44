"""The World port: calls of the user's steps, undos and probes. What an outcome means is not known
here.

A call may land and never answer; that is why everything around this port is written as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from ..model.errors import StepFailed
from ..model.language.ambient import CALLED
from ..model.language.steps import Step
from .threads import THREADS, Threads

# As a function: a method of what is imported is bound anew each time it is called.
_runs_now = CALLED.set


def _nothing(result: Any) -> None:
    return None


class Invocation(msgspec.Struct, frozen=True):
    """One attempt of one call. `role` is "step", "probe" or "undo"; `arguments` are decoded values.

    For an undo, `arguments` is what its form takes: the result, or the result and the arguments.
    """

    role: str
    step: Step[..., Any]
    arguments: tuple[Any, ...]
    key: str
    order: tuple[str, int, int]  # execution, tenure, seq durable when the call was decided
    site: str
    tx: Any = None  # the transaction facade of a transactional step
    late: Callable[[Any], None] = _nothing  # told the result when nobody waits for it any more


class World(Protocol):
    """Where effects happen."""

    async def call(self, invocation: Invocation) -> Any:
        """Make one call and return its result; any exception may mean that it landed."""
        ...


class UserWorld:
    """Runs the user's functions: coroutines in the loop, plain functions in daemon threads."""

    def __init__(self, threads: int = THREADS) -> None:
        self.threads = Threads(threads)

    async def call(self, invocation: Invocation) -> Any:
        """Run the function of the role with `effect_key()` and `effect_order()` set.

        What would end the loop (`SystemExit`, `KeyboardInterrupt`, any other `BaseException`, a
        stray `CancelledError` of a library) becomes a failure of the step (engine-rules 34); in a
        task that it starts, a failure of that task (see `containment.py`).
        """
        _runs_now((invocation.key, invocation.order))
        task = asyncio.current_task()
        try:
            function, is_async, args, kwargs = _bound(invocation)
            if is_async:
                return await function(*args, **kwargs)
            return await self.threads.call(partial(function, *args, **kwargs), invocation.late)
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                raise
            raise StepFailed("asyncio.CancelledError", "raised inside the step") from None
        except Exception:
            raise
        except BaseException as error:
            if isinstance(error, GeneratorExit) and _current_task() is not task:
                raise  # our own coroutine is being closed, by whoever drops it
            raise StepFailed(type(error).__name__, f"the step raised {error!r}") from error
        finally:
            _runs_now(None)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def _bound(
    invocation: Invocation,
) -> tuple[Callable[..., Any], bool, tuple[Any, ...], dict[str, Any]]:
    """The function of the role, whether it is a coroutine function, and what it is called with."""
    step = invocation.step
    if invocation.role == "step":
        args, kwargs = step.spread(invocation.arguments)
        if invocation.tx is not None:
            args = (invocation.tx, *args)
        return step.fn, step.is_async, args, kwargs
    if invocation.role == "probe":
        probe = step.probe_step
        assert probe is not None
        return probe.fn, probe.is_async, *step.spread(invocation.arguments)
    undo = step.undo_step
    assert undo is not None
    if not undo.unknown:
        return undo.fn, undo.is_async, invocation.arguments, {}
    args, kwargs = step.spread(invocation.arguments[1:])
    return undo.fn, undo.is_async, (invocation.arguments[0], *args), kwargs
