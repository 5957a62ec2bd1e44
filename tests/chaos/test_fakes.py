"""The fake world's ledger, the guard against the real one, and the lines of a body."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path

import pytest
from perdure.chaos.bodies import Declared
from perdure.chaos.fakes import World
from perdure.chaos.guard import Unsafe, guarded
from perdure.chaos.lines import TIMES_MAX, stepping


def test_a_ledger_counts_by_what_and_about_what() -> None:
    """Values are told apart as they are written; what was taken back stands no more."""
    world = World()
    world.happened("charge", "o-1", 7)
    world.happened("charge", "o-1", 7)
    world.happened("charge", "o-2", 7)
    assert (world.count("charge", "o-1", 7), world.count("charge", "o-1")) == (2, 0)
    world.took_back("charge", "o-1", 7)
    assert world.count("charge", "o-1", 7) == 1


def test_what_never_happened_is_not_taken_back() -> None:
    """An undo of nothing leaves nothing owed: what happens later stands."""
    world = World()
    world.took_back("charge", "o-1")
    world.happened("charge", "o-1")
    assert world.count("charge", "o-1") == 1


def _connects() -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


DEEDS = {
    "connects": _connects,
    "runs": lambda: subprocess.run(["true"], check=False),
    "threads": lambda: threading.Thread(target=print).start(),
    "writes": lambda: Path("guarded.txt").write_text("x"),
    "database": lambda: sqlite3.connect("guarded.db"),
    "removes": lambda: Path("guarded.txt").unlink(missing_ok=True),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_the_real_world_is_out_of_reach_in_a_simulation(
    deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before it happens, and again at the end where the user's code swallows it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unsafe), guarded(), suppress(BaseException):  # as a careless body does
        DEEDS[deed]()
    assert list(tmp_path.iterdir()) == []


def test_what_is_harmless_may_be_done(tmp_path: Path) -> None:
    """Reading, computing, a database in memory, a coroutine; and outside everything as before."""
    with guarded():
        assert Path(__file__).read_text()
        sqlite3.connect(":memory:").close()
        asyncio.sleep(0).close()
    (tmp_path / "x").write_text("x")


def test_who_runs_beside_a_guarded_body_is_free(tmp_path: Path) -> None:
    """A transaction of one process stays open while others work; each leaves in its own time."""
    sleep, start = time.sleep, threading.Thread.start

    async def guards(inside: asyncio.Event, go: asyncio.Event) -> None:
        with suppress(Unsafe), guarded():
            inside.set()
            await go.wait()
            with suppress(Unsafe):
                (tmp_path / "no").write_text("x")

    async def main() -> None:
        entered, go = [asyncio.Event(), asyncio.Event()], [asyncio.Event(), asyncio.Event()]
        tasks = [asyncio.create_task(guards(*both)) for both in zip(entered, go, strict=True)]
        for one in entered:
            await one.wait()
        (tmp_path / "yes").write_text("x")
        thread = threading.Thread(target=time.sleep, args=(0,))
        thread.start()
        thread.join()
        for task, one in zip(tasks, go, strict=True):  # the first in is the first out
            one.set()
            await task

    asyncio.run(main())
    assert [path.name for path in tmp_path.iterdir()] == ["yes"]
    assert (time.sleep, threading.Thread.start) == (sleep, start)


def test_a_guarded_body_that_is_dropped_leaves_nothing_behind() -> None:
    """Its coroutine is closed by somebody with another context, as at the death of a process."""
    sleep = time.sleep

    async def guards() -> None:
        with guarded():
            await asyncio.sleep(0)

    body = guards()
    copy_context().run(body.send, None)
    assert time.sleep is not sleep
    body.close()
    assert time.sleep is sleep
    with pytest.raises(ConnectionError):  # and reached again
        _connects()


def test_every_line_of_a_function_but_the_first_is_a_stop() -> None:
    """In the order in which they run; lines of what it calls are none; a loop stops twice."""

    def inner() -> int:
        one = 1
        return one + 1

    def outer(count: int) -> int:
        total = inner()
        for _ in range(count):
            total += 1
        return total

    met: list[int] = []
    with stepping(outer.__code__, met.append):
        assert outer(9) == 11
    first = outer.__code__.co_firstlineno
    assert {line - first for line in met} == {2, 3, 4}
    assert max(met.count(line) for line in met) == TIMES_MAX
    met.clear()
    with stepping(None, met.append):
        outer(1)
    assert met == []


def test_what_is_raised_at_a_stop_ends_the_function() -> None:
    """Nothing behind that line is done."""
    done: list[int] = []

    def body() -> None:
        done.append(1)
        done.append(2)

    def die(line: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), stepping(body.__code__, die):
        body()
    assert done == [1]


def test_a_declared_value_is_no_function() -> None:
    """What stands in is told apart by whether it can be called."""
    assert Declared(3).value == 3
