"""What leaves without an intent of its own, and what receivers answer: held against the durable
records. The material is the run of a real flow, told record by record, with its calls between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from perdure.chaos.history import Flow, play, template
from perdure.chaos.outside import Answer
from perdure.specs.game import Net
from perdure.specs.ledger import Ledger
from perdure.specs.oracle import Rows
from perdure.specs.protocol.plain import Refused
from perdure.specs.trace import Trace
from perdure.specs.unbound import Unbound

from ..crash.conftest import folder as folder
from ..crash.flows import FLOWS, says
from ..mutants.flows import LOST

Row = Mapping[str, Any]
INTENT, FIRED, IN_DOUBT, UNDONE, FINISHED = 1, 2, 6, 8, 11


def fails_once() -> Answer:
    """A bank that cannot be reached at first."""
    errors = [ConnectionError("no route")]

    def reply(*arguments: object) -> str:
        if errors:
            raise errors.pop()
        return "paid"

    return reply


VOIDED = Flow("voided", LOST.call, {"pay": fails_once(), "notify": says("told")})


class Told:
    """A log and what happened outside, told step by step to a trace that is watched."""

    def __init__(self, rows: Rows, ledger: Ledger) -> None:
        (definition,) = rows["definition"]
        self.rows, self.ledger = rows, ledger
        self.trace = Trace(Net(json.loads(definition["body"])["net"]), watched=True)
        self._left = list(rows["log"])
        self.trace.claimed(1, 1)

    def until(self, kind: int, name: str = "", *, deaf: str = "") -> None:
        """Tell records up to the first of a kind, which is next, with what was called for and
        answered between; not the answers of a role to which it is `deaf`."""
        for answer in self.ledger.answers:
            if answer.role != deaf:
                self.trace.asking.heard(answer.role, answer.key, answer.says)
        while not self._is(self._left[0], kind, name):
            self._leaves(self._left[0])
            self.tell()

    def tell(self) -> None:
        """The next record, alone."""
        row = self._left.pop(0)
        body = json.loads(row["body"])
        if row["tenure"] > self.trace.tenure:
            self.trace.released(0, 0)  # it was parked, and its moment has come
        self.trace.record(row, body)
        if row["kind"] == INTENT:
            site = next(call.site for call in self.ledger.calls if call.key == body["k"])
            self.trace.called(site, body["k"])
            if any(landing.key == body["k"] for landing in self.ledger.landings):
                self.trace.landed(body["k"])

    def _leaves(self, row: Row) -> None:
        """What must have left before a record tells of it."""
        number: int = row["transition"]
        told = self.trace.net.transitions[number]
        key, site = json.loads(row["body"]).get("k", ""), str(told["site"])
        if told["kind"] == "step" and self.trace.net.sites[site]["effect"] == "idempotent":
            self.trace.called(site, self.key(site))
        if row["kind"] == UNDONE:
            self.trace.undone(key)

    def _is(self, row: Row, kind: int, name: str) -> bool:
        number: int = row["transition"]
        return row["kind"] == kind and name in ("", self.trace.net.transitions[number]["name"])

    def key(self, site: str, role: str = "step") -> str:
        """The key under which something was called in the run."""
        return next(c.key for c in self.ledger.calls if (c.site, c.role) == (site, role))


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, tuple[Rows, Ledger]]:
    """The rows and the ledger of one calm run of each flow."""
    found: dict[str, tuple[Rows, Ledger]] = {}
    for flow in (FLOWS["sequence"], FLOWS["failing_saga"], LOST, VOIDED):
        outcome = play(flow, template(folder, flow), folder)
        assert outcome.broken == []
        found[flow.name] = outcome.rows, outcome.ledger
    return found


def told(runs: dict[str, tuple[Rows, Ledger]], name: str) -> Told:
    """One of them, to be told."""
    return Told(*runs[name])


# --- what leaves ----------------------------------------------------------------------------------


def test_an_idempotent_call_needs_that_the_durable_records_lead_to_it(
    runs: dict[str, tuple[Rows, Ledger]],
) -> None:
    """The record that puts the token before it, and not only record 0; once it was permitted it
    is for ever, for it may arrive late, and again."""
    early, run = told(runs, "sequence"), told(runs, "sequence")
    key = run.key("notify")
    early.until(FIRED, "look_up")
    with pytest.raises(Refused, match="ask_plain: the log it rests on is durable"):
        early.trace.called("notify", key)
    run.until(FIRED, "notify")
    run.trace.called("notify", key)
    run.trace.called("notify", key)
    run.tell()
    run.trace.called("notify", key)
    with pytest.raises(Refused, match="ask_plain: the log it rests on is durable"):
        run.trace.called("notify", "0" * 32)


def test_the_outcome_of_an_idempotent_call_needs_the_call(
    runs: dict[str, tuple[Rows, Ledger]],
) -> None:
    """Nobody knows what it answers before it was asked."""
    run = told(runs, "sequence")
    run.until(FIRED, "notify")
    with pytest.raises(Unbound, match="notify is told as done, and was never called"):
        run.tell()


def test_an_undo_needs_that_its_saga_goes_back_on_record(
    runs: dict[str, tuple[Rows, Ledger]],
) -> None:
    """And that everything that rests on it is undone; a late one may come again."""
    run = told(runs, "failing_saga")
    undos = [call for call in run.ledger.calls if call.role == "undo"]
    first, second = undos[0], undos[1]
    with pytest.raises(Unbound, match="and no intent says so"):
        run.trace.undoing(first.site, first.key)
    forward = told(runs, "failing_saga")
    forward.until(FIRED, "book goes on")
    with pytest.raises(Refused, match="it is to be undone"):
        forward.trace.undoing(first.site, first.key)
    run.until(UNDONE)
    with pytest.raises(Refused, match="what rests on it is undone"):
        run.trace.undoing(second.site, second.key)
    run.trace.undoing(first.site, first.key)
    run.trace.undone(first.key)
    run.tell()
    run.trace.undoing(first.site, first.key)
    run.trace.undoing(second.site, second.key)


def test_a_probe_needs_a_doubt_on_record(runs: dict[str, tuple[Rows, Ledger]]) -> None:
    """Before it the call may still be answered."""
    run = told(runs, LOST.name)
    run.until(IN_DOUBT)
    with pytest.raises(Unbound, match="and no durable record is in doubt of it"):
        run.trace.asking.probe("pay", run.key("pay", "probe"))
    run.tell()
    run.trace.asking.probe("pay", run.key("pay", "probe"))


# --- what is answered -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role", "says"),
    [
        ("failing_saga", "undo", "told as undo, and nobody outside said so"),
        ("failing_saga", "step", "told as refused, and nobody outside said so"),
        (VOIDED.name, "probe", "pay is told as voided, and nobody outside said so"),
    ],
)
def test_what_is_told_was_answered(
    name: str, role: str, says: str, runs: dict[str, tuple[Rows, Ledger]]
) -> None:
    """Though it may be true: that a call never landed is not what a probe said of it."""
    heard, deaf = told(runs, name), told(runs, name)
    heard.until(FINISHED)
    heard.tell()
    with pytest.raises(Unbound, match=says):
        deaf.until(FINISHED, deaf=role)


def test_a_receiver_keeps_what_it_answered(runs: dict[str, tuple[Rows, Ledger]]) -> None:
    """Each answer with its role: a refusal, what a probe found, an undo that worked."""
    said = {name: {(a.role, a.says) for a in runs[name][1].answers} for name in runs}
    assert said[VOIDED.name] == {("step", "raised"), ("step", "done"), ("probe", "voided")}
    assert said[LOST.name] == {("step", "raised"), ("step", "done"), ("probe", "landed")}
    assert ("undo", "done") in said["failing_saga"]


# --- the row of the execution ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"owner": 7}, "session 7 has it, and by the records nobody"),
        ({"status": "active"}, "it is marked as active, and the log says otherwise"),
        ({"status": "stalled"}, "it is marked as stalled, and the last record is no stall"),
    ],
)
def test_the_row_of_an_execution_is_held_against_its_records(
    changed: Row, says: str, runs: dict[str, tuple[Rows, Ledger]]
) -> None:
    """At every durable point; here at the end."""
    rows, _ = runs["sequence"]
    run = told(runs, "sequence")
    run.until(FINISHED)
    run.trace.hold({**rows["execution"][0], "status": "active", "owner": 1})
    run.tell()
    run.trace.hold(rows["execution"][0])
    with pytest.raises(Unbound, match=says):
        run.trace.hold({**rows["execution"][0], **changed})


def test_an_end_knows_every_message_that_came(runs: dict[str, tuple[Rows, Ledger]]) -> None:
    """By the count in its record; evidence may come behind it."""
    late, run = told(runs, "sequence"), told(runs, "sequence")
    late.until(FINISHED)
    late.trace.arrived(1, "paid")
    with pytest.raises(Unbound, match="it ended without message 1, which had come"):
        late.tell()
    run.until(FINISHED)
    run.trace.arrived(1, "$evidence")
    run.tell()


def test_who_waits_for_nothing_but_a_message_that_came_wakes(
    runs: dict[str, tuple[Rows, Ledger]],
) -> None:
    """A wish to cancel is heard in any state."""
    rows, _ = runs["sequence"]
    run = told(runs, "sequence")
    run.until(INTENT)
    run.trace.released(10**18, 0)
    at_rest = {**rows["execution"][0], "status": "active", "owner": None}
    run.trace.hold({**at_rest, "wake_at": 10**18})
    run.trace.arrived(1, "$cancel")
    run.trace.hold({**at_rest, "wake_at": 5})
    with pytest.raises(Unbound, match="it never wakes, and has something to wake for"):
        run.trace.hold({**at_rest, "wake_at": None})
