"""The processes of the demo, and how a run is given up: none of them is left, whenever it happens.

An interrupt is an exception that can strike between any two lines, so it strikes where nothing is
under way: the work runs in a thread, the main thread only waits. What the work is stands elsewhere.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

T = TypeVar("T")


class GivenUp(Exception):
    """The run was interrupted: nothing is started any more."""


class Crew:
    """Every process that was started, so that all can be ended at once, from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._members: list[subprocess.Popen[str]] = []
        self._ended = False

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a process that ends with us, and that Ctrl-C reaches through us alone."""
        with self._lock:
            if self._ended:
                raise GivenUp
            member = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=env,
                text=True,
                process_group=0,
            )
            self._members.append(member)
            return member

    def end(self) -> None:
        """Kill all, the youngest first, and start none any more."""
        with self._lock:
            self._ended = True
            for member in reversed(self._members):
                member.kill()
                member.wait()


def interruptible(work: Callable[[Crew], T]) -> T:
    """The result of `work`; on Ctrl-C or SIGTERM its processes are ended, then it is let end too.

    Call it in the main thread. Raises `KeyboardInterrupt` when everything is gone.
    """
    crew = Crew()
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    pool = ThreadPoolExecutor(1)
    try:
        for number in before:
            signal.signal(number, signal.default_int_handler)
        return pool.submit(work, crew).result()
    except KeyboardInterrupt:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave anything
        crew.end()
        raise
    finally:
        pool.shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)
