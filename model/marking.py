"""Markings, and the one step relation of the whole house: which transitions are enabled, and
`fire`.

A firing takes one transition out of tangible places and walks on through vanishing places until no
token stands on one; at a vanishing place with several exits `decide` says which. The engine lets
the user's glue decide (`firing.py`), folding a log lets the record decide, an explorer tries each.
Values in frames are opaque here, but that one error can note another. Nothing here runs user code,
and nothing knows of logs, attempts or time.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from .errors import DefectError
from .net import AUTO, FINAL, Net, Place, PlaceKind, Site, StackOp, Transition, TransitionKind


class Token(msgspec.Struct, frozen=True, gc=False):
    """A token: its variables, the seq of the record that put it, and that record's time.

    Like a `Value`, it holds nothing that leads back to it: the collector need not look.
    """

    frame: Mapping[str, Any]
    seq: int
    at: int


Marking = Mapping[int, Token]
"""Index of a place -> the token there. Nets are safe: never two tokens in one place."""

Decide = Callable[[int, dict[str, Any]], int]
"""(vanishing place, variables; may be added to) -> the number of the exit, -1 without glue."""


ERROR = "$error"
"""The variable of an exception on its way."""

RESULT = "$result"
"""The variable of a result that no variable of the workflow is bound to; an undo may need it."""


class Entry(NamedTuple):
    """One line of an undo stack: a compensatable call that may have to be undone."""

    site: str
    seq: int  # of the intent
    key: str  # effect key of the forward call
    arguments: tuple[Any, ...]  # in the order of the step's parameters
    known: bool  # the result is known
    result: Any  # None while it is not


class Moment(msgspec.Struct, frozen=True, gc=False):
    """Which record a firing belongs to; `key` is the effect key where an intent is written."""

    seq: int
    at: int
    key: str = ""


class IllegalFiring(DefectError):
    """A firing that the net does not allow in this marking: a broken log, or a bug of ours."""

    code = "PD901"

    def __init__(self, transition: str, why: str, /) -> None:
        super().__init__(transition, why)
        self.transition, self.why = transition, why

    def __str__(self) -> str:
        return f"{self.code} {self.transition!r} cannot fire: {self.why}"


class Way(NamedTuple):
    """A transition out of a vanishing place, and the places that must hold a token beside it."""

    transition: int
    beside: tuple[int, ...]


class Asked(NamedTuple):
    """The call that a token in a place asks for, and the variables that are its arguments."""

    site: Site
    variables: tuple[str, ...]


class Put(NamedTuple):
    """A place where a token comes to rest, and what it holds there."""

    place: int
    frame: tuple[str, ...]
    partly: bool  # a branch that ended without a result has none


class Move(msgspec.Struct, frozen=True, gc=False):
    """What one transition takes and puts: a vanishing place never holds a token."""

    inner: bool  # it leaves a vanishing place: never the first of a firing
    reads: tuple[int, ...]
    takes: tuple[int, ...]  # where tokens rest
    puts: tuple[Put, ...]  # where tokens come to rest
    leads: int | None  # the vanishing place it leads to
    plain: bool  # it changes no undo stack and joins no errors


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """A net by numbers: what `fire` looks up. Made once per net by `wire`, equal to no other."""

    net: Net
    takes: tuple[tuple[int, ...], ...]
    moves: tuple[Move, ...]
    leaving: tuple[tuple[int, ...], ...]  # place -> transitions that take from it, in order
    choice: tuple[bool, ...]  # place -> its exit is recorded, since there are several
    final: frozenset[int]
    autos: tuple[tuple[int, ...], ...]  # place -> AUTO transitions that take from it
    by_kind: Mapping[tuple[int, TransitionKind], tuple[int, ...]]
    asks: tuple[Asked | None, ...]  # place -> the call it asks for, if no intent comes first
    lands: tuple[int | None, ...]  # place -> the transition by which that call brings its result
    needs: tuple[tuple[int, ...], ...]  # all places that a transition takes from or reads
    # Vanishing place -> exit -> who may leave by it; and the only one, whatever stands beside it.
    ways: tuple[Mapping[int, tuple[Way, ...]], ...]
    only: tuple[Mapping[int, int], ...]


_INTENT = TransitionKind.INTENT
_WIRED: dict[int, Wiring] = {}
_NOTHING: Mapping[str, Any] = {}


def wire(net: Net) -> Wiring:
    """The wiring of a net; remembered for as long as the process lives."""
    found = _WIRED.get(id(net))
    if found is None or found.net is not net:
        found = _WIRED[id(net)] = _wire(net)
    return found


def _wire(net: Net) -> Wiring:
    def numbers(pick: Callable[[Transition], tuple[str, ...]]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(net.place[n] for n in pick(t)) for t in net.transitions)

    takes = numbers(lambda t: t.take)
    leaving: list[list[int]] = [[] for _ in net.places]
    by_kind: dict[tuple[int, TransitionKind], list[int]] = {}
    for index, places in enumerate(takes):
        for place in places:
            leaving[place].append(index)
        # By the place a transition is about: a scope beside it comes second.
        by_kind.setdefault((places[0], net.transitions[index].kind), []).append(index)
    exits = [{net.transitions[t].exit for t in out} for out in leaving]
    reads = numbers(lambda t: t.read)
    needs = tuple(tuple(dict.fromkeys(both)) for both in map(_joined, takes, reads))
    ways = tuple(_ways(net, place, out, needs) for place, out in enumerate(leaving))
    return Wiring(
        net=net,
        takes=takes,
        moves=tuple(_move_of(net, t) for t in net.transitions),
        leaving=tuple(map(tuple, leaving)),
        choice=tuple(
            p.kind is PlaceKind.VANISHING and len(found) > 1
            for p, found in zip(net.places, exits, strict=True)
        ),
        final=frozenset(i for i, p in enumerate(net.places) if p.kind in FINAL),
        autos=tuple(tuple(t for t in out if net.transitions[t].kind in AUTO) for out in leaving),
        by_kind={key: tuple(found) for key, found in by_kind.items()},
        asks=tuple(_asked(net, p, (i, _INTENT) in by_kind) for i, p in enumerate(net.places)),
        lands=tuple(_lands(by_kind, place) for place in range(len(net.places))),
        needs=needs,
        ways=ways,
        only=tuple({n: w[0].transition for n, w in by.items() if _sole(w)} for by in ways),
    )


def _asked(net: Net, place: Place, intent_first: bool) -> Asked | None:
    site = net.site.get(place.site)
    if site is None or intent_first or place.kind not in (PlaceKind.BEFORE, PlaceKind.DURING):
        return None
    return Asked(site, tuple(variable for _, variable in site.arguments))


def _lands(by_kind: Mapping[tuple[int, TransitionKind], list[int]], place: int) -> int | None:
    for kind in (TransitionKind.STEP, TransitionKind.LANDED):
        for transition in by_kind.get((place, kind), ()):
            return transition
    return None


def _move_of(net: Net, told: Transition) -> Move:
    into = [(net.place[name], net.places[net.place[name]]) for name in told.put]
    vanishing = [index for index, place in into if not place.tangible]
    takes = [net.place[name] for name in told.take]
    resting = tuple(place for place in takes if net.places[place].tangible)
    return Move(
        inner=len(resting) < len(takes),
        reads=tuple(net.place[name] for name in told.read),
        takes=resting,
        puts=tuple(
            Put(index, place.frame, place.kind is PlaceKind.BRANCH)
            for index, place in into
            if place.tangible
        ),
        leads=vanishing[-1] if vanishing else None,
        plain=told.stack_op is None and told.kind is not TransitionKind.FAILS_TOO,
    )


def _sole(ways: tuple[Way, ...]) -> bool:
    return len(ways) == 1 and not ways[0].beside


def _joined(takes: tuple[int, ...], reads: tuple[int, ...]) -> tuple[int, ...]:
    return takes + reads


def _ways(
    net: Net, place: int, leaving: list[int], needs: tuple[tuple[int, ...], ...]
) -> Mapping[int, tuple[Way, ...]]:
    """By the number of the exit, each transition out of a vanishing place."""
    ways: dict[int, tuple[Way, ...]] = {}
    if net.places[place].kind is PlaceKind.VANISHING:
        for number in leaving:
            told = net.transitions[number]
            beside = tuple(p for p in needs[number] if p != place)
            ways[told.exit] = (*ways.get(told.exit, ()), Way(number, beside))
    return ways


def enabled(wiring: Wiring, marking: Container[int], transition: int) -> bool:
    """Whether every taken and read place holds a token."""
    return all(place in marking for place in wiring.needs[transition])


def candidates(wiring: Wiring, marking: Marking) -> Iterable[int]:
    """The enabled transitions, in the order of their numbers."""
    seen = {t for place in marking for t in wiring.leaving[place]}
    return sorted(t for t in seen if enabled(wiring, marking, t))


def fire(
    wiring: Wiring,
    marking: Marking,
    transition: int,
    given: Mapping[str, Any],
    moment: Moment,
    decide: Decide,
) -> dict[int, Token]:
    """Fire one transition and walk on to the next resting places; the marking given is unchanged.

    `given` are variables the firing brings along: a result, a message, an error, a recorded delta.
    Raises `IllegalFiring` when the net does not allow it.
    """
    now = dict(marking)
    env: dict[str, Any] = {}
    place = begin(wiring, now, transition, env, given, moment)
    while place is not None:
        place = go_on(wiring, now, place, decide(place, env), env, moment)
    return now


def begin(
    wiring: Wiring,
    now: dict[int, Token],
    transition: int,
    env: dict[str, Any],
    given: Mapping[str, Any],
    moment: Moment,
) -> int | None:
    """Begin a firing in a marking, which changes; the vanishing place it leads to, None at rest.

    The variables on their way are in `env`. See `fire`, which does all of a firing.
    """
    if wiring.moves[transition].inner:
        told = wiring.net.transitions[transition]
        place = next(p for p in told.take if not wiring.net.places[wiring.net.place[p]].tangible)
        raise IllegalFiring(told.name, f"no token ever rests in {place!r}")
    return _move(wiring, now, transition, env, given, moment)


def go_on(
    wiring: Wiring,
    now: dict[int, Token],
    place: int,
    number: int,
    env: dict[str, Any],
    moment: Moment,
) -> int | None:
    """Leave a vanishing place by an exit; the next one, None at rest."""
    transition = wiring.only[place].get(number)
    if transition is None:
        transition = _way_out(wiring, now, place, number)
    return _move(wiring, now, transition, env, _NOTHING, moment)


def _way_out(wiring: Wiring, now: Mapping[int, Token], place: int, number: int) -> int:
    ways = wiring.ways[place].get(number, ())
    found = [way.transition for way in ways if all(p in now for p in way.beside)]
    if len(found) != 1:
        name = wiring.net.places[place].name
        raise IllegalFiring(name, f"exit {number} leads to {len(found)} transitions")
    return found[0]


def _move(
    wiring: Wiring,
    now: dict[int, Token],
    transition: int,
    env: dict[str, Any],
    given: Mapping[str, Any],
    moment: Moment,
) -> int | None:
    """Take and put the tokens of one transition; returns the vanishing place it leads to."""
    move = wiring.moves[transition]
    for place in move.reads:  # before taking: what is taken may be read as well
        if place not in now:
            raise _refusal(wiring, transition, "no", place)
    taken: list[Token] = []
    for place in move.takes:
        token = now.pop(place, None)
        if token is None:
            raise _refusal(wiring, transition, "no", place)
        env.update(token.frame)
        taken.append(token)
    if given:
        env.update(given)
    if not move.plain:
        _join(wiring.net, wiring.net.transitions[transition], taken, env, moment)
    for place, names, partly in move.puts:
        if place in now:
            raise _refusal(wiring, transition, "a second", place)
        frame: dict[str, Any] = {}
        for name in names:
            if name in env:
                frame[name] = env[name]
            elif not partly:
                into = wiring.net.places[place].name
                raise IllegalFiring(into, f"the variable {name!r} has no value")
        now[place] = Token(frame, moment.seq, moment.at)
    return move.leads


def _refusal(wiring: Wiring, transition: int, what: str, place: int) -> IllegalFiring:
    name = wiring.net.transitions[transition].name
    return IllegalFiring(name, f"{what} token in {wiring.net.places[place].name!r}")


def _join(
    net: Net, told: Transition, taken: list[Token], env: dict[str, Any], moment: Moment
) -> None:
    """Note a later error with the first one, and change the undo stack that a transition names."""
    errors = [token.frame[ERROR] for token in taken if ERROR in token.frame]
    if told.kind is TransitionKind.FAILS_TOO and len(errors) == 2:
        later, first = errors
        env[ERROR] = first.noting(later, told.exit)
    if told.stack_op is not None:
        _stack(net, told, env, moment)


def _stack(net: Net, told: Transition, env: dict[str, Any], moment: Moment) -> None:
    """Change the undo stack that a transition names. An intent's record pushes its entry."""
    name, op = told.stack, told.stack_op
    if op is StackOp.OPEN:
        env[name] = ()
        return
    stack: tuple[Entry, ...] = env[name]
    if op is StackOp.PUSH:
        site = net.site[told.site]
        arguments = tuple(env[variable] for _, variable in site.arguments)
        env[name] = (*stack, Entry(site.name, moment.seq, moment.key, arguments, False, None))
    elif op is StackOp.COMPLETE:
        env[name] = tuple(
            e._replace(known=True, result=env.get(told.binds or RESULT))
            if e.site == told.site and not e.known
            else e
            for e in stack
        )
    elif op is StackOp.DROP:
        env[name] = tuple(e for e in stack if e.site != told.site or e.known)
    elif op is StackOp.POP:
        if not stack or stack[-1].site != told.site:
            raise IllegalFiring(told.name, "it is not the last entry of the undo stack")
        env[name] = stack[:-1]
    elif op is StackOp.HAND_OVER:
        env[told.outer_stack] = (*env[told.outer_stack], *stack)
