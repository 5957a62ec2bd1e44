"""`.direct`: a workflow as plain coroutine obeys the language's meaning, without a log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from perdure import (
    Arrival,
    Blocked,
    DirectWorld,
    Elapsed,
    InDoubt,
    Landed,
    PlacementError,
    Retry,
    Signal,
    Voided,
    after,
    at,
    compensatable,
    days,
    direct_world,
    effect_key,
    effect_order,
    first,
    hours,
    idempotent,
    irreversible,
    now,
    observe,
    saga,
    seconds,
    sleep,
    sleep_until,
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


# --- forks and time ----------------------------------------------------------------------

answers = Signal[str]("answers")


@observe(retry=Retry(attempts=1))
async def fail(text: str) -> str:
    """Fail with the text."""
    raise ValueError(text)


@observe
async def echo(text: str) -> str:
    """Give it back."""
    return text


def of(body: Callable[[], Coroutine[Any, Any, R]], **world: Any) -> tuple[R, DirectWorld]:
    """Run a body as workflow in a world."""
    with direct_world(**world) as made:
        return run(workflow(body).direct()), made


def test_time_passes_by_waiting_only() -> None:
    """sleep and sleep_until move the moment; the past is reached already."""

    async def body() -> timedelta:
        start = now()
        await sleep(days(2))
        await sleep_until(start + days(5))
        await sleep_until(start)
        return now() - start

    passed, world = of(body)
    assert passed == days(5)
    assert world.now == START + days(5)


def test_together_lasts_as_long_as_its_longest_branch() -> None:
    """Branches wait at the same time; results stand in the order of the arguments."""

    async def body() -> tuple[Any, ...]:
        results = await together(after(days(3)), sleep(days(1)), echo("x"))
        return (*results, now())

    result, _ = of(body)
    assert result == (Elapsed(), None, "x", START + days(3))


def test_together_raises_the_first_error_and_notes_the_others() -> None:
    """All branches settle; a wait that would end later is withdrawn and consumes nothing."""

    async def body() -> list[str]:
        try:
            await together(fail("one"), fail("two"), answers.wait())
        except ValueError as error:
            return [str(error), *error.__notes__, await answers.wait()]
        return []

    result, _ = of(body, signals={"answers": [Arrival("kept", hours(1))]})
    assert result == ["one", "branch 2 failed too: ValueError: two", "kept"]


def test_branches_of_together_run_at_the_same_time() -> None:
    """Two steps that wait for each other end."""
    met = asyncio.Event()

    @observe
    async def wait_for_it() -> str:
        await met.wait()
        return "met"

    @observe
    async def set_it() -> None:
        met.set()

    async def body() -> str:
        return (await together(wait_for_it(), set_it()))[0]

    assert of(body)[0] == "met"


@pytest.mark.parametrize(
    ("arrival", "expected"),
    [(hours(1), "hello"), (days(3), Elapsed()), (None, Elapsed()), (days(2), Elapsed())],
)
def test_first_of_timer_and_signal_is_the_earlier(
    arrival: timedelta | None, expected: object
) -> None:
    """Arrival against due, ties to the earlier argument; the loser consumes nothing."""

    async def body() -> tuple[object, timedelta]:
        return await first(after(days(2)), answers.wait()), now() - START

    mail = [Arrival("hello", arrival)] if arrival is not None else []
    (winner, passed), _ = of(body, signals={"answers": mail})
    assert winner == expected
    assert passed == (hours(1) if expected == "hello" else days(2))


def test_message_that_lost_stays_for_the_next_wait() -> None:
    """Consuming is winning: a message that came too late is still there."""

    async def body() -> tuple[object, object]:
        one = await first(after(days(2)), answers.wait())
        return one, await answers.wait()

    assert of(body, signals={"answers": [Arrival("late", days(3))]})[0] == (Elapsed(), "late")


def test_messages_come_in_order_and_each_once() -> None:
    """A channel is first in, first out; the token that waited first gets the first message."""

    async def body() -> tuple[str, ...]:
        return (await answers.wait(), *await together(answers.wait(), answers.wait()))

    assert of(body, signals={"answers": "abc"})[0] == ("a", "b", "c")


def test_wait_for_a_message_nobody_sends_blocks_through_a_users_handler() -> None:
    """The hint names the signal; `except Exception` does not swallow it; sagas undo nothing."""

    async def body() -> None:
        async with saga():
            await reserve_stock(Order("1"))
            try:
                await first(answers.wait(), answers.wait())
            except Exception:
                pytest.fail("swallowed")

    with pytest.raises(Blocked, match="signal 'answers'"):
        of(body)
    assert shop.events == ["reserve"]


def test_step_beats_a_wait_that_is_not_over() -> None:
    """Steps take no virtual time; a raising contender ends the race too."""

    async def body() -> list[object]:
        won: list[object] = [await first(after(days(1)), echo("step")), now() - START]
        try:
            await first(fail("lost"), after(days(1)))
        except ValueError as error:
            won.append(str(error))
        won.append(await first(at(START), echo("never run")))
        return won

    result, world = of(body)
    assert result == ["step", timedelta(0), "lost", Elapsed()]
    assert [r.name for r in world.ran] == ["echo", "fail"]


def test_compensatable_loser_of_a_race_is_awaited_and_undone() -> None:
    """What may have happened is settled before the race returns."""
    go = asyncio.Event()

    @compensatable
    async def slow() -> str:
        await go.wait()
        shop.happen("slow landed")
        return "slow"

    @slow.undo
    async def take_back(result: str) -> None:
        shop.happen(f"undo {result}")

    @observe
    async def quick() -> str:
        go.set()
        return "quick"

    async def body() -> str:
        return await first(slow(), quick())

    assert of(body)[0] == "quick"
    assert shop.events == ["slow landed", "undo slow"]


def test_harmless_loser_of_a_race_is_cancelled() -> None:
    """An observing step that never ends does not hold up the race."""

    @observe
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    async def body() -> str:
        return await first(never(), echo("quick"))

    assert of(body)[0] == "quick"


def test_irreversible_contender_is_refused() -> None:
    """PD307 holds here as in the compiler."""

    async def body() -> object:
        return await first(charge_card(Order("1")), after(days(1)))

    with pytest.raises(PlacementError, match="PD307"):
        of(body)
    assert shop.events == []


def test_child_workflow_in_a_race_is_judged_by_virtual_time() -> None:
    """A child that sleeps longer than the timer loses."""

    @workflow
    async def child(span: timedelta) -> str:
        await sleep(span)
        return "child"

    async def body() -> list[object]:
        return [
            await first(child(days(1)), after(days(2))),
            await first(child(days(3)), after(days(2))),
            now() - START,
        ]

    assert of(body)[0] == ["child", Elapsed(), days(3)]


# --- surroundings --------------------------------------------------------------------------


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
