"""An event loop in virtual time made for speed: one call runs all that can run at this moment.

The same semantics as `simulation.SimLoop`, whose single turns it does not offer. No file, no
socket, no thread.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from .simulation import SimLoop, Time

T = TypeVar("T")
TURNS_MAX = 20_000
"""Callbacks at one moment, beyond which a program is taken for one that never waits."""


class NeverWaits(AssertionError):
    """A program goes on and on without ever waiting for anything."""


class _Soon(asyncio.Handle):
    def come(self) -> None:
        if not self._cancelled:
            self._run()


class _Later(asyncio.TimerHandle):
    def come(self) -> None:
        if not self._cancelled:
            self._run()


class QuickLoop(SimLoop):
    """An event loop of one process. Callbacks run in the order in which they were asked for."""

    def __init__(self, time: Time) -> None:
        super().__init__(time)
        self._soon: deque[_Soon] = deque()
        self._timers: list[tuple[int, int, _Later]] = []
        self._timer_count = 0
        self._mine: set[asyncio.Task[Any]] = set()
        self.halted: Callable[[], bool] = _never

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """As always; and remembered, since asyncio would look through the tasks of all loops."""
        task = super().create_task(coro, name=name, context=context)
        self._mine.add(task)
        task.add_done_callback(self._mine.discard)
        return task

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """Those that are not done."""
        return list(self._mine)

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback at this moment, behind all that was asked for before."""
        handle = _Soon(callback, args, self, context)
        self._soon.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a moment of `time()`."""
        handle = _Later(when, callback, args, self, context)
        self._timer_count += 1
        moment = math.ceil(round(when * 1e6, 3))
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
    def due(self) -> bool:
        """Something can run at this moment."""
        if self._soon:
            return True
        moment = self.next_moment
        return moment is not None and moment <= self.simulated.now

    def drain(self) -> None:
        """Run everything that can run at this moment, or until the process is `halted`."""
        self.run_forever()

    def _run_once(self) -> None:
        soon, timers, now = self._soon, self._timers, self.simulated.now
        for _ in range(TURNS_MAX):
            while timers and timers[0][0] <= now:
                handle = heapq.heappop(timers)[2]
                if not handle.cancelled():
                    self.call_soon(handle.come)
            if not soon or self.halted():
                break
            soon.popleft().come()
        else:
            raise NeverWaits(f"{TURNS_MAX} callbacks at {now} us")
        self._stopping = True


def _never() -> bool:
    return False
