"""Rules 34 and 46: what a step may raise, and threads that do not come back. The worker lives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Engine,
    Retry,
    StepFailed,
    Tx,
    compensatable,
    idempotent,
    irreversible,
    observe,
    transactional,
    workflow,
)
from perdure.engine.errors import WorkerRetired
from perdure.engine.threads import Threads
from perdure.engine.world import UserWorld

from .ledger import Ledger, until

ONCE = Retry(attempts=1)
GATE = threading.Event()
CALLS: Counter[str] = Counter()


class Odd(BaseException):
    """What a test framework or a library of coroutines may raise."""


def cancel_myself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


RAISES: dict[str, Callable[[], Any]] = {
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "CancelledError": asyncio.CancelledError,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "Odd": Odd,
    "StopIteration": lambda: StopIteration(1),
}


def burst(what: str) -> int:
    CALLS[what] += 1
    if what in RAISES:
        raise RAISES[what]()
    return 1


@observe(retry=ONCE)
def an_observe(what: str) -> int:
    return burst(what)


@idempotent(retry=ONCE)
async def an_idempotent(what: str) -> int:
    if what == "itself":
        cancel_myself()
        await asyncio.sleep(0)
    return burst(what)


@idempotent(retry=ONCE)
def a_threaded(what: str) -> int:
    return burst(what)


@transactional
async def a_transactional(tx: Tx, what: str) -> int:
    if what == "itself":
        cancel_myself()
        await asyncio.sleep(0)
    return burst(what)


@compensatable
async def a_compensatable(what: str) -> int:
    return burst(what)


@a_compensatable.undo
async def _undo(got: int) -> None:
    CALLS["undone"] += 1


@irreversible
async def an_irreversible(what: str) -> int:
    if what == "itself":
        cancel_myself()
        await asyncio.sleep(0)
    return burst(what)


@irreversible
def a_threaded_charge(what: str) -> int:
    return burst(what)


@workflow
async def w_observe(what: str) -> int:
    return await an_observe(what)


@workflow
async def w_idempotent(what: str) -> int:
    return await an_idempotent(what)


@workflow
async def w_threaded(what: str) -> int:
    return await a_threaded(what)


@workflow
async def w_transactional(what: str) -> int:
    return await a_transactional(what)


@workflow
async def w_compensatable(what: str) -> int:
    return await a_compensatable(what)


@workflow
async def w_irreversible(what: str) -> int:
    return await an_irreversible(what)


@workflow
async def w_threaded_charge(what: str) -> int:
    return await a_threaded_charge(what)


FAIL: list[Any] = [w_observe, w_idempotent, w_threaded, w_transactional]
DOUBT: list[Any] = [w_compensatable, w_irreversible, w_threaded_charge]
IN_A_THREAD = {w_observe, w_threaded, w_threaded_charge}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    CALLS.clear()
    GATE.clear()
    yield Ledger(tmp_path)
    GATE.set()


@pytest.mark.parametrize("what", [*RAISES, "itself"])
async def test_whatever_a_step_raises_is_its_failure_or_its_doubt(
    ledger: Ledger, what: str
) -> None:
    """Of each class, in the loop and in a thread: the execution fails or is in doubt, was called
    once, and the same worker runs the next execution."""
    async with Engine(ledger.url, drain_seconds=0) as engine:
        session = engine.worker.session
        for flow in FAIL:
            if what == "itself" and flow in IN_A_THREAD:
                continue
            run = await engine.start(flow(what), id=f"{flow.name}")
            expected = (MemoryError, RecursionError, StepFailed, RuntimeError)
            with pytest.raises(expected):
                await run.result()
            assert ledger.status(flow.name) == "failed"
        for flow in DOUBT:
            if what == "itself" and flow is not w_irreversible:
                continue
            await engine.start(flow(what), id=f"{flow.name}")
            await until(lambda f=flow: "in-doubt" in ledger.words(f.name))
        assert await engine.run(w_idempotent("fine")) == 1
        assert engine.worker.session == session
        assert set((CALLS - Counter({"fine": 1})).values()) <= {7}
    await ledger.sound()


# --- threads that hang ----------------------------------------------------------------------------

BRIEF = timedelta(milliseconds=1)


@observe(retry=ONCE, timeout=BRIEF)
def hang(n: int) -> int:
    CALLS["hangs"] += 1
    GATE.wait(60)
    return n


@irreversible(timeout=BRIEF)
def slow_charge(n: int) -> str:
    CALLS["charged"] += 1
    GATE.wait(60)
    return f"charged {n}"


@idempotent
def quick(n: int) -> int:
    return n


@workflow
async def hangs(n: int) -> int:
    return await hang(n)


@workflow
async def charges(n: int) -> str:
    return await slow_charge(n)


@workflow
async def quickly(n: int) -> int:
    return await quick(n)


async def test_a_hung_thread_leaves_its_token_and_not_its_place(ledger: Ledger) -> None:
    """Timed out, the execution goes on at once; the place comes back, up to the pool's size."""
    world = UserWorld(threads=2)
    async with Engine(ledger.url, world=world) as engine:
        for n in range(3):
            with pytest.raises(TimeoutError):
                await engine.run(hangs(n))
            assert world.threads.lost == n + 1
            assert await engine.run(quickly(n)) == n
        GATE.set()
        await until(lambda: world.threads.lost == 0)
        assert await asyncio.gather(*(engine.run(quickly(n)) for n in range(8))) == [*range(8)]


async def test_at_twice_the_pool_in_lost_threads_the_worker_drains_itself(
    ledger: Ledger,
) -> None:
    """It could start none any more: it says so, gives its executions up and refuses new ones; a
    new process takes over. Leaving does not wait for the threads."""
    world = UserWorld(threads=1)
    async with Engine(ledger.url, world=world) as engine:
        parked = await engine.start(w_idempotent("fine"), id="p")
        assert await parked.result() == 1
        for n in range(2):
            with pytest.raises(TimeoutError):
                await engine.run(hangs(n), id=f"h{n}")
        assert engine.worker.retired.startswith("2 threads")
        with pytest.raises(WorkerRetired, match="PD806"):
            await engine.start(quickly(1), id="q")
        await until(lambda: not ledger.rows("select 1 from session where fenced is null"))
    async with Engine(ledger.url) as second:
        assert await second.run(quickly(1), id="q") == 1


async def test_a_lost_threads_charge_is_told_when_it_comes_back(ledger: Ledger) -> None:
    """A timeout is doubt, never a second call; the thread's own late answer settles it."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(charges(1), id="c")
        await until(lambda: "in-doubt" in ledger.words("c"))
        await until(lambda: ledger.owner("c") is None)
        GATE.set()
        assert await run.result() == "charged 1"
        assert ledger.rows("select outcome, decided_by from effect") == [("landed", "evidence")]
        assert CALLS["charged"] == 1
    await ledger.sound()


async def test_threads_are_never_more_than_twice_the_pool() -> None:
    """Callers queue for places; lost threads count; a found one gives its place back."""
    threads, gate = Threads(2), threading.Event()
    told: list[str] = []
    threads.exhausted = lambda: told.append("exhausted")
    lost: list[Any] = []
    for n in range(4):
        call = asyncio.ensure_future(threads.call(lambda: gate.wait(60), late=lost.append))
        await until(lambda n=n: _alive() == n + 1)
        call.cancel()
        await asyncio.wait({call})
    assert told == ["exhausted"] and threads.lost == 4
    more = [asyncio.ensure_future(threads.call(lambda: 7)) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert _alive() == 4 and not any(call.done() for call in more)
    gate.set()
    assert await asyncio.gather(*more) == [7, 7, 7]
    await until(lambda: lost == [True] * 4)
    assert threads.lost == 0 and told == ["exhausted"]


def _alive() -> int:
    """Threads of steps: the only ones here whose target is a context's `run`."""
    return sum("(run)" in t.name for t in threading.enumerate())


# --- exit -----------------------------------------------------------------------------------------

SCRIPT = """
import asyncio, sys, threading
from datetime import timedelta
from perdure import Engine, Retry, idempotent, irreversible, observe, pure, workflow
from perdure.engine.world import UserWorld

once = {"retry": Retry(attempts=1)}
kinds = {
    "pure": pure(timeout=timedelta(milliseconds=1)),
    "observe": observe(timeout=timedelta(milliseconds=1), **once),
    "idempotent": idempotent(timeout=timedelta(milliseconds=1), **once),
    "irreversible": irreversible(timeout=timedelta(milliseconds=1)),
}

def hang(n: int) -> int:
    print("hangs", flush=True)
    threading.Event().wait()
    return n

step = kinds[sys.argv[1]](hang)

@workflow
async def hangs(n: int) -> int:
    return await step(n)

async def main():
    world = UserWorld()
    async with Engine(sys.argv[2], world=world, drain_seconds=0) as engine:
        run = await engine.start(hangs(1), id="h")
        while not world.threads.lost:
            await asyncio.sleep(0.001)
        if sys.argv[1] != "irreversible" and sys.argv[1] != "pure":
            try:
                await run.result()
            except TimeoutError as error:
                print(type(error).__name__, flush=True)

asyncio.run(main())
print("left", threading.active_count() > 1, flush=True)
"""


@pytest.mark.parametrize("kind", ["pure", "observe", "idempotent", "irreversible"])
def test_a_process_with_a_hung_thread_exits(tmp_path: Path, kind: str) -> None:
    """Timed out and never to come back, the thread runs on when the script has ended, and the
    process ends all the same: with what it holds released, and the log whole."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ledger = Ledger(tmp_path)
    command = [sys.executable, str(script), kind, ledger.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "hangs" and said[-1] == "left True"
    assert ledger.owner("h") is None
    expected = {"irreversible": ["in-doubt"], "pure": []}.get(kind, ["failed"])
    words = [w for w in ledger.words("h") if w == "in-doubt"]
    assert (words or [s for s in [ledger.status("h")] if s == "failed"]) == expected
    assert not ledger.rows("select 1 from session where fenced is null")
    asyncio.run(ledger.sound())


async def test_a_thread_that_the_machine_does_not_give_costs_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call fails, and the next one has the place."""
    threads = Threads(1)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="start new thread"):
            await threads.call(lambda: 1)
    async with asyncio.timeout(5):
        assert await threads.call(lambda: 2) == 2
