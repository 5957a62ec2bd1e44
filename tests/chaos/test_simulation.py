"""Simulated time: nothing waits, everything comes in the same order, a hang is told."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from perdure.chaos.quick import NeverWaits, QuickLoop
from perdure.chaos.simulation import EPOCH, NothingLeft, SimClock, SimLoop, Time, let_pass, run

HOUR = 3600.0


def simulated(main: Coroutine[Any, Any, Any]) -> tuple[Any, Time]:
    """The result of a program and the time it left behind."""
    time = Time()
    loop = SimLoop(time)
    try:
        return run(loop, main), time
    finally:
        loop.abandon()


def test_a_sleep_takes_its_time_and_no_time() -> None:
    """An hour passes for the program, to the microsecond."""

    async def main() -> float:
        await asyncio.sleep(HOUR)
        return asyncio.get_running_loop().time()

    assert simulated(main())[0] == HOUR


def test_timers_fire_in_the_order_of_their_moments() -> None:
    """However they were asked for."""

    async def main() -> list[float]:
        told: list[float] = []

        async def after(seconds: float) -> None:
            await asyncio.sleep(seconds)
            told.append(seconds)

        await asyncio.gather(*(after(s) for s in (3.0, 0.001, HOUR, 1.0)))
        return told

    assert simulated(main())[0] == [0.001, 1.0, 3.0, HOUR]


def test_a_timeout_of_asyncio_is_in_virtual_time() -> None:
    """`asyncio.timeout` cuts what never answers."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_future()
        return asyncio.get_running_loop().time()

    assert simulated(main())[0] == 5.0


def test_a_program_that_waits_for_nothing_is_told_with_its_tasks() -> None:
    """No moment is awaited and no task can go on: that is a hang, and it has a name."""

    async def nobody_sets_this() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingLeft, match="nobody_sets_this"):
        simulated(nobody_sets_this())


def test_a_task_that_dies_of_a_defect_fails_the_run() -> None:
    """An exception that nobody looked at is not lost."""

    def fail() -> None:
        raise KeyError("defect")

    async def main() -> None:
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(1)

    with pytest.raises(KeyError, match="defect"):
        simulated(main())


def test_what_happens_outside_outlives_the_loop_that_asked_for_it() -> None:
    """A request of a dead process still arrives, at its moment."""
    time, told = Time(), list[int]()
    loop = SimLoop(time)

    async def main() -> None:
        time.happen(10, lambda: told.append(time.now))
        await asyncio.sleep(1)

    run(loop, main())
    loop.abandon()
    assert told == [] and time.awaited
    time.pass_until(None)
    assert told == [10_000_000] and not time.awaited


def test_time_stops_at_the_first_of_what_is_awaited() -> None:
    """A happening before the moment comes first; without either there is nothing left."""
    time, told = Time(), list[str]()
    time.happen(1, lambda: told.append("outside"))
    time.pass_until(2_000_000)
    assert (time.now, told) == (1_000_000, ["outside"])
    time.pass_until(2_000_000)
    assert (time.now, time.database()) == (2_000_000, EPOCH + 2_000_000)
    time.pass_until(1)
    assert time.now == 2_000_000, "it never goes back"
    with pytest.raises(NothingLeft):
        time.pass_until(None)


def test_two_loops_share_one_time_turn_by_turn() -> None:
    """Two processes that sleep in turn see each other's moments in order."""
    time, told = Time(), list[str]()
    loops = [SimLoop(time), SimLoop(time)]

    async def tick(name: str, offset: float) -> None:
        await asyncio.sleep(offset)
        for _ in range(3):
            told.append(name)
            await asyncio.sleep(1)

    tasks = [loops[0].create_task(tick("a", 0)), loops[1].create_task(tick("b", 0.5))]
    while not all(task.done() for task in tasks):
        due = [loop for loop in loops if loop.due]
        for loop in due:
            loop.turn()
        if not due:
            let_pass(time, loops)
    assert told == ["a", "b"] * 3
    for loop in loops:
        loop.abandon()


def test_a_turn_runs_what_can_run_now_and_nothing_later() -> None:
    """One turn of a loop does not jump: time belongs to whoever holds the loops."""
    time = Time()
    loop = SimLoop(time)
    told = list[str]()
    loop.call_soon(told.append, "now")
    loop.call_later(1, told.append, "later")
    loop.turn()
    assert (told, loop.due, loop.next_moment) == (["now"], False, 1_000_000)
    time.pass_until(1_000_000)
    assert loop.due
    loop.turn()
    assert told == ["now", "later"] and loop.next_moment is None
    loop.abandon()


def test_the_quick_loop_waits_for_the_same_microsecond() -> None:
    """A moment is rounded to thousandths of one, and then up: also where that is not computed."""
    dice = random.Random("moments")
    near = (
        0.0,
        1e-5,
        9e-5,
        1e-4,
        1.1e-4,
        4.9e-4,
        5e-4,
        5.1e-4,
        6e-4,
        0.5,
        0.9994,
        0.9996,
        1 - 1e-6,
    )
    for _ in range(2000):
        when = (dice.randrange(10 ** dice.randrange(1, 14)) + dice.choice(near)) / 1e6
        loops = QuickLoop(Time()), SimLoop(Time())
        for loop in loops:
            loop.call_at(when, print)
        moments = [loop.next_moment for loop in loops]
        assert moments == [math.ceil(round(when * 1e6, 3))] * 2
        for loop in loops:
            loop.abandon()


def test_a_quick_loop_says_when_it_has_its_next_turn() -> None:
    """At once for what waits already, else at the first timer that was not taken back, or never."""
    time = Time()
    loop = QuickLoop(time)
    assert loop.next_turn is None
    early, _ = loop.call_later(1, print), loop.call_later(2, print)
    assert loop.next_turn == 1_000_000
    early.cancel()
    assert loop.next_turn == 2_000_000
    loop.call_soon(int)
    assert loop.next_turn == 0 and loop.due
    loop.drain()
    assert loop.next_turn == 2_000_000
    loop.abandon()


def test_turns_that_never_let_time_pass_are_told() -> None:
    """Two callbacks that call each other for ever would hang the whole run."""
    loop = QuickLoop(Time())

    def again() -> None:
        loop.call_soon(again)

    loop.call_soon(again)
    with pytest.raises(NeverWaits, match="callbacks at 0 us"):
        loop.turns(lambda: True)
    loop.abandon()


def test_turns_go_on_as_long_as_somebody_says_so() -> None:
    """Each runs what could run when it began; time passes between two of them, if he lets it."""
    time, told, asked = Time(), list[str](), list[tuple[int, list[str]]]()
    loop = QuickLoop(time)

    def first() -> None:
        told.append("first")
        loop.call_soon(told.append, "on the way")

    loop.call_soon(first)
    loop.call_later(1, told.append, "later")
    loop.call_later(1, told.append, "taken back").cancel()
    time.happen(2, lambda: told.append("outside"))

    def again() -> bool:
        asked.append((time.now, told.copy()))
        moment = loop.next_moment
        if not loop.due and moment is not None and time.is_quiet_until(moment):
            time.pass_until(moment)
        return loop.due

    loop.turns(again)
    assert asked == [
        (0, ["first"]),
        (0, ["first", "on the way"]),
        (1_000_000, ["first", "on the way", "later"]),
    ]
    assert time.is_quiet_until(1_999_999) and not time.is_quiet_until(2_000_000)
    loop.abandon()


def test_an_abandoned_program_goes_no_further() -> None:
    """What stood behind the point of death never runs; only `finally` blocks see the end."""
    time, told = Time(), list[str]()
    loop = SimLoop(time)

    async def main() -> None:
        try:
            await asyncio.sleep(1)
            told.append("went on")
        finally:
            told.append("closed")

    loop.create_task(main())
    loop.turn()
    loop.abandon()
    assert told == ["closed"] and loop.is_closed()


def test_a_beat_comes_again_and_again_until_it_is_stopped_or_says_no() -> None:
    """The clock's `every` in virtual time."""
    time = Time()
    loop = SimLoop(time)
    clock = SimClock(time, loop)
    told = list[float]()

    async def main() -> None:
        stop = clock.every(3, lambda: not told.append(clock.monotonic()))
        await clock.sleep(10)
        stop()
        clock.every(1, lambda: bool(told.append(-clock.monotonic())))
        await clock.sleep(10)

    run(loop, main())
    loop.abandon()
    assert told == [3.0, 6.0, 9.0, -11.0]


def test_a_callback_that_was_taken_back_does_not_come() -> None:
    """The clock's `later`, cancelled."""
    time = Time()
    loop = SimLoop(time)
    clock = SimClock(time, loop)
    told = list[str]()

    async def main() -> None:
        clock.later(1, lambda: told.append("kept"))
        clock.later(1, lambda: told.append("cancelled")).cancel()
        await clock.sleep(2)

    run(loop, main())
    loop.abandon()
    assert told == ["kept"]
