"""Actions that reach outside or come from there: calls, landings, probes, undos, mail, events.

A request that is under way may land at any later time. Nothing is recorded here (writing.py).
"""

from __future__ import annotations

from .shape import (
    BACK,
    CALLED,
    COMPENSATABLE,
    DECLINED,
    DOUBT,
    K_INTENT,
    LANDED,
    LANDED_OUTSIDE,
    LOGGED,
    NONE,
    NOT_CALLED,
    PLAIN,
    TOLD,
    TRANSACTIONAL,
    UNDER_WAY,
    head,
)  # fmt: skip
from .terms import Action, Need, State, Step, Term, Words
from .writing import later_are_settled


def _attempt(s: State, t: Term) -> tuple[Term, Term]:
    """The effect and the attempt of an intent."""
    return s.about(t), s.tries(t, s.about(t))


def call(w: Words, s: State, t: Term) -> Step:
    """The request of an intent leaves."""
    f, a = _attempt(s, t)
    first, used = s.request(t) == NOT_CALLED, w.on("one call")
    again = w.some(s.told(t) == TOLD, w.all(s.told(t) == CALLED, not used))
    early = True if not w.on("intent first") else again
    needs = [
        Need("the record is an intent", w.all(s.kind(t) == K_INTENT, s.stored(t) != 0)),
        w.guard("one call", "it was not called before", first),
        w.guard("intent first", "the worker knows that it is durable", again, early),
    ]
    return Step(needs, {
        "told": w.put(s.told, (t,), CALLED),
        "request": w.put(s.request, (t,), w.when(first, UNDER_WAY, s.request(t))),
        "calls": w.put(s.calls, (f, a), s.calls(f, a) + 1),
    })  # fmt: skip


def land(w: Words, s: State, t: Term) -> Step:
    """A request that is under way has its effect, however late."""
    f, a = _attempt(s, t)
    needs = [
        Need("its request is under way", s.request(t) == UNDER_WAY),
        Need("the receiver has not closed the attempt", w.no(s.dead(f, a))),
    ]
    return Step(needs, {
        "request": w.put(s.request, (t,), LANDED_OUTSIDE),
        "stands": w.put(s.stands, (f, a), True),
        "did": w.put(s.did, (f, a), True),
    })  # fmt: skip


def decline(w: Words, s: State, t: Term) -> Step:
    """The receiver refuses a request for good: a declared refusal."""
    f, a = _attempt(s, t)
    return Step([Need("its request is under way", s.request(t) == UNDER_WAY)], {
        "request": w.put(s.request, (t,), DECLINED),
        "dead": w.put(s.dead, (f, a), True),
    })  # fmt: skip


def learn_landed(w: Words, s: State, worker: Term, f: Term, a: Term) -> Step:
    """A worker learns that an attempt landed: by its answer, a probe, late evidence or a person."""
    knows = w.put(s.knows_landed, (worker, f, a), True)
    return Step([Need("it landed", s.did(f, a))], {"knows_landed": knows})


def learn_void(w: Words, s: State, worker: Term, f: Term, a: Term) -> Step:
    """A probe, or a person, finds that an attempt does not stand, and makes the receiver refuse."""
    needs = [Need("there is such an attempt", a >= 1), Need("it does not stand",
             w.no(s.stands(f, a)))]  # fmt: skip
    changes = {"knows_void": w.put(s.knows_void, (worker, f, a), True)}
    if w.on("tombstone"):
        changes["dead"] = w.put(s.dead, (f, a), True)
    return Step(needs, changes)


def learn_declined(w: Words, s: State, worker: Term, t: Term) -> Step:
    """A worker learns that its request was refused."""
    f, a = _attempt(s, t)
    refused = s.request(t) == DECLINED
    doubtful = w.some(refused, s.request(t) == UNDER_WAY)
    needs = [w.guard("exception", "the refusal is a declared one", refused, doubtful)]
    return Step(needs, {"knows_void": w.put(s.knows_void, (worker, f, a), True)})


def undo_outside(w: Words, s: State, worker: Term, f: Term) -> Step:
    """A worker's undo has its effect: of what landed on record, or is in doubt without a probe."""
    tip = s.tip(worker, s.home(f))
    a, now, back = s.tries(tip, f), s.phase(tip, f), s.saga(tip, s.saga_of(f)) == BACK
    landed = w.all(now == LANDED, back)
    order = w.some(now == DOUBT, later_are_settled(w, s, tip, f))
    needs = [
        Need("the worker holds the execution", s.held(worker, s.home(f)) > 0),
        Need("it can be undone", s.class_of(f) == COMPENSATABLE),
        Need("it is to be undone", w.some(landed, w.all(now == DOUBT, s.blind(f)))),
        w.guard("durable past", "the log it rests on is durable", s.stored(tip) == LOGGED),
        w.guard("undo order", "what rests on it is undone", order),
    ]
    changes = {
        "stands": w.put(s.stands, (f, a), False),
        "knows_void": w.put(s.knows_void, (worker, f, a), True),
        "taken_back": w.put(s.taken_back, (f,), w.some(s.taken_back(f), landed)),
    }
    if w.on("undo tombstone"):
        changes["dead"] = w.put(s.dead, (f, a), True)
    return Step(needs, changes)


def ask_plain(w: Words, s: State, worker: Term, f: Term) -> Step:
    """An idempotent call leaves, under a key that rests on the log before it."""
    tip = s.tip(worker, s.home(f))
    needs = [
        Need("its class has no intent", s.class_of(f) == PLAIN),
        Need("the worker holds the execution", s.held(worker, s.home(f)) > 0),
        Need("it has no outcome yet", s.phase(tip, f) == NONE),
        w.guard("durable past", "the log it rests on is durable", s.stored(tip) == LOGGED),
    ]
    return Step(needs, {
        "asked": w.put(s.asked, (f,), True),
        "asked_on": w.put(s.asked_on, (f,), tip),
    })  # fmt: skip


def write_alone(w: Words, s: State, worker: Term, f: Term) -> Step:
    """The writes of a transactional step commit before their record (only without the guard)."""
    tip = s.tip(worker, s.home(f))
    needs = [
        Need("its class is transactional", s.class_of(f) == TRANSACTIONAL),
        Need("the worker holds the execution", s.held(worker, s.home(f)) > 0),
        Need("it has no outcome yet", s.phase(tip, f) == NONE),
        w.guard("same transaction", "its record is in the same transaction", False, True),
    ]
    return Step(needs, {"writes": w.put(s.writes, (f,), s.writes(f) + 1)})


def send(w: Words, s: State, x: Term) -> Step:
    """Somebody's message is accepted."""
    e = s.address(x)
    number, heard = s.mail(e) + 1, s.hears(head(s, e), x)
    now = w.when(w.all(s.wakes(e), s.wake(e) <= s.now()), s.wake(e), s.now())
    needs = [
        w.guard("message id", "its id is new", w.no(s.accepted(x))),
        w.guard("end seen", "the execution has not ended", w.no(s.ends(head(s, e)))),
    ]
    return Step(needs, {
        "accepted": w.put(s.accepted, (x,), True),
        "unread": w.put(s.unread, (x,), True),
        "number": w.put(s.number, (x,), number),
        "mail": w.put(s.mail, (e,), number),
        "wakes": w.put(s.wakes, (e,), w.some(s.wakes(e), heard)),
        "wake": w.put(s.wake, (e,), w.when(heard, now, s.wake(e))),
    })  # fmt: skip


def read_mail(w: Words, s: State, worker: Term, e: Term) -> Step:
    """A worker reads what arrived."""
    needs = [Need("the worker holds the execution", s.held(worker, e) > 0)]
    return Step(needs, {"seen": w.put(s.seen, (worker, e), s.mail(e))})


def take_alone(w: Words, s: State, worker: Term, x: Term) -> Step:
    """A message is marked as consumed before the record that takes it (only without the guard)."""
    needs = [
        Need("the worker holds the execution", s.held(worker, s.address(x)) > 0),
        Need("the message is unread", s.unread(x)),
        w.guard("consume with record", "its record is in the same transaction", False, True),
    ]
    return Step(needs, {"unread": w.put(s.unread, (x,), False)})


def tick(w: Words, s: State, moment: Term) -> Step:
    """The database's time goes on."""
    return Step([Need("time never falls", moment >= s.now())], {"now": w.put(s.now, (), moment)})


def deliver(w: Words, s: State, t: Term) -> Step:
    """The relay sends an event."""

    def earlier(u: Term) -> Term:
        before = w.all(s.row(u), s.of(u) == s.of(t), s.seq(u) < s.seq(t))
        return w.implies(before, s.marked(u))

    needs = [
        Need("its row is there", s.row(t)),
        Need("it is not marked as sent", w.no(s.marked(t))),
        w.guard("outbox order", "earlier events were delivered", w.every("T", earlier)),
    ]
    return Step(needs, {"sent": w.put(s.sent, (t,), True)})


def mark(w: Words, s: State, t: Term) -> Step:
    """The relay marks an event as delivered."""
    needs = [
        Need("its row is there", s.row(t)),
        w.guard("outbox mark", "the receiver acknowledged it", s.sent(t)),
    ]
    return Step(needs, {"marked": w.put(s.marked, (t,), True)})


ACTIONS = (
    Action("call", "T", call, "the call of {0} leaves"),
    Action("land", "T", land, "the call of {0} lands"),
    Action("decline", "T", decline, "the receiver refuses the call of {0}"),
    Action("learn_landed", "SFI", learn_landed, "{0} learns that attempt {2} of {1} landed"),
    Action("learn_void", "SFI", learn_void, "{0} learns that attempt {2} of {1} does not stand"),
    Action("learn_declined", "ST", learn_declined, "{0} takes the call of {1} for refused"),
    Action("undo_outside", "SF", undo_outside, "{0} undoes {1}"),
    Action("ask_plain", "SF", ask_plain, "{0} calls {1}"),
    Action("write_alone", "SF", write_alone, "{0} commits the writes of {1} alone"),
    Action("send", "X", send, "{0} is sent and accepted"),
    Action("read_mail", "SE", read_mail, "{0} reads the mail of {1}"),
    Action("take_alone", "SX", take_alone, "{0} marks {1} as consumed"),
    Action("tick", "I", tick, "it is {0} o'clock"),
    Action("deliver", "T", deliver, "the relay delivers {0}", design=True),
    Action("mark", "T", mark, "the relay marks {0} as delivered", design=True),
)
MUTATED = ("write_alone", "take_alone")
"""Actions that only exist without their guard."""
