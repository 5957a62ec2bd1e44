"""The safeguards of the protocol as data: each can be removed, and the run that then breaks it.

A run is text, played by runs.py: with the guard on, the guard refuses a step of it; with the guard
off, it ends in a state in which the promise `breaks` does not hold. `beside` names the other guard
of a pair: one of the two is enough (that is proved), and the run needs both off. No condition is
written here; they stand in the actions.
"""

from __future__ import annotations

from typing import NamedTuple


class Guard(NamedTuple):
    """One safeguard: what it says, which rules of the engine it is, and what breaks without it."""

    says: str
    rules: str
    breaks: str
    run: str
    beside: str = ""
    done: bool = False  # something that is done, where the others are conditions
    asked: bool = False  # of the receiver, and not ours to keep


_OPEN = "register s1; claim s1 e1 yes; write intent r1 s1 f1"
_LANDED = f"{_OPEN}; reach r1; learn_landed s1 f1 1; write landed r2 s1 f1"
_TWO = f"{_LANDED}; write intent r3 s1 f2; reach r3; learn_landed s1 f2 1; write landed r4 s1 f2"
_STALE = "register s1; register s2; claim s1 e1 yes; park s1 e1 no 0; claim s2 e1 yes"
_LATE = "register s2; fence s1; claim s2 e1 yes; write doubt r2 s2 f1"

GUARDS: dict[str, Guard] = {
    "fence": Guard(
        "an append reads in its own transaction that its session is not fenced",
        "3, 6", "fenced silent",
        "register s1; claim s1 e1 yes; submit_other r1 s1 e1; fence s1; apply r1", "tenure",
    ),
    "tenure": Guard(
        "an append holds only for the owner, in the tenure in force",
        "1, 7", "tenure in force",
        f"{_STALE}; submit_other r1 s1 e1; apply r1",
    ),
    "release": Guard(
        "a fence releases what its session owned, in the same transaction",
        "4", "owner alive", "register s1; claim s1 e1 yes; fence s1", done=True,
    ),
    "claim": Guard(
        "a claim reads in its own transaction that its session is not fenced",
        "5", "owner alive", "register s1; fence s1; claim s1 e1 yes",
    ),
    "primary key": Guard(
        "a seq is written once",
        "7", "append only",
        f"{_STALE}; write other r1 s2 e1; submit_other r2 s1 e1; apply r2", "tenure",
    ),
    "predecessor": Guard(
        "a record joins the one that it was decided on, by its hash",
        "7", "gapless",
        "register s1; claim s1 e1 yes; submit_other r1 s1 e1; submit_other r2 s1 e1; reject r1; "
        "apply r2",
    ),
    "intent first": Guard(
        "a call starts only when its intent is known to be durable",
        "22", "intent first",
        "register s1; claim s1 e1 yes; submit_intent r1 s1 f1; call r1",
    ),
    "lookup": Guard(
        "after an ambiguous commit the record is looked up, never assumed",
        "10", "intent first",
        "register s1; claim s1 e1 yes; submit_intent r1 s1 f1; ambiguous r1; reject r1; found r1; "
        "call r1",
    ),
    "open attempt": Guard(
        "an attempt without an outcome is never followed by another",
        "4 of the protocol", "irreversible once",
        f"{_OPEN}; reach r1; register s2; fence s1; claim s2 e1 yes; write intent r2 s2 f1; "
        "reach r2",
    ),
    "one call": Guard(
        "one intent is one call: no client library repeats it",
        "4 of the protocol", "called once", f"{_OPEN}; call r1; call r1",
    ),
    "tombstone": Guard(
        "a probe answers `voided` only when the receiver refuses the attempt from then on",
        "30", "irreversible once",
        f"{_OPEN}; {_LATE}; learn_void s2 f1 1; write closed r3 s2 f1; write intent r4 s2 f1; "
        "reach r4; reach r1", done=True, asked=True,
    ),
    "exception": Guard(
        "an exception is doubt, unless its type is declared as a refusal",
        "25", "irreversible once",
        f"{_OPEN}; call r1; learn_declined s1 r1; write closed r2 s1 f1; write intent r3 s1 f1; "
        "reach r3; land r1",
    ),
    "no evidence": Guard(
        "what is undone without knowing is never told as landed afterwards",
        "17, 27", "landed stands",
        "f1 blind; " + f"{_OPEN}; reach r1; {_LATE}; undo_outside s2 f1; learn_landed s2 f1 1; "
        "write landed r3 s2 f1",
    ),
    "undo tombstone": Guard(
        "an undo closes its key: the attempt cannot land after it",
        "29", "closed is dead",
        f"f1 blind; {_OPEN}; {_LATE}; undo_outside s2 f1; write closed r3 s2 f1",
        done=True, asked=True,
    ),
    "undo ran": Guard(
        "an undo is recorded after it ran",
        "27", "cleared",
        f"f1 compensatable; {_LANDED}; write turn r3 s1 g1; write undone r4 s1 f1; "
        "write clear r5 s1 g1",
    ),
    "durable past": Guard(
        "a call leaves when the log that it rests on is durable",
        "22", "durable past",
        "f1 plain; register s1; claim s1 e1 yes; submit_other r1 s1 e1; ask_plain s1 f1",
    ),
    "pivot": Guard(
        "a saga does not turn back once its irreversible step may have landed",
        "43, 88", "pivot",
        f"f1 compensatable; f2 irreversible; {_TWO}; write turn r5 s1 g1; undo_outside s1 f1",
    ),
    "settled": Guard(
        "a saga is left, and an execution ends, with no attempt open or in doubt",
        "42, 44", "settled", f"{_OPEN}; write finish r2 s1 e1",
    ),
    "all undone": Guard(
        "a saga that went back is left when everything in it is undone",
        "44", "cleared",
        f"f1 compensatable; {_LANDED}; write turn r3 s1 g1; write clear r4 s1 g1",
    ),
    "undo order": Guard(
        "an effect is undone after everything that rests on it",
        "45", "undo order",
        f"f1 compensatable; f2 compensatable; f2 rests f1; {_TWO}; write turn r5 s1 g1; "
        "undo_outside s1 f1",
    ),
    "same transaction": Guard(
        "a transactional step writes in the transaction of its record",
        "18", "written once",
        "f1 transactional; register s1; claim s1 e1 yes; write_alone s1 f1",
    ),
    "consume": Guard(
        "consuming changes exactly one unread row, or the append fails",
        "D", "taken once",
        "register s1; send x1; claim s1 e1 yes; write consume r1 s1 x1; write consume r2 s1 x1",
    ),
    "consume with record": Guard(
        "a message is consumed in the transaction of the record that takes it",
        "D", "message kept", "register s1; send x1; claim s1 e1 yes; take_alone s1 x1",
    ),
    "message id": Guard(
        "a message id is accepted once, for ever",
        "68", "taken once",
        "register s1; send x1; claim s1 e1 yes; write consume r1 s1 x1; send x1; read_mail s1 e1; "
        "write consume r2 s1 x1",
    ),
    "mail": Guard(
        "parking and ending hold only if no mail came since it was read",
        "48, 51", "mail wakes",
        "root hears x1; register s1; claim s1 e1 yes; send x1; park s1 e1 no 0",
    ),
    "end seen": Guard(
        "a message for a finished execution is refused to its sender",
        "51", "end told", "register s1; claim s1 e1 yes; write finish r1 s1 e1; send x1",
    ),
    "timer": Guard(
        "a timer fires when its moment has come, by the database's time",
        "71", "timer due",
        "register s1; claim s1 e1 yes; write arm r1 s1 d1; write due r2 s1 d1",
    ),
    "timer wakes": Guard(
        "who parks leaves the earliest moment that it waits for",
        "D", "timer wakes",
        "register s1; claim s1 e1 yes; write arm r1 s1 d1; park s1 e1 no 0",
    ),
    "outbox": Guard(
        "an event's row is written in the transaction of its record",
        "63", "outbox", "register s1; claim s1 e1 yes; write emit r1 s1 e1", done=True,
    ),
    "outbox order": Guard(
        "the lowest undelivered event of an execution goes first",
        "63", "outbox order",
        "register s1; claim s1 e1 yes; write emit r1 s1 e1; write emit r2 s1 e1; deliver r2",
    ),
    "outbox mark": Guard(
        "an event is marked after its receiver acknowledged it",
        "63", "outbox mark", "register s1; claim s1 e1 yes; write emit r1 s1 e1; mark r1",
    ),
}  # fmt: skip
DESIGN = ("outbox", "outbox order", "outbox mark")
"""Guards of what the engine does not have yet: the proof is of the design."""
