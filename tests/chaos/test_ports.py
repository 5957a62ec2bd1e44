"""The wrapped ports: every use is numbered, a fault falls where it was planned, a dead process does
nothing."""

from __future__ import annotations

import inspect
import sqlite3
from pathlib import Path

import pytest
from perdure.chaos.faults import Boundary, Edge, Fault, Kind, kinds
from perdure.chaos.history import Flow, Outcome, play, template
from perdure.chaos.ports import NATURES, Gate
from perdure.engine.store import Store

from ..crash.flows import FLOWS

APPEND = Boundary("store", "append", 2, Edge.AFTER)


def test_every_operation_of_the_store_has_a_nature() -> None:
    """A new method of the port cannot slip past the enumeration."""
    public = {name for name, _ in inspect.getmembers(Store) if not name.startswith("_")}
    assert public - {"transaction"} == set(NATURES)
    asynchronous = {n for n in public if inspect.iscoroutinefunction(getattr(Store, n))}
    assert {n for n, nature in NATURES.items() if not nature} & asynchronous == {"close"}


def test_uses_are_numbered_by_port_and_operation() -> None:
    """From 1, each operation by itself."""
    gate = Gate()
    numbers = [gate.number("store", name) for name in ("append", "claim", "append", "append")]
    assert numbers == [1, 1, 2, 3]


def test_the_clock_is_met_once_between_two_other_uses() -> None:
    """A crash between two moments is the crash before the first: it is not counted twice."""
    gate = Gate()
    ports = ["clock", "clock", "clock", "store", "clock", "clock"]
    assert [gate.number(port, "later") for port in ports] == [1, 0, 0, 1, 2, 0]


def test_a_gate_breaks_once_and_only_there() -> None:
    """At the planned boundary, the first time; everything else passes and is recorded."""
    gate = Gate(Fault(APPEND, Kind.CRASH))
    other = APPEND._replace(number=1)
    fitting = kinds("commit", Edge.AFTER)
    assert gate.meet(other, fitting) is None and not gate.fired
    assert gate.meet(APPEND, fitting) is Kind.CRASH and gate.fired
    assert gate.meet(APPEND, fitting) is None
    assert [point.boundary for point in gate.points] == [other, APPEND, APPEND]
    assert gate.fired_at == [1]


def test_a_second_fault_is_awaited_behind_the_first_only() -> None:
    """In the order in which they are planned, each once; what comes too early passes."""
    first, second = Fault(APPEND, Kind.CRASH), Fault(APPEND._replace(number=3), Kind.STOPPED)
    gate, fitting = Gate(first, second), kinds("commit", Edge.AFTER)
    assert gate.meet(second.boundary, fitting) is None
    assert gate.meet(first.boundary, fitting) is Kind.CRASH and not gate.fired
    assert gate.meet(first.boundary, fitting) is None
    assert gate.meet(second.boundary, fitting) is Kind.STOPPED and gate.fired
    assert gate.fired_at == [1, 3]


def test_a_fault_that_does_not_fit_its_boundary_is_refused() -> None:
    """A commit cannot be in doubt before it has begun to be one."""
    gate = Gate(Fault(APPEND, Kind.HANGS))
    with pytest.raises(AssertionError, match="does not fit"):
        gate.meet(APPEND, kinds("commit", Edge.AFTER))


@pytest.fixture
def flow() -> Flow:
    """The smallest flow with an effect that needs an intent."""
    return FLOWS["parallel"]


def broken_at(flow: Flow, folder: Path, kind: Kind, boundary: Boundary | None) -> Outcome:
    faults = [] if boundary is None else [Fault(boundary, kind)]
    return play(flow, template(folder, flow), folder, *faults)


def test_a_crash_before_a_commit_loses_it_and_after_it_keeps_it(flow: Flow, tmp_path: Path) -> None:
    """The records of the first process, by their tenure: one commit more or less."""
    counts: list[int] = []
    for edge in Edge:
        outcome = broken_at(flow, tmp_path, Kind.CRASH, APPEND._replace(edge=edge))
        assert outcome.process_count == 2
        counts.append(sum(record["tenure"] == 1 for record in outcome.rows["log"]))
    assert counts[0] < counts[1]


def test_both_ambiguous_commits_end_the_session_in_the_same_process(
    flow: Flow, tmp_path: Path
) -> None:
    """No second process comes; the session is fenced by its own handover."""
    for kind, edge in ((Kind.NOT_COMMITTED, Edge.BEFORE), (Kind.COMMITTED, Edge.AFTER)):
        outcome = broken_at(flow, tmp_path, kind, APPEND._replace(edge=edge))
        assert outcome.process_count == 1 and outcome.status == "done"
        assert [row["fenced"] is not None for row in outcome.rows["session"]] == [True, True]
        assert {record["tenure"] for record in outcome.rows["log"]} == {1, 2}


def test_a_stopped_process_wakes_as_a_zombie_and_writes_nothing(flow: Flow, tmp_path: Path) -> None:
    """It is fenced before it goes on, and what follows is written under another tenure."""
    outcome = broken_at(flow, tmp_path, Kind.STOPPED, APPEND)
    assert outcome.process_count == 2 and outcome.defects == [] and outcome.broken == []
    assert outcome.rows["log"][-1]["tenure"] > 1


def test_a_request_on_its_way_lands_after_its_process_is_gone(flow: Flow, tmp_path: Path) -> None:
    """It comes late; the key was closed by then, so the second attempt is the only landing."""
    there = Boundary("world", "step pay", 1, Edge.BEFORE)
    outcome = broken_at(flow, tmp_path, Kind.CRASH_SENT, there)
    calls = [call.key for call in outcome.ledger.calls if (call.site, call.role) == ("pay", "step")]
    landed = [landing.key for landing in outcome.ledger.landings if landing.site == "pay"]
    assert len(set(calls)) == 2 and landed == calls[1:]


def test_the_same_fault_leads_to_the_same_history(flow: Flow, tmp_path: Path) -> None:
    """To the byte, times included: a failure that was seen can be seen again."""
    for kind in (Kind.CRASH, Kind.STOPPED, Kind.COMMITTED):
        one, two = (broken_at(flow, tmp_path, kind, APPEND) for _ in range(2))
        assert one.rows["log"] == two.rows["log"] and len(one.rows["log"]) > 3
        assert one.ledger == two.ledger


def test_a_transaction_of_a_dead_process_leaves_nothing(tmp_path: Path) -> None:
    """A crash inside a transactional step, behind the author's insert: no row of it is there."""
    flow = FLOWS["fulfil_order"]
    seen: list[int] = []

    def count(connection: sqlite3.Connection, status: str) -> list[str]:
        seen.append(connection.execute("SELECT count(*) FROM orders").fetchone()[0])
        return []

    watched = Flow(flow.name, flow.call, flow.answers, tables=flow.tables, check=count)
    inside = Boundary("world", "step save_order", 1, Edge.AFTER)
    outcome = play(watched, template(tmp_path, watched), tmp_path, Fault(inside, Kind.CRASH))
    assert (outcome.status, seen) == ("done", [1])
