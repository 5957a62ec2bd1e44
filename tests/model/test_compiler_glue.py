"""Glue and frames: tracebacks, cells, evaluation order, and what each resting place keeps."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.language.decorators import compensatable, idempotent, irreversible, transactional
from perdure.model.language.effects import Retry
from perdure.model.language.scopes import saga
from perdure.model.language.waits import after, first, together
from perdure.model.language.workflows import workflow
from perdure.model.net import Net, PlaceKind, TransitionKind


@dataclass(frozen=True)
class Order:
    """What is ordered."""

    id: str


@dataclass(frozen=True)
class Receipt:
    """What comes of it."""

    order: str
    charge: str
    tracking: str


@transactional
async def save_order(tx: Any, order: Order) -> None:
    """Store it."""


@compensatable
async def reserve_stock(order: Order) -> str:
    """Reserve."""
    return "r"


@reserve_stock.undo
async def release_stock(got: str | None, order: Order) -> None:
    """Release."""


@compensatable
async def book_courier(order: Order) -> str:
    """Book."""
    return "t"


@book_courier.undo
async def cancel_courier(got: str | None, order: Order) -> None:
    """Cancel."""


@irreversible(refused=(ValueError,))
async def charge_card(order: Order) -> str:
    """Charge."""
    return "c"


@idempotent(retry=Retry(attempts=None))
async def email_receipt(order: Order, charge: str) -> None:
    """Tell."""


@workflow
async def fulfil_order(order: Order) -> Receipt:
    await save_order(order)
    async with saga():
        _, tracking = await together(reserve_stock(order), book_courier(order))
        charge = await charge_card(order)
    await email_receipt(order, charge)
    return Receipt(order.id, charge, tracking)


def _frames(net: Net) -> dict[str, tuple[str, ...]]:
    return {p.name: p.frame for p in net.places if p.kind is not PlaceKind.VANISHING}


def test_frames_of_fulfil_order_hold_what_is_alive() -> None:
    """The table of the design: each place keeps only what is read after it."""
    frames = _frames(compile_workflow(fulfil_order).net)
    assert frames["before save_order"] == ("order",)
    assert frames["in saga"] == ("$saga",)
    assert frames["during reserve_stock"] == ("order",)
    assert frames["in together reserve_stock, book_courier"] == ("order",)
    for word in ("before", "during", "in doubt"):
        assert frames[f"{word} charge_card"] == ("order", "tracking")
    assert frames["after charge_card"] == ("charge", "order", "tracking")
    assert frames["before email_receipt"] == ("charge", "order", "tracking")
    assert frames["done"] == ("$value",)
    assert frames["running"] == ()


def test_after_the_pivot_nothing_drains() -> None:
    """C16: cancel is not delivered between a landed charge and the end of its saga."""
    drained = {t.take[0] for t in compile_workflow(late).net.transitions if t.kind == "drain"}
    assert "before charge_card" in drained
    assert "before email_receipt" not in drained
    assert "before save_order" in drained


@workflow
async def late(order: Order) -> None:
    async with saga():
        charge = await charge_card(order)
        await email_receipt(order, charge)
    await save_order(order)


@idempotent
async def give(n: int) -> int:
    """Return it."""
    return n


def test_a_traceback_of_glue_shows_the_authors_line() -> None:
    """C24: file, line, function and text are the author's."""

    @workflow
    async def broken(n: int) -> int:
        got = await give(n)
        return got // 0

    run = next(g.run for g in compile_workflow(broken).glue.values() if g.reads == ("got",))
    with pytest.raises(ZeroDivisionError) as caught:
        run(1)
    entry = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (entry.name, entry.line) == ("broken", "return got // 0")
    assert entry.filename == __file__


def test_glue_shares_the_cells_of_its_workflow() -> None:
    """A variable of the enclosing function is the live one, not a copy."""
    factor = 2

    @workflow
    async def scaled(n: int) -> int:
        got = await give(n)
        return got * factor

    run = next(g.run for g in compile_workflow(scaled).glue.values() if g.reads == ("got",))
    factor = 5
    assert run(3) == (0, 15)


def test_a_variable_that_may_be_unset_is_refused() -> None:
    """C10: PD207 at the use."""

    @workflow
    async def maybe(n: int) -> int:
        if n > 0:
            got = await give(n)
        return await give(got)  # pyright: ignore[reportPossiblyUnboundVariable] (the claim)

    with pytest.raises(CompileError) as caught:
        compile_workflow(maybe)
    found = [f for f in caught.value.findings if not f.warning]
    assert [(f.code, "`got`" in f.message) for f in found] == [("PD207", True)]


def test_an_irreversible_step_cannot_race() -> None:
    """PD307: the loser of a race could still land."""

    @workflow
    async def racing(order: Order) -> None:
        await first(charge_card(order), after(timedelta(seconds=1)))

    with pytest.raises(CompileError) as caught:
        compile_workflow(racing)
    assert "PD307" in [f.code for f in caught.value.findings]


def test_what_has_no_undo_cannot_race_and_what_has_one_can() -> None:
    """PD307 names the step and the missing undo; with an undo the loser is taken back (C19)."""

    @compensatable
    async def keep(n: int) -> int: ...

    @workflow
    async def racing(n: int) -> None:
        await first(keep(n), after(timedelta(seconds=1)))

    with pytest.raises(CompileError) as caught:
        compile_workflow(racing)
    (found,) = (f for f in caught.value.findings if f.code == "PD307")
    assert found.message == "keep is compensatable, has no undo and runs in a race"
    assert found.fix == "call it after the race, on what the winner says"

    @keep.undo
    async def _(got: int | None, n: int) -> None: ...

    @workflow
    async def mended(n: int) -> None:
        await first(keep(n), after(timedelta(seconds=1)))

    net = compile_workflow(mended).net
    assert [t.site for t in net.transitions if t.kind is TransitionKind.UNDO] == ["keep"]


def test_the_digest_forgets_layout_and_sees_meaning() -> None:
    """C33: comments and line breaks change nothing, a changed constant does."""

    def make(which: int) -> Any:
        if which == 0:

            @workflow(name="same")
            async def one(n: int) -> int:
                return (await give(n)) + 1

            return one
        if which == 1:

            @workflow(name="same")
            async def two(n: int) -> int:
                # a comment
                return (  # broken here
                    await give(n)
                ) + 1  # and commented

            return two

        @workflow(name="same")
        async def three(n: int) -> int:
            return (await give(n)) + 2

        return three

    digests = [compile_workflow(make(i)).net.digest for i in range(3)]
    assert digests[0] == digests[1] != digests[2]


def test_a_compiled_workflow_is_kept() -> None:
    """Compiled once per object."""
    assert compile_workflow(fulfil_order) is compile_workflow(fulfil_order)
