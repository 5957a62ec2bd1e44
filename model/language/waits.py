"""Waiting: spans, timers, signals, and the two ways to wait for several calls.

These words make calls and spans; who waits, and how long that survives, is the engine's business.
Nothing waits here.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, get_args, overload

from ..errors import DefinitionError
from .calls import Call, Verb, taken

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

SLEEP = Verb("sleep")
SLEEP_UNTIL = Verb("sleep_until")
AFTER = Verb("after")
AT = Verb("at")
WAIT = Verb("wait")
FIRST = Verb("first")
TOGETHER = Verb("together")


@dataclass(frozen=True)
class Elapsed:
    """What `after` and `at` give: the time has come. To be told apart by `match`."""


def days(n: float, /) -> timedelta:
    """Return a span of `n` times 24 hours."""
    return timedelta(days=n)


def hours(n: float, /) -> timedelta:
    """Return a span of `n` hours."""
    return timedelta(hours=n)


def minutes(n: float, /) -> timedelta:
    """Return a span of `n` minutes."""
    return timedelta(minutes=n)


def seconds(n: float, /) -> timedelta:
    """Return a span of `n` seconds."""
    return timedelta(seconds=n)


def sleep(span: timedelta, /) -> Coroutine[Any, Any, None]:
    """Wait for `span`; the wait survives restarts and costs nothing while it lasts."""
    return Call(SLEEP, (_span(span, "sleep"),), {})


def sleep_until(moment: datetime, /) -> Coroutine[Any, Any, None]:
    """Wait until `moment`, which needs a time zone; a moment in the past passes at once."""
    return Call(SLEEP_UNTIL, (_moment(moment, "sleep_until"),), {})


def after(span: timedelta, /) -> Coroutine[Any, Any, Elapsed]:
    """Wait for `span` as a contender of `first`; it gives `Elapsed()`."""
    return Call(AFTER, (_span(span, "after"),), {})


def at(moment: datetime, /) -> Coroutine[Any, Any, Elapsed]:
    """Wait until `moment` as a contender of `first`; it gives `Elapsed()`."""
    return Call(AT, (_moment(moment, "at"),), {})


class Signal(Generic[T]):
    """A named channel into an execution; `Signal[Approved | Refused]("answer")` says what comes.

    Messages are kept in order until they are waited for, and each is consumed by exactly one wait.
    """

    def __init__(self, name: str, /) -> None:
        if not name or name != name.strip() or not name.isprintable():
            raise DefinitionError(
                "PD412",
                f"{name!r} cannot name a signal",
                "",
                "people type it at the console",
                'Signal[Answer]("answer")',
            )
        self.name = name

    @property
    def payload_type(self) -> Any:
        """The type between the brackets; refused when there was none (PD413)."""
        # Python writes the parametrised class to the instance after __init__ has returned.
        given = get_args(getattr(self, "__orig_class__", None))
        if len(given) != 1 or isinstance(given[0], TypeVar):
            raise DefinitionError(
                "PD413",
                f"signal {self.name!r} does not say what it carries",
                "",
                "what arrives is decoded strictly into that type",
                f'Signal[Answer]("{self.name}")',
            )
        return given[0]

    def wait(self) -> Coroutine[Any, Any, T]:
        """Wait for the next message and consume it."""
        return Call(WAIT, (self,), {})

    def __repr__(self) -> str:
        return f"<signal {self.name!r}>"


@overload
def first(
    a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], /
) -> Coroutine[Any, Any, A | B]: ...
@overload
def first(
    a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C], /
) -> Coroutine[Any, Any, A | B | C]: ...
@overload
def first(
    a: Coroutine[Any, Any, A],
    b: Coroutine[Any, Any, B],
    c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D],
    /,
) -> Coroutine[Any, Any, A | B | C | D]: ...
def first(*calls: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Wait for whichever ends first and give its value; the others are given up.

    What a loser may have done is settled before this returns: a compensatable one is undone.
    """
    return Call(FIRST, _branches(calls, "first"), {})


@overload
def together(
    a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], /
) -> Coroutine[Any, Any, tuple[A, B]]: ...
@overload
def together(
    a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C], /
) -> Coroutine[Any, Any, tuple[A, B, C]]: ...
@overload
def together(
    a: Coroutine[Any, Any, A],
    b: Coroutine[Any, Any, B],
    c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D],
    /,
) -> Coroutine[Any, Any, tuple[A, B, C, D]]: ...
def together(*calls: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Do all at once and give a tuple of the results, in the order of the arguments.

    When one fails all others are settled, then the first error is raised; others are its notes.
    """
    return Call(TOGETHER, _branches(calls, "together"), {})


def _branches(calls: tuple[object, ...], word: str) -> tuple[Any, ...]:
    if len(calls) < 2:
        raise DefinitionError(
            "PD414",
            f"{word}(...) has {len(calls)} calls",
            "",
            f"{word} is about several",
            f"{word}(a(...), b(...)), or await the one call alone",
        )
    return tuple(taken(call, word) for call in calls)


def _span(span: object, word: str) -> timedelta:
    if not isinstance(span, timedelta):
        raise TypeError(f"{word}(...) takes a span such as seconds(30), not {span!r}")
    return span


def _moment(moment: object, word: str) -> datetime:
    if not isinstance(moment, datetime):
        raise TypeError(f"{word}(...) takes a datetime, not {moment!r}")
    if moment.tzinfo is None:
        raise ValueError(f"{word}({moment!r}) has no time zone; write for example tzinfo=UTC")
    return moment
