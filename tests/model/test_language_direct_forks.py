"""`together`, `first`, timers and signals under `.direct`, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from perdure import (
    Arrival,
    Blocked,
    DirectWorld,
    Elapsed,
    PlacementError,
    Retry,
    Signal,
    after,
    at,
    compensatable,
    days,
    direct_world,
    first,
    hours,
    irreversible,
    now,
    observe,
    saga,
    sleep,
    sleep_until,
    together,
    workflow,
)
from perdure.model.language.direct import START

R = TypeVar("R")

answers = Signal[str]("answers")


@pytest.fixture
def events() -> list[str]:
    """What happened outside."""
    return []


@observe(retry=Retry(attempts=1))
async def fail(text: str) -> str:
    """Fail with the text."""
    raise ValueError(text)


@observe
async def echo(text: str) -> str:
    """Give it back."""
    return text


def of(body: Callable[[], Coroutine[Any, Any, R]], **world: Any) -> tuple[R, DirectWorld]:
    """Run a body as workflow in a world."""
    with direct_world(**world) as made:
        return asyncio.run(workflow(body).direct()), made


def test_time_passes_by_waiting_only() -> None:
    """sleep and sleep_until move the moment; the past is reached already."""

    async def body() -> timedelta:
        start = now()
        await sleep(days(2))
        await sleep_until(start + days(5))
        await sleep_until(start)
        return now() - start

    passed, world = of(body)
    assert passed == days(5)
    assert world.now == START + days(5)


def test_together_lasts_as_long_as_its_longest_branch() -> None:
    """Branches wait at the same time; results stand in the order of the arguments."""

    async def body() -> tuple[Any, ...]:
        results = await together(after(days(3)), sleep(days(1)), echo("x"))
        return (*results, now())

    result, _ = of(body)
    assert result == (Elapsed(), None, "x", START + days(3))


def test_together_raises_the_first_error_and_notes_the_others() -> None:
    """All branches settle; a wait that would end later is withdrawn and consumes nothing."""

    async def body() -> list[str]:
        try:
            await together(fail("one"), fail("two"), answers.wait())
        except ValueError as error:
            return [str(error), *error.__notes__, await answers.wait()]
        return []

    result, _ = of(body, signals={"answers": [Arrival("kept", hours(1))]})
    assert result == ["one", "branch 2 failed too: ValueError: two", "kept"]


def test_branches_of_together_run_at_the_same_time() -> None:
    """Two steps that wait for each other end."""
    met = asyncio.Event()

    @observe
    async def wait_for_it() -> str:
        await met.wait()
        return "met"

    @observe
    async def set_it() -> None:
        met.set()

    async def body() -> str:
        return (await together(wait_for_it(), set_it()))[0]

    assert of(body)[0] == "met"


@pytest.mark.parametrize(
    ("arrival", "expected"),
    [(hours(1), "hello"), (days(3), Elapsed()), (None, Elapsed()), (days(2), Elapsed())],
)
def test_first_of_timer_and_signal_is_the_earlier(
    arrival: timedelta | None, expected: object
) -> None:
    """Arrival against due, ties to the earlier argument; the loser consumes nothing."""

    async def body() -> tuple[object, timedelta]:
        return await first(after(days(2)), answers.wait()), now() - START

    mail = [Arrival("hello", arrival)] if arrival is not None else []
    (winner, passed), _ = of(body, signals={"answers": mail})
    assert winner == expected
    assert passed == (hours(1) if expected == "hello" else days(2))


def test_message_that_lost_stays_for_the_next_wait() -> None:
    """Consuming is winning: a message that came too late is still there."""

    async def body() -> tuple[object, object]:
        one = await first(after(days(2)), answers.wait())
        return one, await answers.wait()

    assert of(body, signals={"answers": [Arrival("late", days(3))]})[0] == (Elapsed(), "late")


def test_messages_come_in_order_and_each_once() -> None:
    """A channel is first in, first out; the token that waited first gets the first message."""

    async def body() -> tuple[str, ...]:
        return (await answers.wait(), *await together(answers.wait(), answers.wait()))

    assert of(body, signals={"answers": "abc"})[0] == ("a", "b", "c")


def test_wait_for_a_message_nobody_sends_blocks_through_a_users_handler(
    events: list[str],
) -> None:
    """The hint names the signal; `except Exception` does not swallow it; sagas undo nothing."""

    @compensatable
    def reserve() -> str:
        events.append("reserve")
        return "r"

    @reserve.undo
    def release(reservation: str) -> None:
        events.append("release")

    async def body() -> None:
        async with saga():
            await reserve()
            try:
                await first(answers.wait(), answers.wait())
            except Exception:
                pytest.fail("swallowed")

    with pytest.raises(Blocked, match="signal 'answers'"):
        of(body)
    assert events == ["reserve"]


def test_step_beats_a_wait_that_is_not_over() -> None:
    """Steps take no virtual time; a raising contender ends the race too."""

    async def body() -> list[object]:
        won: list[object] = [await first(after(days(1)), echo("step")), now() - START]
        try:
            await first(fail("lost"), after(days(1)))
        except ValueError as error:
            won.append(str(error))
        won.append(await first(at(START), echo("never run")))
        return won

    result, world = of(body)
    assert result == ["step", timedelta(0), "lost", Elapsed()]
    assert [r.name for r in world.ran] == ["echo", "fail"]


def test_compensatable_loser_of_a_race_is_awaited_and_undone(events: list[str]) -> None:
    """What may have happened is settled before the race returns."""
    go = asyncio.Event()

    @compensatable
    async def slow() -> str:
        await go.wait()
        for _ in range(20):  # still under way when the race is decided
            await asyncio.sleep(0)
        events.append("slow landed")
        return "slow"

    @slow.undo
    async def take_back(result: str) -> None:
        events.append(f"undo {result}")

    @observe
    async def quick() -> str:
        go.set()
        return "quick"

    async def body() -> str:
        return await first(slow(), quick())

    assert of(body)[0] == "quick"
    assert events == ["slow landed", "undo slow"]


def test_harmless_loser_of_a_race_is_cancelled() -> None:
    """An observing step that never ends does not hold up the race."""

    @observe
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    async def body() -> str:
        return await first(never(), echo("quick"))

    assert of(body)[0] == "quick"


def test_irreversible_contender_is_refused(events: list[str]) -> None:
    """PD307 holds here as in the compiler."""

    @irreversible
    async def charge() -> None:
        events.append("charge")

    async def body() -> object:
        return await first(charge(), after(days(1)))

    with pytest.raises(PlacementError, match="PD307"):
        of(body)
    assert events == []


def test_child_workflow_in_a_race_is_judged_by_virtual_time() -> None:
    """A child that sleeps longer than the timer loses."""

    @workflow
    async def child(span: timedelta) -> str:
        await sleep(span)
        return "child"

    async def body() -> list[object]:
        return [
            await first(child(days(1)), after(days(2))),
            await first(child(days(3)), after(days(2))),
            now() - START,
        ]

    assert of(body)[0] == ["child", Elapsed(), days(3)]


def test_a_sibling_that_landed_stands_whenever_the_failure_came(events: list[str]) -> None:
    """Outside a saga nobody asked for an undo; inside one everything that landed is the saga's."""
    failing: list[str] = []

    @compensatable
    async def book(name: str) -> str:
        while name == "late" and not failing:
            await asyncio.sleep(0)
        events.append(name)
        return name

    @book.undo
    async def cancel(name: str) -> None:
        events.append(f"undo {name}")

    @observe(retry=Retry(attempts=1))
    async def fails() -> None:
        failing.append("it fails")
        raise ValueError("no")

    async def alone() -> None:
        await together(book("early"), book("late"), fails())

    async def in_a_saga() -> None:
        async with saga():
            await alone()

    for body, undone in ((alone, []), (in_a_saga, ["undo late", "undo early"])):
        events.clear()
        failing.clear()
        with pytest.raises(ValueError, match="no"):
            of(body)
        assert events == ["early", "late", *undone]
