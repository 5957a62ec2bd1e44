# pyright: strict
"""Mistakes that both checkers must report, on the marked lines and no others; never run.

`# E` marks a line that pyright and mypy report, `# P` and `# M` what one of them reports alone
(they differ in which line of a decorated function they name).
"""

from good_programs import (
    Connection,
    Order,
    Reservation,
    Withdrawn,
    book,
    charge,
    deliver,
    note,
    reserve,
    run,
    save,
    sell,
    tell,
    withdrawn,
)
from perdure import (
    Elapsed,
    Landed,
    Retry,
    Signal,
    Voided,
    after,
    compensatable,
    days,
    first,
    irreversible,
    seconds,
    sleep,
    together,
    transactional,
    workflow,
)


@compensatable
async def hold(order: Order, count: int) -> Reservation:
    return Reservation(order.id)


@hold.undo  # E
async def undo_of_another_type(result: int) -> None: ...


@hold.undo  # E
async def undo_without_none(result: Reservation, order: Order, count: int) -> None: ...


@hold.undo  # E
def undo_without_an_argument(result: Reservation | None, order: Order) -> None: ...


@hold.probe  # E
async def probe_with_other_parameters(order: str) -> Landed[Reservation] | Voided:
    return Voided()


@hold.probe  # E
def probe_of_another_type(order: Order, count: int) -> Landed[int] | Voided:
    return Voided()


@irreversible(retry=Retry())  # E
async def retried(order: Order) -> str:
    return ""


@transactional  # E
async def without_tx(order: Order) -> None: ...


@transactional(retry=Retry())  # E
def without_tx_either(order: Order) -> None: ...


@workflow  # E
def not_async(order: Order) -> str:
    return ""


@workflow
async def mistaken(order: Order) -> str:
    await reserve(order, "two")  # E
    await book()  # E
    await note(3)  # E
    await save(Connection(), order)  # E
    await tell.named("again")(1)  # E
    charge(order)  # E
    note("text")  # E
    sleep(days(1))  # E
    withdrawn.wait()  # E
    together(book(order), book(order))  # E
    await sleep(30)  # E
    number: int = await charge(order)  # E
    pair: tuple[str, str] = await together(reserve(order, 1), book(order))  # E
    _ = charge.undo  # E
    return str(number) + str(pair)


@workflow
async def forgetful(order: Order) -> str:  # E
    match await first(after(days(2)), withdrawn.wait()):  # P
        case Elapsed():
            return "late"


async def outside(order: Order) -> None:
    sell(order)  # E
    number: int = await run(sell(order))  # E
    other: int = await sell.direct(order)  # E
    await sell.direct("order")  # E
    deliver(withdrawn, 3)  # E
    deliver(Signal[Withdrawn]("more"), seconds(number + other))  # E
