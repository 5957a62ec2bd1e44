"""Behind a pivot everything goes on to the end of the saga, whatever breaks and whoever cancels
(rules 43 and 88; C16): on workflows that still have something to do in the saga behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from perdure import Retry, Signal, after, first, idempotent, observe, saga, seconds, sleep, workflow
from perdure.chaos.enumeration import enumerate_flow
from perdure.chaos.faults import Fault, Point, cancels, single_faults
from perdure.chaos.history import Flow, Message

from .flows import book, hold, notify, pay, says

WORD = Signal[str]("word")
ENDLESS = Retry(attempts=None)


@idempotent(retry=ENDLESS)
async def label(item: str) -> str:
    """Print it."""
    raise AssertionError(item)


@observe(retry=ENDLESS)
async def look(item: str) -> str:
    """See how it is."""
    raise AssertionError(item)


@workflow(version=1)
async def straight(item: str) -> str:
    """Call, wait and call behind the pivot; then something outside the saga."""
    async with saga():
        await hold(item)
        await pay(7)
        await label(item)
        await sleep(seconds(2))
        booked = await book(item)
    return await notify("buyer", booked)


@workflow(version=1)
async def racing(item: str) -> str:
    """A race behind the pivot, and a message that somebody waits for."""
    async with saga():
        await hold(item)
        await pay(7)
        await first(look(item), after(seconds(1)))
        word = await WORD.wait()
        await book(item)
    return await notify("buyer", word)


@workflow(version=1)
async def nested(item: str) -> str:
    """The pivot lies in an inner saga: the outer one is past it as well."""
    async with saga():
        await hold(item)
        async with saga():
            await pay(7)
            await book(item)
        await label(item)
    return await notify("buyer", item)


ANSWERS = {
    "hold": says("held"),
    "pay": says("paid"),
    "label": says("printed"),
    "look": says("fine"),
    "book": says("booked"),
    "notify": says("told"),
}
FLOWS = [
    Flow("straight", lambda: straight("book"), ANSWERS),
    Flow("racing", lambda: racing("book"), ANSWERS, (Message(1.5, WORD, "yes", "m-1"),)),
    Flow("nested", lambda: nested("book"), ANSWERS),
]


def everything(points: Sequence[Point]) -> list[Fault]:
    """Every fault, and a cancel, at every boundary."""
    return [*single_faults(points), *cancels(points)]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda f: f.name)
def test_when_the_charge_has_landed_its_saga_goes_on_to_its_end(flow: Flow, folder: Path) -> None:
    """Charged: nothing is undone and the rest of the saga is done, and only then the execution is
    cancelled, if somebody wished so. Not charged: everything is undone. There is no third way."""
    found = enumerate_flow(flow, folder, everything)
    assert found.failures == []
    seen: set[tuple[str, bool]] = set()
    for fault, outcome in found.played:
        undone = {undo.key for undo in outcome.ledger.undos}
        stands = sorted(x.site for x in outcome.ledger.landings if x.key not in undone)
        charged, inside = "pay" in stands, [s for s in stands if s not in ("notify", "label")]
        assert inside == (["book", "hold", "pay"] if charged else []), str(fault)
        # Doubts of those that nobody can be asked about are undone and made again: by new keys.
        gone = {x.site for x in outcome.ledger.landings if x.key in undone}
        assert not (charged and gone - {"hold"}), str(fault)
        assert charged or outcome.status == "cancelled", str(fault)
        assert outcome.status in ("done", "cancelled"), str(fault)
        seen.add((outcome.status, charged))
    assert seen == {("done", True), ("cancelled", True), ("cancelled", False)}
