"""Forks that fail, are cancelled or race: what becomes of siblings and losers (rules 37, 39 to 41,
45; C19).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest
from perdure import (
    Engine,
    Retry,
    Signal,
    Tx,
    compensatable,
    effect_key,
    first,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    together,
    transactional,
    workflow,
)

from .stage import Refused, Stage, ended, outside

ONCE = Retry(attempts=1)


go = Signal[str]("go")


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


def race_of(step: Any) -> Any:
    """A race of a step against a signal, with a step behind it that tells when it runs."""
    return {"think": racing_think, "read": racing_read, "put": racing_put, "write": racing_write}[
        step
    ]


@idempotent
async def behind(n: int) -> None:
    outside().note("behind", "behind", n)


@workflow
async def racing_think(n: int) -> str:
    got = await first(think(n), go.wait())
    await behind(n)
    return got


@workflow
async def racing_read(n: int) -> str:
    got = await first(read(n), go.wait())
    await behind(n)
    return got


@workflow
async def racing_put(n: int) -> str:
    got = await first(put(n), go.wait())
    await behind(n)
    return got


@workflow
async def racing_write(n: int) -> str:
    got = await first(write(n), go.wait())
    await behind(n)
    return got


@workflow
async def nested(n: int) -> str:
    try:
        async with saga():
            await hold(0)
            async with saga():
                for i in range(1, 3):
                    await hold(i)
            await together(hold(3), hold2(4))
            async with saga():
                await hold(5)
            await go.wait()
            raise Refused("after all")
    except Refused:
        return "undone"


@compensatable
async def hold2(n: int) -> str:
    return await _act("hold2", n)


@hold2.undo
async def release2(got: str) -> None:
    outside().note("undone", "hold", int(got.split()[1]))


@workflow
async def outside_a_saga(n: int) -> str:
    await hold(n)
    paid = await pay(n)
    await go.wait()
    return paid


@workflow
async def inner_fails(n: int) -> str:
    async with saga():
        await hold(0)
        try:
            async with saga():
                await hold(1)
                await fail(0, "inner")
        except Refused:
            await go.wait()
        await hold(2)
        await go.wait()
    return "well"


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


# --- losers (rule 37) -----------------------------------------------------------------------------


@pytest.mark.parametrize("landed", [False, True], ids=["in flight", "landed in time"])
@pytest.mark.parametrize("site", ["think", "read", "put", "write"])
def test_a_loser_of_each_class_ends_before_the_code_behind_the_race(
    site: str, landed: bool
) -> None:
    """pure, observe: dropped. idempotent: given up, "may have happened" told. transactional: rolled
    back, unless its commit came first: then it is the winner."""

    async def main(engine: Engine, stage: Stage) -> None:
        stage.out.script[site] = deque(["lands" if landed else "gate"])
        run = await engine.start(race_of(site)(1), id="e")
        await stage.until(lambda: stage.out.count("called") == 1)
        if landed:
            assert await run.result() == f"{site} 1"
            return
        await run.send(go, "signal")  # behind a transactional step it waits for the write lock
        end, value = await ended(run)
        if site == "write":
            assert end == "TransactionTooLong"  # and the race had its first end
            return
        assert (end, value) == ("done", "signal")
        stage.out.gate(site).set()
        await asyncio.sleep(5)
        assert stage.out.count("lands") == 0, "it was cut, not awaited"
        may = [b.may for b in await stage.bodies() if b.may]
        assert may == ([True] if site == "put" else [])
        assert stage.out.count("behind") == 1

    play(main)


# --- undo order (rules 44, 45; C15) ---------------------------------------------------------------


@pytest.mark.parametrize("cancelled", [False, True], ids=["failed", "cancelled"])
def test_undo_runs_in_reverse_order_through_loops_and_sagas_left_well(cancelled: bool) -> None:
    """A saga left well hands its entries to the one around it, once for each round of a loop."""

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(nested(0), id="e")
        await stage.at("waiting for go")
        await (run.cancel(reason="x") if cancelled else run.send(go, "on"))
        assert (await ended(run))[0] == ("ExecutionCancelled" if cancelled else "done")
        order = [int(told.split()[-1]) for told in stage.out.told("undone")]
        assert (order[0], order[3:]) == (5, [2, 1, 0])
        assert set(order[1:3]) == {3, 4}, "parallel ones in either order, between the others"
        assert all(e.outcome == "undone" for e in await stage.effects())

    play(main)


@pytest.mark.parametrize("place", ["handler", "body"])
def test_an_inner_saga_that_failed_is_undone_once_and_the_outer_one_by_the_cancel(
    place: str,
) -> None:
    """What the inner saga undid is not undone again by the outer one."""

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(inner_fails(0), id="e")
        await stage.at("waiting for go 2")
        assert stage.out.told("undone") == ["undone hold 1"]
        if place == "body":
            await run.send(go, "on")
            await stage.at("waiting for go")
        await run.cancel(reason="x")
        assert (await ended(run))[0] == "ExecutionCancelled"
        later = ["undone hold 2"] if place == "body" else []
        assert stage.out.told("undone") == ["undone hold 1", *later, "undone hold 0"]

    play(main)


def test_without_a_saga_a_cancel_undoes_nothing_and_names_what_stands() -> None:
    """Nobody asked for compensation there: the landed effects are listed (43)."""

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(outside_a_saga(0), id="e")
        await stage.at("waiting for go")
        await run.cancel(reason="x")
        end, error = await ended(run)
        assert (end, error.landed) == ("ExecutionCancelled", ("hold", "pay"))
        assert "hold, pay" in str(error) and stage.out.count("undone") == 0

    play(main)
