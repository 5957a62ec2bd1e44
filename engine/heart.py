"""The heart of a session: beats from a thread, and a watch over the event loop (rule 15).

A blocked loop does not silence the beat: it costs throughput, and is not worth a doubt. After a
second the culprit's stack is told, after a minute the beat stops so that others take over. Whether
a session is fenced is the store's to say; nothing is fenced and no execution is touched here.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable

from ..model.errors import PlatformError
from .clock import Clock, Timer
from .leases import BEATS_IN_LEASE, Lease

LOOK_SECONDS = 0.25
BLOCKED_SECONDS = 1.0
GIVE_UP_SECONDS = 60.0
_LOG = logging.getLogger("perdure")


class Heart:
    """Beats for one session until it is stopped or fenced; made and stopped in the event loop.

    How long the loop stood still is counted in looks of the thread, not read from a clock: a
    suspended process did not block anything.
    """

    def __init__(self, clock: Clock, lease: Lease, beat: Callable[[], bool]) -> None:
        self.fenced = False
        self._clock, self._lease, self._beat = clock, lease, beat
        self._every = min(LOOK_SECONDS, lease.seconds / BEATS_IN_LEASE)
        self._looks_per_beat = round(lease.seconds / BEATS_IN_LEASE / self._every)
        self._loop_thread = threading.get_ident()
        self._ticks: int = 0
        self._seen: int = 0
        self._looks: int = 0
        self._still: float = 0.0  # seconds without a tick of the loop
        self._timer: Timer = clock.later(self._every, self._tick)
        self._stop = clock.every(self._every, self._look)

    def stop(self) -> None:
        """Beat no more."""
        self._stop()
        self._timer.cancel()

    def _tick(self) -> None:
        self._ticks += 1
        self._timer = self._clock.later(self._every, self._tick)

    def _look(self) -> bool:
        self._watch()
        self._looks += 1
        if self._looks % self._looks_per_beat or self._still >= GIVE_UP_SECONDS:
            return True
        sent = self._clock.monotonic()
        try:
            alive = self._beat()
        except PlatformError as error:  # the lease runs on; perhaps the next beat gets through
            _LOG.warning("a heartbeat failed: %s", error)
            return True
        except Exception:  # a defect: the thread must not end of it, unheard
            _LOG.exception("a heartbeat failed by a defect")
            return True
        if alive:
            self._lease.acknowledged(sent)
        self.fenced = not alive
        return alive

    def _watch(self) -> None:
        if self._ticks != self._seen:
            if self._still >= BLOCKED_SECONDS:
                _LOG.warning("the event loop goes on after %.1f s", self._still)
            self._seen, self._still = self._ticks, 0.0
            return
        before, self._still = self._still, self._still + self._every
        if before < BLOCKED_SECONDS <= self._still:
            stack = _stack_of(self._loop_thread)
            _LOG.warning("the event loop is blocked for %.1f s by:\n%s", self._still, stack)
        if before < GIVE_UP_SECONDS <= self._still:
            _LOG.error("the event loop is blocked for %.0f s: others take over", self._still)


def _stack_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage] # documented
    return "".join(traceback.format_stack(frame)) if frame is not None else ""
