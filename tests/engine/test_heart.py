"""Rule 15: beats come from a thread, and the same thread watches the loop. Rule 14: leases."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from perdure import Engine, idempotent, pure, workflow
from perdure.engine.clock import SystemClock, Timer
from perdure.engine.errors import StoreUnavailable
from perdure.engine.heart import BLOCKED_SECONDS, GIVE_UP_SECONDS, LOOK_SECONDS, Heart
from perdure.engine.leases import LEASE_SECONDS, Lease

from .ledger import Ledger, until


class Stopped:
    """A timer that was taken back is not called."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class TurnedClock(SystemClock):
    """Time that the test turns: `look` is a round of the thread, `tick` one of the loop."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Stopped] = []
        self.looks: list[Callable[[], bool]] = []
        self.stopped = False

    def monotonic(self) -> float:
        return self.now

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Stopped(callback))
        return self.timers[-1]

    def every(self, seconds: float, callback: Callable[[], bool]) -> Callable[[], None]:
        self.seconds = seconds
        self.looks.append(callback)

        def stop() -> None:
            self.stopped = True

        return stop

    def tick(self) -> None:
        """The loop gets round to its timers."""
        timers, self.timers = self.timers, []
        for timer in timers:
            if timer.callback is not None:
                timer.callback()

    def look(self, rounds: int = 1) -> bool:
        """The thread wakes up; whether it goes on."""
        goes_on = True
        for _ in range(rounds):
            self.now += self.seconds
            goes_on = self.looks[-1]()
        return goes_on


class Body:
    """A heart, its clock, and what its beats are answered."""

    def __init__(self, lease_seconds: float = LEASE_SECONDS) -> None:
        self.clock = TurnedClock()
        self.lease = Lease(self.clock.now, lease_seconds)
        self.beats = 0
        self.answer: bool | Exception = True
        self.heart = Heart(self.clock, self.lease, self.beat)

    def beat(self) -> bool:
        self.beats += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged since the last question."""
    caplog.set_level(logging.INFO, "perdure")

    def take() -> list[str]:
        messages = [r.getMessage() for r in caplog.records]
        caplog.clear()
        return messages

    return take


@pytest.mark.parametrize("lease", [15.0, 5.0, 1.0, 0.3])
def test_five_beats_fit_into_a_lease(lease: float) -> None:
    """However short the lease is; none comes at once, the registering was one."""
    body = Body(lease)
    rounds = round(lease / body.clock.seconds)
    for _ in range(rounds):
        body.clock.look()
        body.clock.tick()
    assert body.beats == 5
    assert body.clock.seconds <= LOOK_SECONDS


def test_a_blocked_loop_is_named_after_a_second_with_the_culprits_stack(
    said: Callable[[], list[str]],
) -> None:
    """Once, not at every look; the beat goes on, so nobody is fenced; then it says it is over."""
    body = Body()
    body.clock.look(round(BLOCKED_SECONDS / LOOK_SECONDS) - 1)
    assert said() == []
    body.clock.look()
    (told,) = said()
    assert "blocked for 1.0 s" in told
    assert "test_a_blocked_loop_is_named" in told, "the stack of the thread that has the loop"
    body.clock.look(round(9 / LOOK_SECONDS))
    assert said() == [] and body.beats == 3
    body.clock.tick()
    body.clock.look()
    (over,) = said()
    assert "goes on after 10.0 s" in over


def test_after_a_minute_the_beat_stops_and_starts_again_with_the_loop(
    said: Callable[[], list[str]],
) -> None:
    """Others take over what a dead loop holds; a loop that comes back before that keeps it."""
    body = Body()
    rounds = round(GIVE_UP_SECONDS / LOOK_SECONDS)
    body.clock.look(rounds - 1)
    before = body.beats
    assert before == 19, "a beat each three seconds"
    assert body.clock.look(rounds) is True
    assert body.beats == before
    assert sum("others take over" in line for line in said()) == 1
    assert body.lease.remaining(body.clock.now) < 0
    assert not body.lease.may_call(body.clock.now)
    body.clock.tick()
    body.clock.look(round(3 / LOOK_SECONDS))
    assert body.beats == before + 1 and body.lease.may_call(body.clock.now)


def test_a_suspended_process_did_not_block_its_loop(said: Callable[[], list[str]]) -> None:
    """The clock jumps by an hour between two looks: nobody is blamed, but the lease is over."""
    body = Body()
    body.clock.now += 3600
    assert not body.lease.may_call(body.clock.now)
    body.clock.look()
    assert said() == []


def test_a_lease_counts_from_when_its_beat_was_sent() -> None:
    """An acknowledgement that took ten seconds leaves five, not fifteen."""
    body = Body()

    def slow() -> bool:
        body.clock.now += 10.0
        return True

    body.heart = Heart(body.clock, body.lease, slow)
    body.clock.tick()
    body.clock.look(12)
    assert body.lease.remaining(body.clock.now) == pytest.approx(LEASE_SECONDS - 10.0)


def test_a_store_that_cannot_be_reached_ends_no_heart(said: Callable[[], list[str]]) -> None:
    """The lease runs out meanwhile, and no call starts; the next beat that gets through heals."""
    body = Body()
    body.answer = StoreUnavailable("x.db", "locked")
    for _ in range(80):
        assert body.clock.look() is True
        body.clock.tick()
    assert not body.lease.may_call(body.clock.now)
    assert all("heartbeat failed" in line for line in said())
    body.answer = True
    body.clock.look(12)
    assert body.lease.may_call(body.clock.now) and not body.heart.fenced


def test_a_defect_in_a_beat_is_told_and_ends_no_heart(said: Callable[[], list[str]]) -> None:
    """A thread that ended unheard would leave a worker that never calls anything again."""
    body = Body()
    body.answer = RuntimeError("a bug of ours")
    body.clock.tick()
    assert body.clock.look(12) is True
    assert "a heartbeat failed by a defect" in said()
    body.answer = True
    body.clock.look(12)
    assert body.beats == 2 and not body.heart.fenced


def test_a_fenced_heart_stops_and_says_so() -> None:
    """The thread ends; the worker finds `fenced` and drops everything."""
    body = Body()
    body.answer = False
    body.clock.look(11)
    assert not body.heart.fenced
    assert body.clock.look() is False and body.heart.fenced
    body.heart.stop()
    assert body.clock.stopped
    body.clock.tick()
    assert not [t for t in body.clock.timers if t.callback is not None]


# --- with real time -------------------------------------------------------------------------------

BEATS = "select sum(beats) from session"


@pure
async def block(path: str) -> int:
    """Block the loop, as no async step should, until the heart has beaten three times."""
    ledger = Ledger(Path(path))
    before = ledger.one(BEATS)
    end = time.monotonic() + 60
    while (ledger.one(BEATS) < before + 3 or not WARNED) and time.monotonic() < end:
        time.sleep(0.01)
    return ledger.one(BEATS) - before


WARNED: list[str] = []


@workflow
async def blocked(path: str) -> int:
    return await block(path)


class Listener(logging.Handler):
    """Keeps what is said of a blocked loop, from whatever thread."""

    def emit(self, record: logging.LogRecord) -> None:
        if "blocked" in record.getMessage():
            WARNED.append(record.getMessage())


@pytest.fixture
def listening() -> Iterator[None]:
    handler = Listener()
    WARNED.clear()
    logging.getLogger("perdure").addHandler(handler)
    yield
    logging.getLogger("perdure").removeHandler(handler)


@pytest.mark.usefixtures("listening")
async def test_a_step_that_blocks_the_loop_costs_no_tenure(tmp_path: Path) -> None:
    """For longer than its lease: the session beats on and keeps its execution, and the log names
    the line that blocks. Another worker on the file fences nobody."""
    ledger = Ledger(tmp_path)
    async with Engine(ledger.url, lease_seconds=1.0) as engine:
        assert await engine.run(blocked(str(tmp_path)), id="a") >= 3
        assert ledger.one("select count(*) from session where fenced is not null") == 0
        assert ledger.one("select tenure from execution") == 1
    (told,) = WARNED
    assert "test_heart.py" in told and "in block" in told


@idempotent
async def work(n: int) -> int:
    return n


@workflow
async def working(n: int) -> int:
    return await work(n)


async def test_a_worker_fenced_behind_its_back_registers_anew_and_loses_no_start(
    tmp_path: Path,
) -> None:
    """Idle and fenced: found out by the beat; busy and fenced: by the append. Starts go on."""
    ledger = Ledger(tmp_path)
    async with Engine(ledger.url, lease_seconds=1.0) as engine:
        for n in range(3):
            first = engine.worker.session
            await engine.store.fence(first)
            starts = [engine.run(working(m), id=f"{n}.{m}") for m in range(5)]
            assert await asyncio.gather(*starts) == list(range(5))
            assert engine.worker.session != first
        idle = engine.worker.session
        await engine.store.fence(idle)
        await until(lambda: engine.worker.session != idle)
        assert await engine.run(working(7)) == 7
    await ledger.sound()
