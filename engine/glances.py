"""Waiting for something to look at, by glances: a callback that mostly finds nothing, many times a
second, and wakes a task only when it does.

What is looked for, and what is done about it, is the worker's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .clock import Clock, Timer

GLANCE_SECONDS = 0.01


class Glances:
    """`anything` is asked from time to time while somebody waits; an error of its is something."""

    def __init__(self, clock: Clock, anything: Callable[[], bool]) -> None:
        self._clock, self._anything = clock, anything
        self._woken = asyncio.Event()
        self._timer: Timer | None = None

    def wake(self) -> None:
        """There is something: whoever waits, or the next who does, goes on."""
        self._woken.set()

    async def something(self) -> None:
        """Return when there is something to look at, or somebody says so."""
        self._glance_later()
        try:
            await self._woken.wait()
        finally:  # cancelled too: nobody looks any more, and the store may be closed
            if self._timer is not None:
                self._timer.cancel()
        self._woken.clear()

    def _glance_later(self) -> None:
        self._timer = self._clock.later(GLANCE_SECONDS, self._glance)

    def _glance(self) -> None:
        try:
            found = self._anything()
        except Exception:  # the look that follows comes upon it too, and tells
            found = True
        if found:
            self.wake()
        else:
            self._glance_later()
