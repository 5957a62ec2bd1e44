"""Every boundary of the three ports, every fault that fits there, for five workflows.

`pytest tests/crash/test_enumeration.py -s` prints the table boundary by outcome.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from perdure.chaos.enumeration import Enumeration, enumerate_flow
from perdure.chaos.faults import Boundary, Edge, Fault, Kind, cancels

from .counts import CANCELLED, COUNTS
from .flows import FLOWS

Get = Callable[..., Enumeration]
each_flow = pytest.mark.parametrize("name", FLOWS)


@each_flow
def test_every_single_fault_at_every_boundary_is_survived(name: str, enumerated: Get) -> None:
    """Every planned fault fires, the oracle finds no broken rule at any durable point, and the
    execution ends."""
    found = enumerated(FLOWS[name])
    print("\n" + found.table())
    assert found.failures == []


@each_flow
def test_the_boundaries_are_those_that_were_counted(name: str, enumerated: Get) -> None:
    """Not one boundary less than last time: a hole in the enumeration would be silent."""
    counts = enumerated(FLOWS[name]).counts
    assert counts == COUNTS[name], f'tests/crash/counts.py: "{name}": {counts!r},'


@each_flow
def test_a_run_meets_all_three_ports(name: str, enumerated: Get) -> None:
    """Store, World and Clock have boundaries in every flow."""
    ports = {point.boundary.port for point in enumerated(FLOWS[name]).calm.points}
    assert ports == {"store", "world", "clock"}


@each_flow
def test_a_crash_is_met_on_both_sides_of_every_operation(name: str, enumerated: Get) -> None:
    """No boundary is without a crash; a moment of the clock has one side only."""
    found = enumerated(FLOWS[name])
    assert all(Kind.CRASH in point.kinds for point in found.calm.points)
    sides: dict[tuple[str, str, int], set[Edge]] = {}
    for port, operation, number, edge in (point.boundary for point in found.calm.points):
        sides.setdefault((port, operation, number), set()).add(edge)
    assert {k: s for k, s in sides.items() if len(s) != (1 if k[0] == "clock" else 2)} == {}


def test_every_kind_of_fault_is_played(enumerated: Get) -> None:
    """The catalogue of faults has no entry that nothing ever suffers."""
    played = {each.fault.kind for flow in FLOWS.values() for each in enumerated(flow).played}
    assert played == set(Kind) - {Kind.CANCELLED}


CHARGED = [
    ("before", Kind.CRASH, ("voided by probe",), "the call never left: voided, then called again"),
    ("before", Kind.CRASH_SENT, ("voided by probe",), "closed before it lands, then called again"),
    ("before", Kind.RAISES, ("voided by probe",), "an exception is doubt, not failure"),
    ("before", Kind.HANGS, ("voided by probe",), "a timeout is doubt, and a late landing refused"),
    ("after", Kind.CRASH, ("landed by probe",), "it landed: the probe says so, no second call"),
    ("after", Kind.STOPPED, ("landed by evidence",), "the zombie writes nothing, but testifies"),
    (
        "after",
        Kind.LANDS_AND_RAISES,
        ("landed by probe",),
        "landed, though its caller saw an error",
    ),
]


@pytest.mark.parametrize(("edge", "kind", "decided", "why"), CHARGED)
def test_a_fault_around_the_charge_ends_in_one_landing(
    edge: str, kind: Kind, decided: tuple[str, ...], why: str, enumerated: Get
) -> None:
    """In doubt, then decided by who can know; the order is done and the card is charged once."""
    outcome = enumerated(FLOWS["fulfil_order"]).at(f"{edge} world.step charge_card 1", kind)
    assert outcome.decided == tuple(f"charge_card {told}" for told in decided), why
    assert outcome.status == "done"
    assert [x.site for x in outcome.ledger.landings].count("charge_card") == 1


def test_what_nobody_can_be_asked_about_waits_for_a_person(enumerated: Get) -> None:
    """Without a probe, a fault between the intent and the outcome leads to the desk, no other."""
    found = enumerated(FLOWS["sequence"])
    order = [point.boundary for point in found.calm.points]
    call = [n for n, b in enumerate(order) if b.operation == "step wire"]
    appends = [n for n, b in enumerate(order) if b.operation == "append"]
    intent = max(n for n in appends if n < call[0])
    outcome = min(n for n in appends if n > call[1])
    on_desk = {order.index(f.boundary) for f, o in found.played if o.status == "on the desk"}
    assert on_desk == set(range(intent, outcome + 1))
    landed = [len(o.ledger.landings) for _, o in found.played if o.status == "on the desk"]
    assert set(landed) == {1, 2}, "notify, and wire at most once"


def test_an_undo_comes_once_and_last_first_whatever_breaks(enumerated: Get) -> None:
    """In all histories of the failing saga nothing is left standing and `hold` goes back last."""
    for _, outcome in enumerated(FLOWS["failing_saga"]).played:
        standing = {x.key for x in outcome.ledger.landings} - {x.key for x in outcome.ledger.undos}
        assert standing == set()
        assert outcome.ledger.undos[-1].site == "hold"


def test_a_signal_is_taken_once_whatever_breaks(enumerated: Get) -> None:
    """The message of the loop is paid out once in every history, or the reminders ran out first."""
    for fault, outcome in enumerated(FLOWS["reminders"]).played:
        paid = [x.site for x in outcome.ledger.landings].count("pay_out")
        assert paid == 1, str(fault)


def test_a_planned_fault_that_never_fires_is_a_failure(folder: Path) -> None:
    """A boundary that the run does not reach cannot count as survived."""
    nowhere = Boundary("store", "append", 99, Edge.BEFORE)
    found = enumerate_flow(FLOWS["parallel"], folder, lambda _: [Fault(nowhere, Kind.CRASH)])
    assert found.failures == [
        "parallel, crash before store.append 99: the planned fault never fired"
    ]


@each_flow
def test_a_cancel_at_every_boundary_is_taken_whole_or_not_at_all(
    name: str, enumerated: Get
) -> None:
    """Rule 42, exhaustively: what is under way settles, what was done is undone or stands by the
    pivot, and the oracle finds nothing broken on the way."""
    found = enumerated(FLOWS[name], cancels)
    print("\n" + found.table())
    assert found.failures == []
    assert found.counts == CANCELLED[name], f'tests/crash/counts.py: "{name}": {found.counts!r},'


def test_a_cancelled_order_is_undone_or_past_its_pivot(enumerated: Get) -> None:
    """Before the charge everything is taken back; behind it everything stands (rule 43), and what
    comes after the saga is done, or left, or may have happened (an idempotent call was cut)."""
    for fault, outcome in enumerated(FLOWS["fulfil_order"], cancels).played:
        undone = {undo.key for undo in outcome.ledger.undos}
        standing = {x.site for x in outcome.ledger.landings if x.key not in undone}
        saga = {"reserve_stock", "book_courier", "charge_card"}
        assert standing - {"email_receipt"} in (set(), saga), str(fault)
        assert outcome.status != "done" or "email_receipt" in standing, str(fault)


def test_the_manual_tells_the_figures_that_are_asserted(root: Path) -> None:
    """Each row of docs/crash-testing.md holds the numbers of counts.py, and the sums are sums."""
    page = (root / "docs" / "crash-testing.md").read_text(encoding="utf-8")
    page = page.partition("## Pairs of faults")[0]
    rows = {
        line.split("`")[1]: [int(n) for n in re.findall(r"\d+", line)]
        for line in page.splitlines()
        if line.startswith("| `") and line.split("`")[1] in COUNTS
    }
    assert rows == {
        name: [
            *(count.boundaries, count.faults, *count.outcomes.values()),
            *(CANCELLED[name].faults, *CANCELLED[name].outcomes.values()),
        ]
        for name, count in COUNTS.items()
    }
    sums = [sum(c.boundaries for c in COUNTS.values()), sum(c.faults for c in COUNTS.values())]
    assert f"| together | {sums[0]} | {sums[1]} |" in page
    assert f"| {sum(c.faults for c in CANCELLED.values())} | |" in page
