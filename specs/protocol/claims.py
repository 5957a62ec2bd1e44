"""What the protocol promises, for all executions, workers, effects and messages, and for ever.

Each promise is a statement about one state, or about one step (`STEPS`). The invariants that
carry the proof stand in lemmas.py; nothing here says how anything is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import shape as n
from .shape import head, phase, saga, tries
from .terms import State, Term, Words


class Claim(NamedTuple):
    """A statement with its name; `says` is for people. `design`: of what is not built yet.

    `trigger`: the tables, with the places of their things, whose sight makes a solver use the
    statement, where it would go from a record to the one before it for ever by itself.
    """

    name: str
    says: str
    sorts: str
    holds: Callable[..., Term]
    design: bool = False
    trigger: Sequence[tuple[str, *tuple[int, ...]]] = ()


def _gapless(w: Words, s: State, e: Term, i: Term) -> Term:
    return s.present(e, i) == w.all(i >= 0, i < s.length(e))


def _logged(w: Words, s: State, e: Term, i: Term) -> Term:
    return w.all(i >= 0, i < s.length(e))


def _tenure(w: Words, s: State, e: Term, i: Term) -> Term:
    return w.implies(_logged(w, s, e, i), s.under(s.entry(e, i)) == s.force(e, i))


def _tenures(w: Words, s: State, e: Term, i: Term, j: Term) -> Term:
    both = w.all(_logged(w, s, e, i), _logged(w, s, e, j), i <= j)
    return w.implies(both, s.under(s.entry(e, i)) <= s.under(s.entry(e, j)))


def _owner(w: Words, s: State, e: Term) -> Term:
    return w.implies(s.owned(e), w.no(s.fenced(s.owner(e))))


def _intent_first(w: Words, s: State, t: Term) -> Term:
    durable = w.all(s.stored(t) == n.LOGGED, s.kind(t) == n.K_INTENT)
    return w.implies(s.request(t) != n.NOT_CALLED, durable)


def _called_once(w: Words, s: State, f: Term, a: Term) -> Term:
    return s.calls(f, a) <= 1


def _irreversible(w: Words, s: State, f: Term, a: Term, b: Term) -> Term:
    twice = w.all(s.class_of(f) == n.IRREVERSIBLE, s.did(f, a), s.did(f, b))
    return w.implies(twice, a == b)


def _one_stands(w: Words, s: State, f: Term, a: Term, b: Term) -> Term:
    return w.implies(w.all(s.stands(f, a), s.stands(f, b)), a == b)


def _landed(w: Words, s: State, f: Term) -> Term:
    going_back = s.saga(head(s, s.home(f)), s.saga_of(f)) == n.BACK
    recorded = w.all(phase(s, f) == n.LANDED, w.no(going_back))
    return w.implies(recorded, w.all(s.did(f, tries(s, f)), s.stands(f, tries(s, f))))


def _closed(w: Words, s: State, f: Term) -> Term:
    a, over = tries(s, f), w.among(phase(s, f), n.CLOSED, n.UNDONE)
    return w.implies(over, w.all(s.dead(f, a), w.no(s.stands(f, a))))


def _undone_once(w: Words, s: State, t: Term, u: Term) -> Term:
    both = w.all(*[s.stored(x) == n.LOGGED for x in (t, u)],
                 *[s.kind(x) == n.K_UNDONE for x in (t, u)])  # fmt: skip
    return w.implies(w.all(both, s.about(t) == s.about(u)), t == u)


def _undo_after(w: Words, s: State, t: Term) -> Term:
    undone = w.all(s.stored(t) == n.LOGGED, s.kind(t) == n.K_UNDONE)
    return w.implies(undone, s.phase(s.before(t), s.about(t)) == n.LANDED)


def _order(w: Words, s: State, f: Term, h: Term) -> Term:
    both = w.all(s.taken_back(f), s.rests(h, f))
    return w.implies(both, w.no(w.among(phase(s, h), *n.STANDING_PHASES)))


def _pivot(w: Words, s: State, f: Term, h: Term) -> Term:
    pivot = w.all(s.class_of(h) == n.IRREVERSIBLE, s.saga_of(h) == s.saga_of(f))
    both = w.all(s.taken_back(f), pivot)
    return w.implies(both, w.no(w.among(phase(s, h), *n.STANDING_PHASES)))


def _cleared(w: Words, s: State, f: Term, a: Term) -> Term:
    left = w.all(saga(s, s.saga_of(f)) == n.CLEARED, s.class_of(f) == n.COMPENSATABLE)
    return w.implies(w.all(left, phase(s, f) != n.STANDS), w.no(s.stands(f, a)))


def _settled(w: Words, s: State, f: Term) -> Term:
    over = w.some(s.ends(head(s, s.home(f))), w.among(saga(s, s.saga_of(f)), n.KEPT, n.CLEARED))
    return w.implies(over, w.no(w.among(phase(s, f), *n.OPEN_PHASES)))


def _durable_past(w: Words, s: State, f: Term) -> Term:
    return w.implies(s.asked(f), s.stored(s.asked_on(f)) == n.LOGGED)


def _written(w: Words, s: State, f: Term) -> Term:
    recorded = w.all(s.class_of(f) == n.TRANSACTIONAL, phase(s, f) == n.FIRED)
    return s.writes(f) == w.when(recorded, 1, 0)


def _kept(w: Words, s: State, x: Term) -> Term:
    t = s.taker(x)
    taken = w.all(
        s.stored(t) == n.LOGGED, s.kind(t) == n.K_CONSUME, s.takes(t) == x,
        s.of(t) == s.address(x),
    )  # fmt: skip
    return w.implies(s.accepted(x), w.some(s.unread(x), taken))


def _taken_once(w: Words, s: State, t: Term, u: Term) -> Term:
    both = w.all(*[s.stored(x) == n.LOGGED for x in (t, u)],
                 *[s.kind(x) == n.K_CONSUME for x in (t, u)])  # fmt: skip
    return w.implies(w.all(both, s.takes(t) == s.takes(u)), t == u)


def _mail_wakes(w: Words, s: State, x: Term) -> Term:
    e = s.address(x)
    waiting = w.all(w.no(s.owned(e)), w.no(s.ends(head(s, e))))
    heard = w.all(s.accepted(x), s.unread(x), s.hears(head(s, e), x))
    return w.implies(w.all(waiting, heard), s.wakes(e))


def _end_told(w: Words, s: State, x: Term) -> Term:
    e = s.address(x)
    late = w.all(s.ends(head(s, e)), s.accepted(x))
    return w.implies(late, s.number(x) <= s.seen_last(e))


def _due(w: Words, s: State, d: Term) -> Term:
    fell = s.timer(head(s, s.timer_home(d)), d) == n.FELL_DUE
    return w.implies(fell, s.due(d) <= s.now())


def _timer_wakes(w: Words, s: State, d: Term) -> Term:
    e = s.timer_home(d)
    waiting = w.all(w.no(s.owned(e)), w.no(s.ends(head(s, e))))
    soon = w.all(s.wakes(e), w.some(s.wake(e) <= s.due(d), s.wake(e) <= s.now()))
    return w.implies(w.all(waiting, s.timer(head(s, e), d) == n.ARMED), soon)


def _outbox(w: Words, s: State, t: Term) -> Term:
    return s.row(t) == w.all(s.stored(t) == n.LOGGED, s.kind(t) == n.K_EMIT)


def _outbox_order(w: Words, s: State, t: Term, u: Term) -> Term:
    earlier = w.all(s.sent(t), s.row(u), s.of(u) == s.of(t), s.seq(u) < s.seq(t))
    return w.implies(earlier, s.sent(u))


def _outbox_mark(w: Words, s: State, t: Term) -> Term:
    return w.all(w.implies(s.marked(t), s.sent(t)), w.implies(s.sent(t), s.row(t)))


PROMISES = (
    Claim("gapless", "Positions in a log have no gap.", "EI", _gapless),
    Claim("tenure in force", "A record's tenure is the one in force.", "EI", _tenure),
    Claim("tenures never fall", "Along a log tenures never fall.", "EII", _tenures),
    Claim("owner alive", "No execution is owned by a fenced session.", "E", _owner),
    Claim("intent first", "A call comes under a durable intent.", "T", _intent_first),
    Claim("called once", "An attempt is called at most once.", "FI", _called_once),
    Claim("irreversible once", "An irreversible effect lands at most once.", "FII", _irreversible),
    Claim("one stands", "Of one effect at most one landing stands.", "FII", _one_stands),
    Claim("landed stands", "What is recorded as landed did land, and stands until its saga goes "
          "back.", "F", _landed),
    Claim("closed is dead", "A closed or undone attempt neither stands nor can land.", "F",
          _closed),
    Claim("undone once", "An effect is undone by at most one record.", "TT", _undone_once),
    Claim("undo after landing", "Only what is recorded as landed is undone.", "T", _undo_after,
          trigger=(("before", 0), ("about", 0),)),
    Claim("undo order", "Nothing is undone while something that rests on it stands.", "FF", _order),
    Claim("pivot", "Nothing of a saga is undone once its irreversible step may have landed.", "FF",
          _pivot),
    Claim("cleared", "Of a saga that went back nothing is left, but what a person left standing.",
          "FI", _cleared),
    Claim("settled", "After the end of an execution or saga no attempt is open or in doubt, "
          "cancelled or not.", "F", _settled),
    Claim("durable past", "A call without an intent rests on a durable log.", "F", _durable_past),
    Claim("written once", "Writes of a transactional step are there exactly with its record.", "F",
          _written),
    Claim("message kept", "An accepted message is unread, or taken by a record of its execution.",
          "X", _kept),
    Claim("taken once", "A message is taken by at most one record.", "TT", _taken_once),
    Claim("mail wakes", "Nobody sleeps over a message that it waits for.", "X", _mail_wakes),
    Claim("end told", "Whoever ended knew every accepted message.", "X", _end_told),
    Claim("timer due", "A timer that fired was due.", "D", _due),
    Claim("timer wakes", "Nobody sleeps over a moment that it waits for.", "D", _timer_wakes),
    Claim("outbox", "An event's row is there exactly with its record.", "T", _outbox, True),
    Claim("outbox order", "Events of an execution are delivered in order.", "TT", _outbox_order,
          True),
    Claim("outbox mark", "Marked events were delivered, and delivered events are durable.", "T",
          _outbox_mark, True),
)  # fmt: skip


def _append_only(w: Words, s: State, after: State, e: Term, i: Term) -> Term:
    t = s.entry(e, i)
    names = ("of", "by", "under", "seq", "before", "kind", "about", "takes", "at")
    same = w.all(*[after.tables[name](t) == s.tables[name](t) for name in names])
    kept = w.all(after.length(e) >= s.length(e), after.entry(e, i) == t, same)
    return w.implies(_logged(w, s, e, i), kept)


def _one_record(w: Words, s: State, after: State, e: Term) -> Term:
    return after.length(e) <= s.length(e) + 1


def _fenced_silent(w: Words, s: State, after: State, t: Term) -> Term:
    new = w.all(s.stored(t) != n.LOGGED, after.stored(t) == n.LOGGED)
    return w.implies(new, w.no(s.fenced(s.by(t))))


STEPS = (
    Claim("append only", "Every step keeps the whole log before it.", "EI", _append_only),
    Claim("one record", "A step adds at most one record to a log.", "E", _one_record),
    Claim("fenced silent", "A fenced session appends nothing.", "T", _fenced_silent),
)
