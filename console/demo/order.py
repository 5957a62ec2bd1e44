"""Order fulfilment: a saga whose pivot is an irreversible card charge. The main job of the demo.

Real step bodies: every one talks to the shop server, which never deduplicates. Nothing here knows
of kills, and nothing here would have to change in production but the client.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from ... import (
    InDoubt,
    Landed,
    Retry,
    Tx,
    Voided,
    compensatable,
    effect_key,
    idempotent,
    irreversible,
    saga,
    seconds,
    together,
    transactional,
    workflow,
)
from .shop import CardDeclined, Shop

PORT_VARIABLE = "PERDURE_DEMO_SHOP"
ORDERS_TABLE = "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, sku TEXT NOT NULL)"


@dataclass(frozen=True)
class Order:
    """What a customer ordered."""

    id: str
    sku: str
    amount: Decimal
    card: str
    address: str


@dataclass(frozen=True)
class Reservation:
    """Stock put aside for an order."""

    id: str


@dataclass(frozen=True)
class Charge:
    """Money taken."""

    id: str


@dataclass(frozen=True)
class Receipt:
    """What the customer gets in the end."""

    order: str
    charge: str
    tracking: str


def shop() -> Shop:
    """The shop server of this run."""
    return Shop(int(os.environ[PORT_VARIABLE]))


@transactional
async def save_order(tx: Tx, order: Order) -> None:
    """Write the order into the engine's own database, in the same commit as the record."""
    statement = text("INSERT INTO orders (id, sku) VALUES (:id, :sku)")
    await tx.execute(statement, {"id": order.id, "sku": order.sku})


@compensatable
def reserve_stock(order: Order) -> Reservation:
    """Put the goods aside."""
    return Reservation(shop().reserve(order.id, effect_key(), order.sku))


@reserve_stock.undo  # None: nobody knows whether it was reserved; the shop finds it by the key
def release_stock(reservation: Reservation | None, order: Order) -> None:
    """Put the goods back."""
    known = reservation.id if reservation is not None else None
    shop().release(order.id, effect_key(), known)


@compensatable
def book_courier(order: Order) -> str:
    """Order the van."""
    return shop().book_courier(order.id, effect_key(), order.address)


@book_courier.undo
def cancel_courier(tracking: str | None, order: Order) -> None:
    """Send the van away."""
    shop().cancel_courier(order.id, effect_key(), tracking)


@irreversible(timeout=seconds(5), refused=(CardDeclined,))  # any other exception is doubt
def charge_card(order: Order) -> Charge:
    """Take the money. It cannot be taken back."""
    return Charge(shop().charge(order.id, effect_key(), order.card, order.amount))


@charge_card.probe
def look_for_charge(order: Order) -> Landed[Charge] | Voided | InDoubt:
    """Close the key first, so that nothing can land any more; only then ask whether it did."""
    charge = shop().close(effect_key())
    return Voided() if charge is None else Landed(Charge(charge))


@idempotent(retry=Retry(attempts=None, ceiling=seconds(300)))
def email_receipt(order: Order, charge: Charge) -> None:
    """Tell the customer; the mail server knows the key."""
    shop().email_receipt(order.id, effect_key(), charge.id)


@workflow(version=1)
async def fulfil_order(order: Order) -> Receipt:
    """Save, reserve and book, charge, tell: all of it once, or all of it undone."""
    await save_order(order)
    async with saga():  # leaving by an exception undoes what was done, last first
        _, tracking = await together(reserve_stock(order), book_courier(order))
        charge = await charge_card(order)  # the pivot: after it nothing may fail for good
    await email_receipt(order, charge)
    return Receipt(order.id, charge.id, tracking)


def make_orders(count: int, declined: tuple[int, ...]) -> list[Order]:
    """The orders of a run; those in `declined` have a card that the bank refuses."""
    return [
        Order(
            f"order-{n:02}",
            f"sku-{n % 7}",
            Decimal(10 + n) + Decimal("0.99"),
            f"declined-{n:02}" if n in declined else f"card-{n:02}",
            f"{n} Harbour Road",
        )
        for n in range(1, count + 1)
    ]
