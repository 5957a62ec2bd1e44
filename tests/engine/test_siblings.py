"""What becomes of a compensatable whose sibling failed or won: in the net as in plain Python.

Only which effects stand is compared, and what was undone; no fault is planted here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from perdure import (
    Engine,
    Retry,
    Signal,
    compensatable,
    first,
    idempotent,
    observe,
    saga,
    together,
    workflow,
)
from perdure.model.language.workflows import Workflow

from .ledger import until

DID: list[str] = []


@compensatable
async def hold(what: str) -> str:
    """Hold something; what is called late ends only after its sibling has failed."""
    while what == "late" and "failed" not in DID:
        await asyncio.sleep(0)
    DID.append(what)
    return what


@hold.undo
async def let_go(held: str) -> None:
    """Give it back."""
    DID.append(f"undo {held}")


@idempotent(retry=Retry(attempts=1))
async def fails(why: str) -> str:
    """Fail for good, when the early one has ended."""
    while "early" not in DID:
        await asyncio.sleep(0)
    DID.append("failed")
    raise ValueError(why)


@workflow
async def outside(why: str) -> str:
    """No saga: nobody asked for an undo."""
    try:
        await together(hold("late"), fails(why), hold("early"))
    except ValueError:
        return "caught"
    return "never"


@workflow
async def inside(why: str) -> str:
    """The failure leaves the saga."""
    try:
        async with saga():
            await together(hold("late"), fails(why), hold("early"))
    except ValueError:
        return "caught"
    return "never"


@workflow
async def caught_inside(why: str) -> str:
    """The saga ends well, since the failure was caught in it."""
    async with saga():
        try:
            await together(hold("late"), fails(why), hold("early"))
        except ValueError:
            return "caught"
    return "never"


CASES: list[tuple[Workflow[[str], str], list[str]]] = [
    (outside, []),
    (inside, ["undo early", "undo late"]),
    (caught_inside, []),
]


@pytest.mark.parametrize(("flow", "undone"), CASES, ids=[flow.name for flow, _ in CASES])
async def test_what_landed_beside_a_failure_is_undone_by_the_saga_alone(
    flow: Workflow[[str], str], undone: list[str], tmp_path: Path
) -> None:
    """Before the failure or after it: the saga around undoes it, and without one it stands."""
    async with Engine(f"sqlite:///{tmp_path}/shop.db") as engine:
        DID.clear()
        assert await engine.run(flow("no"), id="one") == "caught"
        durable = list(DID)
    DID.clear()
    assert await flow.direct("no") == "caught"
    for did in (durable, DID):
        assert did[:3] == ["early", "failed", "late"]
        assert sorted(did[3:]) == undone


said = Signal[str]("said")


@observe
async def told() -> str:
    """End when the message has come."""
    while "sent" not in DID:
        await asyncio.sleep(0)
    return "told"


@workflow
async def race(what: str) -> str:
    """The message is there before the race begins."""
    await told()
    match await first(hold(what), said.wait()):
        case value:
            return value


async def test_a_race_that_is_over_begins_no_call(tmp_path: Path) -> None:
    """What has come before the race wins it before any contender says that it begins."""
    DID.clear()
    async with Engine(f"sqlite:///{tmp_path}/shop.db") as engine:
        run = await engine.start(race("held"), id="one")
        await run.send(said, "the message")
        await until(lambda: engine.worker.instances["one"].mail)
        DID.append("sent")
        assert await run.result() == "the message"
        look = await run.look()
        assert not look.effects
    assert DID == ["sent"]
