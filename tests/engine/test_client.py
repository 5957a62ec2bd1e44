"""What a program does with an open engine: start, wait, send; and what it is refused."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Engine,
    ExecutionCancelled,
    ExecutionConflict,
    ExecutionFinished,
    NoSuchExecution,
    Retry,
    Run,
    Signal,
    Stalled,
    idempotent,
    pure,
    workflow,
)
from perdure.engine.errors import MessageConflict
from perdure.model.compiler import compile_workflow
from perdure.model.errors import PlacementError
from perdure.model.values import ValueRefused

from .ledger import Ledger, until

CALLS: Counter[str] = Counter()


@dataclass(frozen=True)
class Vote:
    yes: bool


vote = Signal[Vote]("vote")


class Broke(Exception):
    """Nothing is left."""


@pure
async def double(n: int) -> int:
    CALLS[f"double {n}"] += 1
    return 2 * n


@idempotent(retry=Retry(attempts=1))
async def fail(text: str) -> int:
    error = Broke(text)
    error.add_note("on a Monday")
    raise error


@workflow
async def doubled(n: int) -> int:
    return await double(n)


@workflow
async def doubled_again(n: int) -> int:
    return await double(n)


@workflow
async def asked(n: int) -> str:
    got = await vote.wait()
    return f"{n} {got.yes}"


@workflow
async def broken(text: str) -> int:
    if text == "author":
        raise Broke(text)
    if text == "step":
        return await fail(text)
    return await double(len(text))


@workflow
async def in_turn(prices: dict[str, int]) -> str:
    said = ""
    for name, price in prices.items():
        said += name + str(await double(price)) + " "
    return said


@workflow
async def stuck(n: int) -> int:
    table = {1: 2}
    return await double(table[n])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


async def test_the_same_id_and_input_is_the_same_execution(ledger: Ledger) -> None:
    """Started twice in a row, while it runs and after its end: one execution, one result."""
    async with Engine(ledger.url) as engine:
        first = await engine.start(doubled(1), id="a")
        second = await engine.start(doubled(1), id="a")
        assert await first.result() == await second.result() == 2
        assert await (await engine.start(doubled(1), id="a")).result() == 2
        assert await engine.run(doubled(1), id="a") == 2
        assert await engine.find(doubled, "a").result() == 2
    async with Engine(ledger.url) as another:
        assert await another.run(doubled(1), id="a") == 2
    assert ledger.one("select count(*) from execution") == 1


async def test_another_input_or_workflow_under_an_id_is_refused_with_the_difference(
    ledger: Ledger,
) -> None:
    """While it waits and after its end; the message names the parameter and both values."""
    async with Engine(ledger.url) as engine:
        await engine.start(asked(1), id="w")
        await engine.run(doubled(1), id="a")
        for id, other in (("w", asked), ("a", doubled)):
            with pytest.raises(ExecutionConflict, match="n was 1 and is 7"):
                await engine.start(other(7), id=id)
        with pytest.raises(ExecutionConflict, match="this is doubled_again"):
            await engine.start(doubled_again(1), id="a")
    assert ledger.one("select count(*) from execution") == 2


async def test_a_dict_is_run_through_in_its_order_and_is_one_input_in_any(ledger: Ledger) -> None:
    """The loop goes as in Python; a client that sends the keys in another order asks for the same
    execution, and the audit agrees on what the input was."""
    prices = {"pear": 3, "apple": 1, "fig": 2}
    async with Engine(ledger.url) as engine:
        assert await engine.run(in_turn(prices), id="a") == "pear6 apple2 fig4 "
        turned = dict(reversed(prices.items()))
        assert await engine.run(in_turn(turned), id="a") == "pear6 apple2 fig4 "
        with pytest.raises(ExecutionConflict):
            await engine.start(in_turn(prices | {"fig": 3}), id="a")
    assert ledger.one("select count(*) from execution") == 1
    await ledger.sound()


async def test_a_start_that_was_given_up_is_not_answered_before_it_is_durable(
    ledger: Ledger,
) -> None:
    """The caller's task is cancelled in the middle: the next start still compares and waits."""
    async with Engine(ledger.url) as engine:
        await engine.serve(asked)
        given_up = asyncio.ensure_future(engine.start(asked(1), id="a"))
        while "a" not in engine.worker.instances:
            await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        with pytest.raises(ExecutionConflict):
            await engine.start(asked(2), id="a")
        await engine.start(asked(1), id="a")
        assert ledger.words("a")[0] == "started"


async def test_400_starts_of_one_key_in_one_process_create_one_execution(ledger: Ledger) -> None:
    """Two inputs race, 200 callers each: one input wins for all its callers, the other loses."""
    async with Engine(ledger.url) as engine:
        starts = [engine.start(doubled(n), id="a") for n in [1, 2] * 200]
        done = await asyncio.gather(*starts, return_exceptions=True)
        runs = [d for d in done if isinstance(d, Run)]
        refused = [d for d in done if isinstance(d, ExecutionConflict)]
        assert (len(runs), len(refused)) == (200, 200)
        assert {await run.result() for run in runs} in ({2}, {4})
    assert ledger.one("select count(*) from execution") == 1


RACE = """
import asyncio, sys
from collections import Counter
sys.path.insert(0, sys.argv[1])
from perdure import Engine, Run
import life_flows
async def main():
    async with Engine(sys.argv[2]) as engine:
        await engine.serve(life_flows.traced)
        print("ready", flush=True)
        sys.stdin.readline()
        path, line = sys.argv[3], int(sys.argv[4])
        work = (engine.start(life_flows.traced(path, line), id="one") for _ in range(1_000))
        runs = await asyncio.gather(*work, return_exceptions=True)
        said = {str(r) for r in runs if not isinstance(r, Run)}
        results = {await r.result() for r in runs if isinstance(r, Run)}
        told = Counter(type(r).__name__ for r in runs)
        print([dict(told), sorted(results), len(said), sorted(said)[:1]], flush=True)
asyncio.run(main())
"""


async def raced(ledger: Ledger, *lines: int) -> list[list[Any]]:
    """Two processes start one key a thousand times each, at once, with the inputs given."""
    here, trace = str(Path(__file__).parent), str(ledger.path.with_name("trace"))
    command = [sys.executable, "-c", RACE, here, ledger.url, trace]
    processes = [
        subprocess.Popen(
            [*command, str(line)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for line in lines
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    told = await asyncio.gather(
        *(asyncio.to_thread(p.communicate, "\n", timeout=60) for p in processes)
    )
    return [ast.literal_eval(out) for out, _ in told]


async def test_two_processes_race_with_1000_starts_each_for_one_key(ledger: Ledger) -> None:
    """One execution, one call of its step, and all 2,000 callers get its result."""
    assert await raced(ledger, 1, 1) == [[{"Run": 1_000}, ["traced 1"], 0, []]] * 2
    assert ledger.one("select count(*) from execution") == 1
    assert ledger.one("select count(*) from log where seq = 0") == 1
    assert ledger.path.with_name("trace").read_text() == "1\n"
    await ledger.sound()


async def test_two_processes_race_with_two_inputs_and_one_of_them_loses_every_time(
    ledger: Ledger,
) -> None:
    """The thousand callers of the input that won get its result; the others are told which
    parameter differs, all of them, and nothing of theirs is called or left."""
    told = await raced(ledger, 1, 2)
    (won,) = [n for n, (kinds, *_) in enumerate(told, 1) if kinds == {"Run": 1_000}]
    lost = 3 - won
    assert told[won - 1] == [{"Run": 1_000}, [f"traced {won}"], 0, []]
    kinds, results, count, (why,) = told[lost - 1]
    assert (kinds, results, count) == ({"ExecutionConflict": 1_000}, [], 1)
    assert f"line was {won} and is {lost}" in why
    assert ledger.path.with_name("trace").read_text() == f"{won}\n"
    assert ledger.one("select count(*) from execution") == 1
    await ledger.sound()


async def test_a_result_is_the_value_or_the_exception_of_the_workflow() -> None:
    """An exception comes back as its class with its arguments; a glue accident as `Stalled`."""
    async with Engine("sqlite://") as engine:
        with pytest.raises(Broke) as raised:
            await engine.run(broken("author"))
        assert raised.value.args == ("author",)
        with pytest.raises(Broke) as raised:
            await engine.run(broken("step"))
        assert raised.value.args == ("step",) and "on a Monday" in raised.value.__notes__
        run = await engine.start(stuck(9), id="s")
        with pytest.raises(Stalled, match="KeyError: 9") as stalled:
            await run.result()
        assert stalled.value.id == "s" and "Traceback" in stalled.value.details
        assert await engine.run(broken("abc")) == 6


async def test_a_cancelled_execution_says_why(ledger: Ledger) -> None:
    """`ExecutionCancelled` carries the reason; a later result says the same."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(asked(1), id="a")
        await run.cancel(reason="changed my mind")
        for _ in range(2):
            with pytest.raises(ExecutionCancelled, match="changed my mind"):
                await run.result()


async def test_a_timeout_of_the_caller_cancels_nothing(ledger: Ledger) -> None:
    """`TimeoutError` for who waits; the execution goes on and its result comes later."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(asked(1), id="a")
        with pytest.raises(TimeoutError):
            await run.result(timeout=timedelta(0))
        await run.send(vote, Vote(True))
        assert await run.result(timeout=timedelta(seconds=60)) == "1 True"


async def test_a_signal_is_checked_where_it_is_sent(ledger: Ledger) -> None:
    """A value of another type never gets into the inbox."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(asked(1), id="a")
        wrong: Any = "yes"
        with pytest.raises(ValueRefused):
            await run.send(vote, wrong)
        assert ledger.one("select count(*) from message") == 0
        await run.send(vote, Vote(False))
        assert await run.result() == "1 False"


async def test_a_message_id_is_one_message(ledger: Ledger) -> None:
    """The same id and value is accepted again, even after the end; another value is refused."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(asked(1), id="a")
        for _ in range(3):
            await run.send(vote, Vote(True), message_id="m")
        with pytest.raises(MessageConflict):
            await run.send(vote, Vote(False), message_id="m")
        assert await run.result() == "1 True"
        await run.send(vote, Vote(True), message_id="m")
        with pytest.raises(ExecutionFinished):
            await run.send(vote, Vote(True))
    assert ledger.one("select count(*) from message") == 1


async def test_an_unknown_execution_is_told_to_who_asks(ledger: Ledger) -> None:
    """A handle is given without looking; whatever is done with it raises."""
    async with Engine(ledger.url) as engine:
        run = engine.find(asked, "nobody")
        for use in (run.result(), run.send(vote, Vote(True)), run.cancel(reason="x")):
            with pytest.raises(NoSuchExecution, match="nobody"):
                await use
        with pytest.raises(NoSuchExecution):
            await engine.resume("nobody")


# --- where an engine is of no use -----------------------------------------------------------------

USES: dict[str, Callable[[Engine, Run[str]], Coroutine[Any, Any, Any]]] = {
    "serve": lambda engine, run: engine.serve(asked),
    "start": lambda engine, run: engine.start(asked(1), id="b"),
    "run": lambda engine, run: engine.run(asked(1), id="b"),
    "result": lambda engine, run: run.result(),
    "send": lambda engine, run: run.send(vote, Vote(True)),
    "cancel": lambda engine, run: run.cancel(reason="x"),
    "decide": lambda engine, run: engine.decide("a", "k", "voided", by="me"),
    "resume": lambda engine, run: engine.resume("a"),
    "cancelled": lambda engine, run: engine.cancelled("a"),
}


@pytest.mark.parametrize("use", USES)
async def test_another_loop_is_refused_with_the_fix(ledger: Ledger, use: str) -> None:
    """In a thread with a loop of its own every method raises, and nothing was written."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(asked(1), id="a")
        before = ledger.rows("select * from log"), ledger.rows("select * from message")

        def elsewhere() -> str:
            with pytest.raises(PlacementError) as raised:
                asyncio.run(USES[use](engine, run))
            return str(raised.value)

        told = await asyncio.to_thread(elsewhere)
        assert "PD606" in told and "run_coroutine_threadsafe" in told
        assert before == (ledger.rows("select * from log"), ledger.rows("select * from message"))


@pytest.mark.parametrize("use", USES)
async def test_a_closed_engine_is_refused_with_the_fix(ledger: Ledger, use: str) -> None:
    """Before it was opened and after it was closed; the database is not opened behind our back."""
    engine = Engine(ledger.url)
    run: Run[str] = Run(engine, "a", compile_workflow(asked))
    with pytest.raises(PlacementError, match="PD606 this engine is not open"):
        await USES[use](engine, run)
    async with engine:
        run = await engine.start(asked(1), id="a")
    with pytest.raises(PlacementError, match="async with Engine"):
        await USES[use](engine, run)
    with pytest.raises(PlacementError, match="PD606"):
        engine.find(asked, "a")


async def test_who_waits_when_the_engine_closes_is_told(ledger: Ledger) -> None:
    """A result that was awaited does not hang for ever."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(asked(1), id="a")
        waiting = asyncio.ensure_future(run.result())
        await until(lambda: ledger.owner("a") is None)
    with pytest.raises(PlacementError, match="PD606"):
        await waiting


async def test_an_open_engine_is_not_opened_again_and_a_closed_one_is(ledger: Ledger) -> None:
    """PD608 while open; after closing, the same object serves on: a web app restarts in tests."""
    engine = Engine(ledger.url)
    async with engine:
        await engine.start(asked(1), id="a")
        with pytest.raises(PlacementError, match="PD608"):
            await engine.__aenter__()
        assert await engine.run(doubled(2)) == 4
    async with engine:
        run = await engine.start(asked(1), id="a")
        await run.send(vote, Vote(True))
        assert await run.result() == "1 True"
    await ledger.sound()


async def test_engines_nest_on_one_file_and_share_the_work(ledger: Ledger) -> None:
    """Two in one loop: each its session, each sees the other's executions end."""
    async with Engine(ledger.url) as outer, Engine(ledger.url) as inner:
        run = await outer.start(asked(1), id="a")
        await inner.send("a", vote, Vote(True))
        assert await inner.find(asked, "a").result() == "1 True" == await run.result()
        assert outer.worker.session != inner.worker.session
        runs = [await (outer, inner)[n % 2].start(doubled(n), id=f"{n}") for n in range(20)]
        assert [await run.result() for run in runs] == [2 * n for n in range(20)]
    await ledger.sound()


async def test_an_engine_that_cannot_open_leaves_nothing_open(tmp_path: Path) -> None:
    """The store's refusal is what the user sees, and the engine can be opened when it is mended."""
    folder = tmp_path / "not yet"
    engine = Engine(f"sqlite:///{folder}/store.db")
    threads = threading.active_count()
    with pytest.raises(Exception, match="PD805 there is no store"):
        await engine.__aenter__()
    assert threading.active_count() == threads
    folder.mkdir()
    async with engine:
        assert await engine.run(doubled(3)) == 6


async def test_a_step_is_no_workflow() -> None:
    """`start` takes a call of a workflow; the refusal names the step and the fix."""
    async with Engine("sqlite://") as engine:
        with pytest.raises(PlacementError, match=r"PD605 .*double.*\n.*\n.*@workflow"):
            await engine.start(double(1), id="a")
