"""Giving up a run of processes: whenever it happens, none is left and none is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from perdure.console.demo.crew import Crew, GivenUp, interruptible

SLEEPER = [sys.executable, "-c", "import sys; print('here', flush=True); sys.stdin.read()"]


def test_an_ended_crew_has_no_member_and_takes_none() -> None:
    """All are killed and reaped; whoever comes later is refused; ending twice is ending once."""
    crew = Crew()
    members = [crew.start(SLEEPER, os.environ) for _ in range(3)]
    crew.end()
    assert [member.returncode for member in members] == [-signal.SIGKILL] * 3
    with pytest.raises(GivenUp):
        crew.start(SLEEPER, os.environ)
    crew.end()


def test_a_member_is_reached_by_no_ctrl_c_at_the_terminal() -> None:
    """Each stands in a process group of its own, so the terminal's SIGINT comes to us alone."""
    crew = Crew()
    member = crew.start(SLEEPER, os.environ)
    assert os.getpgid(member.pid) == member.pid != os.getpgrp()
    crew.end()


def test_the_work_gives_its_result_or_its_error_and_the_handlers_come_back() -> None:
    """Nothing of ours stays behind in the process that ran it."""
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    def fails(crew: Crew) -> None:
        raise ValueError("no")

    assert interruptible(lambda crew: 7) == 7
    with pytest.raises(ValueError, match="no"):
        interruptible(fails)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_members_before_it_is_raised(number: signal.Signals) -> None:
    """The work waits for a member that never speaks again; the signal comes from that very wait."""
    members: list[subprocess.Popen[str]] = []

    def work(crew: Crew) -> str:
        member = crew.start(SLEEPER, os.environ)
        members.append(member)
        assert member.stdout is not None and member.stdout.readline() == "here\n"
        os.kill(os.getpid(), number)
        return member.stdout.readline()

    with pytest.raises(KeyboardInterrupt):
        interruptible(work)
    assert members[0].returncode == -signal.SIGKILL
