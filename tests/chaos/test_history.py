"""A history as a whole: what is judged, how it ends, and that it says so when it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from perdure import workflow
from perdure.chaos import history
from perdure.chaos.enumeration import Counts, Enumeration, Played, complaints, hunt
from perdure.chaos.faults import Boundary, Edge, Fault, Kind
from perdure.chaos.history import Flow, History, Outcome, play, template
from perdure.chaos.ports import Gate
from perdure.specs.ledger import Ledger
from perdure.specs.oracle import Broken, Rule

from ..crash.flows import FLOWS, PAID


@workflow(version=1)
async def waits_for_ever() -> str:
    """Nobody sends what it waits for."""
    return await PAID.wait()


def test_a_calm_history_is_judged_after_every_commit_and_every_arrival(tmp_path: Path) -> None:
    """Each append, each write of a session and each request outside is a durable point."""
    flow = FLOWS["parallel"]
    path = tmp_path / "here.db"
    path.write_bytes(template(tmp_path, flow).read_bytes())
    points: list[str] = []
    one = History(flow, path)
    judge = one.judge

    def noted(point: str) -> None:
        points.append(point)
        judge(point)

    one.judge = noted
    outcome = one.run()
    appends = [p for p in outcome.points if p.boundary.operation == "append"]
    assert points.count("append of process 1") == len(appends) / 2
    assert points.count("call of process 1") == len(outcome.ledger.calls) == 2
    assert points.count("fence of process 1") == 1


def test_a_history_that_does_not_end_says_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait without a partner is no success and no endless test."""
    monkeypatch.setattr(history, "SECONDS_MAX", 3)
    flow = Flow("waits", waits_for_ever)
    outcome = play(flow, template(tmp_path, flow), tmp_path)
    assert outcome.status == "active"
    assert "still going on" in outcome.defects[0] and "paid" in outcome.defects[0]


def test_a_program_that_dies_of_an_error_is_a_defect(tmp_path: Path) -> None:
    """The client's own exception, here a workflow that cannot be started twice, is told."""
    flow = FLOWS["parallel"]
    # Its first step only looks, so it is called before the start is found to be refused.
    other = replace(flow, call=FLOWS["sequence"].call)
    path = tmp_path / "here.db"
    path.write_bytes(template(tmp_path, flow).read_bytes())
    History(flow, path).run()
    outcome = History(other, path).run()
    assert "ExecutionConflict" in outcome.defects[0]


def test_effects_that_no_call_decided_are_told(tmp_path: Path) -> None:
    """The story of a fault is short: what was in doubt, and who settled it."""
    flow = FLOWS["parallel"]
    fault = Fault(Boundary("world", "step pay", 1, Edge.AFTER), Kind.CRASH)
    outcome = play(flow, template(tmp_path, flow), tmp_path, fault)
    assert outcome.decided == ("pay landed by probe",)
    assert play(flow, template(tmp_path, flow), tmp_path).decided == ()


def outcome(status: str, fired: bool = True, broken: tuple[Broken, ...] = ()) -> Outcome:
    """An outcome by hand."""
    one = Outcome(Gate(), Ledger())
    one.status, one.fired, one.broken, one.broken_at = status, fired, list(broken), "append"
    return one


BROKEN = Broken(Rule.CHAIN, "e", "record 3")
FAULT = Fault(Boundary("store", "append", 1, Edge.BEFORE), Kind.CRASH)


def test_an_enumeration_counts_and_blames() -> None:
    """An unfired fault, a broken rule and a defect are failures; an end is only counted."""
    defect = outcome("done")
    defect.defects.append("it raised")
    played = [
        Played(FAULT, one)
        for one in (outcome("done"), outcome("failed", False), outcome("done", True, (BROKEN,)))
    ]
    found = Enumeration(FLOWS["parallel"], outcome("done"), [*played, Played(FAULT, defect)])
    assert found.counts == Counts(0, 4, {"done": 3, "failed": 1})
    assert found.failures == [
        "parallel, crash before store.append 1: the planned fault never fired",
        "parallel, crash before store.append 1: the hash chain is whole: record 3 [append]",
        "parallel, crash before store.append 1: it raised",
    ]
    assert found.at("before store.append 1", Kind.CRASH) is played[0].outcome
    assert complaints(outcome("done")) == []


def test_a_table_has_a_line_for_each_boundary(tmp_path: Path) -> None:
    """Boundary by outcome, with the totals below."""
    flow = FLOWS["parallel"]
    calm = play(flow, template(tmp_path, flow), tmp_path)
    first = Fault(calm.points[0].boundary, Kind.CRASH)
    table = Enumeration(flow, calm, [Played(first, outcome("done"))]).table().splitlines()
    assert table[0] == f"parallel: {len(calm.points)} boundaries, 1 faults"
    assert table[1].split() == ["before", "store.open", "1", "crash", "->", "done"]
    assert len(table) == len(calm.points) + 2 and table[-1] == "  in all: 1 done"


def test_a_hunt_ends_without_a_catch_when_the_engine_is_whole(tmp_path: Path) -> None:
    """The unmutated engine is what the mutants are measured against."""
    assert hunt(FLOWS["parallel"], tmp_path) is None
