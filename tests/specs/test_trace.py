"""Logs that lie there, spoilt: what no run of the protocol can have written is refused, where it
stands. The material is the log of a real run, with one thing changed in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from perdure.chaos.history import play, template
from perdure.specs.binding import Binding, check
from perdure.specs.game import Net
from perdure.specs.ledger import Called, Landing, Ledger, Undo
from perdure.specs.protocol.plain import Refused
from perdure.specs.trace import Trace
from perdure.specs.unbound import Order, Unbound

from ..crash.conftest import folder as folder
from ..crash.flows import FLOWS

Row = dict[str, Any]
INTENT, FIRED, CONSUMED, UNDONE, FINISHED, STALLED = 1, 2, 3, 8, 11, 13


class Log:
    """The stored log of one execution, and its messages."""

    def __init__(self, rows: dict[str, list[Row]]) -> None:
        (definition,) = rows["definition"]
        self.net: Row = json.loads(definition["body"])["net"]
        self.records: list[Row] = copy.deepcopy(rows["log"])
        self.messages: list[Row] = copy.deepcopy(rows["message"])

    def at(self, kind: int, number: int = 0) -> int:
        """Where a record of a kind is."""
        return [n for n, record in enumerate(self.records) if record["kind"] == kind][number]

    def named(self, name: str) -> int:
        """Where a transition fires."""
        number = next(n for n, t in enumerate(self.net["transitions"]) if t["name"] == name)
        return next(n for n, r in enumerate(self.records) if r["transition"] == number)

    def body(self, at: int, **changed: Any) -> None:
        """Change what a record says."""
        body = {**json.loads(self.records[at]["body"]), **changed}
        self.records[at]["body"] = json.dumps(body).encode()

    def refused(self) -> list[tuple[int | None, str]]:
        """What is said of it, after it was numbered anew."""
        for seq, record in enumerate(self.records):
            record["seq"] = seq
        return list(check(self.net, self.records, self.messages))


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, dict[str, list[Row]]]:
    """The rows of one lawful run of each flow."""
    found: dict[str, dict[str, list[Row]]] = {}
    for name, flow in FLOWS.items():
        outcome = play(flow, template(folder, flow), folder)
        found[name] = {table: [dict(r) for r in rows] for table, rows in outcome.rows.items()}
    return found


Spoil = Callable[[Log], None]
SPOILERS: list[tuple[str, str, Spoil]] = []


def spoils(flow: str, says: str) -> Callable[[Spoil], Spoil]:
    """Note what is changed in the log of a flow, and what is said of it then."""

    def note(spoil: Spoil) -> Spoil:
        SPOILERS.append((flow, says, spoil))
        return spoil

    return note


@spoils("sequence", "'wire goes on' takes a token")
def an_outcome_is_missing(log: Log) -> None:
    del log.records[log.named("wire landed")]


@spoils("sequence", "takes a token from")
def an_intent_stands_twice(log: Log) -> None:
    log.records.insert(log.at(INTENT) + 1, dict(log.records[log.at(INTENT)]))


@spoils("failing_saga", "is the key of two intents")
def two_intents_have_one_key(log: Log) -> None:
    key = json.loads(log.records[log.at(INTENT)]["body"])["k"]
    log.body(log.at(INTENT, 1), k=key)


@spoils("sequence", "its tenure is in force")
def a_record_is_of_an_older_tenure(log: Log) -> None:
    for record in log.records[3:-1]:
        record["tenure"] += 1
    log.body(3, s=2)


@spoils("sequence", "time never falls")
def a_record_is_older_than_the_one_before_it(log: Log) -> None:
    log.records[4]["at"] -= 10**9


@spoils("sequence", "its moment has come")
def a_timer_fires_early(log: Log) -> None:
    at = log.named("timer is due")
    for record in log.records[at:]:
        record["at"] = log.records[at - 1]["at"]


@spoils("reminders", "its message is unread")
def a_message_is_taken_twice(log: Log) -> None:
    at = log.at(CONSUMED)
    record = {**log.records[at], "transition": -1, "body": b'{"m":1}'}
    log.records.insert(at + 1, record)


@spoils("reminders", "message 1 is taken, and never came")
def a_message_is_taken_that_never_came(log: Log) -> None:
    log.messages.clear()


@spoils("failing_saga", "is undone before")
def what_came_first_is_undone_first(log: Log) -> None:
    first, second = log.at(UNDONE), log.at(UNDONE, 1)
    records = log.records
    records[first], records[second] = records[second], records[first]


@spoils("failing_saga", "nothing of it is left to undo")
def an_undo_is_missing(log: Log) -> None:
    del log.records[log.at(UNDONE, 1)]


@spoils("failing_saga", "no saga is on its way back")
def it_ends_while_something_is_to_be_undone(log: Log) -> None:
    del log.records[log.at(UNDONE) : -1]


@spoils("sequence", "no attempt is open or in doubt")
def it_ends_while_a_call_is_open(log: Log) -> None:
    del log.records[log.at(INTENT) + 1 : -1]


@spoils("sequence", "the execution has not ended")
def something_comes_after_the_end(log: Log) -> None:
    log.records.append({**log.records[-1], "kind": 12})


@spoils("sequence", "session 99 is named in the middle of tenure")
def another_session_writes_in_the_middle(log: Log) -> None:
    log.body(3, s=99)


@spoils("sequence", "begins without the name of its session")
def a_tenure_names_nobody(log: Log) -> None:
    for record in log.records[3:]:
        record["tenure"] += 1


@spoils("sequence", "it is told as done, and the net is active")
def it_ends_in_the_middle_of_the_net(log: Log) -> None:
    at = log.at(INTENT)
    del log.records[at:-1]


@spoils("sequence", "it is told as failed, and the net is done")
def it_ends_another_way_than_the_net(log: Log) -> None:
    log.body(-1, status="failed")


@spoils("sequence", "goes on after it stalled")
def it_goes_on_after_it_stalled(log: Log) -> None:
    stalled = {"kind": STALLED, "transition": -1, "body": b'{"why":"glue"}'}
    log.records.insert(3, {**log.records[2], **stalled})


@spoils("sequence", "is the key of an intent, and")
def a_key_follows_from_nothing(log: Log) -> None:
    log.body(log.at(INTENT), k="f" * 32)


@spoils("reminders", "message 2 is taken, and never came")
def a_message_is_taken_that_came_after_the_end(log: Log) -> None:
    """One had come when it ended, as the last record says, so the second was not there yet."""
    log.messages.insert(0, {**log.messages[0], "channel": "$evidence", "consumed_at": None})
    log.messages[1]["number"] = 2
    log.body(log.at(CONSUMED), m=2)


@spoils("reminders", "of 'somebody else' is taken by what waits for another")
def a_message_of_another_channel_is_taken(log: Log) -> None:
    log.messages[0]["channel"] = "somebody else"


@spoils("reminders", "it takes a message and does not say which")
def a_message_is_taken_and_not_named(log: Log) -> None:
    log.body(log.at(CONSUMED), m=0)


@spoils("reminders", "of 'paid' is taken by what waits for another")
def a_message_is_noted_as_a_wish_to_cancel(log: Log) -> None:
    record = {**log.records[log.at(CONSUMED)], "transition": -1, "body": b'{"s":1,"m":1}'}
    log.records.insert(log.at(CONSUMED), record)


@spoils("reminders", "the execution has not ended")
def it_ends_without_a_message_that_had_come(log: Log) -> None:
    log.messages.append({**log.messages[0], "number": 2, "consumed_at": None})


NAMES = [spoil.__name__ for _, _, spoil in SPOILERS]


@pytest.mark.parametrize("name", FLOWS)
def test_what_was_not_touched_is_not_accused(
    name: str, rows: dict[str, dict[str, list[Row]]]
) -> None:
    """The log as it was written is a run of the protocol."""
    assert Log(rows[name]).refused() == []


@pytest.mark.parametrize(
    ("flow", "says", "spoil"), SPOILERS, ids=lambda x: getattr(x, "__name__", "")
)
def test_a_spoilt_log_is_refused(
    flow: str, says: str, spoil: Spoil, rows: dict[str, dict[str, list[Row]]]
) -> None:
    """Once, at a record, and the need that is not met is named."""
    log = Log(rows[flow])
    spoil(log)
    ((seq, said),) = log.refused()
    assert says in said
    assert seq is not None and seq < len(log.records)


# --- what happens beside the log ------------------------------------------------------------------


@pytest.fixture
def trace(rows: dict[str, dict[str, list[Row]]]) -> Iterator[Trace]:
    """A saga that was watched until its second landing: what is outside is told, not guessed."""
    log = Log(rows["failing_saga"])
    trace = Trace(Net(log.net), watched=True)
    trace.claimed(1, 1)
    for record in log.records[: log.named("book landed") + 1]:
        body = json.loads(record["body"])
        trace.record(record, body)
        if record["kind"] == INTENT:
            trace.called("hold", body["k"])
            trace.landed(body["k"])
    yield trace


def test_a_call_without_an_intent_is_told(trace: Trace) -> None:
    """Nobody knows its key."""
    with pytest.raises(Unbound, match="hold is called as abc, and no intent says so"):
        trace.called("hold", "abc")


def test_a_second_call_and_a_second_landing_are_refused(trace: Trace) -> None:
    """One intent is one call, and one landing."""
    key = next(iter(trace.intents))
    with pytest.raises(Refused, match="it was not called before"):
        trace.called("hold", key)
    with pytest.raises(Refused, match="its request is under way"):
        trace.landed(key)


def test_nothing_is_undone_while_its_saga_goes_forward(trace: Trace) -> None:
    """An undo that nobody's log permits."""
    with pytest.raises(Refused, match="it is to be undone"):
        trace.undone(next(iter(trace.intents)))


def test_who_owns_an_execution_is_followed(trace: Trace) -> None:
    """A claim needs that it was let go or its owner fenced; a fenced session claims nothing."""
    with pytest.raises(Refused, match="nobody alive owns the execution"):
        trace.claimed(2, 2)
    trace.fenced(1)
    with pytest.raises(Refused, match="the session is not fenced"):
        trace.claimed(1, 2)
    trace.claimed(2, 2)
    assert trace.tenure == 2
    trace.released(None, 0)
    trace.claimed(3, 5)  # and two in between, of whom no record is left
    assert trace.tenure == 5


def test_who_writes_is_who_owns_it(rows: dict[str, dict[str, list[Row]]]) -> None:
    """The session that the first record of a tenure names is the one that claimed it."""
    log = Log(rows["failing_saga"])
    trace = Trace(Net(log.net), watched=True)
    trace.claimed(7, 1)
    with pytest.raises(Unbound, match="session 1 writes, and session 7 has it"):
        trace.record(log.records[0], json.loads(log.records[0]["body"]))


def test_the_inbox_is_compared_with_the_log(trace: Trace) -> None:
    """A message that is marked and that no record took, and one that is not there."""
    trace.arrived(1, "paid")
    trace.compare({1})
    with pytest.raises(Unbound, match="message 1 is marked as consumed"):
        trace.compare(set())
    with pytest.raises(Unbound, match="message 2 is marked as unread"):
        trace.compare({1, 2})


def test_a_binding_says_nothing_more_of_what_it_refused(
    rows: dict[str, dict[str, list[Row]]],
) -> None:
    """A landing that nobody called for: once, whatever else comes."""
    binding, ledger = Binding(), Ledger()
    found = rows["sequence"]
    key = json.loads(found["log"][Log(found).at(INTENT)]["body"])["k"]
    execution = found["execution"][0]["key"]
    assert len(binding.judge(found, ledger)) == 1  # it is told as landed, and never landed
    ledger.calls += [Called(execution, "step", "wire", "k", "")]
    ledger.landings += [Landing(execution, "wire", key, "", '""')]
    ledger.undos += [Undo(execution, "wire", key)]
    assert binding.judge(found, ledger) == []


def test_whoever_only_starts_an_execution_has_no_session_to_name() -> None:
    """Record 0 of a client stands alone in its tenure; whoever goes on names a session."""

    def row(seq: int, tenure: int) -> dict[str, int]:
        return {"seq": seq, "tenure": tenure, "kind": 1}

    order = Order()
    order.follow(row(0, 1), {})
    order.follow(row(1, 2), {"s": 4})
    order.follow(row(2, 2), {})
    order = Order()
    order.follow(row(0, 1), {})
    with pytest.raises(Unbound, match="without the name"):
        order.follow(row(1, 1), {})
