"""`Engine.blocking`: the same names for code without a loop, from any thread, closed cleanly."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from perdure import (
    Engine,
    Retry,
    Signal,
    StepFailed,
    idempotent,
    irreversible,
    pure,
    workflow,
)
from perdure.engine.blocking import BlockingEngine, BlockingRun
from perdure.engine.client import Run
from perdure.model.errors import ExecutionCancelled, ExecutionFinished, PlacementError, Stalled

from .ledger import Ledger

go = Signal[str]("go")


@pure
async def double(n: int) -> int:
    return 2 * n


@pure
def halve(n: int) -> int:
    return n // 2


@irreversible
async def charge(n: int) -> str:
    raise RuntimeError("the line is dead")


@idempotent(retry=Retry(attempts=1))
async def leave(n: int) -> int:
    async def exit_() -> None:
        raise SystemExit(n)

    await asyncio.create_task(exit_())
    return n


@idempotent
async def call_back(n: int) -> int:
    asyncio.get_running_loop().call_soon(sys.exit, n)
    await asyncio.sleep(0.01)
    return n


@workflow
async def sums(n: int) -> int:
    return await double(n) + await halve(n)


@workflow
async def waits(n: int) -> str:
    word = await go.wait()
    return f"{word} {n}"


@workflow
async def charged(n: int) -> str:
    return await charge(n)


@workflow
async def stuck(n: int) -> int:
    table = {1: 2}
    return await double(table[n])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def public(kind: type) -> set[str]:
    """The names of methods without underscore."""
    return {n for n, m in vars(kind).items() if callable(m) and not n.startswith("_")}


@pytest.mark.parametrize(
    ("asynchronous", "blocking", "inner"),
    [
        (Engine, BlockingEngine, {"blocking", "ended", "cancelled", "die"}),
        (Run, BlockingRun, set[str]()),
    ],
)
def test_the_names_and_parameters_are_the_same(
    asynchronous: type, blocking: type, inner: set[str]
) -> None:
    """Every method that a program uses exists in both, with the same parameters."""
    names = public(asynchronous) - inner
    assert names <= public(blocking)
    for name in names:
        one, other = (inspect.signature(vars(k)[name]) for k in (asynchronous, blocking))
        assert list(one.parameters.values()) == list(other.parameters.values()), name


def test_a_script_uses_every_verb(ledger: Ledger) -> None:
    """Start, run, find, send, cancel, result, serve, decide, resume: as with the other engine."""
    with Engine.blocking(ledger.url) as engine:
        assert [p.net.name for p in engine.serve(sums, waits)] == ["sums", "waits"]
        assert engine.run(sums(4)) == 10 == engine.run(sums(4), id="s")
        run = engine.start(waits(1), id="w")
        with pytest.raises(TimeoutError):
            run.result(timeout=timedelta(0))
        run.send(go, "on", message_id="m")
        engine.send("w", go, "on", message_id="m")
        assert engine.find(waits, "w").result() == "on 1" == run.result()
        with pytest.raises(ExecutionFinished):
            run.send(go, "late")
        engine.start(waits(2), id="c").cancel(reason="no need")
        with pytest.raises(ExecutionCancelled, match="no need"):
            engine.find(waits, "c").result()
        engine.start(waits(3), id="d")
        engine.cancel("d", reason="nor here", by="me")
        with pytest.raises(ExecutionCancelled, match="nor here"):
            engine.find(waits, "d").result()
        doubtful = engine.start(charged(1), id="x")
        key = _wait_for(lambda: ledger.one("select key from effect where outcome = 'in-doubt'"))
        engine.decide("x", key, "landed", value=b'"paid"', by="me")
        assert doubtful.result() == "paid"
        with pytest.raises(Stalled):
            engine.run(stuck(7), id="k")
        assert engine.resume("k") is True and engine.resume("w") is False


def _wait_for(holds: Callable[[], Any]) -> Any:
    for _ in range(100_000):
        found = holds()
        if found:
            return found
    raise AssertionError("it never held")


def test_many_threads_use_one_engine(ledger: Ledger) -> None:
    """Eight threads start, signal and wait for 80 executions; every result is its own."""
    with Engine.blocking(ledger.url) as engine:

        def one(n: int) -> str:
            run = engine.start(waits(n), id=f"w{n}")
            run.send(go, "on")
            return run.result()

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(one, range(80))) == [f"on {n}" for n in range(80)]
    assert ledger.one("select count(*) from execution where status = 'done'") == 80


def test_a_running_loop_is_refused_and_no_coroutine_is_left(ledger: Ledger) -> None:
    """PD607 names `async with`; the refused call is closed, the engine goes on elsewhere."""
    with Engine.blocking(ledger.url) as engine:
        run = engine.start(waits(1), id="a")
        uses: list[Callable[[], object]] = [
            lambda: engine.start(sums(1), id="b"),
            lambda: engine.run(sums(1)),
            lambda: engine.find(waits, "a"),
            lambda: engine.send("a", go, "x"),
            run.result,
            lambda: run.cancel(reason="x"),
            engine.close,
            Engine.blocking(ledger.url).open,
        ]

        async def inside() -> None:
            for use in uses:
                with pytest.raises(PlacementError, match=r"PD607[^$]*async with Engine"):
                    use()

        asyncio.run(inside())
        run.send(go, "on")
        assert run.result() == "on 1"


def test_before_opening_and_after_closing_it_is_refused(ledger: Ledger) -> None:
    """PD606 with the fix; a second opening while open is PD608; closed, it can be opened again."""
    engine = Engine.blocking(ledger.url)
    with pytest.raises(PlacementError, match=r"PD606[^$]*with Engine.blocking"):
        engine.run(sums(1))
    for _ in range(2):
        before = set(threading.enumerate())
        with engine:
            run = engine.start(sums(2), id="a")
            assert run.result() == 5
            with pytest.raises(PlacementError, match="PD608"):
                engine.open()
        assert not [t for t in set(threading.enumerate()) - before if t.name == "perdure"]
        for use in (lambda: engine.find(sums, "a"), run.result):
            with pytest.raises(PlacementError, match="PD606"):
                use()
    engine.close()


def test_an_engine_that_cannot_open_leaves_no_thread(tmp_path: Path) -> None:
    """The store's refusal comes through, the thread ends, and it can be tried again."""
    engine = Engine.blocking(f"sqlite:///{tmp_path}/not/yet.db")
    before = set(threading.enumerate())
    with pytest.raises(Exception, match="PD805 there is no store"):
        engine.open()
    assert set(threading.enumerate()) <= before
    (tmp_path / "not").mkdir()
    with engine:
        assert engine.run(sums(2)) == 5


def test_a_wsgi_application_starts_and_answers(ledger: Ledger) -> None:
    """As in Flask: opened once for the process, requests come in from several threads."""
    engine = Engine.blocking(ledger.url).open()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        number = int(environ["PATH_INFO"].strip("/"))
        value = engine.run(sums(number), id=f"request-{number}")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(value).encode()]

    def answered(status: str, headers: list[tuple[str, str]]) -> None:
        assert status == "200 OK"

    def get(number: int) -> bytes:
        environ: dict[str, Any] = {"PATH_INFO": f"/{number}", "wsgi.errors": io.StringIO()}
        setup_testing_defaults(environ)
        return b"".join(app(environ, answered))

    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(get, [2, 4, 6, 2])) == [b"5", b"10", b"15", b"5"]
    finally:
        engine.close()
    assert ledger.one("select count(*) from execution") == 3


@workflow
async def calling_back(n: int) -> int:
    return await call_back(n)


@workflow
async def leaving(n: int) -> int:
    return await leave(n)


def test_a_task_of_a_step_that_exits_does_not_end_the_loop(ledger: Ledger) -> None:
    """`SystemExit` in a task that a step started is a failure like any other."""
    with Engine.blocking(ledger.url, drain_seconds=0) as engine:
        run = engine.start(leaving(3), id="x")
        assert engine.run(sums(2)) == 5
        with pytest.raises(StepFailed, match=r"SystemExit\(3\)"):
            run.result()


def test_a_callback_of_a_step_that_exits_does_not_end_the_loop(ledger: Ledger) -> None:
    """Nobody can contain what a plain callback raises; this loop is the engine's, and goes on."""
    with Engine.blocking(ledger.url, drain_seconds=0) as engine:
        run = engine.start(calling_back(3), id="x")
        assert run.result() == 3
        assert engine.run(sums(2)) == 5


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from perdure import Engine
import life_flows
with Engine.blocking(sys.argv[2]) as engine:
    run = engine.start(life_flows.patient(sys.argv[3]), id="a")
    try:
        print("started", flush=True)
        run.result()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        engine.send("a", life_flows.go, "on")
        print(run.result(), flush=True)
"""


def test_an_interrupted_wait_ends_the_wait_only(ledger: Ledger) -> None:
    """Ctrl-C in a script: the execution goes on, the engine is usable and closes cleanly."""
    here = str(Path(__file__).parent)
    trace = str(ledger.path.with_name("trace"))
    command = [sys.executable, "-c", SCRIPT, here, ledger.url, trace]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    _wait_for(lambda: ledger.one("select waits from execution where owner is null") == "go")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("interrupted\non\n", 0), err
    assert err == ""


CLOSING = """
import logging, sys
sys.path.insert(0, sys.argv[1])
from perdure import Engine
import life_flows
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
engine = Engine.blocking(sys.argv[2]).open()
engine.start(life_flows.endless(sys.argv[3]), id="a")
print("started", flush=True)
sys.stdin.readline()
try:
    engine.close()
except KeyboardInterrupt:
    print("closed", flush=True)
"""


def test_an_interrupted_close_waits_for_no_step_and_still_releases(ledger: Ledger) -> None:
    """Ctrl-C while closing drains: the execution is free for the next worker, the session over."""
    here, trace = str(Path(__file__).parent), ledger.path.with_name("trace")
    process = subprocess.Popen(
        [sys.executable, "-c", CLOSING, here, ledger.url, str(trace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "started\n"
    _wait_for(lambda: trace.exists())
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    assert line == "waits for a: step hang (idempotent), at most 25 s\n"
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out in ("gives up a: step hang (idempotent)\nclosed\n"), err
    assert process.returncode == 0 and err == ""
    assert ledger.owner("a") is None and ledger.status("a") == "active"
    assert ledger.one("select count(*) from session where fenced is null") == 0
