"""Simulated time: a clock of whole microseconds, an event loop that jumps instead of sleeping, a
Clock.

One `Time` outlives the processes that are simulated in it, and so do the happenings asked for at
it: what a dead process sent may still arrive. No port is broken here; see `ports.py`.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from ..engine.clock import Timer

T = TypeVar("T")
WORDS_MAX = 20
"""How often a coroutine that is to end may still wait for something."""

EPOCH = 1_800_000_000_000_000
"""Database time when a simulation begins, in microseconds since 1970."""


class NothingLeft(AssertionError):
    """No task can go on and no moment is awaited: the simulated program hangs."""


class Time:
    """Virtual time in microseconds, and what the world outside does at its moments."""

    def __init__(self) -> None:
        self.now = 0
        self.skipped = 0
        self._happenings: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def database(self) -> int:
        """Microseconds since 1970, as the store tells them."""
        return EPOCH + self.now + self.skipped

    @property
    def passed(self) -> float:
        """Seconds since the beginning, by the store's clock."""
        return (self.now + self.skipped) / 1e6

    def skip_to(self, moment: int) -> None:
        """Put the store's clock forward to a moment of its own, and nobody else's: what waits for
        a date wakes, and no lease has run out."""
        self.skipped += max(0, moment - self.database())

    def happen(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen outside, whoever is alive then."""
        self._count += 1
        moment = self.now + math.ceil(seconds * 1e6)
        heapq.heappush(self._happenings, (moment, self._count, what))

    @property
    def awaited(self) -> bool:
        """Something is still to happen outside."""
        return bool(self._happenings)

    def is_quiet_until(self, moment: int) -> bool:
        """Nothing happens outside up to and at this moment."""
        return not self._happenings or self._happenings[0][0] > moment

    def pass_until(self, moment: int | None) -> None:
        """Go to the next happening or to `moment`, whichever is first."""
        if self._happenings and (moment is None or self._happenings[0][0] <= moment):
            at, _, what = heapq.heappop(self._happenings)
            self.now = max(self.now, at)
            what()
        elif moment is None:
            raise NothingLeft(f"at {self.now} us")
        else:
            self.now = max(self.now, moment)


class JumpyTime(Time):
    """Virtual time in which the wall clock can jump."""

    wall = 0

    def database(self) -> int:
        """Microseconds since 1970, as the store tells them."""
        return super().database() + self.wall


class _Nothing:
    """The selector of a loop without files: nothing ever comes, and nobody waits for it."""

    def select(self, timeout: float | None) -> list[Any]:
        return []

    def close(self) -> None:
        return None


class SimLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time: no file, no socket, no thread, always the same order.

    It never waits. Whoever holds several of them gives each its `turn` and lets time pass when none
    is `due`: that is how processes are interleaved.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.simulated = time
        self._selector = _Nothing()
        # After some months a float of seconds is coarser than asyncio's nanosecond: a timer that
        # is due by `next_moment` would not run, for ever.
        self._clock_resolution = 1e-8
        self.set_exception_handler(self._noticed)
        self.defects: list[BaseException] = []
        self.abandoned = False

    def time(self) -> float:
        """Virtual seconds."""
        return self.simulated.now / 1e6

    def _noticed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.abandoned and isinstance(error, BaseException):
            self.defects.append(error)

    def _process_events(self, event_list: list[Any]) -> None:
        return None

    def _write_to_self(self) -> None:
        return None

    @property
    def next_moment(self) -> int | None:
        """When the earliest timer fires, in virtual microseconds."""
        timers = self._scheduled
        while timers and timers[0].cancelled():
            heapq.heappop(timers)
        return math.ceil(round(timers[0].when() * 1e6, 3)) if timers else None

    @property
    def due(self) -> bool:
        """Something can run at this moment."""
        if self._ready:
            return True
        moment = self.next_moment
        return moment is not None and moment <= self.simulated.now

    def turn(self) -> None:
        """Run once everything that can run now."""
        self.run_forever()

    def _run_once(self) -> None:
        ready, timers, now = self._ready, self._scheduled, self.time() + self._clock_resolution
        while timers and timers[0].when() < now:
            ready.append(heapq.heappop(timers))
        for _ in range(len(ready)):  # what comes on the way is for the next turn
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()
        self._stopping = True

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        return None

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """Those that are not done."""
        return list(asyncio.all_tasks(self))

    def abandon(self, besides: Iterable[asyncio.Task[Any]] = ()) -> None:
        """Drop everything that was going on, as the death of the process does; `besides` are tasks
        that this loop does not know of.

        All of it is ended here, where no loop runs. What is left to the collector of garbage would
        speak its last words in the midst of a living process, and begin tasks there.
        """
        self.abandoned = True
        log = logging.getLogger("perdure")
        log.disabled = True  # what a dead process would have said about its own end
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                for task in dict.fromkeys((*self.tasks, *besides)):
                    _close(task.get_coro())
        finally:
            log.disabled = False
        self.close()


def _close(coroutine: Any) -> None:
    """End a coroutine where it stands; what its `finally` blocks try is of no effect any more.

    One of them may wait, and then it has not ended: it is asked again.
    """
    for _ in range(WORDS_MAX):
        try:
            coroutine.close()
            return
        except Exception:
            continue


def let_pass(time: Time, loops: Sequence[SimLoop]) -> None:
    """Go to the next moment at which something happens, in a loop or outside.

    Raises `NothingLeft` with the tasks that wait, when nothing ever will.
    """
    moments = [moment for loop in loops if (moment := loop.next_moment) is not None]
    try:
        time.pass_until(min(moments, default=None))
    except NothingLeft as hang:
        waiting = [task for loop in loops for task in asyncio.all_tasks(loop)]
        raise NothingLeft(f"{hang}: {[repr(task) for task in waiting]}") from None


def run(loop: SimLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a task that died of a defect on the way fails the run."""
    task = loop.create_task(main)
    while not task.done():
        if loop.due:
            loop.turn()
        else:
            let_pass(loop.simulated, [loop])
    if loop.defects:
        raise loop.defects[0]
    return task.result()


class SimClock:
    """The Clock port in virtual time: beats are callbacks of the loop, there is no thread."""

    def __init__(self, time: Time, loop: SimLoop) -> None:
        self._time, self._loop = time, loop

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._time.now / 1e6

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back after virtual seconds."""
        return self._loop.call_later(max(0.0, seconds), callback)

    def every(self, seconds: float, callback: Callable[[], bool]) -> Callable[[], None]:
        """Call back again and again until told to stop or answered False."""
        timers: list[Timer] = []

        def beat() -> None:
            if callback():
                timers[0] = self._loop.call_later(seconds, beat)

        timers.append(self._loop.call_later(seconds, beat))
        return lambda: timers[0].cancel()
