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
from contextlib import contextmanager
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
    """Whether the user's code runs now, and what it did."""

    active = False
    installed = False
    did: str = ""


def _did(event: str, args: tuple[Any, ...]) -> str:
    if event == "open":
        path, _, flags = args
        writes = isinstance(flags, int) and flags & _WRITING
        return f"writes {path}" if writes and "__pycache__" not in str(path) else ""
    if event == "sqlite3.connect":
        return "" if str(args[0]) == ":memory:" else f"opens the database {args[0]}"
    return _REFUSED.get(event, "")


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _Watch.active:
        return
    did = _did(event, args)
    if did:
        _Watch.did = _Watch.did or did
        raise Unsafe(did)


def _no_time(seconds: float, /) -> None:
    """Sleep in simulated time: none passes at the moment of a body."""


def _no_thread(self: threading.Thread) -> None:
    _Watch.did = _Watch.did or "starts a thread"
    raise Unsafe(_Watch.did)


@contextmanager
def guarded() -> Generator[None]:
    """Run the user's code: what reaches the real world raises `Unsafe`, even where it is caught."""
    if not _Watch.installed:  # a hook can never be taken away
        sys.addaudithook(_hook)
        _Watch.installed = True
    _Watch.active, _Watch.did = True, ""
    sleep, start = time.sleep, threading.Thread.start
    time.sleep, threading.Thread.start = _no_time, _no_thread
    try:
        yield
    finally:
        time.sleep, threading.Thread.start = sleep, start
        _Watch.active = False
    if _Watch.did:
        raise Unsafe(_Watch.did)
