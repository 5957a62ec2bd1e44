"""Actions of a worker that decide a record: what it says, and what its state must be for it.

The worker decides on its own chain, which may be stale: whether the record may be appended is the
database's to say (owning.py), never decided here. A wish to cancel is a message like any; what it
leads to are turns of sagas and drops of timers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .shape import (
    ARMED,
    BACK,
    CLOSED,
    COMPENSATABLE,
    DOUBT,
    FLYING,
    FORWARD,
    IRREVERSIBLE,
    K_ARM,
    K_CLEAR,
    K_CLOSED,
    K_CONSUME,
    K_DOUBT,
    K_DROP,
    K_DUE,
    K_EMIT,
    K_FINISH,
    K_FIRED,
    K_INTENT,
    K_KEEP,
    K_LANDED,
    K_OTHER,
    K_STAND,
    K_TURN,
    K_UNDONE,
    K_WRITTEN,
    LANDED,
    NONE,
    OPEN,
    OPEN_PHASES,
    PHASE_AFTER,
    PLAIN,
    SAGA_AFTER,
    STANDING_PHASES,
    TIMER_AFTER,
    TRANSACTIONAL,
    UNARMED,
    UNTOLD,
    UNUSED,
)  # fmt: skip
from .terms import Action, Need, State, Step, Table, Term, Words


class Rest(NamedTuple):
    """What a record is decided on: its worker, execution and predecessor."""

    worker: Term
    e: Term
    tip: Term


def _record(
    w: Words, s: State, t: Term, rest: Rest, kind: int, more: Sequence[Need], **about: Term
) -> Step:
    """Decide a record: it is on its way to the database, and the worker goes on from it."""
    worker, e, tip = rest
    needs = [
        Need("the worker holds the execution", s.held(worker, e) > 0),
        Need("the record is new", s.stored(t) == UNUSED),
        Need("the execution has not ended", w.no(s.ends(tip))),
        *more,
    ]
    once = {
        "stored": FLYING, "told": UNTOLD, "of": e, "by": worker, "under": s.held(worker, e),
        "seq": s.seq(tip) + 1, "before": tip, "kind": kind, "knew": s.seen(worker, e),
        "at": s.now(), "ends": kind == K_FINISH, **about,
    }  # fmt: skip
    changes = {name: w.put(s.tables[name], (t,), value) for name, value in once.items()}
    changes["tip"] = w.put(s.tip, (worker, e), t)
    return Step(needs, changes | _carried(w, s, t, tip, kind, about))


def _carried(
    w: Words, s: State, t: Term, tip: Term, kind: int, about: dict[str, Term]
) -> dict[str, Table]:
    """The state behind the record: that of its predecessor, but for what it is about."""
    f, g, d = about.get("about"), about.get("turns"), about.get("timed")
    after, turned, timed = PHASE_AFTER.get(kind), SAGA_AFTER.get(kind), TIMER_AFTER.get(kind)
    row = w.logic.row

    def changed(table: str, of: Term, value: Term) -> Callable[[Any], Any]:
        old = s.tables[table]
        if of is None or value is None:
            return lambda x: old(tip, x)
        return lambda x: w.when(x == of, value, old(tip, x))

    more = None if kind != K_INTENT else s.tries(tip, f) + 1
    return {
        "phase": row(s.phase, t, "F", changed("phase", f, after)),
        "tries": row(s.tries, t, "F", changed("tries", f, more)),
        "saga": row(s.saga, t, "G", changed("saga", g, turned)),
        "timer": row(s.timer, t, "D", changed("timer", d, timed)),
    }


def _of_effect(s: State, worker: Term, f: Term) -> Rest:
    e = s.home(f)
    return Rest(worker, e, s.tip(worker, e))


def _all_of_saga(w: Words, s: State, tip: Term, g: Term, phases: Sequence[int]) -> Term:
    """No effect of the saga is in one of these phases."""
    return w.every(
        "F", lambda f: w.implies(s.saga_of(f) == g, w.no(w.among(s.phase(tip, f), *phases)))
    )


def intent(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """We are about to call."""
    rest = _of_effect(s, worker, f)
    now = s.phase(rest.tip, f)
    free = w.among(now, NONE, CLOSED)
    more = [
        Need("its class has intents", w.among(s.class_of(f), IRREVERSIBLE, COMPENSATABLE)),
        Need("its saga goes forward", s.saga(rest.tip, s.saga_of(f)) == FORWARD),
        w.guard("open attempt", "no attempt of it is open", free, w.among(now, NONE, CLOSED, OPEN)),
    ]
    return _record(w, s, t, rest, K_INTENT, more, about=f)


def doubt(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """Nobody here knows what became of a call."""
    rest = _of_effect(s, worker, f)
    more = [Need("its attempt is open", s.phase(rest.tip, f) == OPEN)]
    return _record(w, s, t, rest, K_DOUBT, more, about=f)


def landed(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """The call landed: its answer came, or a probe, evidence or a person says so."""
    rest = _of_effect(s, worker, f)
    now, attempt = s.phase(rest.tip, f), s.tries(rest.tip, f)
    seeing = w.some(now == OPEN, w.all(now == DOUBT, w.no(s.blind(f))))
    more = [
        Need("its attempt is open or in doubt", w.among(now, *OPEN_PHASES)),
        Need("the worker knows that it landed", s.knows_landed(worker, f, attempt)),
        w.guard("no evidence", "it may not have been undone meanwhile", seeing),
    ]
    return _record(w, s, t, rest, K_LANDED, more, about=f)


def closed(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """The attempt is over and does not stand: refused, voided, or undone while in doubt."""
    rest = _of_effect(s, worker, f)
    void = s.knows_void(worker, f, s.tries(rest.tip, f))
    more = [
        Need("its attempt is open or in doubt", w.among(s.phase(rest.tip, f), *OPEN_PHASES)),
        Need("the worker knows that it does not stand", void),
    ]
    return _record(w, s, t, rest, K_CLOSED, more, about=f)


def fired(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """The outcome of a step without an intent is ours."""
    rest = _of_effect(s, worker, f)
    more = [
        Need("its class has no intent", s.class_of(f) == PLAIN),
        Need("it has no outcome yet", s.phase(rest.tip, f) == NONE),
    ]
    return _record(w, s, t, rest, K_FIRED, more, about=f)


def written(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """A transactional step ran; its writes commit with the record."""
    rest = _of_effect(s, worker, f)
    more = [
        Need("its class is transactional", s.class_of(f) == TRANSACTIONAL),
        Need("it has no outcome yet", s.phase(rest.tip, f) == NONE),
    ]
    return _record(w, s, t, rest, K_WRITTEN, more, about=f)


def _of_saga(s: State, worker: Term, g: Term) -> Rest:
    e = s.saga_home(g)
    return Rest(worker, e, s.tip(worker, e))


def turn(w: Words, s: State, t: Term, worker: Term, g: Term) -> Step:
    """A saga goes back, because of a failure or a cancel."""
    rest = _of_saga(s, worker, g)

    def before(f: Term) -> Term:
        pivot = w.all(s.saga_of(f) == g, s.class_of(f) == IRREVERSIBLE)
        return w.implies(pivot, w.no(w.among(s.phase(rest.tip, f), *STANDING_PHASES)))

    more = [
        Need("the saga goes forward", s.saga(rest.tip, g) == FORWARD),
        w.guard("pivot", "no irreversible step of it may have landed", w.every("F", before)),
    ]
    return _record(w, s, t, rest, K_TURN, more, turns=g)


def keep(w: Words, s: State, t: Term, worker: Term, g: Term) -> Step:
    """A saga is left well: its effects stay."""
    rest = _of_saga(s, worker, g)
    settled = _all_of_saga(w, s, rest.tip, g, OPEN_PHASES)
    more = [
        Need("the saga goes forward", s.saga(rest.tip, g) == FORWARD),
        w.guard("settled", "no attempt of it is open or in doubt", settled),
    ]
    return _record(w, s, t, rest, K_KEEP, more, turns=g)


def later_are_settled(w: Words, s: State, tip: Term, f: Term) -> Term:
    """Everything that rests on this effect does not stand any more."""
    return w.every(
        "F",
        lambda h: w.implies(s.rests(h, f), w.no(w.among(s.phase(tip, h), *STANDING_PHASES))),
    )


def undone(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """A committed effect was undone."""
    rest = _of_effect(s, worker, f)
    void = s.knows_void(worker, f, s.tries(rest.tip, f))
    more = [
        Need("it can be undone", s.class_of(f) == COMPENSATABLE),
        Need("it is recorded as landed", s.phase(rest.tip, f) == LANDED),
        Need("its saga goes back", s.saga(rest.tip, s.saga_of(f)) == BACK),
        w.guard("undo ran", "the worker knows that its undo ran", void),
        w.guard("undo order", "what rests on it is undone",
                later_are_settled(w, s, rest.tip, f)),
    ]  # fmt: skip
    return _record(w, s, t, rest, K_UNDONE, more, about=f)


def stand(w: Words, s: State, t: Term, worker: Term, f: Term) -> Step:
    """A person leaves an effect standing that cannot be undone."""
    rest = _of_effect(s, worker, f)
    more = [
        Need("it can be undone", s.class_of(f) == COMPENSATABLE),
        Need("it is recorded as landed", s.phase(rest.tip, f) == LANDED),
        Need("its saga goes back", s.saga(rest.tip, s.saga_of(f)) == BACK),
    ]
    return _record(w, s, t, rest, K_STAND, more, about=f)


def clear(w: Words, s: State, t: Term, worker: Term, g: Term) -> Step:
    """A saga that went back is left."""
    rest = _of_saga(s, worker, g)
    empty = _all_of_saga(w, s, rest.tip, g, STANDING_PHASES)
    more = [
        Need("the saga goes back", s.saga(rest.tip, g) == BACK),
        w.guard("all undone", "nothing of it is left to undo", empty),
    ]
    return _record(w, s, t, rest, K_CLEAR, more, turns=g)


def consume(w: Words, s: State, t: Term, worker: Term, x: Term) -> Step:
    """A message is taken."""
    e = s.address(x)
    read = w.all(s.accepted(x), s.number(x) <= s.seen(worker, e))
    rest = Rest(worker, e, s.tip(worker, e))
    needs = [Need("the worker has read the message", read)]
    return _record(w, s, t, rest, K_CONSUME, needs, takes=x)


def _of_timer(s: State, worker: Term, d: Term) -> Rest:
    e = s.timer_home(d)
    return Rest(worker, e, s.tip(worker, e))


def arm(w: Words, s: State, t: Term, worker: Term, d: Term) -> Step:
    """The execution comes to wait for a moment."""
    rest = _of_timer(s, worker, d)
    more = [Need("it does not wait for it yet", s.timer(rest.tip, d) == UNARMED)]
    return _record(w, s, t, rest, K_ARM, more, timed=d)


def fall_due(w: Words, s: State, t: Term, worker: Term, d: Term) -> Step:
    """The moment has passed."""
    rest = _of_timer(s, worker, d)
    more = [
        Need("the execution waits for it", s.timer(rest.tip, d) == ARMED),
        w.guard("timer", "its moment has come", s.due(d) <= s.now()),
    ]
    return _record(w, s, t, rest, K_DUE, more, timed=d)


def drop(w: Words, s: State, t: Term, worker: Term, d: Term) -> Step:
    """Something else came first, or the execution is cancelled."""
    rest = _of_timer(s, worker, d)
    more = [Need("the execution waits for it", s.timer(rest.tip, d) == ARMED)]
    return _record(w, s, t, rest, K_DROP, more, timed=d)


def emit(w: Words, s: State, t: Term, worker: Term, e: Term) -> Step:
    """An event will be delivered."""
    return _record(w, s, t, Rest(worker, e, s.tip(worker, e)), K_EMIT, [])


def finish(w: Words, s: State, t: Term, worker: Term, e: Term) -> Step:
    """Nothing more will happen."""
    tip = s.tip(worker, e)

    def settled(f: Term) -> Term:
        return w.implies(s.home(f) == e, w.no(w.among(s.phase(tip, f), *OPEN_PHASES)))

    def left(g: Term) -> Term:
        return w.implies(s.saga_home(g) == e, s.saga(tip, g) != BACK)

    more = [
        w.guard("settled", "no attempt is open or in doubt", w.every("F", settled)),
        w.guard("all undone", "no saga is on its way back", w.every("G", left)),
    ]
    return _record(w, s, t, Rest(worker, e, tip), K_FINISH, more)


def other(w: Words, s: State, t: Term, worker: Term, e: Term) -> Step:
    """A record that is about nothing of the above."""
    return _record(w, s, t, Rest(worker, e, s.tip(worker, e)), K_OTHER, [])


ACTIONS = (
    Action("submit_intent", "TSF", intent, "{1} decides {0}, the intent of {2}"),
    Action("submit_doubt", "TSF", doubt, "{1} decides {0}: {2} is in doubt"),
    Action("submit_landed", "TSF", landed, "{1} decides {0}: {2} landed"),
    Action("submit_closed", "TSF", closed, "{1} decides {0}: the attempt of {2} does not stand"),
    Action("submit_fired", "TSF", fired, "{1} decides {0}, the outcome of {2}"),
    Action("submit_written", "TSF", written, "{1} decides {0}, the outcome and writes of {2}"),
    Action("submit_turn", "TSG", turn, "{1} decides {0}: {2} goes back"),
    Action("submit_keep", "TSG", keep, "{1} decides {0}: {2} is left well"),
    Action("submit_undone", "TSF", undone, "{1} decides {0}: {2} is undone"),
    Action("submit_stand", "TSF", stand, "{1} decides {0}: a person leaves {2} standing"),
    Action("submit_clear", "TSG", clear, "{1} decides {0}: everything of {2} is undone"),
    Action("submit_consume", "TSX", consume, "{1} decides {0}, which takes {2}"),
    Action("submit_arm", "TSD", arm, "{1} decides {0}: it waits for {2}"),
    Action("submit_due", "TSD", fall_due, "{1} decides {0}: the moment of {2} has come"),
    Action("submit_drop", "TSD", drop, "{1} decides {0}: {2} is not waited for any more"),
    Action("submit_emit", "TSE", emit, "{1} decides {0}, an event", design=True),
    Action("submit_finish", "TSE", finish, "{1} decides {0}: {2} has ended"),
    Action("submit_other", "TSE", other, "{1} decides {0}"),
)
