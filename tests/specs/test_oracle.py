"""The oracle rejects what it is there to reject: one planted violation, or more, for each rule.

The material is real: the rows and the ledger of a fault-free run. Each case changes one thing in
them, chains the log anew where the change would only show in the hash, and asks for judgement.
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from perdure.chaos.history import play, template
from perdure.specs.ledger import Called, Landing, Ledger, Undo
from perdure.specs.oracle import Broken, Oracle, Rule

from ..crash.flows import FLOWS

Table = dict[str, list[dict[str, Any]]]
STARTED, INTENT, FIRED, CONSUMED, UNDONE, FINISHED, CLAIMED = 0, 1, 2, 3, 8, 11, 12


class Case:
    """Rows and ledger of a run, to be spoilt and judged. The judge is given copies, as a database
    gives them: rows that are the same objects are known to be unchanged."""

    def __init__(self, rows: Table, ledger: Ledger) -> None:
        self.rows, self.ledger = copy.deepcopy(rows), copy.deepcopy(ledger)
        self.oracle = Oracle()
        self.broken: set[Rule] = set()

    @property
    def log(self) -> list[dict[str, Any]]:
        return self.rows["log"]

    @property
    def row(self) -> dict[str, Any]:
        return self.rows["execution"][0]

    def one(self, kind: int, number: int = 0) -> dict[str, Any]:
        """The record of a kind, counted among its like."""
        return [record for record in self.log if record["kind"] == kind][number]

    def chain(self) -> None:
        """Give every record the hash that its content calls for."""
        head = blake2b(b"perdure log 1", digest_size=16)
        row = self.row
        for part in (
            row["key"].encode(),
            row["workflow"].encode(),
            row["net"].encode(),
            row["input_digest"],
        ):
            head.update(struct.pack(">I", len(part)) + part)
        previous = head.digest()
        for r in self.log:
            numbers = (r["seq"], r["tenure"], r["kind"], r["transition"], r["at"])
            header = struct.pack(">BIIBiq", 1, *numbers)
            r["hash"] = previous = blake2b(previous + header + r["body"], digest_size=16).digest()

    def judge(self) -> set[Rule]:
        """The rules that are broken at the end."""
        return self.broken | rules(self.oracle.settle(copy.deepcopy(self.rows), self.ledger))

    def look(self, rows: Table, ledger: Ledger) -> None:
        """Judge an earlier moment."""
        self.broken |= rules(self.oracle.judge(copy.deepcopy(rows), ledger))

    def until(self, count: int) -> Table:
        """The rows when only so many records were durable, as far as a judge of logs can tell."""
        return {**self.rows, "log": self.log[:count]}


def rules(broken: list[Broken]) -> set[Rule]:
    """Which rules these are about."""
    return {each.rule for each in broken}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Table, Ledger]]:
    """One lawful run of each flow."""
    folder = tmp_path_factory.mktemp("lawful")
    return {name: lawful(name, folder) for name in FLOWS}


def lawful(name: str, folder: Path) -> tuple[Table, Ledger]:
    """Rows and ledger of a run without a fault."""
    flow = FLOWS[name]
    outcome = play(flow, template(folder, flow), folder)
    assert outcome.broken == []
    rows = {table: [dict(row) for row in found] for table, found in outcome.rows.items()}
    return rows, outcome.ledger


# --- one function for each way to break a rule ----------------------------------------------------

Spoil = Callable[[Case], None]
SPOILERS: list[tuple[str, Rule, Spoil]] = []


def spoils(flow: str, rule: Rule) -> Callable[[Spoil], Spoil]:
    """Note a planted violation."""

    def note(spoil: Spoil) -> Spoil:
        SPOILERS.append((flow, rule, spoil))
        return spoil

    return note


@spoils("sequence", Rule.APPEND_ONLY)
def a_record_vanishes(case: Case) -> None:
    case.look(case.rows, case.ledger)
    del case.log[-1]


@spoils("sequence", Rule.APPEND_ONLY)
def a_record_is_rewritten_and_chained(case: Case) -> None:
    case.look(case.rows, case.ledger)
    case.one(FIRED, 1)["at"] += 1
    case.chain()


@spoils("sequence", Rule.GAPLESS)
def a_record_is_left_out(case: Case) -> None:
    del case.log[2]
    case.chain()


@spoils("sequence", Rule.CHAIN)
def a_byte_of_a_hash_differs(case: Case) -> None:
    case.log[3]["hash"] = bytes([case.log[3]["hash"][0] ^ 1]) + case.log[3]["hash"][1:]


@spoils("sequence", Rule.CHAIN)
def a_body_is_changed_behind_the_chain(case: Case) -> None:
    case.one(FIRED, 1)["body"] += b" "


@spoils("sequence", Rule.ORDER)
def a_tenure_falls(case: Case) -> None:
    case.log[-1]["tenure"] -= 1
    case.chain()


@spoils("sequence", Rule.ORDER)
def a_time_falls(case: Case) -> None:
    case.log[-1]["at"] = case.log[-2]["at"] - 1
    case.chain()


@spoils("sequence", Rule.FENCED)
def a_fenced_session_goes_on(case: Case) -> None:
    """All sessions are fenced in these rows: judged early, the rest of the log is a zombie's."""
    case.look(case.until(2), Ledger())


@spoils("sequence", Rule.FENCED)
def a_tenure_begins_without_the_name_of_its_session(case: Case) -> None:
    first = next(record for record in case.log if record["tenure"] > 1)
    said = json.loads(first["body"])
    del said["s"]
    first["body"] = json.dumps(said).encode()
    case.chain()


@spoils("sequence", Rule.FENCED)
def a_session_that_only_started_it_goes_on(case: Case) -> None:
    """Record 0 needs no name; whoever writes another one behind it does."""
    said = json.loads(case.log[0]["body"])
    del said["s"]
    case.log[0]["body"] = json.dumps(said).encode()
    case.chain()


@spoils("sequence", Rule.FENCED)
def a_session_is_named_in_the_middle_of_a_tenure(case: Case) -> None:
    assert case.log[1]["tenure"] == case.log[0]["tenure"]
    case.log[1]["body"] = json.dumps({**json.loads(case.log[1]["body"]), "s": 7}).encode()
    case.chain()


@spoils("sequence", Rule.FIRING)
def a_transition_fires_that_is_not_enabled(case: Case) -> None:
    case.one(INTENT)["transition"] = case.one(FIRED)["transition"]
    case.one(INTENT)["kind"] = FIRED
    case.chain()


@spoils("sequence", Rule.FIRING)
def a_record_tells_the_wrong_word(case: Case) -> None:
    case.one(INTENT)["kind"] = FIRED
    case.chain()


@spoils("failing_saga", Rule.FIRING)
def the_first_is_undone_first(case: Case) -> None:
    """The undos swap places, as records: the later effect rests on the earlier one."""
    first, second = case.one(UNDONE, 0), case.one(UNDONE, 1)
    for field in ("transition", "body"):
        first[field], second[field] = second[field], first[field]
    case.chain()


@spoils("fulfil_order", Rule.INTENT_FIRST)
def a_call_comes_before_its_intent(case: Case) -> None:
    before = [record["kind"] for record in case.log].index(INTENT)
    case.look(case.until(before), case.ledger)


@spoils("fulfil_order", Rule.INTENT_FIRST)
def a_call_comes_from_an_execution_that_never_was(case: Case) -> None:
    case.ledger.calls.append(Called("nobody", "step", "charge_card", "key", "()"))


@spoils("fulfil_order", Rule.ONE_CALL)
def an_attempt_is_called_twice(case: Case) -> None:
    case.ledger.calls.append(next(c for c in case.ledger.calls if c.site == "charge_card"))


@spoils("fulfil_order", Rule.ONE_LANDING)
def a_card_is_charged_twice_under_two_keys(case: Case) -> None:
    landing = next(x for x in case.ledger.landings if x.site == "charge_card")
    case.ledger.landings.append(landing._replace(key="another"))


@spoils("fulfil_order", Rule.EFFECTS)
def an_effect_row_tells_another_outcome(case: Case) -> None:
    case.rows["effect"][0]["outcome"] = "open"


@spoils("fulfil_order", Rule.EFFECTS)
def an_effect_row_is_missing(case: Case) -> None:
    del case.rows["effect"][0]


@spoils("reminders", Rule.NO_LOSS)
def an_accepted_message_is_gone(case: Case) -> None:
    case.rows["message"].clear()


@spoils("reminders", Rule.CONSUMED_ONCE)
def a_message_was_taken_and_nobody_says_so(case: Case) -> None:
    case.rows["message"][0]["consumed_at"] = None


@spoils("reminders", Rule.CONSUMED_ONCE)
def a_message_is_taken_twice(case: Case) -> None:
    taken = json.loads(case.one(CONSUMED)["body"])["m"]
    record = case.log[-1]
    record["body"] = json.dumps({**json.loads(record["body"]), "m": taken}).encode()
    case.chain()


@spoils("sequence", Rule.DUE)
def a_timer_fires_early(case: Case) -> None:
    waited = max(range(1, len(case.log)), key=lambda n: case.log[n]["at"] - case.log[n - 1]["at"])
    case.log[waited]["at"] -= 1_000_000
    case.chain()


@spoils("failing_saga", Rule.UNDO)
def an_undo_is_told_and_did_not_happen(case: Case) -> None:
    del case.ledger.undos[0]


@spoils("fulfil_order", Rule.UNDO)
def what_succeeded_is_undone(case: Case) -> None:
    key = next(x.key for x in case.ledger.landings if x.site == "reserve_stock")
    call = Called(case.row["key"], "undo", "reserve_stock", key, "()")
    case.ledger.calls.append(call)


@spoils("fulfil_order", Rule.UNDO)
def what_is_told_as_landed_was_taken_back(case: Case) -> None:
    landing = next(x for x in case.ledger.landings if x.site == "reserve_stock")
    case.ledger.undos.append(Undo(landing.execution, landing.site, landing.key))


@spoils("fulfil_order", Rule.OUTSIDE)
def a_recorded_landing_never_was(case: Case) -> None:
    case.ledger.landings[:] = [x for x in case.ledger.landings if x.site != "charge_card"]


@spoils("fulfil_order", Rule.OUTSIDE)
def a_recorded_result_is_not_what_was_answered(case: Case) -> None:
    changed = [x._replace(result='{"id":"c-2"}') for x in case.ledger.landings]
    case.ledger.landings[:] = changed


@spoils("fulfil_order", Rule.OUTSIDE)
def a_landing_is_recorded_nowhere(case: Case) -> None:
    stray = Landing(case.row["key"], "charge_card", "stray", "another order", "null")
    case.ledger.landings.append(stray)


@spoils("fulfil_order", Rule.STATUS)
def a_row_says_failed_where_the_log_says_done(case: Case) -> None:
    case.row["status"] = "failed"


@spoils("fulfil_order", Rule.STATUS)
def a_log_ends_otherwise_than_its_net(case: Case) -> None:
    body = json.loads(case.one(FINISHED)["body"])
    case.one(FINISHED)["body"] = json.dumps({**body, "status": "failed"}).encode()
    case.row["status"] = "failed"
    case.chain()


@spoils("fulfil_order", Rule.CLOSED)
def a_record_comes_after_the_end(case: Case) -> None:
    last = case.log[-1]
    case.log.append({**last, "seq": last["seq"] + 1, "kind": CLAIMED, "body": b"{}"})
    case.chain()


@spoils("fulfil_order", Rule.CLOSED)
def a_final_execution_has_an_owner(case: Case) -> None:
    case.row["owner"] = 1


@spoils("fulfil_order", Rule.CLOSED)
def an_execution_ends_with_an_open_call(case: Case) -> None:
    """The log is cut behind the intent of the charge and an end is written after it."""
    intent = case.one(INTENT, 2)
    end = case.one(FINISHED)
    case.log[:] = [*case.log[: case.log.index(intent) + 1], {**end, "seq": intent["seq"] + 1}]
    case.chain()


@pytest.mark.parametrize(
    ("flow", "rule", "spoil"), SPOILERS, ids=lambda given: getattr(given, "__name__", "")
)
def test_a_planted_violation_is_rejected(
    flow: str, rule: Rule, spoil: Spoil, runs: dict[str, tuple[Table, Ledger]]
) -> None:
    """One thing is changed in a lawful run, and the rule it breaks is named."""
    case = Case(*runs[flow])
    spoil(case)
    assert rule in case.judge()


def test_every_rule_has_a_planted_violation() -> None:
    """A rule that rejects nothing is none. That of the protocol is judged in `test_trace.py`."""
    assert {rule for _, rule, _ in SPOILERS} == set(Rule) - {Rule.PROTOCOL}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_lawful_run_is_not_blamed(flow: str, runs: dict[str, tuple[Table, Ledger]]) -> None:
    """Judged at once, judged twice, and chained anew by the test's own hand: nothing is broken."""
    case = Case(*runs[flow])
    case.chain()
    assert case.judge() == set()
    assert case.judge() == set()


@pytest.mark.parametrize("flow", FLOWS)
def test_every_prefix_of_a_lawful_log_is_lawful(
    flow: str, runs: dict[str, tuple[Table, Ledger]]
) -> None:
    """Record by record, with one judge: no rule about the log itself is broken on the way.

    What only the other tables tell, which are those of the end here, is left aside.
    """
    case = Case(*runs[flow])
    for session in case.rows["session"]:
        session["fenced"] = None
    of_the_log = {Rule.APPEND_ONLY, Rule.GAPLESS, Rule.CHAIN, Rule.ORDER, Rule.FIRING, Rule.DUE}
    for count in range(1, len(case.log) + 1):
        assert not rules(case.oracle.judge(case.until(count), Ledger())) & of_the_log
