"""What is undone, when, in which order: every history of a net, without an engine.

Sagas in sagas, in loops, left by jumps and failures; forks in them; handlers around and inside;
and the pivot, behind which neither a failure nor a cancel undoes anything (C15, C16).
"""

from __future__ import annotations

from typing import Any

import pytest
from perdure.model.compiler.blocks import Fork, Sequence
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.pivot import past_pivot
from perdure.model.language.decorators import compensatable, idempotent, irreversible
from perdure.model.language.effects import Retry
from perdure.model.language.scopes import saga
from perdure.model.language.waits import Signal, after, first, seconds, together
from perdure.model.language.workflows import Workflow, workflow
from perdure.model.net import PlaceKind
from perdure.model.net import TransitionKind as K

from .compiled import programs
from .histories import History, histories


class No(Exception):
    """A refusal."""


note = Signal[int]("note")
word = Signal[str]("word")


@compensatable
async def reserve(n: int) -> int:
    return n


@reserve.undo
async def release(made: int | None, n: int) -> None: ...


@compensatable(refused=(No,))
async def book(n: int) -> int:
    return n


@book.undo
async def unbook(made: int | None, n: int) -> None: ...


@irreversible(refused=(No,))
async def charge(n: int) -> int:
    return n


@idempotent(retry=Retry(attempts=None))
async def tell(n: int) -> None: ...


@idempotent(retry=Retry(attempts=1))
async def ask(n: int) -> int:
    return n


# --- the pivot (C16) -----------------------------------------------------------------------------


@workflow
async def charge_last(n: int) -> None:
    async with saga():
        await reserve(n)
        await book(n)
        await charge(n)


@workflow
async def charge_in_the_middle(n: int) -> None:
    async with saga():
        await reserve(n)
        await charge(n)
        await reserve.named("more")(n)
    await tell(n)


@workflow
async def charge_first(n: int) -> None:
    async with saga():
        await charge(n)
        await reserve(n)
        await tell(n)


@workflow
async def charge_in_an_inner_saga(n: int) -> None:
    async with saga():
        await reserve(n)
        async with saga():
            await book(n)
            await charge(n)
        await tell(n)


@workflow
async def charge_beside(n: int) -> None:
    async with saga():
        await reserve(n)
        await together(charge(n), tell(n))
        await tell.named("again")(n)


@workflow
async def charge_until_taken(n: int) -> None:
    async with saga():
        await reserve(n)
        while True:
            try:
                await charge(n)
                break
            except No:
                await tell(n)


PIVOTS = [
    charge_last,
    charge_in_the_middle,
    charge_first,
    charge_in_an_inner_saga,
    charge_beside,
    charge_until_taken,
]


@pytest.mark.parametrize("flow", PIVOTS, ids=lambda f: f.name)
def test_behind_the_pivot_nothing_is_undone_and_no_cancel_is_heard(
    flow: Workflow[..., Any],
) -> None:
    """Whatever fails, crashes or is cancelled at any place: no history undoes after the charge.

    Before it every history that does not succeed undoes all that has landed, last first.
    """
    net = compile_workflow(flow).net
    charged = False
    for history in histories(net, cancel=True, crash=flow is not charge_until_taken):
        if "+charge" in history.events:
            charged = True
            assert not history.undone, history
        else:
            assert history.end != "done", history
            assert history.undone == tuple(reversed(history.landed)), history
    assert charged


def test_a_cancel_is_heard_up_to_the_pivot_and_again_behind_its_saga() -> None:
    """`charge_in_the_middle`: cancelled with nothing done, with one undone, or after the saga."""
    net = compile_workflow(charge_in_the_middle).net
    assert {h for h in histories(net, cancel=True) if h.end == "cancelled"} == {
        History("cancelled", ()),
        History("cancelled", ("+reserve", "-reserve")),
        History("cancelled", ("+reserve", "+charge", "+more")),
    }


def test_every_failure_before_the_pivot_undoes_what_was_done() -> None:
    """`charge_last` without crash or cancel has three histories."""
    assert histories(compile_workflow(charge_last).net) == {
        History("done", ("+reserve", "+book", "+charge")),
        History("failed", ("+reserve", "-reserve")),
        History("failed", ("+reserve", "+book", "-book", "-reserve")),
    }


# --- sagas in sagas, in loops, left by jumps -----------------------------------------------------


@workflow
async def handed_over(n: int) -> None:
    async with saga():
        await reserve(n)
        async with saga():
            await reserve.named("inner")(n)
        await book(n)


@workflow
async def inner_fails(n: int) -> None:
    async with saga():
        await reserve(n)
        try:
            async with saga():
                await reserve.named("inner")(n)
                await book(n)
        except No:
            await tell(n)
        await ask(n)


@workflow
async def three_deep(n: int) -> None:
    async with saga():
        async with saga():
            async with saga():
                await reserve(n)
            await reserve.named("second")(n)
        await ask(n)


@workflow
async def each_round(n: int) -> None:
    for i in range(n):
        async with saga():
            await reserve(i)
            await book(i)


@workflow
async def one_around_all_rounds(n: int) -> None:
    async with saga():
        for i in range(n):
            async with saga():
                await reserve(i)
                if i > 3:
                    continue
            await book(i)


@workflow
async def leaves_by_return(n: int) -> int:
    async with saga():
        await reserve(n)
        if n > 3:
            return n
        await book(n)
    return 0


@workflow
async def leaves_by_break(n: int) -> None:
    while n > 0:
        async with saga():
            await reserve(n)
            break
    await ask(n)


def test_an_inner_saga_hands_over_what_it_did() -> None:
    """It is undone with the outer one, in its place in the order."""
    assert histories(compile_workflow(handed_over).net) == {
        History("done", ("+reserve", "+inner", "+book")),
        History("failed", ("+reserve", "+inner", "-inner", "-reserve")),
    }


def test_an_inner_saga_that_failed_is_undone_once() -> None:
    """Its own undo comes first, before the handler; the outer one undoes only what is left."""
    assert histories(compile_workflow(inner_fails).net) == {
        History("done", ("+reserve", "+inner", "+book", "ask")),
        History("done", ("+reserve", "+inner", "-inner", "tell", "ask")),
        History("failed", ("+reserve", "+inner", "+book", "-book", "-inner", "-reserve")),
        History("failed", ("+reserve", "+inner", "-inner", "tell", "-reserve")),
        # An exception of another type is not handled.
        History("failed", ("+reserve", "+inner", "-inner", "-reserve")),
    }


def test_entries_are_handed_over_through_every_saga_around() -> None:
    """Three deep, the outermost undoes all, last first."""
    assert histories(compile_workflow(three_deep).net) == {
        History("done", ("+reserve", "+second", "ask")),
        History("failed", ("+reserve", "+second", "-second", "-reserve")),
    }


def test_each_round_of_a_loop_has_a_saga_of_its_own() -> None:
    """A failure undoes its own round; what rounds before it did stays."""
    pair = ("+reserve", "+book")
    found = histories(compile_workflow(each_round).net)
    assert {h.events for h in found if h.end == "done"} == {pair * k for k in range(4)}
    assert {h.events for h in found if h.end == "failed"} == {
        pair * k + ("+reserve", "-reserve") for k in range(3)
    }


def test_a_saga_around_a_loop_undoes_all_rounds() -> None:
    """Also what an inner saga left by `continue` has handed over."""
    found = [h for h in histories(compile_workflow(one_around_all_rounds).net) if h.undone]
    assert any(h.landed.count("reserve") > h.landed.count("book") + 1 for h in found)
    for h in found:
        assert h.undone == tuple(reversed(h.landed))


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (
            leaves_by_return,
            {
                History("done", ("+reserve",)),
                History("done", ("+reserve", "+book")),
                History("failed", ("+reserve", "-reserve")),
            },
        ),
        (
            leaves_by_break,
            {
                History("done", ("ask",)),
                History("failed", ()),
                History("done", ("+reserve", "ask")),
                History("failed", ("+reserve",)),
            },
        ),
    ],
    ids=["return", "break"],
)
def test_a_saga_left_by_a_jump_is_left_well(
    flow: Workflow[..., Any], expected: set[History]
) -> None:
    """What it did stays, even if something fails behind it."""
    assert histories(compile_workflow(flow).net) == expected


# --- forks and handlers --------------------------------------------------------------------------


@workflow
async def two_at_once(n: int) -> None:
    async with saga():
        await together(book.named("a")(n), book.named("b")(n))


@workflow
async def beside_a_wait(n: int) -> None:
    async with saga():
        await together(book(n), note.wait())


@workflow
async def handled_around(n: int) -> None:
    try:
        async with saga():
            await reserve(n)
            await together(book(n), tell(n))
    except No:
        await tell.named("sorry")(n)


@workflow
async def handled_inside(n: int) -> None:
    async with saga():
        await reserve(n)
        try:
            await together(book(n), reserve.named("other")(n))
        except No:
            await tell(n)
        await ask(n)


@workflow
async def other_exception(n: int) -> None:
    try:
        async with saga():
            await reserve(n)
            await ask(n)
    except No:
        await tell(n)


def test_a_failed_branch_undoes_what_the_others_did() -> None:
    """Each fails alone, while the other is on its way or before; both fail; none fails.

    The order of undo is that of the intents, reversed, whichever landed first.
    """
    found = histories(compile_workflow(two_at_once).net)
    assert {h.events for h in found if h.end == "done"} == {("+a", "+b"), ("+b", "+a")}
    assert {h.events for h in found if h.end == "failed"} == {
        (),
        ("+a", "-a"),
        ("+b", "-b"),
    }
    cancelled = {
        h.events
        for h in histories(compile_workflow(two_at_once).net, cancel=True)
        if h.end == "cancelled"
    }
    both = {h for h in cancelled if len(h) == 4}
    assert {h[:2] for h in both} == {("+a", "+b"), ("+b", "+a")}
    assert {h[2:] for h in both} == {("-a", "-b"), ("-b", "-a")}  # by intent: either came first


def test_a_wait_beside_a_failed_branch_is_given_up() -> None:
    """Nobody has to answer for the saga to fail; answered or not, the book landed or it did not."""
    net = compile_workflow(beside_a_wait).net
    assert histories(net) == {History("done", ("+book",)), History("failed", ())}
    drains = [t for t in net.transitions if t.kind is K.DRAIN and t.take[0].startswith("waiting")]
    assert len(drains) == 1


def test_a_handler_around_a_saga_runs_when_everything_is_undone() -> None:
    """Undo first, then the handler, then on: done; or, of another type, failed."""
    found = histories(compile_workflow(handled_around).net)
    undone = (("+reserve", "-reserve"), ("+reserve", "tell", "-reserve"))
    assert {h for h in found if h.undone} == {
        *(History("done", (*events, "sorry")) for events in undone),
        *(History("failed", events) for events in undone),
    }


def test_a_handler_inside_a_saga_keeps_what_was_done() -> None:
    """The branch that landed beside the failed one stays on the stack, for a later failure."""
    found = histories(compile_workflow(handled_inside).net)
    handled = {h for h in found if "tell" in h.events}
    assert History("done", ("+reserve", "+other", "tell", "ask")) in handled
    assert History("failed", ("+reserve", "+other", "tell", "-other", "-reserve")) in handled
    for h in found:  # a branch of a fork may have been called before another, and landed later
        assert sorted(h.undone) == ([] if h.end == "done" else sorted(h.landed)), h


def test_an_exception_that_no_handler_takes_goes_on_behind_the_undo() -> None:
    """Which type it has is data: both ways are there, and both undo first."""
    assert histories(compile_workflow(other_exception).net) == {
        History("done", ("+reserve", "ask")),
        History("done", ("+reserve", "-reserve", "tell")),
        History("failed", ("+reserve", "-reserve")),
    }


# --- races ---------------------------------------------------------------------------------------


@workflow
async def waits_race(n: int) -> None:
    await first(note.wait(), word.wait(), after(seconds(1)))
    await ask(n)


@workflow
async def steps_race(n: int) -> None:
    await first(ask(n), ask.named("second")(n))
    await tell(n)


@workflow
async def step_races_wait(n: int) -> None:
    await first(ask(n), note.wait())
    await tell(n)


def test_waits_race_in_one_place_and_steps_in_branches() -> None:
    """A deferred choice is one token; a race with a step in it has a token for each branch."""
    waits, steps = (compile_workflow(f).net for f in (waits_race, step_races_wait))
    assert [p.name for p in waits.places if p.kind is PlaceKind.WAITING] == [
        "first note, word, timer"
    ]
    assert not [p for p in waits.places if p.kind is PlaceKind.BRANCH]
    assert len([p for p in steps.places if p.name.endswith(" ended")]) == 2


def test_a_race_goes_on_once_when_its_losers_have_ended() -> None:
    """The loser of two steps may still be running when the other wins: the join waits for it.

    The first failure fails the race, and nothing of it runs behind the join.
    """
    found = histories(compile_workflow(steps_race).net)
    assert {h.events for h in found if h.end == "done"} == {
        ("ask", "tell"),
        ("second", "tell"),
    }
    assert {h.events for h in found if h.end == "failed"} == {()}
    waiting = histories(compile_workflow(step_races_wait).net)
    assert {h.events for h in waiting if h.end == "done"} == {("ask", "tell"), ("tell",)}


# --- a cancel reaches every resting place --------------------------------------------------------


def test_every_resting_place_before_a_pivot_hears_a_cancel() -> None:
    """On random programs: a call or wait drains, unless a pivot may lie behind it.

    Soundness does not ask for it: without drains a net is sound, and a cancel is never heard.
    """
    checked = 0
    for number, program in programs(range(150)):
        (body,) = program.blocks
        assert isinstance(body, Sequence)
        shielded = past_pivot(body)
        forks = [f for f in body.walk() if isinstance(f, Fork) and f.id in shielded]
        shielded |= {b.id for f in forks for b in f.branches}
        drained = {t.take[0] for t in program.net.transitions if t.kind is K.DRAIN}
        for place in program.net.places:
            if place.kind in (PlaceKind.BEFORE, PlaceKind.WAITING):
                if place.block not in shielded:
                    assert place.name in drained, (number, place.name)
                    checked += 1
            elif place.kind in (PlaceKind.DURING, PlaceKind.DOUBT, PlaceKind.AFTER):
                assert place.name not in drained, (number, place.name)
    assert checked > 500
