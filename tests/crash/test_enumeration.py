"""Every boundary of the three ports, every fault that fits there, for five workflows.

`pytest tests/crash/test_enumeration.py -s` prints the table boundary by outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from perdure.chaos.enumeration import Enumeration, enumerate_flow
from perdure.chaos.faults import Boundary, Edge, Kind, Point
from perdure.chaos.history import Flow

from .counts import COUNTS
from .flows import FLOWS

Get = Callable[[Flow], Enumeration]
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
    """Store, World and Clock have boundaries; only a flow that waits for nothing has no moments."""
    ports = {point.boundary.port for point in enumerated(FLOWS[name]).calm.points}
    waits = name in ("sequence", "reminders")
    assert ports == ({"store", "world", "clock"} if waits else {"store", "world"})


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
    assert played == set(Kind)


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
    """Without a probe, a fault while the call is under way leads to the desk, and only then."""
    found = enumerated(FLOWS["sequence"])
    on_desk = {str(f.boundary) for f, o in found.played if o.status == "on the desk"}
    assert on_desk == {
        "after store.append 5",
        "before world.step wire 1",
        "after world.step wire 1",
        "before store.append 6",
    }
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
    found = enumerate_flow(FLOWS["parallel"], folder, [Point(nowhere, (Kind.CRASH,))])
    assert found.failures == [
        "parallel, crash before store.append 99: the planned fault never fired"
    ]
