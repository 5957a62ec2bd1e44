"""Rule 70 at each boundary of a running engine: a value that cannot be kept is refused where it
comes in, by the name it has there and its place inside, and nothing of it is stored.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, Signal, Stalled, irreversible, observe, workflow
from perdure.engine.bodies import decode
from perdure.model.values import ValueRefused

from .ledger import Ledger, until

Table = dict[str, list[float]]
BAD: dict[str, tuple[Any, str]] = {
    "nan": ({"a": [1.0, float("nan")]}, "['a'][1]: nan"),
    "infinity": ({"a": [], "b": [float("-inf")]}, "['b'][0]: -inf"),
    "colliding keys": ({1: [1.0], "1": [2.0]}, "[key 1]"),
    "lone surrogate": ({"\ud800": [1.0]}, "[key '\\ud800']"),
    "another type": ({"a": ["1.0"]}, "['a'][0]"),
}
GIVEN: list[Any] = []
hears = Signal[Table]("hears")


@observe
async def look(n: int) -> Table:
    return GIVEN[0]


@irreversible
async def charge(n: int) -> Table:
    return GIVEN[0]


@workflow
async def takes(first: int, table: Table) -> int:
    return first + len(table)


@workflow
async def looks(n: int) -> int:
    found = await look(n)
    return len(found)


@workflow
async def charges(n: int) -> int:
    found = await charge(n)
    return len(found)


@workflow
async def listens(n: int) -> int:
    found = await hears.wait()
    return len(found)


@workflow
async def computes(n: int) -> float:
    found = await look(n)
    total = found["a"][0] * 1e308 * 100
    await look(int(n))
    return total


@workflow
async def until_when(moment: datetime) -> datetime:
    return moment


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    GIVEN.clear()
    return Ledger(tmp_path)


@pytest.mark.parametrize("what", BAD)
async def test_an_input_is_refused_by_its_parameter(ledger: Ledger, what: str) -> None:
    """`start` raises before anything is written; the id stays free."""
    value, place = BAD[what]
    async with Engine(ledger.url) as engine:
        with pytest.raises(ValueRefused) as refused:
            await engine.start(takes(1, value), id="x")
        assert refused.value.variable == "table" and place in str(refused.value)
        assert str(refused.value).startswith("`table` is not storable as dict[str, list[float]]")
        assert ledger.one("select count(*) from execution") == 0
        assert await engine.run(takes(1, {"a": [1.0]}), id="x") == 2


async def test_a_moment_without_a_zone_is_refused_by_its_parameter(ledger: Ledger) -> None:
    """Nobody can know which moment it is."""
    async with Engine(ledger.url) as engine:
        with pytest.raises(ValueRefused, match="`moment` is not storable as datetime"):
            await engine.start(until_when(datetime(2026, 1, 1)), id="x")
    assert ledger.one("select count(*) from execution") == 0


@pytest.mark.parametrize("what", BAD)
async def test_a_message_is_refused_by_its_signal(ledger: Ledger, what: str) -> None:
    """`send` raises at the sender; the inbox stays empty, and a good one is taken."""
    value, place = BAD[what]
    async with Engine(ledger.url) as engine:
        run = await engine.start(listens(1), id="x")
        with pytest.raises(ValueRefused) as refused:
            await run.send(hears, value)
        assert refused.value.variable == "hears" and place in str(refused.value)
        assert ledger.one("select count(*) from message") == 0
        await run.send(hears, {"a": [1.0]})
        assert await run.result() == 1


@pytest.mark.parametrize("what", BAD)
async def test_a_result_is_refused_by_its_step(ledger: Ledger, what: str) -> None:
    """The execution is stalled; no record holds a `null` in its place, and it goes on with a good
    one."""
    value, place = BAD[what]
    GIVEN[:] = [value]
    async with Engine(ledger.url) as engine:
        run = await engine.start(looks(1), id="x")
        with pytest.raises(Stalled) as stalled:
            await run.result()
        assert "look returned" in stalled.value.details and place in stalled.value.details
        bodies = [decode(body) for (body,) in ledger.rows("select body from log")]
        assert not any(b"null" in bytes(body.r) for body in bodies)
        GIVEN[:] = [{"a": [1.0]}]
        assert await engine.resume("x")
        await until(lambda: ledger.status("x") == "done")
        assert await run.result() == 1
    await ledger.sound()


async def test_a_result_that_landed_is_on_the_desk_with_the_place_named(ledger: Ledger) -> None:
    """It is never called again for that: a person gives the value (rule 26)."""
    value, place = BAD["nan"]
    GIVEN[:] = [value]
    async with Engine(ledger.url) as engine:
        run = await engine.start(charges(1), id="x")
        await until(lambda: "in-doubt" in ledger.words("x"))
        why = [decode(body).why for (body,) in ledger.rows("select body from log where kind = 6")]
        assert len(why) == 1 and "charge returned" in why[0] and place in why[0]
        key = ledger.one("select key from effect")
        assert await engine.decide("x", key, "landed", value=b'{"a":[1.0]}', by="me")
        assert await run.result() == 1
    assert ledger.words("x").count("intent") == 1
    await ledger.sound()


async def test_a_variable_is_refused_by_its_name(ledger: Ledger) -> None:
    """What glue computed cannot be kept: the stall says which variable, and where it was made."""
    GIVEN[:] = [{"a": [2.0]}]
    async with Engine(ledger.url) as engine:
        run = await engine.start(computes(1), id="x")
        with pytest.raises(Stalled) as stalled:
            await run.result()
        assert "`total` is not storable as float: inf" in stalled.value.details
        assert Path(__file__).name in stalled.value.details
    await ledger.sound()
