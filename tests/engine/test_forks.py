"""Rule 79: what was opened before a fork is dead in the child, and the parent never notices."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, Run, Signal, pure, workflow
from perdure.model.compiler import compile_workflow
from perdure.model.errors import PlacementError

from .ledger import Ledger, until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # Forking beside threads is what these tests are about.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

go = Signal[str]("go")


@pure
async def double(n: int) -> int:
    return 2 * n


@workflow
async def waits(n: int) -> int:
    await go.wait()
    return await double(n)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def in_child(work: Callable[[], None]) -> str:
    """Run `work` in a forked child; what it failed with, or nothing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        told = ""
        try:
            asyncio._set_running_loop(None)  # a child of a loop is not in it
            work()
        except BaseException:
            told = traceback.format_exc()
        os.write(write, told.encode())
        os.close(write)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def refused(use: Callable[[], Any]) -> None:
    with pytest.raises(PlacementError, match=r"PD609[^$]*in the child, after the fork"):
        use()


async def test_every_method_is_refused_in_the_child_and_the_parent_goes_on(ledger: Ledger) -> None:
    """The engine, its runs and its store; leaving the `async with` does nothing there."""
    async with Engine(ledger.url, lease_seconds=1.0) as engine:
        run = await engine.start(waits(1), id="a")
        uses: list[Callable[[], Any]] = [
            lambda: asyncio.run(engine.start(waits(2), id="b")),
            lambda: asyncio.run(engine.run(waits(2))),
            lambda: asyncio.run(engine.serve(waits)),
            lambda: asyncio.run(engine.send("a", go, "x")),
            lambda: asyncio.run(engine.cancel("a", reason="x")),
            lambda: asyncio.run(engine.resume("a")),
            lambda: asyncio.run(engine.__aenter__()),
            lambda: asyncio.run(run.result()),
            lambda: engine.find(waits, "a"),
            lambda: asyncio.run(engine.store.find("a")),
            lambda: engine.store.beat(engine.worker.session),
        ]

        def work() -> None:
            for use in uses:
                refused(use)
            asyncio.run(engine.__aexit__(None, None, None))
            asyncio.run(engine.store.close())

        assert in_child(work) == ""
        before = ledger.one("select sum(beats) from session")
        await until(lambda: ledger.one("select sum(beats) from session") > before)
        await run.send(go, "on")
        assert await run.result() == 2
    await ledger.sound()


def test_a_blocking_engine_is_refused_in_the_child(ledger: Ledger) -> None:
    """Its thread is not there: nothing hangs, not even the end of the `with`."""
    with Engine.blocking(ledger.url) as engine:
        run = engine.start(waits(1), id="a")

        def work() -> None:
            for use in (
                lambda: engine.start(waits(2), id="b"),
                lambda: engine.run(waits(2)),
                lambda: engine.find(waits, "a"),
                lambda: engine.send("a", go, "x"),
                lambda: run.cancel(reason="x"),
                run.result,
            ):
                refused(use)
            engine.__exit__(None, None, None)
            assert threading.active_count() == 1

        assert in_child(work) == ""
        run.send(go, "on")
        assert run.result() == 2


SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[1])
from perdure import Engine
import life_flows
with Engine.blocking(sys.argv[2]) as engine:
    for n in range(5):
        run = engine.start(life_flows.patient(sys.argv[3]), id=str(n))
        child = os.fork()
        if child == 0:
            sys.exit(n)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == n
        run.send(life_flows.go, "on")
        assert run.result() == "on"
    assert os.path.exists(sys.argv[2].removeprefix("sqlite:///") + "-wal")
print("whole")
"""


def test_children_that_end_like_scripts_close_nothing_of_the_parents(ledger: Ledger) -> None:
    """They leave the `with`, tear down modules and objects, and say nothing; the parent's commits
    before, between and after them are all there."""
    here, trace = str(Path(__file__).parent), str(ledger.path.with_name("trace"))
    command = [sys.executable, "-W", "default", "-c", SCRIPT, here, ledger.url, trace]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    noise = [x for x in done.stderr.splitlines() if "fork()" not in x and "os.fork" not in x]
    assert (done.stdout, done.returncode, noise) == ("whole\n", 0, [])
    asyncio.run(ledger.sound())
    assert ledger.one("select count(*) from execution where status = 'done'") == 5


def test_an_engine_opened_in_the_child_works_there_beside_the_parents(ledger: Ledger) -> None:
    """As a preloading server does it: each process opens its own, on the same file."""
    with Engine.blocking(ledger.url) as engine:
        run = engine.start(waits(1), id="a")

        def work() -> None:
            with Engine.blocking(ledger.url) as own:
                own.send("a", go, "from the child")
                other = own.start(waits(5), id="b")
                other.send(go, "on")
                assert other.result() == 10

        assert in_child(work) == ""
        assert run.result() == 2 and engine.find(waits, "b").result() == 10
    asyncio.run(ledger.sound())


def test_an_engine_made_before_the_fork_and_not_opened_is_dead_too(ledger: Ledger) -> None:
    """It has opened nothing, but one rule is easier to keep than two; the message says the fix."""
    engine = Engine(ledger.url)
    run: Run[int] = Run(engine, "a", compile_workflow(waits))
    assert in_child(lambda: refused(lambda: asyncio.run(run.result()))) == ""


def test_forks_in_the_middle_of_the_work_harm_no_log(ledger: Ledger) -> None:
    """Twenty children are forked while two hundred executions run, at whatever point of a commit;
    each is refused, and ends. The parent's executions end, and every hash fits.

    No child opens the file here: SQLite's own state is copied with a lock that nobody gives back.
    """
    with Engine.blocking(ledger.url) as engine:
        runs = [engine.start(waits(n), id=f"e{n}") for n in range(200)]
        senders = threading.Thread(target=lambda: [run.send(go, "on") for run in runs])
        senders.start()

        def work() -> None:
            refused(lambda: engine.find(waits, "e1"))
            refused(runs[0].result)
            engine.__exit__(None, None, None)

        def use() -> None:
            refused(runs[1].result)

        told = [in_child(use if n % 2 else work) for n in range(20)]
        senders.join()
        assert [run.result() for run in runs] == [2 * n for n in range(200)]
        assert told == [""] * 20
    asyncio.run(ledger.sound())
    assert ledger.one("select count(*) from execution where status = 'done'") == 200
    assert ledger.one("select count(*) from session where fenced is null") == 0
