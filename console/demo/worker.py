"""The worker process of the demo: one life, which ends by SIGKILL at its moment or when all is
done.

python -m perdure.console.demo.worker '{"db": ..., "orders": [...], "moment": ..., "order": ...}'

It never decides whether what happened was right.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys

import msgspec

from ...engine.client import Engine
from ...model.errors import Stalled
from .lifeline import end_with_stdin
from .moments import CallAgain, Moment, StoreAt, WorldAt, say
from .order import ORDERS_TABLE, Order, fulfil_order
from .shop import CardDeclined


class Life(msgspec.Struct):
    """What a worker is told at birth."""

    db: str
    orders: list[Order]
    moment: Moment | None = None
    order: str = ""
    unprotected: bool = False


async def live(life: Life) -> None:
    """Start or find every order, wait until all have ended."""
    with sqlite3.connect(life.db, timeout=10) as connection:
        connection.execute(ORDERS_TABLE)
    connection.close()
    store = StoreAt(f"sqlite:///{life.db}")
    store.watch(life.moment or Moment.CHARGING, life.order)
    world = (CallAgain if life.unprotected else WorldAt)(life.moment, life.order)
    async with Engine(store.path, store=store, world=world, name="demo") as engine:
        await asyncio.gather(*(_order(engine, order) for order in life.orders))


async def _order(engine: Engine, order: Order) -> None:
    run = await engine.start(fulfil_order(order), id=order.id)
    try:
        receipt = await run.result()
    except CardDeclined:
        say("ended", order=order.id, end="failed")
    except Stalled as stalled:
        say("ended", order=order.id, end="stalled", reason=stalled.reason)
    else:
        say("ended", order=order.id, end="done", charge=receipt.charge)


if __name__ == "__main__":
    end_with_stdin()
    asyncio.run(live(msgspec.json.decode(sys.argv[1], type=Life)))
