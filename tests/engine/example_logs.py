"""Example histories of every kind, made by the real engine in simulated time. No test lives here.

`python -m tests.engine.example_logs FILE` writes the dump that tests/engine/fixtures keeps for ever
(see test_old_logs.py); a file that is there is never written again.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure import (
    Elapsed,
    Engine,
    InDoubt,
    Landed,
    Retry,
    Signal,
    Tx,
    Voided,
    after,
    compensatable,
    days,
    effect_key,
    first,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    seconds,
    sleep,
    together,
    transactional,
    workflow,
)
from sqlalchemy import text

from .stage import Refused, Stage, ended, one, outside

go = Signal[str]("go")
LARGE = 20_000
MANY = 60


@pure
async def price(n: int) -> int:
    return 7 * n


@observe
async def look(letter: str, size: int) -> str:
    return letter * size


@idempotent(retry=Retry(attempts=3))
async def tell(n: int) -> str:
    return await outside().attempt("tell", n)


@transactional
async def book(tx: Tx, n: int) -> int:
    found = await tx.execute(text("select 1"))
    return n + int(found.scalar_one())


@compensatable(refused=(Refused,))
async def hold(n: int) -> str:
    return await outside().attempt("hold", n)


@hold.undo
async def release(got: str | None, n: int) -> None:
    if n == 13:
        raise OSError("nobody is there")
    outside().note("undone", "hold", n)


@irreversible(timeout=seconds(10), refused=(Refused,))
async def pay(n: int) -> str:
    return await outside().attempt("pay", n)


@pay.probe
async def ask(n: int) -> Landed[str] | Voided | InDoubt:
    out, key = outside(), effect_key()
    if any((h.what, h.key) == ("lands", key) for h in out.seen):
        return Landed(f"pay {n}")
    out.closed.add(key)
    return Voided()


@irreversible(timeout=seconds(10))
async def wire(n: int) -> str:
    return await outside().attempt("wire", n)


@workflow
async def every_class(n: int) -> str:
    amount = await price(n)
    place = await look("s", 3)
    told = await tell(amount)
    async with saga():
        held = await hold(n)
        amount = await book(n)
        paid = await pay(amount)
    return f"{place} {told} {held} {paid}"


@workflow
async def beside(n: int) -> tuple[str, str]:
    paid, told = await together(pay(n), tell(n))
    return paid, told


@workflow
async def held_twice(n: int) -> str:
    async with saga():
        one = await hold(n)
        two = await hold(n + 1)
        paid = await pay(n)
    return one + two + paid


@workflow
async def reminded(n: int) -> str:
    count = 0
    while count < n:
        answer = await first(go.wait(), after(seconds(3)))
        match answer:
            case Elapsed():
                count = count + 1
                await tell(count)
            case word:
                return word
    return "given up"


@workflow
async def pays(n: int) -> str:
    return await pay(n)


@workflow
async def wires(n: int) -> str:
    return await wire(n)


@workflow
async def waits_holding(n: int) -> str:
    async with saga():
        held = await hold(n)
        word = await go.wait()
    return held + word


@workflow
async def stumbles(n: int) -> int:
    table = {1: 2}
    return await price(table[n])


@workflow
async def raises(n: int) -> int:
    raise ValueError(f"number {n}")


@workflow
async def carries(size: int) -> str:
    made = await look("l", size)
    word = await go.wait()
    return word + made


@workflow
async def counts(n: int) -> int:
    total = 0
    for _ in range(n):
        total += len(await go.wait())
    return total


@workflow
async def sleeps(n: int) -> int:
    await sleep(days(n))
    return n


STATUS = {
    "every class": "done",
    "beside": "done",
    "undone": "failed",
    "reminded": "done",
    "given up": "done",
    "voided": "done",
    "landed": "done",
    "killed": "done",
    "by hand": "done",
    "on the desk": "active",
    "cancelled": "cancelled",
    "stands": "cancelled",
    "stalled": "stalled",
    "failed": "failed",
    "large": "done",
    "counts": "active",
    "sleeps": "active",
}
"""What there is, and how each stands at the end."""


async def _killed(engine: Engine) -> None:
    """A life that ends during a charge."""
    out = outside()
    out.script["pay"] = deque(["hangs"])
    await engine.start(pays(1), id="killed")
    while not out.count("called", "pay"):
        await asyncio.sleep(0.1)


def _script(stage: Stage, site: str, *answers: str) -> None:
    stage.out.script[site] = deque(answers)


async def _plain(engine: Engine, stage: Stage) -> None:
    """What goes well, and what fails in the ordinary way."""
    _script(stage, "tell", "raises")
    assert await engine.run(every_class(1), id="every class") == "sss tell 7 hold 1 pay 2"
    assert await engine.run(beside(2), id="beside") == ("pay 2", "tell 2")
    _script(stage, "pay", "refuses")
    assert (await ended(await engine.start(held_twice(3), id="undone")))[0] == "Refused"
    run = await engine.start(reminded(3), id="reminded")
    await asyncio.sleep(5)
    await run.send(go, "there", message_id="m-1")
    assert await run.result() == "there"
    assert await engine.run(reminded(2), id="given up") == "given up"
    assert (await ended(await engine.start(raises(4), id="failed")))[0] == "ValueError"
    await engine.start(sleeps(400), id="sleeps")


async def _doubts(engine: Engine, stage: Stage) -> None:
    """What is decided by a probe, by a person, or not yet."""
    assert await engine.find(pays, "killed").result() == "pay 1"
    _script(stage, "pay", "raises")
    assert await engine.run(pays(5), id="voided") == "pay 5"
    _script(stage, "pay", "lands, raises")
    assert await engine.run(pays(6), id="landed") == "pay 6"
    _script(stage, "wire", "lands, raises", "raises")
    run = await engine.start(wires(7), id="by hand")
    case = await one(stage, "in-doubt", "by hand")
    await engine.decide("by hand", case.key, "landed", value=b'"seen"', by="me", reason="a call")
    assert await run.result() == "seen"
    await engine.start(wires(8), id="on the desk")
    await one(stage, "in-doubt", "on the desk")


async def _ends(engine: Engine, stage: Stage) -> None:
    """What is cancelled, stalled, or rests for long."""
    for key, n in (("cancelled", 9), ("stands", 13)):
        run = await engine.start(waits_holding(n), id=key)
        await stage.at("waiting for go", key=key)
        await run.cancel(reason="no need")
    case = await one(stage, "undo", "stands")
    await engine.decide("stands", case.key, "stand", by="me", reason="it is small")
    for key in ("cancelled", "stands"):
        assert (await ended(engine.find(waits_holding, key)))[0] == "ExecutionCancelled"
    stuck = await engine.start(stumbles(2), id="stalled")
    assert (await ended(stuck))[0] == "Stalled"
    assert await engine.resume("stalled")
    assert (await ended(stuck))[0] == "Stalled"
    large = await engine.start(carries(LARGE), id="large")
    await large.send(go, "w")
    assert await large.result() == "w" + "l" * LARGE
    many = await engine.start(counts(10 * MANY), id="counts")
    for number in range(MANY):
        await many.send(go, "x", message_id=f"x-{number}")

        async def taken(number: int = number) -> bool:
            row = await stage.row("counts")
            mail = await stage.mail("counts")
            return mail[number].consumed_at is not None and row.owner is None

        await stage.until(taken)


def example() -> Stage:
    """A stage on which every history has been played."""
    stage = Stage()
    stage.play_and_die(_killed)
    for scene in (_plain, _doubts, _ends):
        stage.play(_served(scene, stage))
    return stage


def _served(scene: Callable[[Engine, Stage], Any], stage: Stage) -> Callable[[Engine], Any]:
    async def main(engine: Engine) -> None:
        await engine.serve(pays, wires)
        await scene(engine, stage)

    return main


def dump(stage: Stage) -> str:
    """All rows of the store as SQL, of no machine in particular."""
    db = stage.store.links.link("writer").driver
    db.execute("update session set host = 'host', boot = 'boot', namespace = 'pid', pid = 1")
    folder = json.dumps(str(Path(__file__).parent))[1:-1]
    for net, body in db.execute("select net, body from definition").fetchall():
        named = bytes(body).replace(folder.encode() + b"/", b"")
        db.execute("update definition set body = ? where net = ?", (named, net))
    return "\n".join(db.iterdump())


def load(sql: str, path: Path) -> Path:
    """A file that holds what a dump says."""
    with sqlite3.connect(path) as db:
        db.executescript(sql)
    db.close()
    return path


def main(file: Path) -> None:
    """Write the fixture, once."""
    with file.open("xb") as out:
        out.write(gzip.compress(dump(example()).encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
