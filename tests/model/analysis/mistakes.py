"""Programs with one effect mistake each, and good twins of them. Their lines are told in tests.

Nothing is run and nothing judged here.
"""

from __future__ import annotations

from perdure.model.language.decorators import (
    Transaction,
    compensatable,
    idempotent,
    irreversible,
    observe,
    transactional,
)
from perdure.model.language.effects import InDoubt, Landed, Retry, Voided
from perdure.model.language.scopes import saga
from perdure.model.language.waits import Signal, first, seconds, sleep, together
from perdure.model.language.workflows import workflow


class Declined(Exception):
    """Refused, for certain."""


Told = Landed[int] | Voided | InDoubt
stop = Signal[bool]("stop")


@compensatable
async def reserve(n: int) -> int:
    return n


@reserve.undo
async def release(made: int | None, n: int) -> None: ...


@compensatable(refused=(Declined,))
async def hold(n: int) -> int:
    return n


@hold.undo
async def unhold(made: int | None, n: int) -> None: ...


@compensatable
async def print_label(n: int) -> int:
    return n


@compensatable
async def book(n: int) -> int:
    return n


@book.undo
async def unbook(made: int) -> None: ...


@irreversible(refused=(Declined,))
async def charge(n: int) -> int:
    return n


@charge.probe
async def look(n: int) -> Told:
    return Voided()


@irreversible
async def launch(n: int) -> None: ...


@idempotent(retry=Retry(attempts=5))
async def mail(n: int) -> None: ...


@idempotent(retry=Retry(attempts=None))
async def tell(n: int) -> None: ...


@observe
async def more(n: int) -> bool:
    return n > 0


@workflow
async def mails_in_the_saga(n: int) -> None:
    async with saga():
        await reserve(n)
        await charge(n)
        await mail(n)


@workflow
async def tells_in_the_saga(n: int) -> None:
    async with saga():
        await reserve(n)
        await charge(n)
        await tell(n)


@workflow
async def raises_in_the_saga(n: int) -> None:
    async with saga():
        await reserve(n)
        paid = await charge(n)
        if paid > 3:
            raise ValueError("dear")


@workflow
async def raises_before_it_charges(n: int) -> None:
    async with saga():
        await reserve(n)
        if n > 3:
            raise ValueError("dear")
        await charge(n)


@workflow
async def labels_in_the_saga(n: int) -> None:
    async with saga():
        await print_label(n)


@workflow
async def charges_beside(n: int) -> None:
    async with saga():
        await reserve(n)
        await together(charge(n), mail(n))


@workflow
async def charges_behind(n: int) -> None:
    async with saga():
        await reserve(n)
        await together(hold(n), mail(n))
        await charge(n)


@workflow
async def charges_beside_what_cannot_fail(n: int) -> None:
    async with saga():
        await reserve(n)
        await together(charge(n), tell(n))


@workflow
async def charges_beside_outside(n: int) -> None:
    await together(charge(n), mail(n))


@workflow
async def charges_for_ever(n: int) -> None:
    while await more(n):
        await charge(n)


@workflow
async def charges_with_a_wait(n: int) -> None:
    while await more(n):
        await charge(n)
        await sleep(seconds(9))


@workflow
async def charges_each(n: int) -> None:
    for i in range(n):
        await charge(i)


@workflow
async def charges_until_it_lands(n: int) -> None:
    while True:
        try:
            await charge(n)
            break
        except Declined:
            n += 1


@workflow
async def mails_after_it_charged(n: int) -> None:
    await charge(n)
    await mail(n)


@workflow
async def tells_after_it_charged(n: int) -> None:
    await charge(n)
    await tell(n)


@workflow
async def books(n: int) -> None:
    async with saga():
        await book(n)


@workflow
async def reserves(n: int) -> None:
    async with saga():
        await reserve(n)


@workflow
async def launches(n: int) -> None:
    await tell(n)
    await launch(n)


@workflow
async def charges(n: int) -> None:
    await tell(n)
    await charge(n)


@workflow
async def races_the_charge(n: int) -> None:
    await first(charge(n), stop.wait())


@transactional
async def saves_and_mails(tx: Transaction, n: int) -> None:
    tx.execute("insert", {"n": n})
    await mail(n)


@transactional
async def saves(tx: Transaction, n: int) -> None:
    tx.execute("insert", {"n": n})


@workflow
async def mails_in_a_transaction(n: int) -> None:
    await saves_and_mails(n)


@workflow
async def mails_behind_a_transaction(n: int) -> None:
    await saves(n)
    await mail(n)


# --- and one without a mistake, with everything in it that can be broken ------------------------


@workflow
async def trip(n: int) -> None:
    async with saga():
        await reserve(n)
        async with saga():
            await hold(n)
            await together(book(n), mail(n))
        await charge(n)
        await tell(n)
    await stop.wait()
