"""Daemon threads for plain functions of users, and the count of those that never came back.

A thread cannot be stopped (rule 46): when its caller has left, it runs on unobserved and is lost.
Lost ones count: at most twice the pool's size exist, and when all of these are lost nothing can
start here any more. No function is chosen and no outcome is judged here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from ..model.errors import StepFailed

THREADS = 32


def _nothing(*_: object) -> None:
    return None


class Threads:
    """At most `places` calls at a time, each in a daemon thread, so that exit does not hang.

    `exhausted` is called in the loop when twice `places` threads are lost.
    """

    def __init__(self, places: int = THREADS) -> None:
        self.places = places
        self.lost = 0
        self.exhausted: Callable[[], None] = _nothing
        self._free: asyncio.Semaphore | None = None

    async def call(
        self, function: Callable[[], Any], late: Callable[[Any], None] = _nothing
    ) -> Any:
        """Run it in a thread and wait; `late` gets a result that came when nobody waited any more.

        When the waiting is cancelled the thread runs on, and its place is free only as long as
        fewer than `places` threads are lost.
        """
        if self._free is None:
            self._free = asyncio.Semaphore(self.places)
        await self._free.acquire()
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            self._start(function, outcome, late)
        except BaseException:  # the machine has no thread left: the place is free again
            self._free.release()
            raise
        try:
            return await outcome
        finally:
            if outcome.done() and not outcome.cancelled():
                self._free.release()
            else:
                self._lose()

    def _start(
        self, function: Callable[[], Any], outcome: asyncio.Future[Any], late: Callable[[Any], None]
    ) -> None:
        loop = asyncio.get_running_loop()

        def settle(result: Any, error: BaseException | None) -> None:
            if outcome.cancelled():
                self._found()
                if error is None:
                    late(result)
            elif error is None:
                outcome.set_result(result)
            else:
                outcome.set_exception(error)

        def run() -> None:
            try:
                result, error = function(), None
            except StopIteration as stop:  # a future cannot carry it
                result, error = None, StepFailed("StopIteration", str(stop))
            except BaseException as raised:
                result, error = None, raised
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                loop.call_soon_threadsafe(settle, result, error)

        threading.Thread(target=copy_context().run, args=(run,), daemon=True).start()

    def _lose(self) -> None:
        assert self._free is not None
        self.lost += 1
        if self.lost <= self.places:
            self._free.release()
        if self.lost == 2 * self.places:
            self.exhausted()

    def _found(self) -> None:
        """A lost thread came back after all."""
        assert self._free is not None
        if self.lost > self.places:
            self._free.release()
        self.lost -= 1
