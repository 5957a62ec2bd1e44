"""Actions on ownership and on the log: sessions, claims, fences, and the database's append.

What a record says is decided in writing.py, and what is called outside stands in reaching.py:
none of it is here.
"""

from __future__ import annotations

from .shape import (
    ARMED,
    FLYING,
    K_CONSUME,
    K_EMIT,
    K_FINISH,
    K_WRITTEN,
    LOGGED,
    REFUSED,
    TOLD,
    UNSURE,
    UNTOLD,
    head,
)  # fmt: skip
from .terms import Action, Need, State, Step, Term, Words


def in_force(w: Words, s: State, worker: Term, e: Term, tenure: Term) -> Term:
    """This worker owns the execution, and this is the tenure."""
    return w.all(s.owned(e), s.owner(e) == worker, s.tenure(e) == tenure)


def alive(w: Words, s: State, worker: Term) -> Term:
    """The session is registered and not fenced."""
    return w.all(s.registered(worker), w.no(s.fenced(worker)))


def register(w: Words, s: State, worker: Term) -> Step:
    """A session is inserted."""
    needs = [Need("the session is new", w.no(s.registered(worker)))]
    return Step(needs, {"registered": w.put(s.registered, (worker,), True)})


def claim(w: Words, s: State, worker: Term, e: Term, heard: Term) -> Step:
    """A session takes an execution that nobody alive owns; `heard`: it learns so."""
    free = w.some(w.no(s.owned(e)), s.fenced(s.owner(e)))
    needs = [
        Need("the session is registered", s.registered(worker)),
        w.guard("claim", "the session is not fenced", w.no(s.fenced(worker))),
        Need("nobody alive owns the execution", free),
        Need("the execution has not ended", w.no(s.ends(head(s, e)))),
    ]
    tenure, key = s.tenure(e) + 1, (worker, e)
    return Step(needs, {
        "tenure": w.put(s.tenure, (e,), tenure),
        "owned": w.put(s.owned, (e,), True),
        "owner": w.put(s.owner, (e,), worker),
        "wakes": w.put(s.wakes, (e,), False),
        "held": w.put(s.held, key, w.when(heard, tenure, s.held(*key))),
        "tip": w.put(s.tip, key, w.when(heard, head(s, e), s.tip(*key))),
        "seen": w.put(s.seen, key, w.when(heard, s.mail(e), s.seen(*key))),
    })  # fmt: skip


def fence(w: Words, s: State, worker: Term) -> Step:
    """Somebody ends a session and releases what it owns, in one transaction."""
    changes = {"fenced": w.put(s.fenced, (worker,), True)}
    if w.on("release"):

        def lost(e: Term) -> Term:
            return w.all(s.owned(e), s.owner(e) == worker)

        changes |= {
            "owned": w.logic.map(s.owned, "E", lambda e: w.all(s.owned(e), w.no(lost(e)))),
            "wakes": w.logic.map(s.wakes, "E", lambda e: w.some(s.wakes(e), lost(e))),
            "wake": w.logic.map(s.wake, "E", lambda e: _sooner(w, s, e, lost(e))),
        }
    return Step([Need("the session is registered", s.registered(worker))], changes)


def _sooner(w: Words, s: State, e: Term, lost: Term) -> Term:
    now = w.when(w.all(s.wakes(e), s.wake(e) <= s.now()), s.wake(e), s.now())
    return w.when(lost, now, s.wake(e))


def handover(w: Words, s: State, old: Term, new: Term) -> Step:
    """After an ambiguous commit a process fences its own session and goes on under the next."""

    def moved(e: Term) -> Term:
        return w.all(s.owned(e), s.owner(e) == old)

    tables = w.logic
    needs = [
        Need("the old session is registered", s.registered(old)),
        Need("the next session is new", w.no(s.registered(new))),
    ]
    return Step(needs, {
        "fenced": w.put(s.fenced, (old,), True),
        "handed": w.put(s.handed, (old,), True),
        "registered": w.put(s.registered, (new,), True),
        "owner": tables.map(s.owner, "E", lambda e: w.when(moved(e), new, s.owner(e))),
        "tenure": tables.map(s.tenure, "E", lambda e: s.tenure(e) + w.when(moved(e), 1, 0)),
        "held": tables.row(s.held, new, "E", lambda e: w.when(moved(e), s.tenure(e) + 1, 0)),
        "tip": tables.row(s.tip, new, "E", lambda e: head(s, e)),
        "seen": tables.row(s.seen, new, "E", lambda e: s.seen(old, e)),
    })  # fmt: skip


def found(w: Words, s: State, t: Term) -> Step:
    """After the handover a process finds the record of which it was not sure."""
    needs = [
        Need("it was not sure of the record", s.told(t) == UNSURE),
        w.guard("lookup", "its own session is fenced", s.handed(s.by(t))),
        w.guard("lookup", "the record is in the log", s.stored(t) == LOGGED),
    ]
    return Step(needs, {"told": w.put(s.told, (t,), TOLD)})


def ack(w: Words, s: State, t: Term) -> Step:
    """The worker learns that a record is durable."""
    needs = [
        Need("the record is in the log", s.stored(t) == LOGGED),
        Need("the worker waits for the answer", s.told(t) == UNTOLD),
    ]
    return Step(needs, {"told": w.put(s.told, (t,), TOLD)})


def ambiguous(w: Words, s: State, t: Term) -> Step:
    """The answer of a commit is lost: the record may be in the log, now, later or never."""
    waiting = w.all(s.told(t) == UNTOLD, w.some(s.stored(t) == FLYING, s.stored(t) == LOGGED))
    needs = [Need("the worker waits for the answer", waiting)]
    return Step(needs, {"told": w.put(s.told, (t,), UNSURE)})


def reject(w: Words, s: State, t: Term) -> Step:
    """A transaction is rolled back."""
    needs = [Need("the record is on its way", s.stored(t) == FLYING)]
    return Step(needs, {"stored": w.put(s.stored, (t,), REFUSED)})


def apply(w: Words, s: State, t: Term) -> Step:
    """The database commits a record, perhaps long after its worker gave up on it."""
    e, seq, kind, x = s.of(t), s.seq(t), s.kind(t), s.takes(t)
    longer = w.when(seq >= s.length(e), seq + 1, s.length(e))
    takes = w.all(kind == K_CONSUME, w.on("consume with record"))
    ends = kind == K_FINISH
    writes = s.writes(s.about(t))
    return Step(_may_apply(w, s, t), {
        "stored": w.put(s.stored, (t,), LOGGED),
        "length": w.put(s.length, (e,), longer),
        "present": w.put(s.present, (e, seq), True),
        "entry": w.put(s.entry, (e, seq), t),
        "force": w.put(s.force, (e, seq), s.tenure(e)),
        "unread": w.put(s.unread, (x,), w.all(s.unread(x), w.no(takes))),
        "taker": w.put(s.taker, (x,), w.when(kind == K_CONSUME, t, s.taker(x))),
        "writes": w.put(s.writes, (s.about(t),), writes + w.when(kind == K_WRITTEN, 1, 0)),
        "row": w.put(s.row, (t,), w.some(s.row(t), w.all(kind == K_EMIT, w.on("outbox")))),
        "owned": w.put(s.owned, (e,), w.all(s.owned(e), w.no(ends))),
        "seen_last": w.put(s.seen_last, (e,), w.when(ends, s.knew(t), s.seen_last(e))),
    })  # fmt: skip


def _may_apply(w: Words, s: State, t: Term) -> list[Need]:
    e, seq, kind = s.of(t), s.seq(t), s.kind(t)
    joined = w.all(s.present(e, seq - 1), s.entry(e, seq - 1) == s.before(t))
    unread = w.implies(kind == K_CONSUME, s.unread(s.takes(t)))
    read = w.implies(kind == K_FINISH, s.knew(t) == s.mail(e))
    return [
        Need("the record is on its way", s.stored(t) == FLYING),
        w.guard("fence", "its session is not fenced", w.no(s.fenced(s.by(t)))),
        w.guard("tenure", "its tenure is in force", in_force(w, s, s.by(t), e, s.under(t))),
        w.guard("predecessor", "it follows the record it was decided on", joined),
        w.guard("primary key", "its seq is free", w.no(s.present(e, seq))),
        w.guard("consume", "its message is unread", unread),
        w.guard("mail", "no mail came since it was read", read),
    ]


def park(w: Words, s: State, worker: Term, e: Term, wakes: Term, wake: Term) -> Step:
    """A worker lets go of an execution that waits; `wake` is its next moment, if it has one."""
    tip = s.tip(worker, e)

    def heard(x: Term) -> Term:
        late = s.number(x) > s.seen(worker, e)
        mine = w.all(s.address(x) == e, s.unread(x), s.hears(tip, x))
        return w.implies(mine, late)

    def early(d: Term) -> Term:
        armed = w.all(s.timer_home(d) == e, s.timer(tip, d) == ARMED)
        return w.implies(armed, w.all(wakes, wake <= s.due(d)))

    needs = [
        Need("the worker holds the execution", s.held(worker, e) > 0),
        Need("nothing of it is on its way", s.stored(tip) == LOGGED),
        Need("no message that it read is waited for", w.every("X", heard)),
        w.guard("timer wakes", "its next moment is noted", w.every("D", early)),
        w.guard("fence", "its session is not fenced", w.no(s.fenced(worker))),
        w.guard("tenure", "its tenure is in force",
                in_force(w, s, worker, e, s.held(worker, e))),
        w.guard("mail", "no mail came since it was read", s.seen(worker, e) == s.mail(e)),
    ]  # fmt: skip
    return Step(needs, {
        "owned": w.put(s.owned, (e,), False),
        "wakes": w.put(s.wakes, (e,), wakes),
        "wake": w.put(s.wake, (e,), wake),
    })  # fmt: skip


def release(w: Words, s: State, worker: Term, e: Term) -> Step:
    """A worker that ends lets go of an execution that somebody is to take over at once."""
    needs = [
        Need("the worker holds the execution", s.held(worker, e) > 0),
        w.guard("fence", "its session is not fenced", w.no(s.fenced(worker))),
        w.guard("tenure", "its tenure is in force",
                in_force(w, s, worker, e, s.held(worker, e))),
    ]  # fmt: skip
    return Step(needs, {
        "owned": w.put(s.owned, (e,), False),
        "wakes": w.put(s.wakes, (e,), True),
        "wake": w.put(s.wake, (e,), _sooner(w, s, e, True)),
    })  # fmt: skip


ACTIONS = (
    Action("register", "S", register, "{0} starts"),
    Action("claim", "SEB", claim, "{0} takes {1} over"),
    Action("fence", "S", fence, "{0} is silent for too long and is fenced"),
    Action("handover", "SS", handover, "{0} fences itself and goes on as {1}"),
    Action("found", "T", found, "it looks for {0} and goes on from it"),
    Action("ack", "T", ack, "its writer learns that {0} is durable"),
    Action("ambiguous", "T", ambiguous, "the answer to the commit of {0} is lost"),
    Action("reject", "T", reject, "{0} is rolled back"),
    Action("apply", "T", apply, "{0} commits"),
    Action("park", "SEBI", park, "{0} lets go of {1}, which waits"),
    Action("release", "SE", release, "{0} ends and lets go of {1}"),
)
