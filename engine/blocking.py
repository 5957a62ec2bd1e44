"""The engine for code without an event loop: a daemon thread owns the loop, calls wait for it.

Nothing runs differently: the same engine, the same worker, behind names that block.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar

from ..model.errors import PlacementError
from ..model.language.waits import Signal
from ..model.language.workflows import Workflow

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class _Run(Protocol[R_co]):
    """What is wrapped: `client.Run`."""

    id: str

    def result(self, *, timeout: timedelta | None = ...) -> Coroutine[Any, Any, R_co]: ...

    def send(self, signal: Signal[T], value: T, /) -> Coroutine[Any, Any, None]: ...

    def cancel(self, *, reason: str) -> Coroutine[Any, Any, None]: ...


class _Engine(Protocol):
    """What is wrapped: `client.Engine`, not imported here, since it hands this class on."""

    def __aenter__(self) -> Coroutine[Any, Any, Any]: ...

    def __aexit__(self, *exc: object) -> Coroutine[Any, Any, None]: ...

    def start(
        self, call: Coroutine[Any, Any, R], /, *, id: str
    ) -> Coroutine[Any, Any, _Run[R]]: ...

    def run(
        self, call: Coroutine[Any, Any, R], /, *, id: str | None = ...
    ) -> Coroutine[Any, Any, R]: ...

    def find(self, workflow: Workflow[P, R], id: str, /) -> _Run[R]: ...


class BlockingRun(Generic[R]):
    """An execution as its caller sees it."""

    def __init__(self, engine: BlockingEngine, run: _Run[R]) -> None:
        self._engine, self._run, self.id = engine, run, run.id

    def result(self, *, timeout: timedelta | None = None) -> R:
        """Wait for the end and return the value, or raise what the workflow raised."""
        return self._engine.wait(self._run.result(timeout=timeout))

    def send(self, signal: Signal[T], value: T, /) -> None:
        """Put a message into its inbox; durable when this returns."""
        self._engine.wait(self._run.send(signal, value))

    def cancel(self, *, reason: str) -> None:
        """Wish that it ends; compensation is let finish."""
        self._engine.wait(self._run.cancel(reason=reason))


class BlockingEngine:
    """`Engine` for Django, Flask and scripts. Refuses to be used from a running event loop."""

    def __init__(self, engine: Callable[[], _Engine], /) -> None:
        self._make = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: _Engine | None = None

    def __enter__(self) -> Self:
        _refuse_in_loop()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="perdure", daemon=True).start()
        engine = self._make()
        self.wait(engine.__aenter__())
        self._engine = engine
        return self

    def __exit__(self, *exc: object) -> None:
        if self._engine is not None:
            self.wait(self._engine.__aexit__(*exc))
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._engine = self._loop = None

    def start(self, call: Coroutine[Any, Any, R], /, *, id: str) -> BlockingRun[R]:
        """Start an execution, or find the one with this id; durable on return."""
        return BlockingRun(self, self.wait(self._open().start(call, id=id)))

    def run(self, call: Coroutine[Any, Any, R], /, *, id: str | None = None) -> R:
        """Start (or find) an execution and wait for its result."""
        return self.wait(self._open().run(call, id=id))

    def find(self, workflow: Workflow[P, R], id: str, /) -> BlockingRun[R]:
        """A handle of an execution that exists, without looking."""
        return BlockingRun(self, self._open().find(workflow, id))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the engine's loop and wait for it."""
        _refuse_in_loop(work)
        if self._loop is None:
            work.close()
            raise _closed()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _open(self) -> _Engine:
        if self._engine is None:
            raise _closed()
        return self._engine


def _closed() -> PlacementError:
    return PlacementError(
        "PD606",
        "this engine is not open",
        "",
        "it has a worker and a database connection only while it is open",
        "with Engine.blocking(url) as engine: ...",
    )


def _refuse_in_loop(work: Coroutine[Any, Any, Any] | None = None) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if work is not None:
        work.close()
    raise PlacementError(
        "PD607",
        "a blocking engine is used inside a running event loop",
        "",
        "it would stop the loop until the execution ends",
        "async with Engine(url) as engine: await engine.run(...)",
    )
