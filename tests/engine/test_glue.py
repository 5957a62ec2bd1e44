"""Errors of glue: an accident stalls and undoes nothing, an explicit raise fails and undoes; and
what is seen of it from outside (rules 35, 58, 87; C17).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from perdure import (
    Engine,
    Signal,
    Stalled,
    compensatable,
    effect_key,
    idempotent,
    irreversible,
    saga,
    workflow,
)
from perdure.engine.looking import view
from perdure.engine.store import Status
from perdure.model.language.workflows import Workflow

from .stage import Beside, Refused, Stage, ended, outside

go = Signal[str]("go")
PRICES: dict[int, str] = {}
"""What a helper of the glue reads: the fix of a typo comes from here."""


def price(n: int) -> str:
    """A helper that fails by accident until it is mended."""
    return PRICES[n]


def wrong_type(n: int) -> str:
    """The same by another accident."""
    got: Any = PRICES.get(n, 0)
    return str(got + "!")


@compensatable
async def hold(n: int) -> str:
    return await outside().attempt("hold", n)


@hold.undo
async def release(got: str | None, n: int) -> None:
    outside().closed.add(effect_key())
    outside().note("undone", "hold", n)


@irreversible(refused=(Refused,))
async def pay(n: int) -> str:
    return await outside().attempt("pay", n)


@idempotent
async def put(n: int) -> str:
    return await outside().attempt("put", n)


@workflow
async def before_the_pivot(n: int) -> str:
    async with saga():
        await hold(n)
        told = price(n)
        await put(n)
    return told


@workflow
async def behind_a_plain_step(n: int) -> str:
    async with saga():
        await hold(n)
        await put(n)
        told = wrong_type(n)
        await hold(n + 1)
    return told


@workflow
async def behind_the_pivot(n: int) -> str:
    async with saga():
        await hold(n)
        await pay(n)
        told = price(n)
    await put(n)
    return told


@workflow
async def behind_a_message(n: int) -> str:
    async with saga():
        await hold(n)
        word = await go.wait()
        told = price(n) + word
        await put(n)
    return told


@workflow
async def handled(n: int) -> str:
    async with saga():
        await hold(n)
        try:
            told = price(n)
            await put(n)
        except KeyError:
            return "no price"
    return told


@workflow
async def asserts(n: int) -> str:
    async with saga():
        await hold(n)
        assert n in PRICES, "no price"
        await put(n)
    return "paid"


@workflow
async def raises(n: int) -> str:
    async with saga():
        await hold(n)
        if n not in PRICES:
            raise Refused("no price")
        await put(n)
    return "paid"


@pytest.fixture(autouse=True)
def no_prices() -> None:
    """Every test begins with the mistake in place."""
    PRICES.clear()


ACCIDENTS: list[tuple[Workflow[..., Any], str, str, list[str]]] = [
    (before_the_pivot, "KeyError", "dear", ["hold"]),
    (behind_a_plain_step, "TypeError", "dear!", ["hold", "put"]),
    (behind_the_pivot, "KeyError", "dear", ["hold", "pay"]),
    (behind_a_message, "KeyError", "dear, please", ["hold"]),
]


@pytest.mark.parametrize(("flow", "error", "value", "before"), ACCIDENTS, ids=lambda v: str(v))
def test_an_accident_in_glue_stalls_with_its_traceback_and_undoes_nothing(
    flow: Workflow[..., Any], error: str, value: str, before: list[str]
) -> None:
    """A typo must not refund real orders; after the fix it goes on where it stood, twice nothing
    with an intent, and a message that it met is still there."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        run = await engine.start(flow(1), id="e")
        if flow is behind_a_message:
            await run.send(go, ", please")
        with pytest.raises(Stalled, match=error) as stalled:
            await run.result()
        assert "in price" in stalled.value.details or "in wrong_type" in stalled.value.details
        assert [h.site for h in stage.out.seen if h.what == "lands"] == before
        await asyncio.sleep(300)
        assert (await stage.row()).status is Status.STALLED
        assert await engine.resume("e")
        with pytest.raises(Stalled):
            await run.result()  # resumed before the fix: it stalls again
        PRICES[1] = "dear"
        assert await engine.resume("e")
        assert await run.result() == value
        assert stage.out.count("undone") == 0
        assert (await stage.words()).count("stalled") == 2
        for site in ("hold", "pay"):
            assert stage.out.stands(site, 1) == (1 if site in before else 0)

    stage.play(main)
    asyncio.run(stage.lawful())


def whose() -> str:
    """A helper that asks for the key of a call where none runs."""
    return effect_key()


@idempotent
async def greet(n: int) -> str:
    return f"{n} {effect_key()}"


@workflow
async def asks_behind_a_call(n: int) -> str:
    """Glue that runs behind a step, in the task that ran the step."""
    told = await greet(n)
    return told + whose()


async def test_the_key_of_a_call_is_not_told_to_the_glue_behind_it() -> None:
    """Else it would be another one after a restart, or none: the glue runs in any task."""
    async with Engine("sqlite://") as engine:
        with pytest.raises(Stalled, match="PD602"):
            await engine.run(asks_behind_a_call(1), id="x")


def test_a_stalled_execution_goes_on_in_the_next_process() -> None:
    """The fix comes with a new process; the net is the same, so it serves the old execution."""
    stage = Stage()

    async def begin(engine: Engine) -> None:
        with pytest.raises(Stalled):
            await (await engine.start(behind_the_pivot(1), id="e")).result()

    async def go_on(engine: Engine) -> str:
        await engine.serve(behind_the_pivot)
        PRICES[1] = "dear"
        assert await engine.resume("e")
        return await engine.find(behind_the_pivot, "e").result()

    stage.play_and_die(begin)
    assert stage.play(go_on) == "dear"
    assert stage.out.told("lands", "undone") == ["lands hold 1", "lands pay 1", "lands put 1"]
    asyncio.run(stage.lawful())


@pytest.mark.parametrize(
    ("flow", "end", "undone"),
    [(asserts, "AssertionError", 1), (raises, "Refused", 1), (handled, "done", 0)],
    ids=lambda v: str(v),
)
def test_what_the_author_raises_or_handles_is_control_flow(
    flow: Workflow[..., Any], end: str, undone: int
) -> None:
    """`raise` and `assert` fail the execution and undo; a matching handler takes an accident."""
    stage = Stage()

    async def main(engine: Engine) -> str:
        return (await ended(await engine.start(flow(1), id="e")))[0]

    assert stage.play(main) == end
    assert stage.out.count("undone") == undone
    asyncio.run(stage.lawful())


# --- looking (rule 58) ----------------------------------------------------------------------------


def test_a_look_is_read_from_the_database_whoever_runs_the_execution() -> None:
    """The worker is dead; another engine without the code says where it stands, in plain JSON."""
    stage = Stage()

    async def begin(engine: Engine) -> None:
        await engine.start(behind_a_message(1), id="e")
        await stage.at("waiting for go")

    async def look(engine: Engine) -> None:
        assert not engine.worker.programs
        seen = await engine.find(behind_a_message, "e").look()
        assert seen.row.status is Status.ACTIVE and seen.row.workflow.endswith("behind_a_message")
        assert seen.places["waiting for go"]["n"] == 1
        (stack,) = seen.places["in saga"].values()
        assert stack == ["hold"]
        assert [(e.site, e.outcome) for e in seen.effects] == [("hold", "landed")]
        await engine.find(behind_a_message, "e").send(go, "unread")
        again = await engine.find(behind_a_message, "e").look()
        assert again.unread == {"go": 1} and again.places == seen.places

    stage.play_and_die(begin)
    stage.play(look)


def test_a_look_never_shows_what_a_crash_could_take_back() -> None:
    """Before the commit of a firing the marking is the one before it, although memory is ahead."""
    stage = Stage()
    looks: list[set[str]] = []
    engines: list[Engine] = []

    async def main(engine: Engine) -> None:
        run = await engine.start(before_the_pivot(1), id="e")
        engines.append(engine)
        assert await run.result() == "dear"

    async def compare(edge: str, count: int) -> None:
        memory = engines[0].worker.instances.get("e") if engines else None
        if edge == "before" and memory is not None:
            net = memory.program.net
            ahead = {net.places[p].name for p in memory.state.marking}
            looks.append(set((await view(stage.store, "e")).places) - ahead)

    PRICES[1] = "dear"
    stage.play(main, store=Beside(stage, compare).port)
    assert any(looks), "memory was never ahead: the test shows nothing"
