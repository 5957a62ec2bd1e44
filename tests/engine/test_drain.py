"""Rule 47: a deployment costs a pause, and a doubt only where a call truly hangs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from perdure import Engine, Signal, idempotent, workflow

from .ledger import Ledger, until
from .processes import House

CLASSES = ["pure", "observe", "idempotent", "thread", "compensatable", "irreversible"]
INTENTS = ["compensatable", "irreversible"]
FREE = [name for name in CLASSES if name not in INTENTS]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


async def test_sigterm_with_a_short_and_a_long_step_of_each_class(house: House) -> None:
    """Short ones end and are recorded, nothing new begins; long ones without an intent are given
    up and called again by the next worker; long ones with an intent become doubts, called once.
    The log names every step waited for."""
    worker = house.worker("--drain", "2")
    await worker.serves()
    for kind in CLASSES:
        await house.start(f"w_{kind}", f"short-{kind}")
        await house.start(f"w_{kind}", f"long-{kind}")
    await house.until(lambda: house.lines().total() == 2 * len(CLASSES))
    worker.signal(signal.SIGTERM)
    await worker.says("waits for")
    for kind in CLASSES:
        house.open(f"short-{kind}")
    assert await worker.ends() == 0
    waited = [line for line in worker.lines if line.startswith("waits for ")]
    for id in (f"{length}-{kind}" for length in ("short", "long") for kind in CLASSES):
        assert sum(f" {id}: step " in line and "at most 2 s" in line for line in waited) == 1
    given_up = {line.split()[2] for line in worker.lines if line.startswith("gives up")}
    assert given_up == {f"long-{kind}:" for kind in FREE}
    left = {line.split()[3] for line in worker.lines if line.startswith("leaves in doubt")}
    assert left == {f"long-{kind}:" for kind in INTENTS}
    assert not house.ledger.rows("select 1 from session where fenced is null")
    assert not house.ledger.rows("select 1 from execution where owner is not null")
    lost = house.ledger.rows("select key from execution where lost <> 0")
    assert {key for (key,) in lost} == {f"long-{kind}" for kind in INTENTS}
    assert house.lines() == {f"begun {n}-{k}": 1 for k in CLASSES for n in ("short", "long")}
    for kind in FREE:
        house.open(f"long-{kind}")
    second = house.worker()
    await second.serves()
    finished = "select count(*) from execution where status = 'done'"
    await house.until(lambda: house.ledger.one(finished) == len(CLASSES) + len(FREE))
    doubts = "select count(*) from effect where outcome = 'in-doubt'"
    await house.until(lambda: house.ledger.one(doubts) == len(INTENTS))
    lines = house.lines()
    for kind in CLASSES:
        assert lines[f"begun short-{kind}"] == lines[f"after short-{kind}"] == 1
        assert lines[f"begun long-{kind}"] == (2 if kind in FREE else 1)
        assert lines[f"after long-{kind}"] == (1 if kind in FREE else 0)
    second.signal(signal.SIGTERM)
    assert await second.ends() == 0
    await house.ledger.sound()


@pytest.mark.parametrize("length", ["short", "long"])
async def test_sigterm_in_a_transaction(house: House, length: str) -> None:
    """A short one commits its writes with its record; a long one is given up and rolled back, its
    lock is free, and the next worker does it anew: written once in either case. (Apart from the
    other classes: while it is open, nothing else can be written.)"""
    worker = house.worker("--drain", "1" if length == "short" else "0.2")
    await worker.serves()
    await house.start("w_transactional", "t")
    await house.until(lambda: house.lines()["begun t"])
    worker.signal(signal.SIGTERM)
    await worker.says("waits for t: step transactional_step (transactional)")
    if length == "short":
        house.open("t")
    assert await worker.ends() == 0
    given_up = [line for line in worker.lines if line.startswith("gives up t")]
    written = house.ledger.rows("select name from written")
    assert (len(given_up), written) == ((0, [("t",)]) if length == "short" else (1, []))
    assert house.ledger.owner("t") is None
    house.open("t")
    second = house.worker()
    await second.serves()
    await house.until(lambda: house.ledger.status("t") == "done")
    assert house.ledger.rows("select name from written") == [("t",)]
    assert house.lines()["begun t"] == (1 if length == "short" else 2)
    assert house.ledger.one("select recoveries from execution") == 0
    await house.ledger.sound()


async def test_a_second_signal_waits_for_nothing(house: House) -> None:
    """However long the drain is: the first signal waits, the second ends; both calls come back."""
    worker = house.worker("--drain", "1000")
    await worker.serves()
    await house.start("w_idempotent", "a")
    await house.start("w_irreversible", "b")
    await house.until(lambda: house.lines().total() == 2)
    worker.signal(signal.SIGTERM)
    await worker.says("waits for b: step irreversible_step (irreversible), at most 1000 s")
    worker.signal(signal.SIGTERM)
    assert await worker.ends() == 0
    assert worker.lines[-1] == "stopped"
    assert [house.ledger.owner(key) for key in "ab"] == [None, None]
    assert not house.ledger.rows("select 1 from session where fenced is null")


# --- in this process ------------------------------------------------------------------------------

go = Signal[str]("go")
RUNS: list[int] = []
GATE: dict[str, asyncio.Event] = {}


@idempotent
async def work(n: int) -> int:
    RUNS.append(n)
    if n < 0:
        raise ConnectionError("not now")
    await GATE["open"].wait()
    return n


@idempotent
async def more(n: int) -> int:
    RUNS.append(100 + n)
    return n


@workflow
async def works(n: int) -> int:
    got = await work(n)
    return await more(got)


@workflow
async def waits(n: int) -> str:
    return await go.wait()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    RUNS.clear()
    GATE["open"] = asyncio.Event()
    return Ledger(tmp_path)


async def test_leaving_the_engine_drains_like_a_signal(ledger: Ledger) -> None:
    """`async with` ends: what runs ends and is recorded, what waits is free, nothing new begins."""
    engine = Engine(ledger.url)
    await engine.__aenter__()
    await engine.start(works(1), id="runs")
    await engine.start(waits(1), id="waits")
    await until(lambda: RUNS == [1])
    closing = asyncio.ensure_future(engine.__aexit__(None, None, None))
    await until(lambda: engine.worker.driver.draining)
    await until(lambda: ledger.owner("waits") is None)
    assert ledger.owner("runs") is not None and not closing.done()
    GATE["open"].set()
    await closing
    assert RUNS == [1] and ledger.owner("runs") is None
    async with Engine(ledger.url) as second:
        assert await second.run(works(1), id="runs") == 1
    assert RUNS == [1, 101]
    await ledger.sound()


async def test_a_backoff_is_not_waited_for(ledger: Ledger) -> None:
    """A step between two attempts does not run: it is released at once, and its count kept."""
    async with Engine(ledger.url, drain_seconds=1000) as engine:
        await engine.start(works(-1), id="a")
        await until(lambda: ledger.one("select tries from attempt") == 1)
    assert ledger.owner("a") is None and ledger.one("select tries from attempt") == 1


async def test_a_cancelled_closing_is_the_second_signal(ledger: Ledger) -> None:
    """Ctrl-C twice in asyncio: the drain is cut, everything is still released and closed."""
    engine = Engine(ledger.url, drain_seconds=1000)
    await engine.__aenter__()
    await engine.start(works(1), id="a")
    await until(lambda: RUNS == [1])
    closing = asyncio.ensure_future(engine.__aexit__(None, None, None))
    await until(lambda: engine.worker.driver.draining)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert ledger.owner("a") is None
    assert not ledger.rows("select 1 from session where fenced is null")


async def test_a_start_while_closing_is_durable_and_left_to_others(ledger: Ledger) -> None:
    """Accepted means written: the next worker runs it."""
    engine = Engine(ledger.url)
    await engine.__aenter__()
    await engine.start(works(1), id="a")
    await until(lambda: RUNS == [1])
    closing = asyncio.ensure_future(engine.__aexit__(None, None, None))
    await until(lambda: engine.worker.driver.draining)
    await engine.start(works(2), id="b")
    GATE["open"].set()
    await closing
    assert ledger.status("b") == "active" and ledger.owner("b") is None and RUNS == [1]
    async with Engine(ledger.url) as second:
        assert await second.run(works(2), id="b") == 2
