"""Who is provably gone, and whose lease is over: arithmetic without a database."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from perdure.engine import leases
from perdure.engine.leases import (
    LEASE_SECONDS,
    MARGIN_SECONDS,
    Lease,
    Watch,
    boot_seconds,
    own_identity,
    process_started,
    provably_gone,
)
from perdure.engine.store import Identity, SessionRow

OWN = Identity("w", "host", "boot", "pid:[1]", 100, 5000)
COMBINATIONS = list(itertools.product([True, False], repeat=3))


@pytest.mark.parametrize(("host", "boot", "namespace"), COMBINATIONS)
@pytest.mark.parametrize("found", [None, 7000, 6000])
def test_a_process_is_gone_only_by_what_can_be_seen(
    host: bool, boot: bool, namespace: bool, found: int | None
) -> None:
    """Rule 16, all combinations: same boot and namespace and no such process, or same machine
    with another boot; a pid that was given to another process counts as no such process."""
    other = Identity(
        "v",
        "host" if host else "elsewhere",
        "boot" if boot else "earlier",
        "pid:[1]" if namespace else "pid:[2]",
        200,
        6000,
    )
    expected = (boot and namespace and found != 6000) or (host and not boot)
    assert provably_gone(other, OWN, started=lambda pid: found) is expected


@pytest.mark.parametrize(("host", "exists"), list(itertools.product([True, False], repeat=2)))
def test_without_boot_ids_only_the_same_host_and_a_free_pid_prove_it(
    host: bool, exists: bool
) -> None:
    """The portable fallback: no /proc on either side; with it on one side only, nothing is sure."""
    bare = Identity("v", "host" if host else "elsewhere", "", "", 200, 0)
    own = Identity("w", "host", "", "", 1, 0)
    assert provably_gone(bare, own, exists=lambda pid: exists) is (host and not exists)
    assert not provably_gone(bare, OWN, started=lambda pid: None, exists=lambda pid: False)


def test_a_killed_process_is_gone_before_its_parent_has_reaped_it() -> None:
    """kill -9 leaves a zombie with the same pid and start time; it runs nothing any more."""
    code = "import sys; print(1, flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdin is not None
    child.stdout.readline()
    own = own_identity()
    started = process_started(child.pid)
    assert started is not None
    identity = Identity("v", own.host, own.boot, own.namespace, child.pid, started)
    assert not provably_gone(identity, own)
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.read()  # end of file: the kernel has closed what the process had open
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped
    assert provably_gone(identity, own)
    child.wait()
    assert provably_gone(identity, own)
    child.stdin.close()
    child.stdout.close()


def test_this_process_knows_itself_and_is_not_gone() -> None:
    """The own identity is complete on Linux and stable."""
    own = own_identity("me")
    assert own == own_identity("me") and not provably_gone(own, own)
    assert (own.worker, own.pid) == ("me", os.getpid())


def test_a_lease_counts_from_when_the_last_good_beat_was_sent() -> None:
    """Rule 14: late acknowledgements do not lengthen it, nor does one out of order shorten it."""
    lease = Lease(100.0)
    lease.acknowledged(103.0)
    lease.acknowledged(101.0)
    assert lease.remaining(104.0) == LEASE_SECONDS - 1.0
    last = 103.0 + LEASE_SECONDS - MARGIN_SECONDS
    assert lease.may_call(last) and not lease.may_call(last + 0.001)
    assert lease.remaining(103.0 + LEASE_SECONDS + 1) < 0


def test_a_session_is_late_after_a_lease_without_a_beat_on_the_fencers_own_clock() -> None:
    """Rule 14: the first sight starts the lease, each new count starts it anew, others do not."""
    watch = Watch()

    def row(id: int, beats: int) -> SessionRow:
        return SessionRow(id, OWN, beats, None, False)

    assert watch.expired([row(1, 5), row(2, 9)], 1000.0) == []
    almost = 1000.0 + LEASE_SECONDS - 0.001
    assert watch.expired([row(1, 5), row(2, 10)], almost) == []
    assert watch.expired([row(1, 5), row(2, 10), row(3, 0)], 1000.0 + LEASE_SECONDS) == [1]
    assert watch.expired([row(2, 10), row(3, 0)], almost + LEASE_SECONDS) == [2]


def test_no_call_begins_with_less_than_a_third_of_its_lease() -> None:
    """Rule 14 in figures: 5 s of the 15 that are the default; of another lease the same part."""
    usual, short = Lease(0.0), Lease(0.0, 3.0)
    assert usual.may_call(10.0) and not usual.may_call(10.001)
    assert short.may_call(2.0) and not short.may_call(2.001)


def test_the_clock_of_leases_goes_on_in_suspend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has such a clock it is the one that is read; else one that never jumps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert before <= boot_seconds() <= time.clock_gettime(time.CLOCK_BOOTTIME)
        monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    before = time.monotonic()
    assert before <= boot_seconds() <= time.monotonic()


FILES = {"/etc/machine-id": "m-1\n", "/proc/sys/kernel/random/boot_id": "b-1\n"}


@pytest.mark.parametrize("bare", [False, True])
def test_who_this_process_is_where_the_system_tells_and_where_it_does_not(
    bare: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host is its name with the machine's id; what cannot be read is empty and no error."""

    def read(path: Path) -> str:
        if bare:
            raise FileNotFoundError(path)
        return FILES[str(path)]

    def link(path: Path) -> Path:
        if bare:
            raise FileNotFoundError(path)
        return Path("pid:[7]")

    def started(pid: int) -> int | None:
        return None if bare else 5

    monkeypatch.setattr(leases.socket, "gethostname", lambda: "box")
    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(Path, "readlink", link)
    monkeypatch.setattr(leases, "process_started", started)
    told = ("box", "", "", 0) if bare else ("box/m-1", "b-1", "pid:[7]", 5)
    own = own_identity()
    assert (own.host, own.boot, own.namespace, own.started) == told
    assert own.worker == f"box:{os.getpid()}"


def test_without_proc_a_process_is_gone_when_its_pid_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked of the system itself: alive, dead, and one that we may not ask about. The question
    harms nobody: the child runs on. Where there are no such pids nothing is known."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    bare, own = Identity("v", "host", "", "", child.pid, 0), Identity("w", "host", "", "", 1, 0)
    assert not provably_gone(bare, own)
    assert child.poll() is None
    child.communicate(b"\n")
    assert child.returncode == 0, "it ended by itself"
    assert provably_gone(bare, own)

    def forbidden(pid: int, number: int) -> None:
        raise PermissionError(pid)

    monkeypatch.setattr(os, "kill", forbidden)
    assert not provably_gone(bare, own)

    def free(pid: int, number: int) -> None:
        raise ProcessLookupError(pid)

    monkeypatch.setattr(os, "kill", free)
    assert provably_gone(bare, own)
    monkeypatch.setattr(os, "name", "nt")
    try:
        assert not provably_gone(bare, own)
    finally:
        monkeypatch.undo()
