"""The Clock port: waiting, and a beat that does not depend on the event loop. No date lives here.

Safety never rests on this port; it only decides *when* something is looked at. The time that is
written into logs and compared with due times is the store's (`Store.now`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Protocol

_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Timer(Protocol):
    """A callback that was asked for and can be taken back."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Everything the engine asks of time."""

    def monotonic(self) -> float:
        """Seconds that never go back and, where the system can, go on in suspend."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back in the event loop after `seconds`."""
        ...

    def every(self, seconds: float, callback: Callable[[], bool]) -> Callable[[], None]:
        """Call back again and again, independent of the loop, until it returns False.

        Returns what stops it. The real clock uses a daemon thread, so a blocked loop does not
        silence the heartbeat (engine-rules 15).
        """
        ...


class SystemClock:
    """Real time."""

    def monotonic(self) -> float:
        """CLOCK_BOOTTIME where it exists: a lease must run out during a suspend."""
        return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)

    async def sleep(self, seconds: float) -> None:
        """Sleep in the running loop."""
        await asyncio.sleep(seconds)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Ask the running loop to call back."""
        return asyncio.get_running_loop().call_later(max(0.0, seconds), callback)

    def every(self, seconds: float, callback: Callable[[], bool]) -> Callable[[], None]:
        """Beat from a daemon thread of its own."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(seconds):
                if not callback():
                    return

        threading.Thread(target=beat, name="perdure-heartbeat", daemon=True).start()
        return stop.set
