"""What the engine promises, as named values: the promise, where it ends, what shows it.

Written once, for the page of guarantees. Nothing is proved, played or judged here, and no figure
stands here: figures come from the runs that made them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from .oracle import Rule


class Kind(StrEnum):
    """On what a guarantee rests."""

    PROVED = "proved"  # for all executions, under the assumptions printed beside it
    EXPLORED = "explored"  # all states up to a stated bound
    TESTED = "tested"  # so many histories, in real code


class Evidence(NamedTuple):
    """One reason to believe it, and the command that shows it."""

    kind: Kind
    how: str
    command: str


class Guarantee(NamedTuple):
    """A guarantee: what holds, exactly where it ends, and what it takes for granted."""

    name: str
    promise: str
    ends: str  # the boundary: what is not promised
    evidence: tuple[Evidence, ...]
    assumes: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()  # of the oracle, which judges them at every durable point
    proved: tuple[str, ...] = ()  # promises of the protocol, by their names in `specs/protocol`


ENUMERATED = Evidence(
    Kind.TESTED,
    "every single fault at every boundary of five workflows, judged at every durable point",
    "python -m pytest tests/crash/test_enumeration.py -s",
)
PAIRED = Evidence(
    Kind.TESTED,
    "pairs of faults, the second where the first is being mended",
    'make nightly ARGS="tests/crash/test_pairs.py -s"',
)
RANDOM = Evidence(
    Kind.TESTED,
    "random histories of several workers and executions with up to seven faults, judged at every "
    "durable point",
    'make nightly ARGS="tests/chaos/test_campaign.py -s"',
)
KILLED = Evidence(
    Kind.TESTED,
    "SIGKILL and SIGSTOP over real worker processes on one file, counted by a shop in a process "
    "of its own",
    "perdure chaos --kill --kills 1000 --workers 4 --seed 7",
)
PROVED = Evidence(
    Kind.PROVED,
    "for every run of the protocol, by induction; that the code follows it is tested, not proved",
    "perdure prove",
)
BOUND = Evidence(
    Kind.TESTED,
    "every log, with what happened outside, is told to that protocol, which refuses what it does "
    "not permit: in every history here, and afterwards by `perdure audit`",
    "python -m pytest tests/specs/test_binding.py",
)
MUTANTS = Evidence(
    Kind.TESTED,
    "mistakes planted in the engine, each caught again where it was found",
    "python -m pytest tests/mutants",
)
POWER = Evidence(
    Kind.TESTED,
    "the power fails at every operation on the files of a run",
    "python -m pytest tests/crash/test_power_loss.py -s",
)
CHECKED = Evidence(
    Kind.EXPLORED,
    "every marking of the workflow's net, before it runs; a random net for the checker itself",
    "perdure check app.py",
)
RECEIVER = "the receiver does what it says: what it refused or voided does not land later"
DISK = "an acknowledged commit stays: the disk does not lie about fsync"
PERSON = "a person at the desk tells the truth"

GUARANTEES = (
    Guarantee(
        "never twice",
        "An irreversible call lands at most once for each time the workflow reaches it.",
        "A receiver that acts twice on one request, and a call of a fenced worker that the "
        "receiver cannot refuse, are outside. Idempotent calls may be made again, with one key.",
        (PROVED, BOUND, CHECKED, ENUMERATED, PAIRED, RANDOM, KILLED, MUTANTS),
        (RECEIVER, DISK, PERSON),
        (Rule.INTENT_FIRST, Rule.ONE_CALL, Rule.ONE_LANDING, Rule.PROTOCOL),
        ("intent first", "called once", "irreversible once", "one stands"),
    ),
    Guarantee(
        "nothing lost",
        "What was accepted is kept: a started execution goes on after any crash, and a message "
        "is consumed by exactly one record or visibly unread.",
        "Accepted means that the call which started or sent it has returned.",
        (PROVED, BOUND, ENUMERATED, PAIRED, RANDOM, KILLED, POWER, MUTANTS),
        (DISK,),
        (Rule.NO_LOSS, Rule.CONSUMED_ONCE, Rule.CLOSED),
        ("message kept", "taken once", "mail wakes", "end told", "timer wakes"),
    ),
    Guarantee(
        "nothing reordered",
        "A log is append-only and without gaps; its records are firings of the compiled net, in "
        "an order that tenures and times follow.",
        "The order between parallel branches is free until one of them is recorded.",
        (PROVED, BOUND, ENUMERATED, PAIRED, RANDOM, MUTANTS),
        (DISK,),
        (Rule.APPEND_ONLY, Rule.GAPLESS, Rule.CHAIN, Rule.ORDER, Rule.FIRING),
        ("gapless", "append only", "one record", "tenures never fall"),
    ),
    Guarantee(
        "one writer",
        "A worker that was fenced appends nothing more, however long it was stopped.",
        "What it had already sent to a receiver is on its way; `effect_order()` lets a receiver "
        "refuse it.",
        (PROVED, BOUND, ENUMERATED, PAIRED, RANDOM, KILLED, MUTANTS),
        (DISK,),
        (Rule.FENCED, Rule.PROTOCOL),
        ("fenced silent", "tenure in force", "owner alive"),
    ),
    Guarantee(
        "no guess",
        "A call that may or may not have landed is in doubt. It is settled by its probe, by its "
        "own late answer or by a person, and until then neither repeated nor undone.",
        "A step without a probe waits for a person.",
        (PROVED, BOUND, ENUMERATED, PAIRED, RANDOM, KILLED, MUTANTS),
        (RECEIVER, PERSON),
        (Rule.ONE_CALL, Rule.OUTSIDE, Rule.EFFECTS),
        ("settled", "closed is dead", "called once"),
    ),
    Guarantee(
        "all or undone",
        "When a saga fails or is cancelled, everything committed in it is undone once, in reverse "
        "causal order; past its pivot it goes forward instead.",
        "An undo that fails for good stays on the desk, and those before it wait.",
        (PROVED, BOUND, CHECKED, ENUMERATED, PAIRED, RANDOM, KILLED, MUTANTS),
        (RECEIVER, DISK),
        (Rule.UNDO, Rule.CLOSED, Rule.PROTOCOL),
        ("undone once", "undo after landing", "undo order", "pivot", "cleared"),
    ),
    Guarantee(
        "never early",
        "A timer fires when the database's clock has passed its moment, across crashes too.",
        "How much later it fires is not promised: it depends on workers that live.",
        (PROVED, BOUND, ENUMERATED, PAIRED, RANDOM, MUTANTS),
        ("the database's clock is the time",),
        (Rule.DUE,),
        ("timer due",),
    ),
    Guarantee(
        "told is durable",
        "An answer, a result and a status are told only when the record that says so is durable.",
        "Logs and telemetry of a step leave before it, marked as attempts.",
        (PROVED, BOUND, ENUMERATED, PAIRED, RANDOM, POWER),
        (DISK,),
        (Rule.STATUS, Rule.OUTSIDE),
        ("durable past", "written once", "landed stands"),
    ),
    Guarantee(
        "tampering is found",
        "A changed byte, a removed or swapped record and a well-hashed but illegal firing are "
        "found by `perdure audit`.",
        "A log whose tail was cut off without a trace elsewhere is a shorter log.",
        (
            Evidence(
                Kind.TESTED,
                "every byte, every removal, every swap and every other firing of 17 example logs",
                "python -m pytest tests/engine/test_audit_everywhere.py",
            ),
        ),
        (),
        (Rule.CHAIN, Rule.FIRING),
    ),
)
"""In the order of the page."""


def unspoken() -> frozenset[Rule]:
    """Rules of the oracle that no guarantee speaks of: there should be none."""
    return frozenset(Rule) - {rule for each in GUARANTEES for rule in each.rules}
