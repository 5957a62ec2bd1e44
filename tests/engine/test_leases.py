"""Who is provably gone, and whose lease is over: arithmetic without a database."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys

import pytest
from perdure.engine.leases import (
    LEASE_SECONDS,
    MARGIN_SECONDS,
    Lease,
    Watch,
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
