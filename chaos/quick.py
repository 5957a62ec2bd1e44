"""An event loop in virtual time made for speed: one call runs all that can run at this moment, or
one turn after another as long as somebody says so.

The same semantics as `simulation.SimLoop`. No file, no socket, no thread.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, TypeVar

from .simulation import SimLoop, Time

T = TypeVar("T")
TURNS_MAX = 20_000
"""Callbacks at one moment, beyond which a program is taken for one that never waits."""


class NeverWaits(AssertionError):
    """A program goes on and on without ever waiting for anything."""


class _Callback(asyncio.TimerHandle):
    """What waits for its turn, or for its moment: a handle of asyncio's without what is only for
    debugging, and without a time of its own, which stands beside it in the heap."""

    __slots__ = ("arguments", "context", "function")

    # Not that of the base, which asks the loop whether it debugs, for each of a thousand callbacks.
    def __init__(  # pyright: ignore[reportMissingSuperCall]
        self, function: Callable[..., Any], arguments: tuple[Any, ...], context: Context | None
    ) -> None:
        self.function, self.arguments = function, arguments
        self.context = copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self._cancelled = True
        self.function, self.arguments = _nothing, ()


class QuickLoop(SimLoop):
    """An event loop of one process. Callbacks run in the order in which they were asked for."""

    def __init__(self, time: Time) -> None:
        super().__init__(time)
        self._soon: deque[_Callback] = deque()
        self._timers: list[tuple[int, int, _Callback]] = []
        self._timer_count = 0
        self._mine: list[asyncio.Task[Any]] = []
        self.halted = False  # nothing runs any more, whatever can

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """As always; and remembered, since asyncio would look through the tasks of all loops."""
        task = super().create_task(coro, name=name, context=context)
        self._mine.append(task)
        return task

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """Those that are not done, in the order in which they began."""
        return [task for task in self._mine if not task.done()]

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback at this moment, behind all that was asked for before."""
        handle = _Callback(callback, args, context)
        self._soon.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback in so many seconds."""
        return self.call_at(self.simulated.now / 1e6 + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a moment of `time()`."""
        handle = _Callback(callback, args, context)
        self._timer_count += 1
        exactly = when * 1e6
        moment = int(exactly)
        if exactly - moment > 0.0001:  # else rounded to thousandths it is whole; that costs more
            moment = math.ceil(round(exactly, 3))
        heapq.heappush(self._timers, (moment, self._timer_count, handle))
        return handle

    @property
    def next_moment(self) -> int | None:
        """When the earliest timer fires, in virtual microseconds."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    @property
    def next_turn(self) -> int | None:
        """When something can run: long ago, if something waits for its turn already."""
        return 0 if self._soon else self.next_moment

    @property
    def due(self) -> bool:
        """Something can run at this moment."""
        return bool(self._soon or (self._timers and self._timers[0][0] <= self.simulated.now))

    def drain(self) -> None:
        """Run everything that can run at this moment, or until the process is `halted`."""
        self._within(self._run_all)

    def turns(self, again: Callable[[], bool]) -> None:
        """Run once everything that can run now, and once more as long as `again()`, which may let
        time pass. What comes on the way is for the next turn."""
        self._within(lambda: self._take_turns(again))

    def _take_turns(self, again: Callable[[], bool]) -> None:
        soon, timers, since, count = self._soon, self._timers, -1, 0
        while True:
            now = self.simulated.now
            if now != since:
                since, count = now, 0
            while timers and timers[0][0] <= now:
                soon.append(heapq.heappop(timers)[2])
            count += len(soon)
            if count > TURNS_MAX:
                raise NeverWaits(f"{count} callbacks at {now} us")
            for _ in range(len(soon)):
                self._run(soon.popleft())
            if not again():
                return

    def _within(self, work: Callable[[], None]) -> None:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=self._left)
        asyncio._set_running_loop(self)  # pyright: ignore[reportPrivateUsage] # made for loops
        try:
            work()
        finally:
            asyncio._set_running_loop(None)  # pyright: ignore[reportPrivateUsage] # made for loops
            sys.set_asyncgen_hooks(*hooks)

    def _run_all(self) -> None:
        soon, timers, now = self._soon, self._timers, self.simulated.now
        for _ in range(TURNS_MAX):
            while timers and timers[0][0] <= now:
                soon.append(heapq.heappop(timers)[2])
            if not soon or self.halted:
                return
            self._run(soon.popleft())
        raise NeverWaits(f"{TURNS_MAX} callbacks at {now} us")

    def _run(self, handle: _Callback) -> None:
        try:
            handle.context.run(handle.function, *handle.arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            said = "a callback failed"
            self.call_exception_handler({"message": said, "exception": error, "handle": handle})

    def _left(self, generator: AsyncGenerator[Any, Any]) -> None:
        """A generator that nobody ends: its process does, if it lives."""
        if not self.is_closed():
            self.create_task(generator.aclose())


def _nothing() -> None:
    return None
