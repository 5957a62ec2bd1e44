"""The five workflows whose boundaries are enumerated, each with its outside. No test lives here."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

from perdure import (
    Elapsed,
    InDoubt,
    Landed,
    Signal,
    Voided,
    after,
    compensatable,
    first,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    seconds,
    sleep,
    together,
    workflow,
)
from perdure.chaos.history import Flow, Message
from perdure.chaos.outside import Answer
from perdure.console.demo.order import ORDERS_TABLE, Charge, Order, Reservation, fulfil_order


class Declined(Exception):
    """The receiver refuses, and will not change its mind."""


# The outside answers in place of every step body.
@pure
async def price(item: str) -> int:
    """What it costs."""
    raise AssertionError(item)


@observe
async def look_up(item: str) -> str:
    """Where it is."""
    raise AssertionError(item)


@idempotent
async def notify(who: str, text: str) -> str:
    """Tell somebody."""
    raise AssertionError(who, text)


@irreversible
async def wire(amount: int) -> str:
    """Send money; nobody can be asked what became of it."""
    raise AssertionError(amount)


@irreversible(refused=(Declined,), timeout=seconds(5))
async def pay(amount: int) -> str:
    """Send money; the bank can be asked."""
    raise AssertionError(amount)


@pay.probe
async def look_for_payment(amount: int) -> Landed[str] | Voided | InDoubt:
    """Close the key, then look."""
    raise AssertionError(amount)


@compensatable
async def hold(item: str) -> str:
    """Put aside."""
    raise AssertionError(item)


@hold.undo
async def let_go(held: str | None, item: str) -> None:
    """Put back."""
    raise AssertionError(held, item)


@compensatable
async def book(item: str) -> str:
    """Order a van; the haulier can be asked."""
    raise AssertionError(item)


@book.undo
async def unbook(booked: str) -> None:
    """Send it away."""
    raise AssertionError(booked)


@book.probe
async def look_for_booking(item: str) -> Landed[str] | Voided | InDoubt:
    """Close the key, then look."""
    raise AssertionError(item)


# --- the workflows --------------------------------------------------------------------------------


@workflow(version=1)
async def sequence(item: str) -> str:
    """One step of each class that needs no undo, one after another."""
    amount = await price(item)
    place = await look_up(item)
    note = await notify("buyer", place)
    await sleep(seconds(2))
    return note + await wire(amount)


@workflow(version=1)
async def parallel(item: str) -> tuple[str, str]:
    """Two branches that charge, each on its own."""
    paid, told = await together(pay(7), notify("buyer", item))
    return paid, told


@workflow(version=1)
async def failing_saga(item: str) -> str:
    """Two things are done, the third is refused: both are undone, last first."""
    async with saga():
        held = await hold(item)
        booked = await book(held)
        paid = await pay(13)
    return booked + paid


PAID = Signal[str]("paid")


@workflow(version=1)
async def reminders(customer: str) -> str:
    """Remind every three seconds until a message comes."""
    count = 0
    while count < 3:
        answer = await first(PAID.wait(), after(seconds(3)))
        match answer:
            case Elapsed():
                count = count + 1
                await notify(customer, f"reminder {count}")
            case paid:
                return await pay_out(paid)
    return "given up"


@irreversible(timeout=seconds(5))
async def pay_out(text: str) -> str:
    """Send money on."""
    raise AssertionError(text)


@pay_out.probe
async def look_for_pay_out(text: str) -> Landed[str] | Voided | InDoubt:
    """Close the key, then look."""
    raise AssertionError(text)


def says(answer: object) -> Answer:
    """A receiver that answers this, whatever it is asked."""

    def reply(*arguments: object) -> object:
        return answer

    return reply


def _declined(amount: int) -> str:
    raise Declined(amount)


ORDER = Order("order-01", "sku-1", Decimal("10.99"), "card-01", "1 Harbour Road")


def one_order(connection: sqlite3.Connection, status: str) -> list[str]:
    """The author's own table: one order, and none when its step never committed."""
    count = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
    wrong = count != 1 if status == "done" else count > 1
    return [f"{count} orders after {status}"] if wrong else []


FLOWS = {
    flow.name: flow
    for flow in (
        Flow(
            "sequence",
            lambda: sequence("book"),
            {
                "price": says(7),
                "look_up": says("shelf 3"),
                "notify": says("told"),
                "wire": says("wired"),
            },
        ),
        Flow(
            "parallel",
            lambda: parallel("book"),
            {"pay": says("paid"), "notify": says("told")},
        ),
        Flow(
            "failing_saga",
            lambda: failing_saga("book"),
            {"hold": says("held"), "book": says("booked"), "pay": _declined},
        ),
        Flow(
            "reminders",
            lambda: reminders("Ann"),
            {
                "notify": says("told"),
                "pay_out": says("paid out"),
            },
            messages=(Message(4.5, PAID, "yes", "m-1"),),
        ),
        Flow(
            "fulfil_order",
            lambda: fulfil_order(ORDER),
            {
                "reserve_stock": says(Reservation("r-1")),
                "book_courier": says("van 5"),
                "charge_card": says(Charge("c-1")),
            },
            tables=(ORDERS_TABLE,),
            check=one_order,
        ),
    )
}
