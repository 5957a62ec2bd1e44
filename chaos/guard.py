"""What the user's own code may not do in a simulation: reach the real world.

An audit hook sees what Python does: connections, processes, files that are written; threads are
refused, and `time.sleep` takes no time. A library in C that opens a connection by itself is not
seen. Nothing is undone here: it is refused.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

_REFUSED = {
    "socket.connect": "opens a connection",
    "socket.bind": "listens",
    "socket.getaddrinfo": "looks up a host",
    "socket.sendto": "sends",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "starts a process",
    "os.fork": "forks",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.mkdir": "makes a folder",
    "os.rmdir": "removes a folder",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Unsafe(BaseException):
    """The user's code does what a simulation must not: passes their `except Exception`."""


class _Watch:
    """One run of the user's code, and what it did."""

    did: str = ""


_RUNNING: ContextVar[_Watch | None] = ContextVar("RUNNING", default=None)


class _Changed:
    """What is changed in Python while the user's code runs, however many runs lie in one another:
    a transaction of one simulated process may be open while a body of another runs.
    """

    hooked = False
    runs = 0
    sleep, start = staticmethod(time.sleep), threading.Thread.start

    def __enter__(self) -> None:
        if not _Changed.hooked:  # a hook can never be taken away
            sys.addaudithook(_hook)
            _Changed.hooked = True
        if not _Changed.runs:
            _Changed.sleep, _Changed.start = staticmethod(time.sleep), threading.Thread.start
            time.sleep, threading.Thread.start = _no_time, _no_thread
        _Changed.runs += 1

    def __exit__(self, *_: object) -> None:
        _Changed.runs -= 1
        if not _Changed.runs:
            time.sleep, threading.Thread.start = _Changed.sleep, _Changed.start


def _did(event: str, args: tuple[Any, ...]) -> str:
    if event == "open":
        path, _, flags = args
        writes = isinstance(flags, int) and flags & _WRITING
        return f"writes {path}" if writes and "__pycache__" not in str(path) else ""
    if event == "sqlite3.connect":
        return "" if str(args[0]) == ":memory:" else f"opens the database {args[0]}"
    return _REFUSED.get(event, "")


def _hook(event: str, args: tuple[Any, ...]) -> None:
    watch = _RUNNING.get()
    if watch is None:
        return
    did = _did(event, args)
    if did:
        watch.did = watch.did or did
        raise Unsafe(did)


def _no_time(seconds: float, /) -> None:
    """Sleep in simulated time: none passes at the moment of a body."""
    if _RUNNING.get() is None:
        _Changed.sleep(seconds)


def _no_thread(self: threading.Thread) -> None:
    watch = _RUNNING.get()
    if watch is None:
        _Changed.start(self)
        return
    watch.did = watch.did or "starts a thread"
    raise Unsafe(watch.did)


@contextmanager
def guarded() -> Generator[None]:
    """Run the user's code: what reaches the real world raises `Unsafe`, even where it is caught.

    It holds for this context alone: what others do meanwhile, between two awaits, is theirs.
    """
    watch = _Watch()
    token = _RUNNING.set(watch)
    try:
        with _Changed():
            yield
    finally:
        with suppress(ValueError):  # whoever drops a coroutine has another context
            _RUNNING.reset(token)
    if watch.did:
        raise Unsafe(watch.did)
