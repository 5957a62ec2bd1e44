"""Logs are runs of the proved protocol: those of the engine are accepted, whatever went wrong, and
those of an engine that misbehaves are refused, each for what it did.

`pytest tests/specs/test_binding.py -s` prints what every mutant was refused for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from perdure.chaos.campaign import campaign, database, quietly
from perdure.chaos.choices import Dice, Replay
from perdure.chaos.enumeration import Enumeration
from perdure.chaos.history import Flow, play, template
from perdure.chaos.wild_history import play as play_wild
from perdure.specs.binding import check
from perdure.specs.oracle import Broken, Rows, Rule

from ..crash.conftest import enumerated as enumerated
from ..crash.conftest import folder as folder
from ..crash.flows import FLOWS
from ..crash.mutants import MUTANTS as FIVE
from ..crash.mutants import PAST
from ..crash.mutants import Mutant as Simple
from ..mutants import recorded
from ..mutants.catalogue import MUTANTS
from ..mutants.flows import DOUBTS
from ..mutants.hunting import CAMPAIGN, HUNTED, RANDOM, fault_of, played
from ..mutants.patching import patched

HISTORIES = 40


def refusals(rows: Rows) -> list[tuple[int | None, str]]:
    """What `check` says of all logs of a database."""
    nets = {row["net"]: json.loads(row["body"])["net"] for row in rows["definition"]}
    return [
        refused
        for row in rows["execution"]
        for refused in check(nets[row["net"]], _of(rows["log"], row), _of(rows["message"], row))
    ]


def _of(rows: Sequence[Mapping[str, Any]], execution: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["execution"] == execution["id"]]


# --- the engine as it is --------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOWS)
def test_every_log_of_the_enumeration_is_a_run_of_the_protocol(
    name: str, enumerated: Callable[[Flow], Enumeration]
) -> None:
    """Every single fault of a flow: told step by step (`failures`), and afterwards from the log
    alone, when nobody knows what happened outside."""
    found = enumerated(FLOWS[name])
    assert found.failures == []
    for each in found.played:
        assert refusals(each.outcome.rows) == [], each.fault


def test_logs_of_random_histories_are_runs_of_the_protocol() -> None:
    """Several workers and executions, zombies, late commits, clocks that jump, doubts."""
    flows = [*FLOWS.values(), *DOUBTS]
    records = 0
    with database(flows) as one, quietly():
        for number in range(HISTORIES):
            outcome = play_wild(flows, one, Dice(f"binding:{number}"))
            assert outcome.wrong == [] and refusals(outcome.rows) == []
            records += len(outcome.rows["log"])
    assert records > 10 * HISTORIES


# --- engines that misbehave -----------------------------------------------------------------------

REFUSED = {
    1: "claim: the session is not fenced",
    2: "claim: the session is not fenced",
    3: "claim: the session is not fenced",
    8: "ask_plain: the log it rests on is durable",
    9: "wire is called as KEY, and no intent says so",
    10: "ask_plain: the log it rests on is durable",
    11: "'price' takes a token from ['before price']",
    12: "call: it was not called before",
    13: "pay is told as voided, and nobody outside said so",
    14: "learn_void: it does not stand",
    15: "call: it was not called before",
    16: "ask_plain: the log it rests on is durable",
    17: "message 1 is marked as consumed, and the log says otherwise",
    18: "message 1 is marked as unread, and the log says otherwise",
    21: "it never wakes, and has something to wake for",
    22: "submit_due: its moment has come",
    23: "park: its next moment is noted",
    26: "'notify' takes a token from ['before notify']",
    27: "undo_outside: it is to be undone",
    36: "decline: its request is under way",
}
"""Mutant -> the step that is refused, with what it needs."""
LAWFUL_LOGS = {
    7: "the log is right, and the ledger of effects beside it is not",
    28: "it never ends, and what it wrote until then is lawful",
}
"""Those whose logs are lawful all the same, and why."""
FOUND = recorded.read()


@pytest.mark.parametrize("number", [n for n, found in FOUND.items() if found.fault])
def test_the_log_of_a_mutant_that_misbehaves_is_refused(number: int, folder: Path) -> None:
    """In the history in which the mutant was caught, beside the oracle; with the engine as it is
    the same history is accepted."""
    mutant, found = MUTANTS[number], FOUND[number]
    assert mutant.patch is not None
    with patched(mutant.patch, *([mutant.both] if found.both and mutant.both else [])):
        told = _told(_history(number, folder))
    print(f"\n{number} {mutant.name}: {told or LAWFUL_LOGS[number]}")
    assert (number in LAWFUL_LOGS) is (told == "")
    assert REFUSED.get(number, "") in told
    assert _told(_history(number, folder)) == ""


def _history(number: int, folder: Path) -> list[Broken]:
    found = FOUND[number]
    if found.by == CAMPAIGN:
        choices = [int(choice) for choice in found.fault.split()]
        with database(RANDOM) as one, quietly():
            return play_wild(RANDOM, one, Replay(choices)).broken
    flow = HUNTED[found.by]
    return played(flow, template(folder, flow), folder, fault_of(found.fault)).broken


def _told(broken: Sequence[Broken]) -> str:
    """The first refusal, without the key of an effect."""
    says = next((b.says for b in broken if b.rule is Rule.PROTOCOL), "")
    return " ".join("KEY," if len(w) == 33 and w.endswith(",") else w for w in says.split())


FIRST = {
    "intent after call": "and no intent says so",
    "no fence": "claim: the session is not fenced",
    "outcome not recorded": "'wire goes on' takes a token",
    "undo forgotten": "submit_clear: nothing of it is left to undo",
    "ambiguous commit appended twice": "'notify' takes a token",
}


@pytest.mark.parametrize("mutant", FIVE, ids=lambda m: m.name)
def test_the_logs_of_the_five_first_mutants_are_refused(
    mutant: Simple, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in the history that catches it; afterwards too, from the log alone, where it shows."""
    flow = FLOWS[mutant.flow]
    fault = None if mutant.kind is None else fault_of(f"{mutant.kind} {mutant.boundary}")
    empty = template(folder, flow)
    mutant.patch(monkeypatch)
    outcome = play(flow, empty, folder, *([fault] if fault else []))
    told = _told(outcome.broken)
    print(f"\n{mutant.name}: {told}; afterwards: {refusals(outcome.rows)}")
    assert told and FIRST[mutant.name] in told


def test_an_idempotent_call_that_leaves_before_its_past_is_durable_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the guard of the protocol that is proved to keep "durable past", and by nothing else."""
    assert campaign([FLOWS[PAST.flow]], histories=20, seed="past").wrong == []
    PAST.patch(monkeypatch)
    report = campaign([FLOWS[PAST.flow]], histories=20, seed="past")
    told = {what for failure in report.failures for what in failure.wrong}
    print(f"\n{PAST.name}: {told}")
    assert told and all("ask_plain: the log it rests on is durable" in what for what in told)
