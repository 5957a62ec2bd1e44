"""Forks that fail, are cancelled or race: what becomes of siblings and losers (rules 37, 39 to 41,
45; C19).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from perdure import (
    Engine,
    Retry,
    Signal,
    compensatable,
    effect_key,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    together,
    transactional,
    workflow,
)
from perdure.engine.transactional import Tx

from .stage import Refused, Stage, ended, outside

ONCE = Retry(attempts=1)
news, other = Signal[str]("news"), Signal[str]("other")


class Worse(Refused):
    """Another class."""


async def _act(site: str, n: int) -> str:
    return await outside().attempt(site, n)


@pure
async def think(n: int) -> str:
    return await _act("think", n)


@observe(retry=ONCE)
async def read(n: int) -> str:
    return await _act("read", n)


@idempotent(retry=ONCE)
async def put(n: int) -> str:
    return await _act("put", n)


@transactional
async def write(tx: Tx, n: int) -> str:
    return await _act("write", n)


@compensatable(refused=(Refused,))
async def hold(n: int) -> str:
    return await _act("hold", n)


@hold.undo
async def release(got: str | None, n: int) -> None:
    outside().closed.add(effect_key())
    outside().note("undone", "hold", n)


@irreversible(refused=(Refused,))
async def pay(n: int) -> str:
    return await _act("pay", n)


@idempotent(retry=ONCE)
async def fail(seconds_before: int, text: str) -> str:
    await asyncio.sleep(seconds_before)
    raise Worse(text) if text == "worse" else Refused(text)


@workflow
async def three_fail(n: int) -> str:
    await together(fail(1, "worse"), hold(2), pay(3), fail(9, "drained"))
    return "not reached"


@workflow
async def notes_in_a_handler(n: int) -> str:
    try:
        async with saga():
            await together(fail(1, "one"), hold(1), fail(2, "two"))
    except Refused as error:
        return str(error)
    return "not reached"


def play(main: Any) -> Stage:
    """One life on a stage; what is stored is lawful afterwards."""
    stage = Stage()

    async def life(engine: Engine) -> None:
        await main(engine, stage)

    stage.play(life)
    asyncio.run(stage.lawful())
    return stage


def test_the_first_error_is_raised_and_the_later_ones_are_its_notes() -> None:
    """By log order, and the same when read back from the stored log (C19)."""

    async def main(engine: Engine, stage: Stage) -> None:
        stage.out.script["hold"] = deque(["gate, refuses"])
        stage.out.script["pay"] = deque(["gate, refuses"])
        run = await engine.start(three_fail(0), id="e")
        await asyncio.sleep(5)
        stage.out.gate("pay").set()
        await asyncio.sleep(5)
        stage.out.gate("hold").set()
        end, error = await ended(run)
        assert (end, str(error)) == ("Worse", "worse")
        wanted = ["branch 3 failed too: Refused: pay 3", "branch 2 failed too: Refused: hold 2"]
        assert error.__notes__ == wanted
        again = await ended(engine.find(three_fail, "e"))
        assert again[1].__notes__ == wanted

    play(main)


def test_a_compensatable_sibling_in_flight_settles_and_is_undone_when_another_fails() -> None:
    """It is awaited although its fork has failed, and undone before the error goes on (45)."""

    async def main(engine: Engine, stage: Stage) -> None:
        stage.out.script["hold"] = deque(["gate"])
        run = await engine.start(notes_in_a_handler(0), id="e")
        await asyncio.sleep(60)
        assert stage.out.told("lands", "undone") == []
        stage.out.gate("hold").set()
        assert await run.result() == "one"
        assert stage.out.told("lands", "undone") == ["lands hold 1", "undone hold 1"]

    play(main)
