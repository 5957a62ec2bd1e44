"""What every store must do with a transactional step: the writes and the record are one commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from perdure.engine.errors import TransactionEnded, TransactionTooLong
from perdure.engine.store import Append, Fenced
from perdure.engine.transactional import Tx
from sqlalchemy import text

if TYPE_CHECKING:
    from .conftest import Execution, Lab

pytestmark = pytest.mark.asyncio


async def create_table(lab: Lab) -> None:
    async with lab.store.links.write() as link:
        link.run("CREATE TABLE orders (id INTEGER PRIMARY KEY)")


async def orders(lab: Lab) -> list[int]:
    sql = "SELECT id FROM orders ORDER BY id"
    return await lab.store.links.read(lambda link: [id for (id,) in link.rows(sql)])


async def step(lab: Lab, a: Execution, function: Any, *riders: Append) -> Any:
    """Run a function as a transactional step of `a` whose record is the next of its log."""
    one = a.record()
    async with lab.store.transaction(a.session) as transaction:
        value = await transaction.run(function)
        results = transaction.append(a.append(one), riders)
    if results[0].ok:
        a.after(one)
    return value, results


def insert(*ids: int) -> Any:
    async def function(tx: Tx) -> int:
        await tx.execute(text("INSERT INTO orders VALUES (:id)"), [{"id": id} for id in ids])
        return await tx.scalar(text("SELECT count(*) FROM orders"))

    return function


async def test_the_writes_the_record_and_the_riders_are_one_commit(lab: Lab) -> None:
    """All are there afterwards; a rider that does not fit leaves the step alone."""
    await create_table(lab)
    me = await lab.session()
    a, b, c = [await lab.owned(me, key) for key in "abc"]
    gap = lab.record(c.head, 2, 1, c.record().kind)
    value, results = await step(lab, a, insert(1, 2), b.append(b.record()), c.append(gap))
    assert value == 2 and [result.ok for result in results] == [True, True, False]
    assert await orders(lab) == [1, 2]
    assert [await lab.seqs(one) for one in (a, b, c)] == [[0, 1], [0, 1], [0]]


async def test_a_poisoned_rider_does_not_undo_the_step(lab: Lab) -> None:
    """An error in a rider's rows is found in its own savepoint; step and others commit."""
    await create_table(lab)
    me = await lab.session()
    a, b, c = [await lab.owned(me, key) for key in "abc"]
    poison = b.append(b.record(), consumed=[(7, 1)])
    _, results = await step(lab, a, insert(1), poison, c.append(c.record()))
    assert [result.ok for result in results] == [True, False, True]
    assert await orders(lab) == [1] and await lab.seqs(b) == [0]


async def test_an_exception_of_the_author_rolls_everything_back(lab: Lab) -> None:
    """The exception arrives unchanged; no write and no record stays."""
    await create_table(lab)
    a = await lab.owned(await lab.session())

    async def function(tx: Tx) -> None:
        await insert(1)(tx)
        raise LookupError("no such order")

    with pytest.raises(LookupError):
        await step(lab, a, function)
    assert await orders(lab) == [] and await lab.seqs(a) == [0]


async def test_writes_without_a_fitting_record_are_rolled_back(lab: Lab) -> None:
    """When the step's own append meets a guard, the author's writes go, the riders too."""
    await create_table(lab)
    me = await lab.session()
    a, b = await lab.owned(me, "a"), await lab.owned(me, "b")
    a.head = b"?" * 16
    _, results = await step(lab, a, insert(1), b.append(b.record()))
    assert results[0].guard and await orders(lab) == []
    assert await lab.seqs(a) == [0] == await lab.seqs(b)


async def test_a_session_fenced_before_writes_nothing(lab: Lab) -> None:
    """The fence is checked after the function, in the transaction of its writes."""
    await create_table(lab)
    a = await lab.owned(await lab.session())
    await lab.store.fence(a.session)
    with pytest.raises(Fenced):
        await step(lab, a, insert(1))
    assert await orders(lab) == []


async def test_a_fence_waits_for_a_step_and_releases_it_with_its_record(lab: Lab) -> None:
    """A fence asked for during the function comes after the commit, never between the two."""
    await create_table(lab)
    a = await lab.owned(await lab.session())
    fences: list[asyncio.Task[int]] = []

    async def function(tx: Tx) -> None:
        fences.append(asyncio.create_task(lab.store.fence(a.session)))
        for _ in range(5):
            await asyncio.sleep(0)
        await insert(1)(tx)

    await step(lab, a, function)
    assert await fences[0] == 1
    [claimed] = await lab.claim(await lab.session())
    assert claimed.head == a.head and await orders(lab) == [1]


@pytest.mark.parametrize("verb", ["COMMIT", "ROLLBACK", "END"])
async def test_an_author_who_ends_the_transaction_is_found_out(lab: Lab, verb: str) -> None:
    """Rule 20: the savepoint is gone, the step fails loudly, no record is written."""
    await create_table(lab)
    a = await lab.owned(await lab.session())

    async def function(tx: Tx) -> None:
        await insert(1)(tx)
        await tx.execute(text(verb))

    async def again(tx: Tx) -> None:
        await function(tx)
        await tx.execute(text("BEGIN"))
        await insert(2)(tx)

    for one in (function, again):
        with pytest.raises(TransactionEnded):
            await step(lab, a, one)
        async with lab.store.links.write() as link:
            link.run("DELETE FROM orders")
    assert await lab.seqs(a) == [0]


async def test_a_step_that_holds_the_lock_too_long_is_rolled_back(lab: Lab) -> None:
    """The limit ends the function with an error that says why; the store goes on."""
    await create_table(lab)
    a = await lab.owned(await lab.session())

    async def function(tx: Tx) -> None:
        await insert(1)(tx)
        await asyncio.Event().wait()

    with pytest.raises(TransactionTooLong):
        async with lab.store.transaction(a.session, seconds_max=0.01) as transaction:
            await transaction.run(function)
    assert await orders(lab) == [] and (await lab.write(a, a.record())).ok


async def test_a_tx_kept_beyond_its_step_is_useless_and_holds_nothing(lab: Lab) -> None:
    """A half-read result is closed with the step, so the writer has no old snapshot."""
    await create_table(lab)
    a = await lab.owned(await lab.session())
    kept: list[Any] = []

    async def function(tx: Tx) -> None:
        await insert(*range(500))(tx)
        result = await tx.execute(text("SELECT id FROM orders"))
        kept.extend([tx, result, result.fetchone()])

    await step(lab, a, function)
    assert kept[1].closed
    with pytest.raises(RuntimeError):
        await kept[0].execute(text("SELECT 1"))
    assert (await lab.write(a, a.record())).ok


async def test_100_steps_that_await_inside_and_100_appends_beside_them_all_commit(
    lab: Lab,
) -> None:
    """Rule 19: one lock before the writer; nobody deadlocks with a step that waits."""
    await create_table(lab)
    me = await lab.session()
    steps = [await lab.owned(me, f"s{number}") for number in range(100)]
    plain = [await lab.owned(me, f"p{number}") for number in range(100)]

    def awaiting(number: int) -> Any:
        async def function(tx: Tx) -> None:
            await asyncio.sleep(0)
            await insert(number)(tx)
            await asyncio.sleep(0)

        return function

    work = [step(lab, one, awaiting(number)) for number, one in enumerate(steps)]
    await asyncio.gather(*work, *(lab.write(one, one.record()) for one in plain))
    assert len(await orders(lab)) == 100
    assert all([await lab.seqs(one) == [0, 1] for one in steps + plain])
