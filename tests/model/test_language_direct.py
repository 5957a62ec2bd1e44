"""`.direct`: a workflow as plain coroutine obeys the language's meaning, without a log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from perdure import (
    Blocked,
    DirectWorld,
    InDoubt,
    Landed,
    PlacementError,
    Retry,
    Voided,
    compensatable,
    days,
    direct_world,
    effect_key,
    effect_order,
    idempotent,
    irreversible,
    now,
    observe,
    saga,
    seconds,
    sleep,
    together,
    transactional,
    workflow,
)
from perdure.model.language.direct import START

R = TypeVar("R")


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run in an event loop of its own."""
    return asyncio.run(coroutine)


@dataclass(frozen=True)
class Order:
    """An order whose `trouble` names the step that fails."""

    id: str
    trouble: str = ""


@dataclass(frozen=True)
class Receipt:
    """What the customer gets."""

    order: str
    charge: str
    tracking: str


class CardDeclined(Exception):
    """The bank says no, and means it."""


class Connection:
    """A database that keeps its statements."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    async def execute(self, statement: str, parameters: Any = None, /) -> None:
        """Keep the statement."""
        self.statements.append(statement)


class Shop:
    """The world outside: what is reserved, booked, charged; what happened in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.keys: dict[str, str] = {}

    def happen(self, what: str) -> None:
        """Note an event."""
        self.events.append(what)


shop = Shop()


@pytest.fixture(autouse=True)
def fresh_shop() -> None:
    """Empty the world between tests."""
    shop.__init__()


@transactional
async def save_order(tx: Connection, order: Order) -> None:
    """Save."""
    await tx.execute(f"insert {order.id}")


@compensatable
async def reserve_stock(order: Order) -> str:
    """Reserve."""
    shop.keys["reserve"] = effect_key()
    shop.happen("reserve")
    if order.trouble == "reserve":
        raise ConnectionError("no answer")
    return f"r-{order.id}"


@reserve_stock.undo
async def release_stock(reservation: str | None, order: Order) -> None:
    """Release."""
    assert effect_key() == shop.keys["reserve"]
    shop.happen(f"release {reservation}")


@compensatable
def book_courier(order: Order) -> str:
    """Book, in a plain def."""
    shop.happen("book")
    if order.trouble == "book":
        raise RuntimeError("no courier")
    return f"t-{order.id}"


@book_courier.undo
def cancel_courier(tracking: str) -> None:
    """Cancel; takes the result only."""
    shop.happen(f"cancel {tracking}")


@irreversible(timeout=seconds(20), refused=(CardDeclined,))
async def charge_card(order: Order) -> str:
    """Charge."""
    shop.keys.setdefault("charge", effect_key())
    shop.happen("charge")
    if order.trouble == "declined":
        raise CardDeclined("no money")
    if order.trouble == "voided" and shop.events.count("charge") == 1:
        raise TimeoutError("slow bank")
    if order.trouble in ("landed", "desk"):
        raise TimeoutError("slow bank")
    return f"c-{order.id}"


@charge_card.probe
async def look_for_charge(order: Order) -> Landed[str] | Voided | InDoubt:
    """Ask the bank, with the key of the call in doubt."""
    assert effect_key() == shop.keys["charge"]
    shop.happen("probe")
    if order.trouble == "landed":
        return Landed("c-found")
    return Voided() if order.trouble == "voided" else InDoubt("the bank is closed")


@idempotent(retry=Retry(attempts=None, ceiling=seconds(300)))
async def email_receipt(order: Order, charge: str) -> None:
    """Mail; fails twice."""
    shop.happen("email")
    if shop.events.count("email") < 3:
        raise ConnectionError("mail server is away")


@workflow(version=1)
async def fulfil_order(order: Order) -> Receipt:
    """Sell one order: the saga of the documentation."""
    await save_order(order)
    async with saga():
        _, tracking = await together(reserve_stock(order), book_courier(order))
        charge = await charge_card(order)
    await email_receipt(order, charge)
    return Receipt(order.id, charge, tracking)


def fulfil(trouble: str = "") -> tuple[Receipt, DirectWorld, Connection]:
    """Run the saga with a fake database."""
    database = Connection()
    with direct_world(tx=database) as world:
        return run(fulfil_order.direct(Order("1", trouble))), world, database


def test_saga_that_succeeds_undoes_nothing() -> None:
    """All steps run once, the mail until it works; waits pass in virtual time."""
    receipt, world, database = fulfil()
    assert receipt == Receipt("1", "c-1", "t-1")
    assert shop.events == ["reserve", "book", "charge", "email", "email", "email"]
    assert database.statements == ["insert 1"]
    assert world.now == START + seconds(1 + 2)
    assert [r.branch for r in world.ran[:4]] == [(), (0,), (1,), ()]


def test_refused_charge_undoes_the_saga_last_first() -> None:
    """A declared refusal is an ordinary failure: both reservations go back, in reverse."""
    with pytest.raises(CardDeclined):
        fulfil("declined")
    assert shop.events == ["reserve", "book", "charge", "cancel t-1", "release r-1"]


def test_failing_branch_undoes_its_sibling() -> None:
    """The failed booking has no result to undo; the reservation that landed is undone."""
    with pytest.raises(RuntimeError, match="no courier"):
        fulfil("book")
    assert shop.events == ["reserve", "book", "release r-1"]


def test_unknown_outcome_is_undone_with_none() -> None:
    """An undo that takes None is asked about the attempt whose result nobody knows."""
    with pytest.raises(ConnectionError):
        fulfil("reserve")
    assert sorted(shop.events) == ["book", "cancel t-1", "release None", "reserve"]
    assert shop.events.index("release None") > shop.events.index("reserve")


def test_doubt_that_landed_goes_on_without_a_second_charge() -> None:
    """A timeout of an irreversible step is a doubt; the probe's value is the result."""
    receipt, _, _ = fulfil("landed")
    assert receipt.charge == "c-found"
    assert shop.events.count("charge") == 1


def test_doubt_that_was_voided_is_called_again_with_a_new_key() -> None:
    """After Voided the receiver refuses the old key, so the next call has another."""
    keys: list[str] = []

    def fake(body: Any, values: tuple[Any, ...]) -> Any:
        if body.name == "charge_card":
            keys.append(effect_key())
            if len(keys) == 1:
                raise TimeoutError
            return "c"
        return Voided() if body.name == "look_for_charge" else None

    @workflow
    async def charging(order: Order) -> str:
        return await charge_card(order)

    with direct_world(on_step=fake) as world:
        assert run(charging.direct(Order("1"))) == "c"
    assert len(set(keys)) == 2
    assert [r.name for r in world.ran] == ["charge_card", "look_for_charge", "charge_card"]


def test_doubt_nobody_can_settle_blocks_and_undoes_nothing() -> None:
    """A person would have to decide; until then neither forward nor back."""
    with pytest.raises(Blocked, match="a person to decide what became of charge_card"):
        fulfil("desk")
    assert shop.events == ["reserve", "book", "charge", *["probe"] * 5]


def test_nothing_is_undone_after_the_pivot() -> None:
    """Once the charge landed, an error leaves the reservations alone (the compiler refuses it)."""

    @workflow
    async def raises_late(order: Order) -> None:
        async with saga():
            await reserve_stock(order)
            await charge_card(order)
            raise ValueError("too late")

    with pytest.raises(ValueError, match="too late"):
        run(raises_late.direct(Order("1")))
    assert shop.events == ["reserve", "charge"]


def test_inner_saga_hands_its_undos_to_the_outer_one() -> None:
    """Left successfully, the inner saga's effects are still undone when the outer fails."""

    @workflow
    async def nested(order: Order) -> None:
        async with saga():
            async with saga():
                await reserve_stock(order)
            await book_courier(order)
            raise ValueError("outer")

    with pytest.raises(ValueError, match="outer"):
        run(nested.direct(Order("1")))
    assert shop.events == ["reserve", "book", "cancel t-1", "release r-1"]


def test_failure_caught_inside_a_saga_undoes_nothing() -> None:
    """The saga acts on leaving by an exception, not on exceptions inside."""

    @workflow
    async def careful(order: Order) -> str:
        async with saga():
            await reserve_stock(order)
            try:
                await book_courier(order)
            except RuntimeError:
                return "by foot"
            return "by courier"

    assert run(careful.direct(Order("1", "book"))) == "by foot"
    assert shop.events == ["reserve", "book"]


def test_undo_is_repeated_until_it_works() -> None:
    """An undo that fails is tried again, in virtual time."""
    tries: list[str] = []

    def fake(body: Any, values: tuple[Any, ...]) -> Any:
        tries.append(body.name)
        if body.name == "cancel_courier" and tries.count("cancel_courier") < 4:
            raise ConnectionError
        if body.name == "charge_card":
            raise CardDeclined

    with direct_world(on_step=fake), pytest.raises(CardDeclined):
        run(fulfil_order.direct(Order("1")))
    assert tries.count("cancel_courier") == 4
    assert tries[-1] == "release_stock"


@observe
async def echo(text: str) -> str:
    """Give it back."""
    return text


def of(body: Callable[[], Coroutine[Any, Any, R]], **world: Any) -> tuple[R, DirectWorld]:
    """Run a body as workflow in a world."""
    with direct_world(**world) as made:
        return run(workflow(body).direct()), made


def test_retries_count_attempts_and_pass_their_waits() -> None:
    """Five attempts by default, with growing waits; then the last error is raised."""

    @idempotent
    async def broken() -> None:
        raise ConnectionError("away")

    async def body() -> timedelta:
        try:
            await broken()
        except ConnectionError:
            return now() - START
        return timedelta(0)

    passed, world = of(body)
    assert passed == seconds(1 + 2 + 4 + 8)
    assert len(world.ran) == 5


def test_retry_without_end_that_never_succeeds_blocks() -> None:
    """`.direct` says so instead of running for ever."""

    @idempotent(retry=Retry(attempts=None))
    def broken() -> None:
        raise ConnectionError("away")

    async def body() -> None:
        await broken()

    with pytest.raises(Blocked, match="broken to succeed") as caught:
        of(body)
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_step_sees_key_and_order_and_no_moment() -> None:
    """Two calls have two keys; now() belongs to glue."""
    seen: list[Any] = []

    @idempotent
    def look() -> None:
        seen.append((effect_key(), effect_order()))
        with pytest.raises(PlacementError, match="PD603"):
            now()

    async def body() -> None:
        await look()
        await look()

    of(body)
    assert len({key for key, _ in seen}) == 2
    assert [order for _, order in seen] == [("direct", 1, 1), ("direct", 1, 2)]


def test_transactional_step_without_a_database_says_what_to_give() -> None:
    """`.direct` opens no database by itself."""
    with pytest.raises(PlacementError, match=r"direct_world\(tx="):
        run(fulfil_order.direct(Order("1")))


def test_fake_may_be_async_and_sees_every_body() -> None:
    """`on_step` replaces steps and undos alike, with the values of all parameters."""
    seen: list[tuple[str, tuple[Any, ...]]] = []

    async def fake(body: Any, values: tuple[Any, ...]) -> Any:
        seen.append((body.name, values))
        if body.name == "charge_card":
            raise CardDeclined
        return body.name

    order = Order("9")
    with direct_world(on_step=fake), pytest.raises(CardDeclined):
        run(fulfil_order.direct(order))
    assert seen == [
        ("save_order", (order,)),
        ("reserve_stock", (order,)),
        ("book_courier", (order,)),
        ("charge_card", (order,)),
        ("cancel_courier", ("book_courier",)),
        ("release_stock", ("reserve_stock", order)),
    ]
    assert shop.events == []


def test_second_run_goes_on_where_the_first_ended() -> None:
    """A world's time does not go back, and outside of it there is no moment."""

    async def body() -> None:
        await sleep(days(1))

    with direct_world() as world:
        run(workflow(body).direct())
        run(workflow(body).direct())
    assert world.now == START + days(2)
    with pytest.raises(PlacementError):
        now()


def test_arguments_of_a_step_are_checked_when_it_is_awaited() -> None:
    """A misfit is a TypeError that names the step, and nothing runs."""
    loose: Any = echo

    async def body() -> None:
        await loose()

    with pytest.raises(TypeError, match="echo"):
        of(body)
