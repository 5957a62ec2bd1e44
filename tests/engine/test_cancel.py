"""Cancel at every resting place: what is undone, what stands, how it ends (rules 42, 43, 88; C16).

The order workflow of the demo, with a world that can be stopped at every call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from perdure import Engine, Landed, Voided
from perdure.console.demo.order import (
    ORDERS_TABLE,
    Charge,
    Order,
    Reservation,
    fulfil_order,
)
from perdure.console.demo.shop import CardDeclined
from perdure.engine.client import enqueue
from perdure.engine.store import Status
from perdure.engine.world import Invocation, UserWorld
from perdure.model.compiler import compile_workflow
from perdure.model.net import FINAL, PlaceKind

from .stage import Stage, ended

ORDER = Order("o1", "sku", Decimal("10.99"), "card", "1 Harbour Road")
VALUES = {
    "reserve_stock": Reservation("r1"),
    "book_courier": "t1",
    "charge_card": Charge("c1"),
    "email_receipt": None,
}


class Shop(UserWorld):
    """The World port: calls named in `stops` wait for `go`, those in `does` act otherwise."""

    def __init__(self, stops: Sequence[str], does: dict[str, Any]) -> None:
        super().__init__()
        self.stops, self.does = stops, dict(does)
        self.stopped: set[str] = set()
        self.did: list[str] = []
        self.go = asyncio.Event()

    async def call(self, invocation: Invocation) -> Any:
        """Do what is scripted for this role and site, once; else land, undo or answer Voided."""
        if invocation.tx is not None:
            return await super().call(invocation)
        name = f"{invocation.role} {invocation.site}"
        if name in self.stops and name not in self.stopped:
            self.stopped.add(name)
            await self.go.wait()
        act = self.does.pop(name, None)
        self.did.append(name)
        if isinstance(act, Exception):
            self.did[-1] += " raises"
            raise act
        if act is not None:
            return act
        answers = {"undo": None, "probe": Voided()}
        return answers.get(invocation.role, VALUES[invocation.site])


class Place(NamedTuple):
    """A way to a resting place, and what a cancel there leads to."""

    name: str
    stops: tuple[str, ...]
    does: dict[str, Any]
    marked: set[str]  # places that must be marked when the cancel is sent
    end: str
    undone: list[str]  # in this order
    landed: tuple[str, ...] = ()  # what stands, named by the error
    calls: int = 0  # of charge_card and email_receipt


R, B, C, E = "reserve_stock", "book_courier", "charge_card", "email_receipt"
BOTH = ["undo book_courier", "undo reserve_stock"]
STANDS = (R, B, C)
OFF = "ExecutionCancelled"
PLACES = [
    Place("reserve", (f"step {R}",), {}, {f"during {R}"}, OFF, BOTH),
    Place("courier", (f"step {B}",), {}, {f"during {B}"}, OFF, BOTH),
    Place("both", (f"step {R}", f"step {B}"), {}, {f"during {R}", f"during {B}"}, OFF, BOTH),
    Place(
        "reserve in doubt",
        (f"undo {R}",),
        {f"step {R}": OSError()},
        {f"in doubt {R}"},
        OFF,
        [f"undo {R}", f"undo {B}"],  # the doubt first: nothing is undone beside it
    ),
    Place(
        "courier in doubt",
        (f"undo {B}",),
        {f"step {B}": OSError()},
        {f"in doubt {B}"},
        OFF,
        [f"undo {B}", f"undo {R}"],
    ),
    Place("charge", (f"step {C}",), {}, {f"during {C}"}, OFF, [], STANDS, 1),
    Place(
        "charge, then refused",
        (f"step {C}",),
        {f"step {C}": CardDeclined("no")},
        {f"during {C}"},
        "CardDeclined",
        BOTH,
        calls=1,
    ),
    Place(
        "charge in doubt, landed",
        (f"probe {C}",),
        {f"step {C}": OSError(), f"probe {C}": Landed(Charge("c1"))},
        {f"in doubt {C}"},
        OFF,
        [],
        STANDS,
        1,
    ),
    Place(
        "charge in doubt, voided",
        (f"probe {C}",),
        {f"step {C}": OSError(), f"probe {C}": Voided()},
        {f"in doubt {C}"},
        OFF,
        BOTH,
        calls=1,
    ),
    Place(
        "undoing the last",
        (f"undo {B}",),
        {f"step {C}": CardDeclined("no")},
        {"undoing saga"},
        "CardDeclined",
        BOTH,
        calls=1,
    ),
    Place(
        "undoing the first",
        (f"undo {R}",),
        {f"step {C}": CardDeclined("no")},
        {"undoing saga"},
        "CardDeclined",
        BOTH,
        calls=1,
    ),
    Place("email", (f"step {E}",), {}, {f"before {E}"}, OFF, [], STANDS, 1),
]


def play(place: Place, cancels: int) -> tuple[Stage, Shop, str, Any, set[str]]:
    """Drive the order to the place, cancel, let the world go on."""
    stage, shop = Stage(), Shop(place.stops, place.does)

    async def main(engine: Engine) -> tuple[str, Any, set[str]]:
        async with stage.store.links.write() as link:
            link.run(ORDERS_TABLE)
        run = await engine.start(fulfil_order(ORDER), id="e")
        await stage.until(lambda: shop.stopped == set(place.stops))
        await stage.at(*place.marked)
        await asyncio.sleep(1)
        marked = set(await stage.marked())
        for n in range(cancels):
            await run.cancel(reason=f"wish {n}")
        await asyncio.sleep(3)  # shorter than the timeout of the charge
        early = [name for name in shop.did if name.startswith("undo")]
        settled = place.marked & {"undoing saga"}
        assert not early or settled, "nothing is undone before what runs or is in doubt settles"
        shop.go.set()
        return (*await ended(run), marked)

    told, value, marked = stage.play(main, world=shop)
    asyncio.run(stage.lawful())
    return stage, shop, told, value, marked


@pytest.mark.parametrize("cancels", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.name)
def test_cancel_at_a_resting_place_of_the_order(place: Place, cancels: int) -> None:
    """Calls with an intent settle, doubts are settled first, undos run in reverse order, nothing is
    undone past the pivot, an undo under way is not disturbed, and twice is once."""
    stage, shop, told, value, _ = play(place, cancels)
    undone = [name for name in shop.did if name.startswith("undo")]
    assert (told, undone) == (place.end, place.undone)
    assert sum(n.startswith(f"step {C}") for n in shop.did) == place.calls
    if told == OFF:
        assert value.reason == "wish 0" and value.landed == place.landed
    assert f"step {E}" not in shop.did or place.name == "email"

    async def look() -> None:
        words = await stage.words()
        assert words.count("cancelled") == 1, "once"
        said = [b.why for b in await stage.bodies() if "being cancelled already" in b.why]
        unread = (await stage.bodies())[-1].unread  # when the first wish was the end of it
        assert len(said) + unread == cancels - 1
        assert unread == 0 or place.name == "email"
        assert sum(m.consumed_at is None for m in await stage.mail()) == unread
        may = [b.may for b in await stage.bodies() if b.may]
        assert may == ([True] if place.name == "email" else []), "it may have been sent"

    asyncio.run(look())


def test_the_places_driven_to_are_all_the_resting_places_there_are() -> None:
    """A place that nobody cancels at would be a hole: they are counted from the net."""
    seen = set[str]().union(*(play(place, 1)[4] for place in PLACES))
    passing = (PlaceKind.AFTER, PlaceKind.ENDING, PlaceKind.START, *FINAL)
    net = compile_workflow(fulfil_order).net
    places = {p.name for p in net.places if p.tangible and p.kind not in passing}
    # Marked for one transaction only; and where the second way of undoing begins, by the cancel.
    elsewhere = {"before save_order", "undoing saga, cancelled"}
    elsewhere |= {n for n in places if n.startswith("before ") and n != f"before {E}"}
    assert places - seen <= elsewhere, sorted(places - seen - elsewhere)


def test_cancel_before_anybody_took_it_calls_nothing() -> None:
    """The wish outranks what has not begun: no step runs, no row is written."""
    stage, shop = Stage(), Shop((), {})

    async def main(engine: Engine) -> tuple[str, Any]:
        program = compile_workflow(fulfil_order)
        values = {"order": program.codecs["order"].seal(ORDER)}
        assert await enqueue(stage.store, program, "e", values)
        await engine.cancel("e", reason="never mind")
        await engine.serve(fulfil_order)
        return await ended(engine.find(fulfil_order, "e"))

    told, error = stage.play(main, world=shop)
    assert (told, error.reason, error.landed, shop.did) == (OFF, "never mind", (), [])
    asyncio.run(stage.lawful())


@pytest.mark.parametrize("place", [p for p in PLACES if p.end == OFF], ids=lambda p: p.name)
def test_a_cancel_that_came_during_a_crash_is_taken_by_the_next_process(place: Place) -> None:
    """The worker dies at the place, the wish comes while nobody runs, the next one fulfils it."""
    stage, shop = Stage(), Shop(place.stops, place.does)

    async def begin(engine: Engine) -> None:
        async with stage.store.links.write() as link:
            link.run(ORDERS_TABLE)
        await engine.start(fulfil_order(ORDER), id="e")
        await stage.until(lambda: shop.stopped == set(place.stops))
        await stage.at(*place.marked)

    async def go_on(engine: Engine) -> tuple[str, Any]:
        await engine.cancel("e", reason="meanwhile")
        await engine.serve(fulfil_order)
        return await ended(engine.find(fulfil_order, "e"))

    stage.play_and_die(begin, world=shop)
    landed = place.landed and f"probe {C}" in place.stops
    after = Shop((), {f"probe {C}": Landed(Charge("c1"))} if landed else {})
    told, error = stage.play(go_on, world=after)
    asyncio.run(stage.lawful())
    assert (told, error.reason) == (OFF, "meanwhile")
    assert f"step {C}" not in after.did and f"step {E}" not in after.did, "no call after the wish"
    undone = {n for n in (*shop.did, *after.did) if n.startswith("undo")}
    if C in error.landed:
        assert not undone, "nothing is undone past the pivot"
    else:
        assert undone >= set(place.undone)


def test_a_stalled_execution_keeps_a_cancel_until_it_is_resumed() -> None:
    """A wish does not start what waits for a person, and is not lost either."""
    stage, shop = Stage(), Shop((f"step {C}",), {})

    async def main(engine: Engine) -> tuple[str, Any]:
        async with stage.store.links.write() as link:
            link.run(ORDERS_TABLE)
        run = await engine.start(fulfil_order(ORDER), id="e")
        await stage.until(lambda: shop.stopped)
        engine.worker.driver.stall(engine.worker.instances["e"], "planted")
        shop.go.set()
        assert (await ended(run))[0] == "Stalled"
        await run.cancel(reason="enough")
        await asyncio.sleep(60)
        assert (await stage.row()).status is Status.STALLED
        assert await engine.resume("e")
        return await ended(run)

    told, error = stage.play(main, world=shop)
    assert (told, error.landed) == (OFF, STANDS)
    asyncio.run(stage.lawful())
