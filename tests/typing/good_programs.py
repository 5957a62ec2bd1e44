# pyright: strict
"""Programs that both checkers must accept without a word; checked and never run."""

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, assert_type

from perdure import (
    Elapsed,
    InDoubt,
    Landed,
    Retry,
    Signal,
    Voided,
    after,
    at,
    compensatable,
    days,
    first,
    idempotent,
    irreversible,
    now,
    observe,
    pure,
    saga,
    seconds,
    sleep,
    sleep_until,
    together,
    transactional,
    workflow,
)

R = TypeVar("R")
T = TypeVar("T")


class Connection:
    async def execute(self, statement: str, parameters: dict[str, object] | None = None) -> int:
        return 0


@dataclass(frozen=True)
class Order:
    id: str


@dataclass(frozen=True)
class Reservation:
    id: str


@dataclass(frozen=True)
class Withdrawn:
    reason: str


class Declined(Exception): ...


withdrawn = Signal[Withdrawn]("withdrawn")
answers = Signal[Order | Withdrawn]("answers")


def deliver(signal: Signal[T], value: T, /) -> None: ...


async def run(call: Coroutine[Any, Any, R], /) -> R:
    return await call


@pure
def price(order: Order) -> int:
    return 1


@pure(timeout=seconds(1))
async def later_price(order: Order) -> int:
    return 1


@observe(retry=Retry(attempts=3))
def rate(day: datetime) -> float:
    return 1.0


@idempotent
async def tell(who: str, what: str = "hello") -> None: ...


@idempotent(retry=Retry(attempts=None))
def note(text: str) -> bytes:
    return b""


@transactional
async def save(tx: Connection, order: Order) -> int:
    return await tx.execute("insert")


@transactional(retry=Retry(attempts=2))
def save_here(tx: Connection, order: Order) -> str:
    return ""


@compensatable
async def reserve(order: Order, count: int) -> Reservation:
    return Reservation(order.id)


@reserve.undo
async def release(reservation: Reservation | None, order: Order, count: int) -> None: ...


@reserve.probe
async def look(order: Order, count: int) -> Landed[Reservation] | Voided | InDoubt:
    return InDoubt("closed")


@compensatable(timeout=seconds(5), refused=(Declined,))
def book(order: Order) -> str:
    return ""


@book.undo
def cancel(tracking: str) -> None: ...


@irreversible(timeout=seconds(20), refused=(Declined,))
async def charge(order: Order) -> str:
    return ""


@charge.probe
def look_for_charge(order: Order) -> Landed[str] | Voided:
    return Voided()


@workflow(version=2, name="sell")
async def sell(order: Order) -> str:
    assert_type(await save(order), int)
    assert_type(await save_here(order), str)
    assert_type(await price(order), int)
    assert_type(await later_price(order), int)
    assert_type(await rate(now()), float)
    assert_type(await note.named("a note")("text"), bytes)
    await sleep(days(1))
    await sleep_until(now() + days(1))
    async with saga():
        both = await together(reserve(order, 2), book(order))
        assert_type(both, tuple[Reservation, str])
        charged = await charge(order)
    await release(both[0], order, 2)
    await cancel("x")
    await tell("me")
    return charged


@workflow
async def decide(order: Order) -> str:
    match await first(after(days(2)), withdrawn.wait(), at(now())):
        case Elapsed():
            return "late"
        case Withdrawn(reason=reason):
            return reason


async def outside(order: Order) -> None:
    assert_type(await run(sell(order)), str)
    assert_type(await sell.direct(order), str)
    deliver(withdrawn, Withdrawn("no"))
    deliver(answers, order)
