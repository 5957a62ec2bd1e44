"""Firing with the user's glue: decides each exit, and says what a record must hold to fold it
again.

Values are encoded and decoded at once when they are written, so memory, disk and a restart cannot
differ. Nothing here is durable and nothing here calls a step.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

import msgspec

from .language.ambient import FIRING
from .marking import IllegalFiring, Marking, Moment, Token, Wiring, begin, fire, go_on
from .program import Placed, Program
from .sharing import warn_if_shared
from .values import Value, ValueRefused

# As functions: a method of what is imported is bound anew each time it is called.
_now_is, _now_was = FIRING.set, FIRING.reset


class Fired(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a firing: the new marking, the exits taken, the variables that changed."""

    marking: Mapping[int, Token]
    path: tuple[int, ...]
    delta: dict[str, Value]


class GlueStuck(Exception):
    """The user's code between two awaits failed by accident: the token does not move (C17).

    `details` is the traceback in the user's file, `reason` its last line.
    """

    def __init__(self, reason: str, details: str, /) -> None:
        super().__init__(reason, details)
        self.reason, self.details = reason, details


def fire_with_glue(
    program: Program,
    marking: Marking,
    transition: int,
    given: Mapping[str, Value],
    moment: Moment,
) -> Fired:
    """Fire, running the glue on the way, whose `now()` is the moment's. Raises `GlueStuck`."""
    path: list[int] = []
    delta: dict[str, Value] = {}
    objects: list[tuple[int, dict[str, object]]] = []
    wiring, placed = program.wiring, program.placed
    after = dict(marking)
    env: dict[str, Any] = {}
    place = begin(wiring, after, transition, env, given, moment)
    reset = _now_is(moment.at)
    try:
        while place is not None:
            glue, number = placed[place], -1
            if glue is not None:
                number, held = _run(program, place, glue, env, delta)
                if wiring.choice[place]:
                    path.append(number)
                if len(held) > 1:
                    objects.append((place, held))
            place = go_on(wiring, after, place, number, env, moment)
    finally:
        _now_was(reset)
    if delta or objects:
        kept = _kept(marking, after)
        for place, held in objects:
            warn_if_shared(program.net, place, {n: v for n, v in held.items() if n in kept})
        if not kept.issuperset(delta):
            delta = {name: value for name, value in delta.items() if name in kept}
    return Fired(after, tuple(path), delta)


def _kept(before: Marking, after: Marking) -> set[str]:
    """The variables of the tokens that a firing put."""
    kept: set[str] = set()
    for place, token in after.items():
        if before.get(place) is not token:
            kept.update(token.frame)
    return kept


def replay(
    wiring: Wiring,
    marking: Marking,
    transition: int,
    given: Mapping[str, Any],
    moment: Moment,
    path: tuple[int, ...],
) -> dict[int, Token]:
    """Fold one record: the same firing with the exits it recorded; no user code runs.

    `given` holds the result, message or error under its variable, and the recorded changes.
    Raises `IllegalFiring` when the record does not fit the net.
    """
    left = list(reversed(path))

    def decide(place: int, env: dict[str, Any]) -> int:
        if not wiring.choice[place]:
            return wiring.net.transitions[wiring.leaving[place][0]].exit
        if not left:
            raise IllegalFiring(wiring.net.places[place].name, "the record does not say which way")
        return left.pop()

    after = fire(wiring, marking, transition, given, moment, decide)
    if left:
        raise IllegalFiring(
            wiring.net.transitions[transition].name, f"the record has {len(left)} exits too many"
        )
    return after


class _Passing:
    """A value that no codec keeps: it is gone before the token rests."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def get(self) -> object:
        return self.value


def _run(
    program: Program, place: int, glue: Placed, env: dict[str, Any], delta: dict[str, Value]
) -> tuple[int, dict[str, object]]:
    """Run the glue at one vanishing place and seal what it wrote into `env` and `delta`.

    Returns the exit, and the objects that can change by the author's name for them.
    """
    arguments: list[object] = []
    for variable in glue.reads:
        arguments.append(env[variable].get())
    try:
        told = glue.run(*arguments)
    except Exception as error:
        raise GlueStuck(_last_line(error), _told(error)) from error
    number: int = told[0]
    held: dict[str, object] = {}
    name = ""
    try:
        for index, (name, codec, shows) in glue.writes[number]:
            value = told[index]
            if codec is None:
                env[name] = _Passing(value)
                continue
            env[name] = delta[name] = codec.seal(value)
            if shows:
                held[name] = value
        for index, (name, codec, shows) in glue.watched[number]:
            assert codec is not None
            if shows:
                held[name] = arguments[index]
            sealed = codec.seal(arguments[index])  # a list may have grown in place
            if sealed.raw != env[name].raw:
                env[name] = delta[name] = sealed
    except ValueRefused as refused:
        span = program.net.places[place].span
        line = (
            f"{span.file}:{span.line}" if span is not None else repr(program.net.places[place].name)
        )
        where = f"`{name}` is {refused} (written between two awaits, from {line} on)"
        raise GlueStuck(where, where) from refused
    return number, held


def _last_line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
