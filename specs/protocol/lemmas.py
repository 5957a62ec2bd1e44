"""The invariants that carry the proofs: true in every reachable state, and closed under each step.

No promise is made here; those stand in claims.py. And where everything begins: `initial`.
"""

from __future__ import annotations

from . import shape as n
from .claims import Claim
from .shape import head, phase, saga, tries
from .terms import State, Term, Words


def initial(w: Words, s: State) -> list[Term]:
    """Every execution has its record 0, nobody owns anything, and nothing has happened."""
    return [
        w.every("E", lambda e: w.all(
            s.length(e) == 1, s.tenure(e) == 0, s.mail(e) == 0, s.seen_last(e) == 0,
            w.no(s.owned(e)), s.wakes(e), s.wake(e) == 0, s.entry(e, 0) == s.root(e),
            s.force(e, 0) == 0, s.of(s.root(e)) == e, s.stored(s.root(e)) == n.LOGGED,
        )),
        w.every("EI", lambda e, i: s.present(e, i) == (i == 0)),
        w.every("T", lambda t: w.all(
            s.told(t) == n.UNTOLD, s.request(t) == n.NOT_CALLED, w.no(s.row(t)), w.no(s.sent(t)),
            w.no(s.marked(t)), w.some(s.stored(t) == n.UNUSED, _is_root(w, s, t)),
        )),
        w.every("TF", lambda t, f: w.all(s.phase(t, f) == n.NONE, s.tries(t, f) == 0)),
        w.every("TG", lambda t, g: s.saga(t, g) == n.FORWARD),
        w.every("TD", lambda t, d: s.timer(t, d) == n.UNARMED),
        w.every("S", lambda x: w.all(
            w.no(s.registered(x)), w.no(s.fenced(x)), w.no(s.handed(x)))),
        w.every("SE", lambda x, e: w.all(s.held(x, e) == 0, s.seen(x, e) == 0)),
        w.every("FI", lambda f, a: w.all(
            s.calls(f, a) == 0, w.no(s.stands(f, a)), w.no(s.dead(f, a)), w.no(s.did(f, a)))),
        w.every("SFI", lambda x, f, a: w.all(
            w.no(s.knows_landed(x, f, a)), w.no(s.knows_void(x, f, a)))),
        w.every("F", lambda f: w.all(
            w.no(s.taken_back(f)), w.no(s.asked(f)), s.writes(f) == 0)),
        w.every("X", lambda x: w.all(
            w.no(s.accepted(x)), w.no(s.unread(x)), s.number(x) == 0)),
        s.now() == 0,
    ]  # fmt: skip


def _is_root(w: Words, s: State, t: Term) -> Term:
    return w.all(
        t == s.root(s.of(t)), s.stored(t) == n.LOGGED, s.seq(t) == 0, s.kind(t) == n.STARTED,
        w.no(s.ends(t)), s.at(t) == 0, s.under(t) == 0,
    )  # fmt: skip


def facts(w: Words, s: State) -> list[Term]:
    """What is true of the facts: an effect is of its saga's execution, `rests` stays in a saga."""
    return [
        w.every("F", lambda f: w.all(
            s.saga_home(s.saga_of(f)) == s.home(f),
            w.among(s.class_of(f), *range(4)),
            w.implies(s.blind(f), s.class_of(f) == n.COMPENSATABLE),
        )),
        w.every("FF", lambda h, f: w.implies(s.rests(h, f), s.saga_of(h) == s.saga_of(f))),
    ]  # fmt: skip


def _used(s: State, t: Term) -> Term:
    return s.stored(t) != n.UNUSED


def _decided(w: Words, s: State, t: Term) -> Term:
    return w.all(_used(s, t), s.seq(t) > 0)


def _log(w: Words, s: State, e: Term, i: Term) -> Term:
    t = s.entry(e, i)
    there = w.all(
        s.stored(t) == n.LOGGED, s.of(t) == e, s.seq(t) == i, s.force(e, i) <= s.tenure(e)
    )
    return w.implies(w.all(i >= 0, i < s.length(e)), there)


def _logged(w: Words, s: State, t: Term) -> Term:
    e, i = s.of(t), s.seq(t)
    there = w.all(i >= 0, i < s.length(e), s.entry(e, i) == t)
    return w.implies(s.stored(t) == n.LOGGED, there)


def _follows(w: Words, s: State, t: Term) -> Term:
    logged = w.all(s.stored(t) == n.LOGGED, s.seq(t) > 0)
    return w.implies(logged, s.entry(s.of(t), s.seq(t) - 1) == s.before(t))


def _chain(w: Words, s: State, t: Term) -> Term:
    p = s.before(t)
    follows = w.all(_used(s, p), s.of(p) == s.of(t), s.seq(p) == s.seq(t) - 1, w.no(s.ends(p)),
                    s.at(p) <= s.at(t), s.kind(t) > 0)  # fmt: skip
    return w.implies(_decided(w, s, t), follows)


def _used_record(w: Words, s: State, t: Term) -> Term:
    used = w.all(s.seq(t) >= 0, s.at(t) <= s.now(), s.ends(t) == (s.kind(t) == n.K_FINISH),
                 w.implies(s.seq(t) == 0, _is_root(w, s, t)))  # fmt: skip
    return w.implies(_used(s, t), used)


def _fresh(w: Words, s: State, t: Term) -> Term:
    kinds = w.all(w.among(s.stored(t), *range(4)), w.among(s.told(t), *range(4)),
                  w.among(s.request(t), *range(4)))  # fmt: skip
    quiet = w.all(s.told(t) == n.UNTOLD, s.request(t) == n.NOT_CALLED)
    return w.all(kinds, w.implies(s.stored(t) == n.UNUSED, quiet))


def _told(w: Words, s: State, t: Term) -> Term:
    knows = w.implies(w.among(s.told(t), n.TOLD, n.CALLED), s.stored(t) == n.LOGGED)
    return w.all(knows, w.implies(s.request(t) != n.NOT_CALLED, s.told(t) == n.CALLED))


def _length(w: Words, s: State, e: Term) -> Term:
    return w.all(s.length(e) >= 1, s.tenure(e) >= 0, s.mail(e) >= 0,
                 w.implies(s.owned(e), s.registered(s.owner(e))))  # fmt: skip


def _memory(w: Words, s: State, x: Term, e: Term) -> Term:
    t = s.tip(x, e)
    loaded = w.all(_used(s, t), s.of(t) == e)
    return w.all(s.held(x, e) >= 0, s.held(x, e) <= s.tenure(e), s.seen(x, e) <= s.mail(e),
                 w.implies(s.held(x, e) > 0, loaded),
                 w.implies(w.no(s.registered(x)), s.held(x, e) == 0))  # fmt: skip


def _sessions(w: Words, s: State, x: Term) -> Term:
    return w.implies(s.fenced(x), s.registered(x))


def _tip(w: Words, s: State, x: Term, e: Term) -> Term:
    t, last = s.tip(x, e), s.length(e) - 1
    force = w.all(s.owned(e), s.owner(e) == x, s.held(x, e) == s.tenure(e), s.held(x, e) > 0)
    ahead = w.all(s.seq(t) >= last, w.implies(s.seq(t) == last, t == s.entry(e, last)))
    return w.implies(force, ahead)


def _flying(w: Words, s: State, t: Term) -> Term:
    x, e = s.by(t), s.of(t)
    tip = s.tip(x, e)
    mine = w.all(s.seq(t) <= s.seq(tip), w.implies(s.seq(t) == s.seq(tip), t == tip))
    now = w.implies(s.under(t) == s.held(x, e), mine)
    behind = w.all(s.under(t) > 0, s.under(t) <= s.held(x, e), s.held(x, e) > 0)
    force = w.all(s.owned(e), s.owner(e) == x, s.under(t) == s.tenure(e))
    new = w.implies(force, s.seq(t) >= s.length(e))
    return w.implies(s.stored(t) == n.FLYING, w.all(now, behind, new))


def _one_chain(w: Words, s: State, t: Term, u: Term) -> Term:
    """What a worker has on its way under one tenure has places of its own."""
    x, e = s.by(t), s.of(t)
    same = w.all(s.by(u) == x, s.of(u) == e, s.seq(u) == s.seq(t), s.under(u) == s.under(t),
                 s.under(t) == s.held(x, e))  # fmt: skip
    both = w.all(s.stored(t) == n.FLYING, s.stored(u) == n.FLYING, same)
    return w.implies(both, t == u)


def _effects(w: Words, s: State, t: Term, f: Term) -> Term:
    p, kind = s.before(t), s.kind(t)
    was, now = s.phase(p, f), s.phase(t, f)
    forward = s.saga(p, s.saga_of(f)) == n.FORWARD
    plain = w.among(s.class_of(f), n.IRREVERSIBLE, n.COMPENSATABLE)
    steps = {
        n.K_INTENT: w.all(w.among(was, n.NONE, n.CLOSED), now == n.OPEN, forward, plain),
        n.K_DOUBT: w.all(was == n.OPEN, now == n.DOUBT),
        n.K_LANDED: w.all(now == n.LANDED, s.did(f, s.tries(t, f)), w.some(
            was == n.OPEN, w.all(was == n.DOUBT, w.no(s.blind(f))))),
        n.K_CLOSED: w.all(w.among(was, n.OPEN, n.DOUBT), now == n.CLOSED, _over(w, s, t, f)),
        n.K_FIRED: w.all(was == n.NONE, now == n.FIRED, s.class_of(f) == n.PLAIN),
        n.K_WRITTEN: w.all(was == n.NONE, now == n.FIRED, s.class_of(f) == n.TRANSACTIONAL),
        n.K_UNDONE: w.all(was == n.LANDED, now == n.UNDONE, _over(w, s, t, f),
                          s.saga(p, s.saga_of(f)) == n.BACK, s.class_of(f) == n.COMPENSATABLE),
        n.K_STAND: w.all(was == n.LANDED, now == n.STANDS, s.class_of(f) == n.COMPENSATABLE,
                         s.saga(p, s.saga_of(f)) == n.BACK),
    }  # fmt: skip
    step: Term = now == was
    for number, holds in steps.items():
        about = w.all(s.about(t) == f, kind == number)
        step = w.when(about, holds, step)
    more = w.when(w.all(s.about(t) == f, kind == n.K_INTENT), 1, 0)
    decided = w.all(_decided(w, s, t), s.home(f) == s.of(t))
    return w.implies(decided, w.all(step, s.tries(t, f) == s.tries(p, f) + more))


def _says(w: Words, s: State, t: Term) -> Term:
    """What an undo or an intent says of its effect, seen from the record itself."""
    f = s.about(t)
    undone = w.all(s.phase(t, f) == n.UNDONE, s.phase(s.before(t), f) == n.LANDED,
                   s.saga(s.before(t), s.saga_of(f)) == n.BACK, s.tries(t, f) >= 1)  # fmt: skip
    return w.implies(w.all(_decided(w, s, t), s.kind(t) == n.K_UNDONE), undone)


def _over(w: Words, s: State, t: Term, f: Term) -> Term:
    a = s.tries(t, f)
    return w.all(s.dead(f, a), w.no(s.stands(f, a)))


def _phases(w: Words, s: State, t: Term, f: Term) -> Term:
    """What a record can say of an effect."""
    at, none = s.phase(t, f), s.tries(t, f) == 0
    with_intent = w.among(s.class_of(f), n.IRREVERSIBLE, n.COMPENSATABLE)
    going = s.saga(t, s.saga_of(f))
    pivot = w.all(s.class_of(f) == n.IRREVERSIBLE, w.among(going, n.BACK, n.CLEARED))
    standing = w.among(at, *n.STANDING_PHASES)
    return w.implies(w.all(_used(s, t), s.home(f) == s.of(t)), w.all(
        s.tries(t, f) >= 0, w.among(at, *range(8)),
        w.implies(w.among(at, n.NONE, n.FIRED), none),
        w.implies(w.no(w.among(at, n.NONE, n.FIRED)), w.all(with_intent, w.no(none))),
        w.implies(pivot, w.no(standing)),
        w.implies(going == n.CLEARED, w.no(standing)),
        w.implies(w.some(going == n.KEPT, s.ends(t)), w.no(w.among(at, *n.OPEN_PHASES))),
        w.implies(w.among(at, n.UNDONE, n.STANDS), w.among(going, n.BACK, n.CLEARED)),
    ))  # fmt: skip


def _sagas(w: Words, s: State, t: Term, g: Term) -> Term:
    p, kind, was, now = s.before(t), s.kind(t), s.saga(s.before(t), g), s.saga(t, g)
    steps = {
        n.K_TURN: w.all(was == n.FORWARD, now == n.BACK),
        n.K_KEEP: w.all(was == n.FORWARD, now == n.KEPT),
        n.K_CLEAR: w.all(was == n.BACK, now == n.CLEARED),
    }
    step: Term = now == s.saga(p, g)
    for number, holds in steps.items():
        step = w.when(w.all(s.turns(t) == g, kind == number), holds, step)
    decided = w.all(_decided(w, s, t), s.saga_home(g) == s.of(t))
    return w.implies(decided, step)


def _saga_kinds(w: Words, s: State, t: Term, g: Term) -> Term:
    first = w.implies(s.seq(t) == 0, s.saga(t, g) == n.FORWARD)
    here = w.all(_used(s, t), s.saga_home(g) == s.of(t))
    return w.implies(here, w.all(w.among(s.saga(t, g), *range(4)), first))


def _saga_past(w: Words, s: State, t: Term, g: Term) -> Term:
    """A saga that went back or was left never goes forward again."""
    was, now = s.saga(t, g), saga(s, g)
    here = w.all(s.stored(t) == n.LOGGED, s.saga_home(g) == s.of(t))
    back = w.implies(w.among(was, n.BACK, n.CLEARED), w.among(now, n.BACK, n.CLEARED))
    return w.implies(here, w.all(back, w.implies(was == n.KEPT, now == n.KEPT)))


def _past(w: Words, s: State, t: Term, f: Term) -> Term:
    """What a record said of an effect, seen from the end of the log."""
    was, now = s.phase(t, f), phase(s, f)
    same = s.tries(t, f) == tries(s, f)
    later = w.all(
        w.implies(was == n.DOUBT, now != n.OPEN),
        w.implies(w.all(was == n.DOUBT, s.blind(f)), w.among(now, n.DOUBT, n.CLOSED)),
        w.implies(was == n.LANDED, w.among(now, n.LANDED, n.UNDONE, n.STANDS)),
        w.implies(was == n.CLOSED, now == n.CLOSED),
        w.implies(was == n.UNDONE, now == n.UNDONE),
        w.implies(was == n.STANDS, now == n.STANDS),
    )
    back = w.among(s.saga(t, s.saga_of(f)), n.BACK, n.CLEARED)
    settled = w.no(w.among(was, *n.STANDING_PHASES))
    here = w.all(s.stored(t) == n.LOGGED, s.home(f) == s.of(t))
    return w.implies(here, w.all(
        s.tries(t, f) <= tries(s, f), w.implies(w.all(same, was != n.NONE), later),
        w.implies(w.all(back, settled), w.no(w.among(now, *n.STANDING_PHASES))),
    ))  # fmt: skip


def _one_intent(w: Words, s: State, t: Term, u: Term) -> Term:
    f = s.about(t)
    both = w.all(*[w.all(s.stored(x) == n.LOGGED, s.kind(x) == n.K_INTENT) for x in (t, u)],
                 s.about(u) == f, s.tries(t, f) == s.tries(u, f))  # fmt: skip
    return w.implies(both, t == u)


def _home(w: Words, s: State, t: Term) -> Term:
    """A record is about things of its own execution."""
    kind = s.kind(t)
    own = w.all(
        w.implies(w.among(kind, *n.PHASE_AFTER), s.home(s.about(t)) == s.of(t)),
        w.implies(kind == n.K_CONSUME, s.address(s.takes(t)) == s.of(t)),
    )
    return w.implies(_decided(w, s, t), own)


def _attempts(w: Words, s: State, f: Term, a: Term) -> Term:
    """Outside only attempts are known that the log knows, and old ones are over."""
    last = tries(s, f)
    old = w.implies(w.all(a >= 1, a < last), w.all(s.dead(f, a), w.no(s.stands(f, a))))
    irreversible = w.all(s.class_of(f) == n.IRREVERSIBLE, s.did(f, a))
    unseen = w.implies(w.some(a < 1, a > last), s.calls(f, a) == 0)
    return w.all(
        old, unseen, s.calls(f, a) >= 0,
        w.implies(s.did(f, a), w.all(a >= 1, a <= last)), w.implies(s.stands(f, a), s.did(f, a)),
        w.implies(irreversible, s.stands(f, a)),
    )  # fmt: skip


def _uncalled(w: Words, s: State, t: Term) -> Term:
    """An intent that was not called is one whose attempt nobody called; `request` says so."""
    f = s.about(t)
    a = s.tries(t, f)
    intent = w.all(s.stored(t) == n.LOGGED, s.kind(t) == n.K_INTENT)
    quiet = w.all(s.calls(f, a) == 0, w.no(s.did(f, a)))
    way = w.implies(s.request(t) == n.UNDER_WAY, w.no(s.did(f, a)))
    declined = w.implies(s.request(t) == n.DECLINED, w.all(s.dead(f, a), w.no(s.did(f, a))))
    return w.implies(intent, w.all(
        way, declined, w.implies(s.request(t) == n.NOT_CALLED, quiet), a >= 1,
        a <= tries(s, f)))  # fmt: skip


def _standing(w: Words, s: State, f: Term) -> Term:
    """What landed and was not taken back stands; nobody takes back what is open."""
    a, at = tries(s, f), phase(s, f)
    unsure = w.some(at == n.OPEN, w.all(at == n.DOUBT, w.no(s.blind(f))))
    back = w.implies(s.taken_back(f), w.among(saga(s, s.saga_of(f)), n.BACK, n.CLEARED))
    return w.all(back, w.implies(w.all(unsure, s.did(f, a)), s.stands(f, a)),
                 w.implies(at == n.LANDED, s.did(f, a)))  # fmt: skip


def _knowledge(w: Words, s: State, x: Term, f: Term, a: Term) -> Term:
    void = w.all(s.dead(f, a), w.no(s.stands(f, a)))
    return w.all(w.implies(s.knows_landed(x, f, a), s.did(f, a)),
                 w.implies(s.knows_void(x, f, a), void))  # fmt: skip


def _mail(w: Words, s: State, x: Term) -> Term:
    e = s.address(x)
    numbered = w.all(s.number(x) >= 1, s.number(x) <= s.mail(e))
    return w.all(w.implies(s.accepted(x), numbered), w.implies(s.unread(x), s.accepted(x)))


def _consumed(w: Words, s: State, t: Term) -> Term:
    x = s.takes(t)
    taken = w.all(s.accepted(x), w.no(s.unread(x)), s.taker(x) == t)
    taking = w.all(_decided(w, s, t), s.kind(t) == n.K_CONSUME)
    return w.implies(taking, w.all(
        s.accepted(x), w.implies(s.stored(t) == n.LOGGED, taken)))  # fmt: skip


def _ended(w: Words, s: State, e: Term) -> Term:
    seen = w.all(w.no(s.owned(e)), s.mail(e) == s.seen_last(e))
    return w.implies(s.ends(head(s, e)), seen)


def _timers(w: Words, s: State, t: Term, d: Term) -> Term:
    here = w.all(_used(s, t), s.timer_home(d) == s.of(t))
    return w.implies(w.all(here, s.timer(t, d) == n.FELL_DUE), s.due(d) <= s.now())


LEMMAS = (
    Claim("log", "What a position of a log holds.", "EI", _log,
          trigger=(("entry", 0, 1),)),
    Claim("logged", "Where a durable record is.", "T", _logged,
          trigger=(("stored", 0),)),
    Claim("follows", "What a durable record follows.", "T", _follows,
          trigger=(("before", 0),)),
    Claim("chain", "What a record rests on.", "T", _chain,
          trigger=(("before", 0),)),
    Claim("record", "What a record is.", "T", _used_record,
          trigger=(("stored", 0),)),
    Claim("fresh", "What nobody decided yet.", "T", _fresh),
    Claim("told", "Who knows that a record is durable.", "T", _told),
    Claim("counters", "Lengths and tenures.", "E", _length,
          trigger=(("length", 0),)),
    Claim("memory", "What a worker has in memory.", "SE", _memory),
    Claim("sessions", "Only sessions that there are were fenced.", "S", _sessions),
    Claim("tip", "In force, a worker's chain is the log and what is on its way.", "SE", _tip),
    Claim("flying", "What is on its way belongs to the chain of its worker.", "T", _flying,
          trigger=(("under", 0),)),
    Claim("one chain", "A worker's chain does not branch.", "TT", _one_chain),
    Claim("effects", "How a record changes an effect.", "TF", _effects,
          trigger=(("before", 0), ("home", 1),)),
    Claim("says", "What an undo says.", "T", _says, trigger=(("kind", 0),)),
    Claim("phases", "What a record can say of an effect.", "TF", _phases,
          trigger=(("phase", 0, 1),)),
    Claim("sagas", "How a record changes a saga.", "TG", _sagas,
          trigger=(("before", 0), ("saga_home", 1),)),
    Claim("saga kinds", "Where a saga can stand.", "TG", _saga_kinds,
          trigger=(("saga", 0, 1),)),
    Claim("saga past", "A saga never comes back.", "TG", _saga_past,
          trigger=(("saga", 0, 1),)),
    Claim("past", "What a record said, seen from the end.", "TF", _past,
          trigger=(("phase", 0, 1),)),
    Claim("one intent", "An attempt has one intent.", "TT", _one_intent),
    Claim("home", "A record is about its own execution.", "T", _home),
    Claim("attempts", "Which attempts the outside knows.", "FI", _attempts),
    Claim("uncalled", "What an intent says of its request.", "T", _uncalled),
    Claim("standing", "What stands outside.", "F", _standing),
    Claim("knowledge", "What workers were told is true.", "SFI", _knowledge),
    Claim("mail", "Numbers of messages.", "X", _mail),
    Claim("consumed", "What a record took.", "T", _consumed),
    Claim("ended", "What stays after the end.", "E", _ended),
    Claim("timers", "A timer on any chain that fired was due.", "TD", _timers),
)  # fmt: skip
