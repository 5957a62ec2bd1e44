"""What a state of the world consists of: sorts, variables, facts, and the numbers they hold.

A worker that dies is one that never acts again, a paused one acts later: neither needs a variable.
A record is decided with the chain it rests on, so the state of an execution is what its last record
says (`phase`, `tries`, `saga`, `timer`). No action lives here.
"""

from __future__ import annotations

from typing import NamedTuple

from .terms import State, Term

SORTS = {
    "E": "execution", "S": "worker", "T": "record", "F": "effect", "G": "saga", "D": "timer",
    "X": "message", "I": "number", "B": "truth",
}  # fmt: skip
"""Letter -> what it stands for. A worker is one session: a process has several in a row."""

UNUSED, FLYING, LOGGED, REFUSED = range(4)  # a record in the database
UNTOLD, TOLD, UNSURE, CALLED = range(4)  # and what its writer knows: UNSURE: the answer was lost
NOT_CALLED, UNDER_WAY, LANDED_OUTSIDE, DECLINED = range(4)  # the request of an intent
NONE, OPEN, DOUBT, LANDED, CLOSED, UNDONE, STANDS, FIRED = range(8)  # phases of an effect
FORWARD, BACK, KEPT, CLEARED = range(4)  # a saga
UNARMED, ARMED, FELL_DUE, DROPPED = range(4)  # a timer
IRREVERSIBLE, COMPENSATABLE, PLAIN, TRANSACTIONAL = range(4)  # classes; plain: without an intent
OPEN_PHASES = (OPEN, DOUBT)
STANDING_PHASES = (OPEN, DOUBT, LANDED)
(
    STARTED, K_INTENT, K_DOUBT, K_LANDED, K_CLOSED, K_FIRED, K_WRITTEN, K_TURN, K_KEEP, K_UNDONE,
    K_STAND, K_CLEAR, K_CONSUME, K_ARM, K_DUE, K_DROP, K_EMIT, K_FINISH, K_OTHER,
) = range(19)  # fmt: skip
PHASE_AFTER = {
    K_INTENT: OPEN, K_DOUBT: DOUBT, K_LANDED: LANDED, K_CLOSED: CLOSED, K_FIRED: FIRED,
    K_WRITTEN: FIRED, K_UNDONE: UNDONE, K_STAND: STANDS,
}  # fmt: skip
SAGA_AFTER = {K_TURN: BACK, K_KEEP: KEPT, K_CLEAR: CLEARED}
TIMER_AFTER = {K_ARM: ARMED, K_DUE: FELL_DUE, K_DROP: DROPPED}


class Variable(NamedTuple):
    """A table of the state: from sorts to a sort."""

    domain: str
    range: str


def _tables(text: str) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for line in text.split():
        name, domain, target = line.split(":")
        found[name] = Variable(domain, target)
    return found


VARIABLES = _tables("""
    length:E:I present:EI:B entry:EI:T force:EI:I
    tenure:E:I owned:E:B owner:E:S mail:E:I wakes:E:B wake:E:I seen_last:E:I
    registered:S:B fenced:S:B handed:S:B
    held:SE:I tip:SE:T seen:SE:I
    stored:T:I told:T:I of:T:E by:T:S under:T:I seq:T:I before:T:T kind:T:I about:T:F
    takes:T:X timed:T:D turns:T:G knew:T:I at:T:I ends:T:B
    phase:TF:I tries:TF:I saga:TG:I timer:TD:I
    request:T:I calls:FI:I stands:FI:B dead:FI:B did:FI:B
    knows_landed:SFI:B knows_void:SFI:B taken_back:F:B
    asked:F:B asked_on:F:T writes:F:I
    accepted:X:B unread:X:B number:X:I taker:X:T
    row:T:B sent:T:B marked:T:B
    now::I
""")
"""Name -> sorts. Database: length .. seen_last (`force`: the tenure in force when a record was
written), sessions; a worker's memory: held (the tenure it believes in), tip (its last record),
seen (mail); a record: stored .. timer; outside: request .. taken_back, asked; inbox; outbox."""

FACTS = _tables("""
    root:E:T home:F:E class_of:F:I blind:F:B saga_of:F:G rests:FF:B
    saga_home:G:E timer_home:D:E due:D:I address:X:E hears:TX:B
""")
"""What never changes: `blind`: in doubt it is undone without knowing, since it has no probe;
`rests`: the first effect comes after the second one; `hears`: after this record the message is
waited for."""


def head(s: State, e: Term) -> Term:
    """The last record of an execution's log."""
    return s.entry(e, s.length(e) - 1)


def phase(s: State, f: Term) -> Term:
    """The phase of an effect, as the log says."""
    return s.phase(head(s, s.home(f)), f)


def tries(s: State, f: Term) -> Term:
    """The number of its latest attempt, as the log says."""
    return s.tries(head(s, s.home(f)), f)


def saga(s: State, g: Term) -> Term:
    """Where a saga stands, as the log says."""
    return s.saga(head(s, s.saga_home(g)), g)
