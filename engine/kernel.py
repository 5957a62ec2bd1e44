"""The kernel: log to marking to what may happen, and what to write. Pure: no clock, no I/O, no
tasks.

    state  = what the log says so far (marking, occurrences of calls, open intents)
    fire   = an event that happened -> the new state, and the record that makes it true
    fold   = a record read back     -> the same new state, without user code
    wants  = what the marking asks for: calls to make, messages and moments to wait for, decisions

Recovery by effect class is in the net: a token `during X` whose caller is gone fires the crash
transition into `in doubt X`, a token `before X` simply wants its call again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import msgspec

from ..model.firing import fire_with_glue, replay
from ..model.marking import (
    RESULT,
    Entry,
    IllegalFiring,
    Marking,
    Moment,
    Token,
    Wiring,
    wire,
)
from ..model.net import Net, PlaceKind, Site, SiteKind, TransitionKind
from ..model.program import Program
from .bodies import NOTHING, Body, Raw
from .kept import Kept, Make, grown, suffix
from .moments import due
from .records import NO_TRANSITION, Kind
from .resting import WANTING, Rest, rest
from .status import Status

ERROR = "$error"
VALUE = "$value"

KIND_OF: Mapping[TransitionKind, Kind] = {
    TransitionKind.INTENT: Kind.INTENT,
    TransitionKind.CRASH: Kind.IN_DOUBT,
    TransitionKind.SETTLED: Kind.DECIDED,
    TransitionKind.VOIDED: Kind.DECIDED,
    TransitionKind.UNDID: Kind.UNDONE,
    TransitionKind.UNDO: Kind.UNDONE,
    TransitionKind.RECEIVE: Kind.CONSUMED,
    TransitionKind.CANCEL: Kind.CANCELLED,
}
"""Which word a firing is told by; everything else is `fired`."""

# Looked up often, and a member of an enumeration costs more than a name.
_BEFORE, _INTENT = PlaceKind.BEFORE, TransitionKind.INTENT
_FIRED, _DECIDED = Kind.FIRED, Kind.DECIDED
_NEVER = (0, 0)
_AGAIN = frozenset({TransitionKind.VOIDED, TransitionKind.UNDID, TransitionKind.RETRY})


class HasNet(Protocol):
    """A program, or what is known of one without the user's code: the stored definition."""

    @property
    def net(self) -> Net: ...


class Opened(NamedTuple):
    """The latest intent of a call site."""

    seq: int
    at: int
    key: str
    lacks: bool = False  # it landed, and only its value is missing


class State(msgspec.Struct, frozen=True, gc=False):
    """Everything a log says about where its execution stands."""

    marking: Marking
    calls: Mapping[str, tuple[int, int]]  # site -> (occurrence, decisions that voided an attempt)
    intents: Mapping[str, Opened]  # site -> its latest intent


class Step(msgspec.Struct, frozen=True, gc=False):
    """What a firing changes and writes."""

    state: State
    kind: Kind
    transition: int
    body: Body


Wish = tuple[str, int, int]
"""Role, place and seq of the token: which wish of a marking a running call answers."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """The marking asks that this be called. `role` is "step", "probe" or "undo"."""

    role: str
    place: int
    since: int  # seq of the token: with the place, the identity of the wish
    site: Site
    arguments: tuple[Any, ...]  # sealed values, in the order of the parameters
    key: str
    entry: Entry | None = None  # undo of a stack entry; None: undo of an attempt in doubt

    @property
    def wish(self) -> Wish:
        """The identity of what it answers."""
        return self.role, self.place, self.since


class Wait(NamedTuple):
    """The marking asks for a message of a channel, or a moment (microseconds, database time)."""

    place: int
    since: int
    transition: int
    site: Site
    channel: str = ""
    due: int = 0


class Doubt(NamedTuple):
    """An effect in doubt that only late evidence or a person can settle."""

    place: int
    since: int
    site: Site
    key: str
    lacks: bool = False  # it landed: nothing but its value can be said


Want = Call | Wait | Doubt


def begin(program: HasNet, inputs: Mapping[str, Any], at: int) -> State:
    """The state after record 0: one token in `start`."""
    start = program.net.place[program.net.initial]
    return State({start: Token(dict(inputs), 0, at)}, {}, {})


def effect_key(origin: str, site: str, occurrence: int, voids: int) -> str:
    """The same for every attempt of one logical call; new exactly after a voided or undone one."""
    text = f"{origin}\0{site}\0{occurrence}\0{voids}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


def key_of(state: State, origin: str, site: str) -> str:
    """The effect key of the call that a site stands at now."""
    occurrence, voids = state.calls.get(site, _NEVER)
    return effect_key(origin, site, occurrence, voids)


# --- what may happen ----------------------------------------------------------------------------


def at_rest(wiring: Wiring, state: State) -> Rest:
    """What the marked places of a state permit and ask for."""
    return rest(wiring, tuple(state.marking))


def next_auto(wiring: Wiring, state: State, durable: int) -> int | None:
    """A transition that needs nothing but the marking, or None. Drains and joins come first.

    No code runs behind an outcome of a call with an intent before it is durable (`go on`).
    """
    for transition, place, kind in at_rest(wiring, state).autos:
        token = state.marking[place]
        if kind is TransitionKind.GO_ON and token.seq > durable:
            continue
        told = wiring.net.transitions[transition]
        if kind is TransitionKind.UNDONE and token.frame[told.stack]:
            continue
        return transition
    return None


def next_intent(wiring: Wiring, state: State, later: Collection[str] = ()) -> int | None:
    """An intent that the marking asks for, or None; none of the sites whose turn comes `later`."""
    for transition in at_rest(wiring, state).intents:
        if wiring.net.transitions[transition].site not in later:
            return transition
    return None


def lost(wiring: Wiring, state: State) -> list[int]:
    """The crash transitions of every call whose caller is gone: `during X` -> `in doubt X`."""
    return [
        transition
        for place in sorted(state.marking)
        for transition in wiring.by_kind.get((place, TransitionKind.CRASH), ())
    ]


def final_status(wiring: Wiring, state: State) -> Status | None:
    """The status of an execution whose net has ended, else None."""
    return at_rest(wiring, state).final


def wants(program: HasNet, state: State, origin: str) -> list[Want]:
    """What the marking asks for, token by token in the order they came to rest."""
    wiring = wire(program.net)
    return asked(wiring, state, origin, at_rest(wiring, state))


def asked(wiring: Wiring, state: State, origin: str, resting: Rest) -> list[Want]:
    """The same, where it is known already what the marked places ask for."""
    marking, places = state.marking, resting.wanting
    if len(places) > 1:
        places = tuple(sorted(places, key=lambda place: (marking[place].seq, place)))
    found: list[Want] = []
    for place in places:
        seeker = _SEEKERS[wiring.net.places[place].kind]
        found += seeker(wiring, state, origin, place, marking[place])
    return found


def _step_wants(wiring: Wiring, state: State, origin: str, place: int, token: Token) -> list[Want]:
    call = wiring.asks[place]
    if call is None:
        return []  # its intent comes first
    site, variables = call
    arguments = tuple(map(token.frame.__getitem__, variables))
    key = key_of(state, origin, site.name)
    return [Call("step", place, token.seq, site, arguments, key)]


def _doubt_wants(wiring: Wiring, state: State, origin: str, place: int, token: Token) -> list[Want]:
    site = wiring.net.site[wiring.net.places[place].site]
    _, _, key, lacks = state.intents[site.name]
    if lacks:  # nobody is asked whether it landed, and it is never called again
        return [Doubt(place, token.seq, site, key, lacks)]
    if site.probe:
        return [Call("probe", place, token.seq, site, _arguments(site, token), key)]
    if (place, TransitionKind.UNDID) in wiring.by_kind:
        return [Call("undo", place, token.seq, site, _arguments(site, token), key)]
    return [Doubt(place, token.seq, site, key)]


def _undo_wants(wiring: Wiring, state: State, origin: str, place: int, token: Token) -> list[Want]:
    transition = wiring.by_kind[(place, TransitionKind.UNDONE)][0]
    stack: tuple[Entry, ...] = token.frame[wiring.net.transitions[transition].stack]
    if not stack:
        return []
    top = stack[-1]
    site = wiring.net.site[top.site]
    return [Call("undo", place, token.seq, site, top.arguments, top.key, top)]


def _wait_wants(wiring: Wiring, state: State, origin: str, place: int, token: Token) -> list[Want]:
    found: list[Want] = []
    for transition in wiring.by_kind.get((place, TransitionKind.RECEIVE), ()):
        site = wiring.net.site[wiring.net.transitions[transition].site]
        found.append(Wait(place, token.seq, transition, site, channel=site.target))
    for transition in wiring.by_kind.get((place, TransitionKind.DUE), ()):
        site = wiring.net.site[wiring.net.transitions[transition].site]
        found.append(Wait(place, token.seq, transition, site, due=due(site, token)))
    return found


_SEEKERS: Mapping[PlaceKind, Callable[[Wiring, State, str, int, Token], list[Want]]] = {
    PlaceKind.BEFORE: _step_wants,
    PlaceKind.DURING: _step_wants,
    PlaceKind.DOUBT: _doubt_wants,
    PlaceKind.UNDOING: _undo_wants,
    PlaceKind.WAITING: _wait_wants,
}
assert _SEEKERS.keys() == WANTING


def _arguments(site: Site, token: Token) -> tuple[Any, ...]:
    return tuple([token.frame[variable] for _, variable in site.arguments])


def counter(call: Call) -> str:
    """Under which name attempts are counted: the site, its probe, or its undo."""
    return call.site.name + {"step": "", "probe": "?", "undo": "!"}[call.role]


def transition_of(wiring: Wiring, place: int, kind: TransitionKind) -> int | None:
    """The transition of a kind that leaves a place, if there is one."""
    found = wiring.by_kind.get((place, kind))
    return found[0] if found else None


# --- what happened ------------------------------------------------------------------------------


def fire(
    program: Program,
    state: State,
    transition: int,
    seq: int,
    at: int,
    origin: str,
    given: Any = None,
    said: Mapping[str, Any] | None = None,
) -> Step:
    """Fire a transition: `given` is the sealed result, message or error it brings along.

    `said` adds fields to the record (who decided, why, which message). Raises `GlueStuck` when the
    user's code behind it fails by accident; nothing has changed then.
    """
    wiring = program.wiring
    told = wiring.net.transitions[transition]
    key = _key_for(state, told.kind, told.site, origin) if told.kind in _KEYED else ""
    values: dict[str, Any] = {} if given is None else {told.binds or RESULT: given}
    moment = Moment(seq, at, key)
    fired = fire_with_glue(program, state.marking, transition, values, moment)
    fields: dict[str, Any] = dict(said) if said else {}
    if given is not None:
        fields["e" if told.binds == ERROR else "r"] = Raw(given.raw)
    if fired.path:
        fields["p"] = fired.path
    if fired.delta:
        _tell(fields, wiring, state.marking, transition, fired.delta)
    if key:
        fields.setdefault("k", key)
    body = Body(**fields)
    after = _after(wiring, state, transition, fired.marking, moment, body)
    return Step(after, word_of(told.kind, body), transition, body)


def word_of(kind: TransitionKind, body: Body) -> Kind:
    """Which word tells of a firing; an effect that is left standing was not undone."""
    return _DECIDED if body.stands else KIND_OF.get(kind, _FIRED)


def fold(
    wiring: Wiring,
    state: State,
    transition: int,
    body: Body,
    seq: int,
    at: int,
    value: Make,
) -> State:
    """The state after a record, without running user code.

    `value(variable, site, raw)` makes a frame value of stored bytes. Raises `IllegalFiring` when
    the record is not a firing of the net in this state.
    """
    if transition == NO_TRANSITION:
        return state
    if not 0 <= transition < len(wiring.net.transitions):
        raise IllegalFiring(str(transition), "the net has no such transition")
    told = wiring.net.transitions[transition]
    given: dict[str, Any] = {}
    raw = body.e if told.binds == ERROR else body.r
    name = told.binds or RESULT
    if bytes(raw):
        given[name] = value(name, told.site, bytes(raw))
    # What the glue changed comes last: it may have changed the very result it was given.
    changed: dict[str, Any] = {n: value(n, "", bytes(r)) for n, r in body.d.items()}
    if body.g or body.x:
        _by_reference(wiring, state.marking, transition, body, value, given, changed)
    given |= changed
    moment = Moment(seq, at, body.k)
    marking = replay(wiring, state.marking, transition, given, moment, body.p)
    return _after(wiring, state, transition, marking, moment, body)


def _before(wiring: Wiring, marking: Marking, transition: int, variable: str) -> Any:
    """The value a variable had in the tokens that a transition takes, or None."""
    for place in reversed(wiring.takes[transition]):
        token = marking.get(place)
        if token is not None and variable in token.frame:
            return token.frame[variable]
    return None


def _tell(
    fields: dict[str, Any],
    wiring: Wiring,
    marking: Marking,
    transition: int,
    delta: Mapping[str, Any],
) -> None:
    """Add the changed variables to the fields: of a list that only grew, the new elements."""
    whole: dict[str, Raw] = {}
    longer: dict[str, Raw] = {}
    for name, value in delta.items():
        raw = value.raw
        if raw[:1] == b"[":
            old = _before(wiring, marking, transition, name)
            more = None if old is None else suffix(old.raw, raw)
            if more is not None:
                longer[name] = Raw(more)
                continue
        whole[name] = Raw(raw)
    if whole:
        fields["d"] = whole
    if longer:
        fields["g"] = longer


def _by_reference(
    wiring: Wiring,
    marking: Marking,
    transition: int,
    body: Body,
    value: Make,
    given: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    """Add what a record holds by digest, and the lists that grew."""
    told = wiring.net.transitions[transition]
    parts: dict[str, bytes | str] = {name: bytes(raw) for name, raw in body.g.items()}
    for field, digest in body.x.items():
        kind, _, name = field.partition(" ")
        if kind == "g":
            parts[name] = digest
        elif kind == "d":
            changed[name] = Kept(name, "", (digest,))
        else:
            bound = told.binds or RESULT
            given[bound] = Kept(bound, told.site, (digest,))
    for name, part in parts.items():
        base = _before(wiring, marking, transition, name)
        if base is None:
            raise IllegalFiring(told.name, f"{name!r} grew, and was not there")
        changed[name] = grown(name, base, part, value)


def _key_for(state: State, kind: TransitionKind, site: str, origin: str) -> str:
    if kind is _INTENT:
        return key_of(state, origin, site)
    return state.intents[site].key


_KEYED = frozenset(  # an intent, and what is said about one
    {
        TransitionKind.INTENT,
        TransitionKind.CRASH,
        TransitionKind.SETTLED,
        TransitionKind.VOIDED,
        TransitionKind.UNDID,
    }
)


def _after(
    wiring: Wiring,
    state: State,
    transition: int,
    marking: Marking,
    moment: Moment,
    body: Body,
) -> State:
    """Count the calls that a firing arrived at, and note its intent."""
    told, places, seq = wiring.net.transitions[transition], wiring.net.places, moment.seq
    calls, intents = state.calls, state.intents
    for place, token in marking.items():
        if token.seq != seq or places[place].kind is not _BEFORE:
            continue
        site = places[place].site
        occurrence, voids = calls.get(site, _NEVER)
        again = told.kind in _AGAIN and told.site == site
        calls = {**calls, site: (occurrence, voids + 1) if again else (occurrence + 1, 0)}
    if told.kind is _INTENT:
        intents = {**intents, told.site: Opened(moment.seq, moment.at, moment.key)}
    elif body.lacks:
        intents = {**intents, told.site: intents[told.site]._replace(lacks=True)}
    return State(marking, calls, intents)


def finished(wiring: Wiring, state: State, unread: int) -> Body:
    """The body of the last record: how it ended, and with which value or exception."""
    for place in wiring.final:
        token = state.marking.get(place)
        if token is None:
            continue
        value, error = token.frame.get(VALUE), token.frame.get(ERROR)
        return Body(
            r=NOTHING if value is None else Raw(value.raw),
            e=NOTHING if error is None else Raw(error.raw),
            status=wiring.net.places[place].kind.value,
            unread=unread,
        )
    raise IllegalFiring("finish", "the net has not ended")


__all__ = [
    "NO_TRANSITION",
    "Call",
    "Doubt",
    "SiteKind",
    "State",
    "Step",
    "Wait",
    "begin",
    "fire",
    "fold",
    "wants",
]
