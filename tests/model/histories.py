"""All histories of a net: what is done and undone, in which order, with which end. No engine.

The net is fired by the true step relation, its values forgotten, its undo stacks kept. What fires
by itself fires first, as in the engine; everything else is free: refusals, ends of calls, a cancel.
Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from perdure.model.marking import (
    Entry,
    IllegalFiring,
    Marking,
    Moment,
    Token,
    Wiring,
    candidates,
    fire,
    wire,
)
from perdure.model.net import AUTO, Net, StackOp, Transition, TransitionKind

K = TransitionKind
EVENTS_MAX = 7
CRASHES = frozenset({K.CRASH, K.SETTLED, K.VOIDED, K.UNDID})


class Value:
    """Any value: nothing is known of it."""

    def noting(self, *more: Any) -> Value:
        """An exception that notes others."""
        return self


ANY = Value()


class History(NamedTuple):
    """Events are `+site` (landed), `-site` (undone) and `site` (a step without an intent)."""

    end: str
    events: tuple[str, ...]

    @property
    def undone(self) -> tuple[str, ...]:
        """What was undone, in order."""
        return tuple(e[1:] for e in self.events if e.startswith("-"))

    @property
    def landed(self) -> tuple[str, ...]:
        """What has landed, in order."""
        return tuple(e[1:] for e in self.events if e.startswith("+"))


def histories(net: Net, *, cancel: bool = False, crash: bool = False) -> set[History]:
    """Every history of at most `EVENTS_MAX` events; without `cancel` nobody cancels."""
    found = set[History]()
    for marking, events in visited(net, cancel=cancel, crash=crash):
        for place in marking:
            if place in wire(net).final:
                found.add(History(net.places[place].name, events))
    return found


def visited(
    net: Net, *, cancel: bool = False, crash: bool = False
) -> Iterator[tuple[Marking, tuple[str, ...]]]:
    """Every marking on the way of some history, with the events before it."""
    wiring = wire(net)
    variables = {*net.types, "$result"} - {t.stack for t in net.transitions}
    given = dict.fromkeys(variables, ANY)
    start = {net.place[net.initial]: Token(dict.fromkeys(_frame(net), ANY), 0, 0)}
    todo: list[tuple[Marking, tuple[str, ...]]] = [(start, ())]
    seen = {_key(start, ())}
    while todo:
        marking, events = todo.pop()
        yield marking, events
        for k in _able(wiring, marking, cancel, crash):
            then = events + _event(net.transitions[k])
            if len(then) > EVENTS_MAX:
                continue
            for after in _outcomes(wiring, marking, k, given):
                key = _key(after, then)
                if key not in seen:
                    seen.add(key)
                    todo.append((after, then))


def _frame(net: Net) -> tuple[str, ...]:
    return net.places[net.place[net.initial]].frame


def _able(wiring: Wiring, marking: Marking, cancel: bool, crash: bool) -> list[int]:
    """What the engine could fire: an undo of the last entry only, its end when none is left."""
    able: list[int] = []
    for k in candidates(wiring, marking):
        t = wiring.net.transitions[k]
        stack = marking[wiring.takes[k][0]].frame.get(t.stack, ())
        if t.kind is K.UNDO and (not stack or stack[-1].site != t.site):
            continue
        if t.kind is K.UNDONE and stack:
            continue
        if (t.kind is K.CANCEL and not cancel) or (t.kind in CRASHES and not crash):
            continue
        able.append(k)
    return [k for k in able if wiring.net.transitions[k].kind in AUTO] or able


def _event(t: Transition) -> tuple[str, ...]:
    if t.kind in (K.LANDED, K.SETTLED):
        return (f"+{t.site}",)
    if t.stack_op is StackOp.POP:
        return (f"-{t.site}",)
    return (t.site,) if t.kind is K.STEP else ()


def _outcomes(wiring: Wiring, marking: Marking, k: int, given: dict[str, Any]) -> Iterator[Marking]:
    """The markings behind a transition, one for each way through the glue."""
    todo: list[tuple[int, ...]] = [()]
    while todo:
        way = todo.pop()
        left, asked = list(way), list[int]()

        def decide(
            place: int, env: dict[str, Any], left: list[int] = left, asked: list[int] = asked
        ) -> int:
            env.update({v: x for v, x in given.items() if v not in env})
            if left:
                return left.pop(0)
            asked.append(place)
            raise IllegalFiring("", "which way?")

        try:
            yield fire(wiring, marking, k, given, Moment(1, 1, "key"), decide)
        except IllegalFiring:
            if not asked:
                raise
            exits = {wiring.net.transitions[t].exit for t in wiring.leaving[asked[0]]}
            todo += [(*way, number) for number in sorted(exits)]


def _key(marking: Marking, events: tuple[str, ...]) -> object:
    stacks: list[tuple[int, str, tuple[tuple[str, bool], ...]]] = []
    for place, token in marking.items():
        for name, value in token.frame.items():
            if isinstance(value, tuple):
                entries = cast("tuple[Entry, ...]", value)
                stacks.append((place, name, tuple((e.site, e.known) for e in entries)))
    return frozenset(marking), tuple(sorted(stacks)), events
