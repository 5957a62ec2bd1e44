"""The fake world of the demo's order, for `perdure chaos`: receivers in memory, no shop server.

What the steps do in the demo itself is order.py's; no workflow stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import effect_key
from ...chaos.fakes import World
from .order import (
    ORDERS_TABLE,
    Charge,
    Order,
    Reservation,
    book_courier,
    charge_card,
    email_receipt,
    reserve_stock,
)


def fakes(world: World) -> Mapping[Any, Any]:
    """Receivers of one history. The undos and the probe follow from the keys of the steps."""
    world.table(ORDERS_TABLE)
    mailed: set[str] = set()

    def reserve(order: Order) -> Reservation:
        world.happened("reserve", order.id)
        return Reservation(f"r-{order.id}")

    def book(order: Order) -> str:
        world.happened("courier", order.id)
        return f"t-{order.id}"

    def charge(order: Order) -> Charge:
        world.happened("charge", order.id)
        return Charge(f"c-{order.id}")

    def mail(order: Order, charge: Charge) -> None:
        if effect_key() not in mailed:  # as every mail server that knows keys does
            mailed.add(effect_key())
            world.happened("receipt", order.id, charge.id)

    return {reserve_stock: reserve, book_courier: book, charge_card: charge, email_receipt: mail}
