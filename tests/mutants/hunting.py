"""The hunt for a mutant: first the test of its rule, if it names one; then the calm runs of all
flows, every single fault and every cancel of them, and random histories, until somebody objects.

All mutants meet the same histories in the same order, so how many it took can be compared. No
mutant lives here.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from perdure.chaos import campaign, history
from perdure.chaos.faults import Boundary, Edge, Fault, Kind, Point, cancels, single_faults
from perdure.chaos.history import Flow, Outcome, play, template
from perdure.specs.oracle import Rule

from ..crash.flows import FLOWS
from ..crash.test_races import INSTANT, OFFERS, offer_against_a_word
from ..stores.conftest import Lab
from .flows import DOUBTS
from .mutant import Direct, Mutant
from .patching import Patch, patched

ENDS = "every execution ends, and nobody meets a defect"
SECONDS_MAX = 90  # twice what the longest lawful history of these takes in simulated time
NO_FAULT = "no fault"
BY_TEST = "the test of the rule"
RACES = (INSTANT, OFFERS, offer_against_a_word(0.015))
HUNTED: dict[str, Flow] = {flow.name: flow for flow in (*FLOWS.values(), *DOUBTS, *RACES)}
"""In this order."""
RANDOM, RANDOM_COUNT = list(FLOWS.values()), 2_000
SEED, CAMPAIGN = "mutants", "random histories"


class Caught(NamedTuple):
    """What caught a mutant: a history or a test, and after how many histories."""

    by: str  # flow, or test
    fault: str  # kind and boundary of a history
    rule: str
    says: str
    histories: int
    both: bool = False  # only with the other guards taken out too


def objection(outcome: Outcome) -> tuple[str, str] | None:
    """The broken rule and what is said of it: the oracle's, a defect, or else the protocol's."""
    ruled = [broken for broken in outcome.broken if broken.rule is not Rule.PROTOCOL]
    if not ruled and outcome.defects:
        return ENDS, outcome.defects[0]
    first = next(iter(ruled or outcome.broken), None)
    return None if first is None else (first.rule.value, first.says)


def played(flow: Flow, empty: Path, folder: Path, fault: Fault | None) -> Outcome:
    """A history that ends soon, whatever was done to the engine."""
    before, history.SECONDS_MAX = history.SECONDS_MAX, SECONDS_MAX
    try:
        return play(flow, empty, folder, *([fault] if fault else []))
    finally:
        history.SECONDS_MAX = before


class Played(NamedTuple):
    """One history of the hunt."""

    flow: Flow
    empty: Path  # the database it begins with
    fault: Fault | None
    outcome: Outcome


def histories(folder: Path) -> Iterator[Played]:
    """The calm runs of all flows, then every single fault of all, then every cancel of all."""
    points: dict[str, Sequence[Point]] = {}
    for name, flow in HUNTED.items():
        empty = template(folder, flow)
        calm = Played(flow, empty, None, played(flow, empty, folder, None))
        points[name] = calm.outcome.points
        yield calm
    for plan in (single_faults, cancels):
        for name, flow in HUNTED.items():
            empty = template(folder, flow)
            for fault in plan(points[name]):
                yield Played(flow, empty, fault, played(flow, empty, folder, fault))


def hunt(folder: Path) -> Caught | int:
    """Play until something is objected to; how many histories there were, if nothing is."""
    count = 0
    for count, one in enumerate(histories(folder), 1):
        found = objection(one.outcome)
        if found is not None:
            return Caught(one.flow.name, str(one.fault or NO_FAULT), *found, count)
    return count


def at_random(before: int) -> Caught | None:
    """Random histories with several workers and faults, the same ones for everybody."""
    report = campaign.campaign(RANDOM, histories=RANDOM_COUNT, seed=SEED)
    if not report.failures:
        return None
    failure = report.failures[0]
    rule, _, says = failure.wrong[0].partition(": ")
    choices = " ".join(map(str, failure.choices))
    return Caught(CAMPAIGN, choices, rule, says, before + failure.history)


def fault_of(told: str) -> Fault | None:
    """A fault of its text."""
    if told == NO_FAULT:
        return None
    for kind in sorted(Kind, key=len, reverse=True):
        if told.startswith(f"{kind} "):
            edge, _, rest = told.removeprefix(f"{kind} ").partition(" ")
            used, _, number = rest.rpartition(" ")
            port, _, operation = used.partition(".")
            return Fault(Boundary(port, operation, int(number), Edge(edge)), kind)
    raise ValueError(told)


def again(caught: Caught, folder: Path) -> tuple[str, str] | None:
    """What is objected to in the history that is recorded, under the patches in force."""
    if caught.by == CAMPAIGN:
        wrong = campaign.replay(RANDOM, [int(n) for n in caught.fault.split()]).wrong
        rule, _, says = wrong[0].partition(": ") if wrong else ("", "", "")
        return (rule, says) if wrong else None
    flow = HUNTED[caught.by]
    return objection(played(flow, template(folder, flow), folder, fault_of(caught.fault)))


# --- tests of the rule ----------------------------------------------------------------------------


def fails(direct: Direct) -> str | None:
    """Why a test of the suite fails under the patches in force; None when it passes."""
    test = getattr(importlib.import_module(f"..{direct.module}", __package__), direct.test)
    try:
        asyncio.run(_performed(test, direct))
    except (Exception, pytest.fail.Exception) as failure:
        return f"{type(failure).__name__}: {failure}".splitlines()[0][:200]
    return None


async def _performed(test: Callable[..., Any], direct: Direct) -> None:
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-mutant-")))
        given: dict[str, Any] = {"laboratory": Lab, "tmp_path": place, "path": str(place / "s.db")}
        names = inspect.signature(test).parameters
        if "lab" in names:
            lab = given["lab"] = Lab(str(place / "store.db"))
            await lab.store.open()
            stack.push_async_callback(lab.store.close)
        given |= direct.given
        answer = test(**{name: given[name] for name in names})
        if inspect.isawaitable(answer):
            await answer


# --- a mutant -------------------------------------------------------------------------------------


def alone(mutant: Mutant, folder: Path) -> Caught | None:
    """What catches the mutant as it is: the test of its rule, if there is one, or a history."""
    assert mutant.patch is not None
    with patched(mutant.patch):
        why = fails(mutant.direct) if mutant.direct is not None else None
        if why is not None:
            return Caught(str(mutant.direct), "", BY_TEST, why, 0)
        found = hunt(folder)
        return found if isinstance(found, Caught) else at_random(found)


def together(mutant: Mutant, folder: Path) -> Caught | None:
    """What catches it with the guard beside it taken out too, and does not mind that guard alone:
    so each of the two does by itself what both are there for.
    """
    assert mutant.patch is not None and mutant.both is not None
    if mutant.direct is not None:
        with patched(mutant.patch, mutant.both):
            why = fails(mutant.direct)
        with patched(mutant.both):
            if why is not None and fails(mutant.direct) is None:
                return Caught(str(mutant.direct), "", BY_TEST, why, 0, True)
    other = mutant.both

    def minded(one: Played) -> bool:
        with patched(other):
            return objection(played(one.flow, one.empty, folder, one.fault)) is None

    for count, one in enumerate(_under(histories(folder), mutant.patch, other), 1):
        found = objection(one.outcome)
        if found is not None and minded(one):
            return Caught(one.flow.name, str(one.fault or NO_FAULT), *found, count, True)
    return None


def _under(found: Iterator[Played], *patches: Patch) -> Iterator[Played]:
    """Play each of them under these patches, which are taken back in between."""
    while True:
        with patched(*patches):
            one = next(found, None)
        if one is None:
            return
        yield one


def verdict(mutant: Mutant, folder: Path) -> Caught | None:
    """What catches a mutant, alone or as one of two guards; None: it survives."""
    found = alone(mutant, folder)
    return together(mutant, folder) if found is None and mutant.both is not None else found


def memory_folder() -> tempfile.TemporaryDirectory[str]:
    """Where histories are played: in memory, if the machine offers a place."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    return tempfile.TemporaryDirectory(prefix="perdure-mutants-", dir=place)
