"""Sizes of nets, construct by construct (C12): places and transitions, asserted to the last one.

A change of a fragment shows here first. Markings cost time, nodes cost readers; both are counted.
"""

from __future__ import annotations

from typing import Any

import pytest
from perdure.console.demo.order import fulfil_order
from perdure.model.analysis.sound import Soundness
from perdure.model.compiler.compile import compile_workflow
from perdure.model.language.decorators import compensatable, idempotent, irreversible
from perdure.model.language.effects import Retry
from perdure.model.language.scopes import saga
from perdure.model.language.waits import Signal, after, first, seconds, sleep, together
from perdure.model.language.workflows import Workflow, workflow


class No(Exception):
    """A refusal."""


note = Signal[int]("note")
word = Signal[str]("word")


@idempotent
async def greet(n: int) -> int:
    return n


@idempotent(retry=Retry(attempts=None))
async def tell(n: int) -> None: ...


@compensatable
async def reserve(n: int) -> int:
    return n


@reserve.undo
async def release(made: int | None, n: int) -> None: ...


@compensatable(refused=(No,))
async def book(n: int) -> int:
    return n


@book.undo
async def unbook(made: int) -> None: ...


@irreversible
async def launch(n: int) -> None: ...


@irreversible(refused=(No,))
async def charge(n: int) -> int:
    return n


@workflow
async def nothing(n: int) -> None: ...


@workflow
async def hello(n: int) -> int:
    return await greet(n)


@workflow
async def endless(n: int) -> None:
    await tell(n)


@workflow
async def reserves(n: int) -> None:
    await reserve(n)


@workflow
async def books(n: int) -> None:
    await book(n)


@workflow
async def launches(n: int) -> None:
    await launch(n)


@workflow
async def charges(n: int) -> None:
    await charge(n)


@workflow
async def chooses(n: int) -> None:
    if n > 1:
        await tell(n)


@workflow
async def loops(n: int) -> None:
    while n > 1:
        await tell(n)


@workflow
async def loops_for_ever(n: int) -> None:
    while True:
        await tell(n)


@workflow
async def loops_over(n: int) -> None:
    for i in range(n):
        await tell(i)


@workflow
async def matches(n: int) -> None:
    match n:
        case 1:
            await tell(1)
        case 2:
            await tell.named("two")(2)
        case _:
            pass


@workflow
async def handles(n: int) -> None:
    try:
        await greet(n)
    except No:
        n = 0


@workflow
async def waits(n: int) -> None:
    await note.wait()


@workflow
async def sleeps(n: int) -> None:
    await sleep(seconds(n))


@workflow
async def waits_for_the_first(n: int) -> None:
    await first(note.wait(), word.wait(), after(seconds(1)))


@workflow
async def races(n: int) -> None:
    await first(greet(n), note.wait())


@workflow
async def forks(n: int) -> None:
    await together(greet(n), tell(n))


@workflow
async def forks_three(n: int) -> None:
    await together(greet(n), tell(n), note.wait())


@workflow
async def opens_a_saga(n: int) -> None:
    async with saga():
        await reserve(n)


@workflow
async def nests_sagas(n: int) -> None:
    async with saga():
        await tell(n)
        async with saga():
            await reserve(n)


TABLE: list[tuple[Workflow[..., Any], int, int, int]] = [
    (fulfil_order, 38, 52, 112),
    (nothing, 6, 5, 6),
    (hello, 10, 10, 11),
    (endless, 9, 8, 10),
    (reserves, 12, 14, 16),
    (books, 14, 16, 19),
    (launches, 12, 13, 16),
    (charges, 14, 16, 19),
    (chooses, 10, 10, 12),
    (loops, 10, 10, 12),
    (loops_for_ever, 6, 5, 5),
    (loops_over, 11, 11, 14),
    (matches, 13, 15, 18),
    (handles, 13, 14, 17),
    (waits, 9, 8, 10),
    (sleeps, 10, 9, 12),
    (waits_for_the_first, 10, 11, 12),
    (races, 23, 25, 55),
    (forks, 20, 20, 35),
    (forks_three, 22, 22, 57),
    (opens_a_saga, 17, 19, 22),
    (nests_sagas, 23, 26, 30),
]


@pytest.mark.parametrize(
    ("flow", "places", "transitions", "markings"), TABLE, ids=[row[0].name for row in TABLE]
)
def test_a_construct_has_its_size(
    flow: Workflow[..., Any], places: int, transitions: int, markings: int
) -> None:
    """Places, transitions and reachable markings, the ends and the cancel of the workflow too."""
    net = compile_workflow(flow).net
    found = (len(net.places), len(net.transitions), len(Soundness(net).space.states))
    assert found == (places, transitions, markings)
