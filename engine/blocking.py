"""The engine for code without an event loop: a daemon thread owns the loop, calls wait for it.

Nothing runs differently: the same engine, the same worker, behind names that block.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar

from ..model.errors import PlacementError
from ..model.language.waits import Signal
from ..model.language.workflows import Workflow
from ..model.program import Program
from . import forks
from .looking import View

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
LINGER_SECONDS = 5.0  # for what an interrupted close still has to do
_LOG = logging.getLogger("perdure")


class _Run(Protocol[R_co]):
    """What is wrapped: `client.Run`."""

    id: str

    def result(self, *, timeout: timedelta | None = ...) -> Coroutine[Any, Any, R_co]: ...

    def send(
        self, signal: Signal[T], value: T, /, *, message_id: str | None = ...
    ) -> Coroutine[Any, Any, None]: ...

    def look(self) -> Coroutine[Any, Any, View]: ...

    def cancel(self, *, reason: str) -> Coroutine[Any, Any, None]: ...


class _Engine(Protocol):
    """What is wrapped: `client.Engine`, not imported here, since it hands this class on."""

    def __aenter__(self) -> Coroutine[Any, Any, Any]: ...

    def __aexit__(self, *exc: object) -> Coroutine[Any, Any, None]: ...

    def serve(self, *workflows: Workflow[..., Any]) -> Coroutine[Any, Any, list[Program]]: ...

    def start(
        self, call: Coroutine[Any, Any, R], /, *, id: str
    ) -> Coroutine[Any, Any, _Run[R]]: ...

    def run(
        self, call: Coroutine[Any, Any, R], /, *, id: str | None = ...
    ) -> Coroutine[Any, Any, R]: ...

    def find(self, workflow: Workflow[P, R], id: str, /) -> _Run[R]: ...

    def send(
        self, key: str, signal: Signal[T], value: T, /, *, message_id: str | None = ...
    ) -> Coroutine[Any, Any, None]: ...

    def cancel(self, key: str, *, reason: str, by: str = ...) -> Coroutine[Any, Any, None]: ...

    def decide(
        self,
        key: str,
        effect: str,
        verdict: str,
        *,
        value: bytes | None = ...,
        by: str,
        reason: str = ...,
        wait: timedelta = ...,
    ) -> Coroutine[Any, Any, bool]: ...

    def resume(self, key: str) -> Coroutine[Any, Any, bool]: ...


class BlockingRun(Generic[R]):
    """An execution as its caller sees it."""

    def __init__(self, engine: BlockingEngine, run: _Run[R]) -> None:
        self._engine, self._run, self.id = engine, run, run.id

    def result(self, *, timeout: timedelta | None = None) -> R:
        """Wait for the end and return the value, or raise what the workflow raised."""
        return self._engine.wait(self._run.result(timeout=timeout))

    def send(self, signal: Signal[T], value: T, /, *, message_id: str | None = None) -> None:
        """Put a message into its inbox; durable when this returns."""
        self._engine.wait(self._run.send(signal, value, message_id=message_id))

    def look(self) -> View:
        """Where it stands, read from the database (as `Run.look`)."""
        return self._engine.wait(self._run.look())

    def cancel(self, *, reason: str) -> None:
        """Wish that it ends; compensation is let finish."""
        self._engine.wait(self._run.cancel(reason=reason))


class BlockingEngine:
    """`Engine` for Django, Flask and scripts: the same names, from as many threads as you like.

    Refuses to be used from a running event loop. Open it with `with`, or with `open` and `close`
    where a process has no place to put a `with` around.
    """

    def __init__(self, engine: Callable[[], _Engine], /) -> None:
        self._make = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: _Engine | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._process = os.getpid()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *exc: object) -> None:
        if self._process == os.getpid():
            self.close()

    def open(self) -> Self:
        """Start the thread, the loop in it and the engine in that."""
        _refuse_in_loop()
        if self._loop is not None:
            raise PlacementError(
                "PD608",
                "this engine is open already",
                "",
                "it has one loop in one thread",
                "open it once for the whole process and hand it on: threads may share it",
            )
        self._process = os.getpid()
        engine = self._make()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run_loop, args=(self._loop,), name="perdure", daemon=True
        )
        self._thread.start()
        try:
            self.wait(engine.__aenter__())
        except BaseException:
            self._end_loop()
            raise
        self._engine = engine
        return self

    def close(self) -> None:
        """Let running steps end, release the rest, end the thread; once is enough.

        Interrupted (Ctrl-C) it waits for no step any more, and raises when everything is closed.
        """
        if self._engine is None:
            return
        _refuse_in_loop()
        engine, self._engine = self._engine, None
        try:
            self.wait(self._leave(engine))
        finally:
            self._end_loop()

    async def _leave(self, engine: _Engine) -> None:
        self._leaving = asyncio.current_task()
        await engine.__aexit__(None, None, None)

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: run until stopped, then let what is under way end, and close."""
        asyncio.set_event_loop(loop)
        while True:
            try:
                loop.run_forever()
                break
            except (SystemExit, KeyboardInterrupt):
                _LOG.exception("a task that a step started would have ended the loop; it goes on")
        leaving, self._leaving = self._leaving, None
        if leaving is not None and not leaving.done() and not leaving.cancelling():
            leaving.cancel()  # interrupted before the waiting for it had begun
        tasks = asyncio.all_tasks(loop)
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=LINGER_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _end_loop(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()  # what an interrupted close still does, ends in there

    def serve(self, *workflows: Workflow[..., Any]) -> list[Program]:
        """Compile workflows and take over executions of them that nobody runs."""
        return self.wait(self._open().serve(*workflows))

    def start(self, call: Coroutine[Any, Any, R], /, *, id: str) -> BlockingRun[R]:
        """Start an execution, or find the one with this id; durable on return."""
        return BlockingRun(self, self.wait(self._open(call).start(call, id=id)))

    def run(self, call: Coroutine[Any, Any, R], /, *, id: str | None = None) -> R:
        """Start (or find) an execution and wait for its result."""
        return self.wait(self._open(call).run(call, id=id))

    def find(self, workflow: Workflow[P, R], id: str, /) -> BlockingRun[R]:
        """A handle of an execution that exists, without looking."""
        return BlockingRun(self, self._open().find(workflow, id))

    def send(
        self, key: str, signal: Signal[T], value: T, /, *, message_id: str | None = None
    ) -> None:
        """Send a signal; with a `message_id` a repeated send is accepted once."""
        self.wait(self._open().send(key, signal, value, message_id=message_id))

    def cancel(self, key: str, *, reason: str, by: str = "") -> None:
        """Wish that an execution ends; compensation is let finish. Twice is once."""
        self.wait(self._open().cancel(key, reason=reason, by=by))

    def decide(
        self,
        key: str,
        effect: str,
        verdict: str,
        *,
        value: bytes | None = None,
        by: str,
        reason: str = "",
        wait: timedelta = timedelta(seconds=5),
    ) -> bool:
        """Decide about an effect that waits for a person, as `Engine.decide`."""
        work = self._open().decide(
            key, effect, verdict, value=value, by=by, reason=reason, wait=wait
        )
        return self.wait(work)

    def resume(self, key: str) -> bool:
        """Let a stalled execution go on; False when it was not stalled."""
        return self.wait(self._open().resume(key))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the engine's loop and wait for it.

        Interrupted (Ctrl-C) the waiting ends; an execution goes on.
        """
        try:
            self._refuse()
        except BaseException:
            work.close()
            raise
        assert self._loop is not None
        future = None
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            return future.result()
        except BaseException:
            if future is not None:
                future.cancel()
            raise

    def _refuse(self) -> None:
        if self._process != os.getpid():
            raise forks.refusal()
        _refuse_in_loop()
        if self._loop is None:
            raise _closed()

    def _open(self, call: Coroutine[Any, Any, Any] | None = None) -> _Engine:
        try:
            self._refuse()
        except BaseException:
            if call is not None:
                call.close()
            raise
        if self._engine is None:
            raise _closed()
        return self._engine


def _closed() -> PlacementError:
    why = "it has a worker and a database connection only while it is open"
    return PlacementError(
        "PD606", "this engine is not open", "", why, "with Engine.blocking(url) as engine: ..."
    )


def _refuse_in_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise PlacementError(
        "PD607",
        "a blocking engine is used inside a running event loop",
        "",
        "it would stop the loop until the execution ends",
        "async with Engine(url) as engine: await engine.run(...)",
    )
