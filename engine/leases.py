"""Who a process is, when it is provably gone, and the arithmetic of leases.

Safety never rests on what is computed here: it only decides *when* someone fences (rules 14, 16).
No database is asked and nobody is fenced here. Times are seconds of `boot_seconds`.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .store import Identity, SessionRow

LEASE_SECONDS = 15.0  # the same for all workers of a store; `Engine(lease_seconds=...)`
BEATS_IN_LEASE = 5
MARGIN_SECONDS = 5.0  # no call of class idempotent or above starts with less of the lease left
_MARGIN_PART = MARGIN_SECONDS / LEASE_SECONDS
_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat behind the name
_DEAD = ("Z", "X", "x")  # killed, perhaps not yet reaped by its parent


def boot_seconds() -> float:
    """A clock that never jumps and goes on in suspend, where the system has one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def process_started(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Start time of a running process in clock ticks since boot; None when there is none."""
    try:
        stat = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return None if fields[_STATE] in _DEAD else int(fields[_STARTED])


def own_identity(worker: str = "") -> Identity:
    """The identity of this process; without /proc it can only be told by host and pid."""
    host, pid = socket.gethostname(), os.getpid()
    machine = _read(Path("/etc/machine-id"))
    return Identity(
        worker or f"{host}:{pid}",
        f"{host}/{machine}" if machine else host,
        _read(Path("/proc/sys/kernel/random/boot_id")),
        _namespace(),
        pid,
        process_started(pid) or 0,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    if os.name != "posix":
        return True  # not known: wait for the lease
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def provably_gone(
    other: Identity,
    own: Identity,
    started: Callable[[int], int | None] = process_started,
    exists: Callable[[int], bool] = _exists,
) -> bool:
    """The process of `other` cannot run any more, as far as `own` can see for certain (rule 16).

    Same boot and PID namespace and no such process, or the same machine since rebooted. Without
    boot ids on both sides (no /proc): the same host and no process with that number.
    """
    if other.boot and own.boot:
        if other.boot != own.boot:
            return other.host == own.host
        if not own.namespace or other.namespace != own.namespace:
            return False  # another container: its processes cannot be seen from here
        return started(other.pid) != other.started
    if other.boot or own.boot:
        return False
    return other.host == own.host and not exists(other.pid)


class Lease:
    """The worker's own side: what is left of its lease, by when it *sent* its last good beat."""

    def __init__(self, registered: float, seconds: float = LEASE_SECONDS) -> None:
        self._sent = registered
        self.seconds = seconds

    def acknowledged(self, sent: float) -> None:
        """The beat sent at this moment was acknowledged; late acknowledgements do not shorten."""
        self._sent = max(self._sent, sent)

    def remaining(self, now: float) -> float:
        """Seconds until someone else may fence us; negative when that is past."""
        return self.seconds - (now - self._sent)

    def may_call(self, now: float) -> bool:
        """A call with effects may start."""
        return self.remaining(now) >= self.seconds * _MARGIN_PART


class Watch:
    """The fencer's side: which sessions' counters stood still for a lease on our own clock."""

    def __init__(self, seconds: float = LEASE_SECONDS) -> None:
        self.seconds = seconds
        self._seen: dict[int, tuple[int, float]] = {}

    def expired(self, rows: Sequence[SessionRow], now: float) -> list[int]:
        """Sessions to fence, from what is read now; the first sight of a count starts its lease."""
        seen = self._seen
        self._seen = {}
        late: list[int] = []
        for row in rows:
            beats, since = seen.get(row.id, (row.beats, now))
            since = since if beats == row.beats else now
            self._seen[row.id] = (row.beats, since)
            if now - since >= self.seconds:
                late.append(row.id)
        return late

    def over(self, rows: Sequence[SessionRow], own: Identity, now: float) -> list[SessionRow]:
        """Sessions to fence: those that expired, and those whose process cannot run any more."""
        expired = self.expired(rows, now)
        return [r for r in rows if r.id in expired or provably_gone(r.identity, own)]
