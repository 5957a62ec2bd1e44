"""Ordered pairs of faults: the second falls where the first is being mended.

A few boundaries of each flow here, so many as the manual says in the nightly run.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import settings
from perdure.chaos.faults import Boundary, Edge, Fault, Kind, Point
from perdure.chaos.history import THIRD_LEASE_SECONDS, Outcome, play, template
from perdure.chaos.pairs import BOUNDARIES_MAX, Pairs, enumerate_pairs, spread
from perdure.chaos.ports import Gate
from perdure.specs.ledger import Ledger

from .. import kept
from .counts import PAIRS, SOME_PAIRS
from .flows import FLOWS

NIGHTLY = settings.get_current_profile_name() == "nightly"
FIRSTS, SECONDS = (BOUNDARIES_MAX, BOUNDARIES_MAX) if NIGHTLY else (2, 3)
EXPECTED = PAIRS if NIGHTLY else SOME_PAIRS
ENDS = {"done", "failed", "on the desk"}


@pytest.mark.parametrize("name", FLOWS)
def test_every_pair_of_faults_is_survived(name: str, folder: Path) -> None:
    """Both fire, one behind the other, no rule is broken at any durable point, the execution ends:
    and there are as many pairs as last time."""
    found = enumerate_pairs(FLOWS[name], folder, SECONDS, firsts_max=FIRSTS)
    print(f"\n{name}: {found.history_count} histories, {found.counts}")
    if NIGHTLY:
        kept.keep(f"pairs {name}", {"pairs": found.counts.pairs, "wrong": found.failures})
    assert found.failures == []
    counts = found.counts[:2] if NIGHTLY else found.counts
    assert counts == EXPECTED[name], f'tests/crash/counts.py: "{name}": {counts!r},'
    assert set(found.ends) <= ENDS
    assert {2, 3} <= set(found.process_counts), "a second process died or stopped, too"


def test_the_second_fault_lies_behind_the_first(folder: Path) -> None:
    """Its boundary is one that only the recovery from the first has reached."""
    flow = FLOWS["parallel"]
    empty = template(folder, flow)
    crash = Fault(Boundary("store", "append", 2, Edge.AFTER), Kind.CRASH)
    once = play(flow, empty, folder, crash)
    fence = Boundary("store", "fence", 1, Edge.AFTER)
    assert fence in [point.boundary for point in once.points[once.fired_at[0] :]]
    assert fence not in [point.boundary for point in once.points[: once.fired_at[0]]]
    twice = play(flow, empty, folder, crash, Fault(fence, Kind.CRASH))
    assert twice.fired and twice.process_count == 3
    assert (twice.broken, twice.defects, twice.status) == ([], [], "done")
    backwards = play(flow, empty, folder, Fault(fence, Kind.CRASH), crash)
    assert not backwards.fired, "a fault is awaited only behind the one before it"


def test_a_third_process_waits_for_the_lease_of_a_second_that_may_be_alive(folder: Path) -> None:
    """The first is provably gone; of the second nobody knows, so its beat has to stand still."""
    flow = FLOWS["parallel"]
    empty = template(folder, flow)
    crash = Fault(Boundary("store", "append", 2, Edge.AFTER), Kind.CRASH)
    claimed = Fault(Boundary("store", "claim", 2, Edge.AFTER), Kind.CRASH)
    outcome = play(flow, empty, folder, crash, claimed)
    assert outcome.status == "done" and not outcome.broken
    first, second, _ = (row["fenced"] - row["registered"] for row in outcome.rows["session"])
    assert first < 1e6 * THIRD_LEASE_SECONDS <= second, "microseconds"


def test_what_a_late_answer_takes_from_the_desk_is_gone_on_with(folder: Path) -> None:
    """Two zombies sleep; the doubt lies on the desk, so all are told to end; then the first wakes,
    and says that its call has landed. Somebody comes and ends the execution."""
    flow = FLOWS["sequence"]
    first = Fault(Boundary("world", "step wire", 1, Edge.AFTER), Kind.ASLEEP)
    second = Fault(Boundary("store", "claim", 3, Edge.AFTER), Kind.ASLEEP)
    outcome = play(flow, template(folder, flow), folder, first, second)
    assert outcome.fired and (outcome.broken, outcome.defects) == ([], [])
    assert outcome.status == "done" and outcome.process_count == 4
    assert "wire landed by evidence" in outcome.decided


def test_boundaries_are_taken_evenly_and_all_when_they_are_few() -> None:
    """No two are the same, and they keep their order."""
    assert spread(range(5), 40) == [0, 1, 2, 3, 4]
    assert spread(range(56), 4) == [7, 21, 35, 49]
    assert len(set(spread(range(63), 40))) == 40
    assert spread([], 3) == []


def test_pairs_are_counted_and_blamed() -> None:
    """A second fault that never fires is a failure, and both faults are named."""
    first = Fault(Boundary("store", "append", 1, Edge.BEFORE), Kind.CRASH)
    second = Fault(Boundary("store", "append", 9, Edge.AFTER), Kind.STOPPED)
    gate = Gate(first, second)
    gate.points.append(Point(first.boundary, (Kind.CRASH,)))
    gate.fired_at.append(0)
    outcome = Outcome(gate, Ledger())
    outcome.status, outcome.process_count = "done", 2
    outcome.defects.append("it raised")
    found = Pairs(FLOWS["parallel"])
    found.note((first,), outcome)
    found.note((first, second), outcome)
    assert found.counts == (1, 1, {"done": 1}) and found.history_count == 3
    told = "parallel, crash before store.append 1"
    both = f"{told}, then stopped until taken over after store.append 9"
    assert found.failures == [
        f"{told}: it raised",
        f"{both}: a planned fault never fired",
        f"{both}: it raised",
    ]


def test_the_manual_tells_the_figures_of_the_nightly_run(root: Path) -> None:
    """Each row of pairs in docs/crash-testing.md holds the numbers of counts.py."""
    page = (root / "docs" / "crash-testing.md").read_text(encoding="utf-8")
    section = page.partition("## Pairs of faults")[2].partition("\n## ")[0]
    rows = {
        line.split("`")[1]: [int(n) for n in re.findall(r"\d+", line.replace(",", ""))]
        for line in section.splitlines()
        if line.startswith("| `")
    }
    assert rows == {name: [*PAIRS[name], SOME_PAIRS[name].pairs] for name in FLOWS}
    assert f"{sum(pairs for _, pairs in PAIRS.values()):,} pairs" in section
