"""Workflows as their authors write them, right and wrong, with a fake world. No test lives here."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from perdure import (
    InDoubt,
    Landed,
    Signal,
    Tx,
    Voided,
    compensatable,
    days,
    effect_key,
    idempotent,
    irreversible,
    observe,
    saga,
    sleep,
    transactional,
    workflow,
)
from perdure.chaos.fakes import World
from sqlalchemy import text


class Refused(Exception):
    """The receiver says no."""


class Bank:
    """What the steps talk to; a real one is a network away."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.taken: dict[str, str] = {}
        self.closed: set[str] = set()

    def charge(self, order: str, key: str = "") -> str:
        """Take money; with a key once, and never when the key is closed."""
        if key in self.closed:
            raise Refused(key)
        if key and key in self.taken:
            return self.taken[key]
        self.world.happened("charge", order)
        self.taken[key or order] = f"receipt of {order}"
        return self.taken[key or order]

    def close(self, key: str) -> str | None:
        """Close a key, then say what was taken under it."""
        self.closed.add(key)
        return self.taken.get(key)


class Service:
    """The client object of the module, as a program has one."""

    def __init__(self) -> None:
        self.bank = Bank(World())
        self.seen: set[str] = set()


service = Service()


def fakes(world: World) -> Mapping[Any, Any]:
    """A bank of its own for each history; the step bodies run as they are."""
    service.bank, service.seen = Bank(world), set()
    return {}


# --- idempotent or not ----------------------------------------------------------------------------


@idempotent
async def charge(order: str) -> str:
    """Declared idempotent, and it is not."""
    return service.bank.charge(order)


@workflow
async def buy(order: str) -> str:
    """Charge, and be asked again in a month."""
    receipt = await charge(order)
    await sleep(days(30))
    return receipt


@idempotent
def charge_by_key(order: str) -> str:
    """Idempotent: the bank knows the key. A plain function."""
    return service.bank.charge(order, effect_key())


@workflow
async def buy_well(order: str) -> str:
    """Charge once, whatever breaks."""
    receipt = await charge_by_key(order)
    await sleep(days(30))
    return receipt


@idempotent
async def look_then_charge(order: str) -> str:
    """Looks first and notes last: a crash between charge and note charges twice."""
    if order not in service.seen:
        service.bank.charge(order)
        service.seen.add(order)
    return "charged"


@workflow
async def buy_looking(order: str) -> str:
    """Charge, if it was not seen."""
    return await look_then_charge(order)


@idempotent
async def note_then_charge(order: str) -> str:
    """Notes first: a crash between note and charge never charges."""
    if order not in service.seen:
        service.seen.add(order)
        service.bank.charge(order)
    return "charged"


@workflow
async def buy_noting(order: str) -> str:
    """Charge, if it was not noted."""
    return await note_then_charge(order)


@workflow
async def buy_thrice(order: str) -> str:
    """The same call three times over, on purpose."""
    for _ in range(3):
        await charge_by_key(order)
    return "thrice"


# --- probes ---------------------------------------------------------------------------------------


@irreversible(refused=(Refused,))
async def pay(order: str) -> str:
    """Not to be repeated."""
    return service.bank.charge(order, effect_key())


@pay.probe
async def look_for_payment(order: str) -> Landed[str] | Voided | InDoubt:
    """Close the key, then look."""
    found = service.bank.close(effect_key())
    return Voided() if found is None else Landed(found)


@workflow
async def settle(order: str) -> str:
    """Pay."""
    return await pay(order)


@irreversible
async def pay_badly(order: str) -> str:
    """The same, but its probe only looks."""
    return service.bank.charge(order, effect_key())


@pay_badly.probe
async def only_look(order: str) -> Landed[str] | Voided | InDoubt:
    """Looks without closing: what is on its way lands later."""
    found = service.bank.taken.get(effect_key())
    return Voided() if found is None else Landed(found)


@workflow
async def settle_badly(order: str) -> str:
    """Pay."""
    return await pay_badly(order)


# --- sagas, transactions, messages ----------------------------------------------------------------


@compensatable
async def reserve(item: str) -> str:
    """Put aside."""
    service.bank.world.happened("reserve", item)
    return item


@reserve.undo
async def release(reserved: str | None, item: str) -> None:
    """Put back what is known; what is not known is left, which is wrong."""
    if reserved is not None:
        service.bank.world.took_back("reserve", item)


@workflow
async def trip(item: str) -> str:
    """Reserve, and fail."""
    async with saga():
        kept = await reserve(item)
        raise Refused(kept)


@transactional
async def save(tx: Tx, order: str) -> None:
    """Write, and send a mail in the middle of the transaction, which is wrong."""
    await tx.execute(text("INSERT INTO orders (id) VALUES (:id)"), {"id": order})
    service.bank.world.happened("mail", order)


@workflow
async def record(order: str) -> str:
    """Save."""
    await save(order)
    return "saved"


def with_orders(world: World) -> Mapping[Any, Any]:
    """The same world with a table."""
    world.table("CREATE TABLE orders (id TEXT NOT NULL)")
    return fakes(world)


ANSWER = Signal[bool]("answer")


@workflow
async def ask(order: str) -> str:
    """Wait for a yes, then charge."""
    if await ANSWER.wait():
        return await charge_by_key(order)
    return "no"


def with_an_answer(world: World) -> Mapping[Any, Any]:
    """Somebody says yes after three weeks."""
    world.send(ANSWER, True, at=days(21).total_seconds())
    return fakes(world)


# --- what must not run in a simulation ------------------------------------------------------------


def connect() -> None:
    """Reach for a server."""
    socket.create_connection(("localhost", 9))


def write() -> None:
    """Write a file."""
    Path("theirs.txt").write_text("x")


def doze() -> None:
    """Sleep for a day, which takes no time."""
    time.sleep(86_400)


DEEDS: list[Callable[[], object]] = []  # what the body of `act` does: tests put them here


@idempotent
async def act(n: int) -> int:
    """Do it, and swallow what comes of it."""
    with suppress(Exception):
        for deed in DEEDS:
            deed()
    return n


@workflow
async def acting(n: int) -> int:
    """Act."""
    return await act(n)


class Memory:
    """State of a module, which outlives a history."""

    count = 0


@observe
async def counted(n: int) -> int:
    """Another answer each time."""
    Memory.count += 1
    return Memory.count


@idempotent
async def tell(n: int) -> int:
    """Say it to the world."""
    service.bank.world.happened("told", n)
    return n


@workflow
async def forgetful(n: int) -> int:
    """Tell what was counted."""
    return await tell(await counted(n))
