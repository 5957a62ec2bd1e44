"""Rule 34: what would end the event loop and comes out of a task that a step started.

The loop is one that a user runs with `asyncio.run`, and the engine lives in it as a guest: tasks of
steps are contained while it is open, tasks of the program are none of its business.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, Retry, StepFailed, effect_key, idempotent, irreversible, workflow
from perdure.engine.containment import Containing

from .ledger import Ledger, until

CALLS: Counter[str] = Counter()
KEPT: list[asyncio.Task[Any]] = []


async def deadly(what: str) -> int:
    """What a library may do in a task of its own."""
    await asyncio.sleep(0)
    raise SystemExit(3) if what == "SystemExit" else KeyboardInterrupt


async def at_once(what: str) -> int:
    """The same in the first turn of the task."""
    raise SystemExit(3) if what == "SystemExit" else KeyboardInterrupt


async def cleaning_up(what: str) -> int:
    """The same as the answer to a cancellation."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await deadly(what)
    return 0


async def _task(what: str) -> int:
    return await asyncio.create_task(deadly(what))


async def _first_turn(what: str) -> int:
    return await asyncio.create_task(at_once(what))


async def _gather(what: str) -> int:
    return sum(await asyncio.gather(asyncio.sleep(0, 1), deadly(what)))


async def _group(what: str) -> int:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(deadly(what))
            group.create_task(asyncio.sleep(60))
    except* StepFailed as failures:
        raise failures.exceptions[0] from None
    return 0


async def _nested(what: str) -> int:
    async def outer() -> int:
        return await asyncio.create_task(deadly(what))

    return await asyncio.create_task(outer())


async def _shielded(what: str) -> int:
    return await asyncio.shield(deadly(what))


async def _waited_for(what: str) -> int:
    return await asyncio.wait_for(deadly(what), 60)


async def _cancelled(what: str) -> int:
    task = asyncio.create_task(cleaning_up(what))
    await asyncio.sleep(0)
    task.cancel()
    return await task


async def _from_a_thread(what: str) -> int:
    loop = asyncio.get_running_loop()

    def beside() -> int:
        return asyncio.run_coroutine_threadsafe(deadly(what), loop).result()

    return await asyncio.to_thread(beside)


WAYS: dict[str, Callable[[str], Awaitable[int]]] = {
    "a task": _task,
    "in its first turn": _first_turn,
    "gather": _gather,
    "a group": _group,
    "a task of a task": _nested,
    "shield": _shielded,
    "wait_for": _waited_for,
    "when cancelled": _cancelled,
    "from a thread": _from_a_thread,
}


@idempotent(retry=Retry(attempts=1))
async def tell(way: str, what: str) -> int:
    CALLS["tell"] += 1
    return await WAYS[way](what)


@irreversible
async def charge(way: str, what: str) -> int:
    CALLS["charge"] += 1
    return await WAYS[way](what)


@idempotent
async def forget(n: int) -> str:
    """A task that nobody waits for."""
    KEPT.append(asyncio.create_task(deadly("SystemExit")))
    while not KEPT[-1].done():
        await asyncio.sleep(0)
    return "told"


@idempotent
async def cancel_early(n: int) -> str:
    """A task that is cancelled before its first turn; what is inside never began."""
    task = asyncio.create_task(deadly("SystemExit"))
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "no"


@idempotent
async def speak(n: int) -> str:
    """A task that does nothing wrong: values, exceptions, context and names are as always."""

    async def inner() -> str:
        await asyncio.sleep(0)
        return effect_key()

    async def wrong() -> None:
        raise LookupError("as always")

    task = asyncio.create_task(inner(), name="mine")
    made = task.get_coro()
    assert asyncio.iscoroutine(made) and made.__qualname__.endswith("inner")
    assert task.get_name() == "mine" and "inner" in repr(task)
    with pytest.raises(LookupError, match="as always"):
        await asyncio.create_task(wrong())
    return "same key" if await task == effect_key() else "another key"


@idempotent
async def call_back(n: int) -> int:
    """A plain callback is no task: what it raises ends the loop, the first time."""
    CALLS["call_back"] += 1
    if CALLS["call_back"] == 1:
        asyncio.get_running_loop().call_soon(sys.exit, 3)
        await asyncio.sleep(60)
    return n


@irreversible
async def charge_back(n: int) -> int:
    CALLS["charge_back"] += 1
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.sleep(60)
    return n


@workflow
async def tells(way: str, what: str) -> int:
    return await tell(way, what)


@workflow
async def charges(way: str, what: str) -> int:
    return await charge(way, what)


@workflow
async def forgets(n: int) -> str:
    return await forget(n)


@workflow
async def cancels_early(n: int) -> str:
    return await cancel_early(n)


@workflow
async def speaks(n: int) -> str:
    return await speak(n)


@workflow
async def calls_back(n: int) -> int:
    return await call_back(n)


@workflow
async def charges_back(n: int) -> int:
    return await charge_back(n)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    CALLS.clear()
    KEPT.clear()
    yield Ledger(tmp_path)


def live(main: Coroutine[Any, Any, Any]) -> Any:
    """A program of a user; the test goes on though its loop is ended."""
    try:
        return asyncio.run(main)
    except (SystemExit, KeyboardInterrupt) as ended:
        raise AssertionError(f"the loop was ended by {ended!r}") from ended


@pytest.mark.parametrize("what", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("way", WAYS)
def test_a_task_that_would_end_the_loop_fails_its_step(ledger: Ledger, way: str, what: str) -> None:
    """However the step started it: without an intent a failure, with one a doubt, each called
    once; the session goes on and runs the next execution."""

    async def main() -> None:
        async with Engine(ledger.url, drain_seconds=0) as engine:
            session = engine.worker.session
            run = await engine.start(tells(way, what), id="t")
            with pytest.raises(StepFailed, match=what):
                await run.result()
            await engine.start(charges(way, what), id="c")
            await until(lambda: "in-doubt" in ledger.words("c"))
            (why,) = ledger.rows("select evidence from effect")[0]
            assert what in why
            assert await engine.run(speaks(1)) == "same key"
            assert engine.worker.session == session
        await ledger.sound()

    live(main())
    assert CALLS == {"tell": 1, "charge": 1}


def test_a_task_that_nobody_waits_for_ends_alone(ledger: Ledger) -> None:
    """The step returns well; what its forgotten task raised is told by asyncio, as ever."""
    told: list[BaseException] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        async with Engine(ledger.url) as engine:
            assert await engine.run(forgets(1)) == "told"
            KEPT.clear()
            gc.collect()
            await asyncio.sleep(0)

    live(main())
    assert [str(error) for error in told] == [str(StepFailed("SystemExit", _said("SystemExit(3)")))]


def _said(what: str) -> str:
    return f"a task that the step started raised {what}"


def test_a_task_that_is_cancelled_before_it_began_leaves_no_coroutine(ledger: Ledger) -> None:
    """Nothing was awaited inside, and nothing complains about it."""

    async def main() -> None:
        async with Engine(ledger.url) as engine:
            assert await engine.run(cancels_early(1)) == "cancelled"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        live(main())
        gc.collect()


def test_tasks_of_the_program_are_made_as_always(ledger: Ledger) -> None:
    """The user's own task that exits, exits, though an engine is open; nothing of it is lost."""

    async def main() -> None:
        async with Engine(ledger.url) as engine:
            await engine.serve(speaks)
            task = asyncio.create_task(asyncio.sleep(0))
            assert asyncio.iscoroutine(task.get_coro())
            assert type(task.get_coro()).__name__ == "coroutine"
            await asyncio.create_task(deadly("SystemExit"))

    with pytest.raises(SystemExit):
        asyncio.run(main())


def test_the_loop_is_left_as_it_was_found(ledger: Ledger) -> None:
    """With a factory of the user's, which makes every task meanwhile; two engines at once; and one
    that somebody else has changed is left alone."""
    made: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
        made.append(type(work).__name__)
        return asyncio.Task(work, loop=loop, **options)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for before in (None, factory):
            loop.set_task_factory(before)
            async with Engine(ledger.url) as engine:
                async with Engine(ledger.url) as other:
                    assert await other.run(speaks(1)) == "same key"
                assert isinstance(loop.get_task_factory(), Containing)
                assert await engine.run(forgets(1)) == "told"
            assert loop.get_task_factory() is before
        async with Engine(ledger.url):
            loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        loop.set_task_factory(None)

    live(main())
    assert {"coroutine", "Contained"} <= set(made)


def test_a_callback_that_exits_ends_the_loop_and_loses_nothing(ledger: Ledger) -> None:
    """The limit of containment: `call_soon(sys.exit)` in a step. The program ends with SystemExit;
    the next one calls again what may be repeated, and what may not is in doubt."""

    async def main(start: bool) -> None:
        async with Engine(ledger.url, drain_seconds=0) as engine:
            await engine.serve(calls_back, charges_back)
            if start:
                await engine.start(calls_back(7), id="a")
            assert await engine.find(calls_back, "a").result() == 7

    async def charging(start: bool) -> None:
        async with Engine(ledger.url, drain_seconds=0) as engine:
            await engine.serve(charges_back)
            if start:
                await engine.start(charges_back(7), id="c")
            await until(lambda: "in-doubt" in ledger.words("c"))

    for life in (main, charging):
        with pytest.raises(SystemExit):
            asyncio.run(life(True))
        live(life(False))
    assert CALLS == {"call_back": 2, "charge_back": 1}
    asyncio.run(ledger.sound())
