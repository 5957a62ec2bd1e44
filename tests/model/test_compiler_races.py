"""Races with a step in them: every history of their nets (rule 37; C19, C16), and that these nets
are sound. How the engine runs them is in `tests/engine/test_races.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from perdure.model.analysis import Answer, check
from perdure.model.compiler.compile import compile_workflow
from perdure.model.language.decorators import compensatable, idempotent, irreversible, observe
from perdure.model.language.effects import Landed, Retry, Voided
from perdure.model.language.scopes import saga
from perdure.model.language.waits import Signal, after, first, seconds
from perdure.model.language.workflows import Workflow, workflow
from perdure.model.net import PlaceKind, TransitionKind

from .histories import histories

ENDLESS = Retry(attempts=None)
word = Signal[str]("word")


class No(Exception):
    """A declared refusal."""


@compensatable(refused=(No,), retry=Retry(attempts=1))
async def hold(n: int) -> str: ...


@hold.undo
async def release(got: str | None, n: int) -> None: ...


@compensatable
async def book(n: int) -> str: ...


@book.undo
async def unbook(got: str) -> None: ...


@book.probe
async def look_for(n: int) -> Landed[str] | Voided: ...


@irreversible
async def charge(n: int) -> str: ...


@observe(retry=ENDLESS)
async def look(n: int) -> str: ...


@idempotent(retry=ENDLESS)
async def tell(n: int) -> str: ...


@workflow
async def bare(n: int) -> None:
    await first(hold(n), word.wait())
    await tell(n)


@workflow
async def two(n: int) -> None:
    await first(hold(n), book(n))
    await tell(n)


@workflow
async def two_in_a_saga(n: int) -> None:
    async with saga():
        await first(hold(n), book(n))
        await hold.named("last")(n)


@workflow
async def in_a_handler(n: int) -> None:
    try:
        async with saga():
            await first(hold(n), after(seconds(1)))
            await hold.named("last")(n)
    except No:
        await tell(n)


@workflow
async def each_round(n: int) -> None:
    for i in range(n):
        async with saga():
            await first(book(i), look(i))


@workflow
async def behind_the_pivot(n: int) -> None:
    async with saga():
        await charge(n)
        await first(look(n), word.wait(), book(n))
    await tell(n)


@workflow
async def pivot_in_a_round(n: int) -> None:
    async with saga():
        for i in range(n):
            await first(look(i), word.wait())
            await charge(i)


RACES: list[Workflow[..., Any]] = [
    bare,
    two,
    two_in_a_saga,
    in_a_handler,
    each_round,
    behind_the_pivot,
    pivot_in_a_round,
]


@pytest.mark.parametrize("flow", RACES, ids=lambda f: f.name)
def test_a_net_with_a_race_is_sound_and_keeps_the_effect_rules(flow: Workflow[..., Any]) -> None:
    """It can always end, nothing is left over, nothing in it is dead, and what a race has done is
    on an undo stack until it is kept or taken back."""
    report = check(compile_workflow(flow).net)
    assert {p.name: p.verdict for p in report.properties} == {
        p.name: Answer.HOLDS for p in report.properties
    }
    assert len(report.properties) >= 5
    assert [f for f in report.findings if f.severity == "error"] == []


def standing(landed: tuple[str, ...], undone: tuple[str, ...]) -> list[str]:
    """What has landed and not been undone."""
    left = list(landed)
    for site in undone:
        left.remove(site)
    return left


@pytest.mark.parametrize("crash", [False, True], ids=["calm", "in doubt"])
@pytest.mark.parametrize("cancel", [False, True], ids=["", "cancelled"])
def test_of_two_that_can_be_undone_one_stands_or_none(cancel: bool, crash: bool) -> None:
    """In every history the loser has gone back, and it did so before what comes behind the race;
    a refusal that came first fails the race, and then nothing stands."""
    found = histories(compile_workflow(two).net, cancel=cancel, crash=crash)
    both = False
    for history in found:
        left = standing(history.landed, history.undone)
        both |= len(history.landed) == 2
        if history.end == "done":
            assert len(left) == 1 and history.events[-1] == "tell", history
        elif history.end == "failed":
            assert left == [], history
        else:
            assert len(left) <= 1, history  # the cancel may come when one has won, in no saga
    assert both and {h.end for h in found} >= {"done", "failed"}
    assert ("cancelled" in {h.end for h in found}) == cancel


@pytest.mark.parametrize("cancel", [False, True], ids=["", "cancelled"])
def test_a_saga_that_fails_behind_a_race_undoes_the_winner_too(cancel: bool) -> None:
    """The winner's entry is handed over to the saga around: done, one of them stands with the last;
    else nothing does."""
    found = histories(compile_workflow(two_in_a_saga).net, cancel=cancel)
    ends = {(h.end, *sorted(standing(h.landed, h.undone))) for h in found}
    assert ends == {("done", "hold", "last"), ("done", "book", "last"), ("failed",)} | (
        {("cancelled",)} if cancel else set[tuple[str]]()
    )
    assert all(len(set(h.undone)) == len(h.undone) for h in found), "each once"


def test_a_race_that_fails_in_a_saga_is_undone_before_the_handler() -> None:
    """Refused, the race fails; won by the timer, what was in flight has gone back at once."""
    for history in histories(compile_workflow(in_a_handler).net, crash=True):
        if history.end == "failed" or history.events[-1:] == ("tell",):
            assert standing(history.landed, history.undone) == [], history


def test_a_losing_call_and_a_losing_wait_are_given_up_behind_a_pivot() -> None:
    """A cancel is not heard there (C16), and a race still ends when one has won: each resting place
    of its branches leads to the end of the branch, once the race itself is ending."""
    net = compile_workflow(behind_the_pivot).net
    drains = {t.take[0]: t.read for t in net.transitions if t.kind is TransitionKind.DRAIN}
    rests = [
        p
        for p in net.places
        if p.kind in (PlaceKind.BEFORE, PlaceKind.WAITING) and p.site not in ("charge", "tell")
    ]
    assert len(rests) == 3
    for place in rests:
        assert drains[place.name] == ("ending first look, word, book",), place.name
    reads = {read for t in net.transitions for read in t.read if t.kind is TransitionKind.CASCADE}
    assert "ending first look, word, book" not in reads
    for history in histories(net, cancel=True):
        assert history.end in ("done", "cancelled"), history
