"""Rule 27: the undo of a compensatable step in doubt takes a result that nobody has.

Crash, timeout and every other single fault at each boundary, for a step that has a probe, one whose
undo also takes `None`, and one with neither; on the way forward and on the way back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from perdure import (
    InDoubt,
    Landed,
    Retry,
    Voided,
    Workflow,
    compensatable,
    idempotent,
    irreversible,
    saga,
    seconds,
    together,
    workflow,
)
from perdure.chaos.enumeration import Enumeration, Played, enumerate_flow
from perdure.chaos.faults import Kind, cancels
from perdure.chaos.history import Flow, Outcome
from perdure.engine.records import Kind as Word
from perdure.model.compiler import compile_workflow


class Declined(Exception):
    """The receiver refuses."""


# The outside answers in place of every body.
@compensatable(timeout=seconds(5))
async def probed(item: str) -> str:
    """Its receiver can be asked."""
    raise AssertionError(item)


@probed.undo
async def undo_probed(got: str) -> None:
    """Put back."""
    raise AssertionError(got)


@probed.probe
async def ask(item: str) -> Landed[str] | Voided | InDoubt:
    """Close the key, then look."""
    raise AssertionError(item)


@compensatable(timeout=seconds(5))
async def unknown(item: str) -> str:
    """Its undo works without the result."""
    raise AssertionError(item)


@unknown.undo
async def undo_unknown(got: str | None, item: str) -> None:
    """Put back by the key."""
    raise AssertionError(got, item)


@compensatable(timeout=seconds(5))
async def bare(item: str) -> str:
    """Nobody can be asked, and its undo needs the result."""
    raise AssertionError(item)


@bare.undo
async def undo_bare(got: str) -> None:
    """Put back."""
    raise AssertionError(got)


@idempotent
async def tell(text: str) -> str:
    """Tell somebody."""
    raise AssertionError(text)


@idempotent(retry=Retry(attempts=1))
async def fail(text: str) -> str:
    """Refused."""
    raise AssertionError(text)


@irreversible(refused=(Declined,))
async def pay(text: str) -> str:
    """Refused."""
    raise AssertionError(text)


@workflow(version=1)
async def probed_forward(item: str) -> str:
    """It goes on."""
    async with saga():
        got = await probed(item)
        return await tell(got)


@workflow(version=1)
async def probed_beside(item: str) -> str:
    """Its sibling fails, before it, beside it or behind it."""
    async with saga():
        got, _ = await together(probed(item), fail(item))
        return got


@workflow(version=1)
async def probed_back(item: str) -> str:
    """It is taken back."""
    async with saga():
        return await pay(await probed(item))


@workflow(version=1)
async def unknown_forward(item: str) -> str:
    """It goes on."""
    async with saga():
        got = await unknown(item)
        return await tell(got)


@workflow(version=1)
async def unknown_beside(item: str) -> str:
    """Its sibling fails, before it, beside it or behind it."""
    async with saga():
        got, _ = await together(unknown(item), fail(item))
        return got


@workflow(version=1)
async def unknown_back(item: str) -> str:
    """It is taken back."""
    async with saga():
        return await pay(await unknown(item))


@workflow(version=1)
async def bare_forward(item: str) -> str:
    """It goes on."""
    async with saga():
        got = await bare(item)
        return await tell(got)


@workflow(version=1)
async def bare_beside(item: str) -> str:
    """Its sibling fails, before it, beside it or behind it."""
    async with saga():
        got, _ = await together(bare(item), fail(item))
        return got


@workflow(version=1)
async def bare_back(item: str) -> str:
    """It is taken back."""
    async with saga():
        return await pay(await bare(item))


def _declined(text: str) -> str:
    raise Declined(text)


def says(*arguments: object) -> str:
    """What every receiver but the last one answers."""
    return "got"


WORKFLOWS: dict[str, Workflow[[str], str]] = {
    made.name: made
    for made in (
        *(probed_forward, probed_back, probed_beside),
        *(unknown_forward, unknown_back, unknown_beside),
        *(bare_forward, bare_back, bare_beside),
    )
}
FLOWS = {
    name: Flow(
        name,
        partial(made, "book"),
        {
            **dict.fromkeys(("probed", "unknown", "bare", "tell"), says),
            **dict.fromkeys(("pay", "fail"), _declined),
        },
    )
    for name, made in WORKFLOWS.items()
}
Get = Callable[[Flow], Enumeration]
each_flow = pytest.mark.parametrize("name", FLOWS)


def site(name: str) -> str:
    """The step that a flow is about."""
    return name.split("_")[0]


def standing(outcome: Outcome, name: str) -> int:
    """Landings of the step that nothing has taken back."""
    gone = {undo.key for undo in outcome.ledger.undos}
    return sum(x.site == site(name) and x.key not in gone for x in outcome.ledger.landings)


def calls(outcome: Outcome, name: str, role: str) -> list[str]:
    """The keys under which the step, its probe or its undo was called."""
    return [c.key for c in outcome.ledger.calls if (c.site, c.role) == (site(name), role)]


def doubted(played: Played, name: str) -> bool:
    """The step was in doubt at some time: a crash transition of its site was fired."""
    net = compile_workflow(WORKFLOWS[name]).net
    crashes = [n for n, t in enumerate(net.transitions) if t.site == site(name)]
    return any(
        row["kind"] == Word.IN_DOUBT and row["transition"] in crashes
        for row in played.outcome.rows["log"]
    )


def told(played: Played, name: str) -> set[str]:
    """What is told of the step's outcomes that no call decided."""
    words = f"{site(name)} "
    return {t.removeprefix(words) for t in played.outcome.decided if t.startswith(words)}


@each_flow
def test_every_fault_at_every_boundary_is_survived(name: str, enumerated: Get) -> None:
    """Each planned fault fires, the oracle finds nothing broken; crash and timeout among them."""
    found = enumerated(FLOWS[name])
    assert found.failures == []
    played = Counter(each.fault.kind for each in found.played)
    assert played[Kind.CRASH] >= 20 and played[Kind.HANGS] == 1 and len(found.played) > 60


WAYS = {
    "probed": {"landed by probe", "voided by probe", "landed by evidence"},
    "unknown": {"undone by undo"},
    "bare": {"in-doubt", "landed by evidence"},
}
"""How the doubt of a step may end."""


@pytest.mark.parametrize("name", ["probed_forward", "unknown_forward"])
def test_forward_a_doubt_ends_in_one_that_stands(name: str, enumerated: Get) -> None:
    """Probe: landed, or voided and called again. `None`: undone by its key, and called again, with
    a new key each time. Never the desk, never two that stand."""
    doubts = 0
    for each in enumerated(FLOWS[name]).played:
        assert each.outcome.status == "done", each.fault
        assert standing(each.outcome, name) == 1, each.fault
        keys = calls(each.outcome, name, "step")
        assert len(set(keys)) == len(keys), "another attempt has another key"
        if doubted(each, name):
            doubts += 1
            assert told(each, name) <= WAYS[site(name)], each.fault
    assert doubts >= 8, "the table would show nothing"


BACK = ["probed_back", "probed_beside", "unknown_back", "unknown_beside"]


@pytest.mark.parametrize("name", BACK)
def test_back_nothing_is_left_standing(name: str, enumerated: Get) -> None:
    """Probe: landed, then undone with its value; voided, then nothing. `None`: undone without the
    result, found by the key of the forward call. The failure goes on behind it."""
    doubts = 0
    for each in enumerated(FLOWS[name]).played:
        if each.outcome.status == "on the desk":  # the payment, which nobody can be asked about
            assert not doubted(each, name), each.fault
            continue
        assert each.outcome.status == "failed", each.fault
        assert standing(each.outcome, name) == 0, each.fault
        rows = each.outcome.rows["effect"]
        forward = {row["key"] for row in rows if row["site"] == site(name)}
        assert set(calls(each.outcome, name, "step")) <= forward
        assert set(calls(each.outcome, name, "undo")) <= forward, "an undo has the forward key"
        doubts += doubted(each, name)
    assert doubts >= 8


@pytest.mark.parametrize("name", ["bare_forward", "bare_back", "bare_beside"])
def test_with_neither_a_doubt_waits_for_a_person(name: str, enumerated: Get) -> None:
    """It is called at most once, never undone, and stays where it is, unless its own caller comes
    back with the answer; where no doubt was, it ends as always."""
    doubts = 0
    for each in enumerated(FLOWS[name]).played:
        if not doubted(each, name):
            continue
        doubts += 1
        assert len(calls(each.outcome, name, "step")) <= 1, each.fault
        if "landed by evidence" not in told(each, name) and told(each, name) != {"undone by undo"}:
            assert each.outcome.status == "on the desk", each.fault
            assert told(each, name) == {"in-doubt"}, each.fault
            assert calls(each.outcome, name, "undo") == [], each.fault
    assert doubts >= 8


@pytest.mark.parametrize("name", ["unknown_back", "unknown_beside"])
def test_an_undo_without_the_result_is_given_none_and_the_arguments(
    name: str, enumerated: Get
) -> None:
    """In doubt it takes `(None, *arguments)`; when the result is known, the result, always."""
    given: dict[bool, set[str]] = {False: set(), True: set()}
    for each in enumerated(FLOWS[name]).played:
        undos = [c.occurrence for c in each.outcome.ledger.calls if c.role == "undo"]
        given[doubted(each, name)].update(undos)
    assert given[False] == {"('got', 'book')"} and "(None, 'book')" in given[True]


@pytest.mark.parametrize("name", ["probed_forward", "unknown_forward"])
def test_a_cancel_at_every_boundary_leaves_all_or_nothing(name: str, folder: Path) -> None:
    """What had landed is undone, or the saga was over and it stands; the oracle agrees."""
    found = enumerate_flow(FLOWS[name], folder, cancels)
    assert found.failures == []
    ends = Counter((e.outcome.status, standing(e.outcome, name)) for e in found.played)
    assert set(ends) == {("cancelled", 0), ("done", 1)}
    assert ends["cancelled", 0] >= 5
