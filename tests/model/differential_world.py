"""The steps, signals and glue functions that generated workflows call: in memory, deterministic.

Every call leaves a line in `TRACE`, so two runs of one program can be compared. No program is
made here, and none is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from perdure.model.language.decorators import (
    compensatable,
    idempotent,
    irreversible,
    observe,
    pure,
    transactional,
)
from perdure.model.language.effects import Retry
from perdure.model.language.waits import Signal

Line = tuple[str, int, object]
TRACE: list[Line] = []
"""(what ran, where in the source, with which values), in the order of running."""

UNDOS = frozenset({"release", "unbook"})
GLUE = frozenset({"mark", "seen", "told"})
FORKED = 1000
"""Tags from here on stand in branches of a fork: 1000 + 10 * fork + branch."""

ONCE = Retry(attempts=1)


class Bad(Exception):
    """A refusal that steps declare."""


class Worse(Bad):
    """A kind of it: the order of handlers matters."""


class Other(Exception):
    """Something else."""


@dataclass(frozen=True)
class Item:
    """What the signal `note` carries."""

    n: int


@dataclass(frozen=True)
class Booking:
    """A result that only an undo looks into."""

    tag: int
    n: int


note = Signal[Item]("note")
word = Signal[str]("word")


@idempotent(retry=ONCE)
async def add(tag: int, a: int, b: int = 1) -> int:
    """Async, cannot raise, has a default."""
    TRACE.append(("add", tag, (a, b)))
    return (a + b) % 50


@pure
def twice(tag: int, a: int) -> int:
    """Sync and pure."""
    TRACE.append(("twice", tag, a))
    return a * 2 % 50


@observe(retry=ONCE, timeout=timedelta(hours=1))
async def look(tag: int, a: int) -> int:
    """Looks only."""
    TRACE.append(("look", tag, a))
    return 7 - a % 9


@idempotent(retry=ONCE)
def picky(tag: int, a: int) -> int:
    """Sync, raises one of three exceptions by its argument."""
    TRACE.append(("picky", tag, a))
    if a % 5 == 2:
        raise Worse(f"{tag}", a)
    if a % 5 == 3:
        raise Other(a)
    if a % 5 == 4:
        raise KeyError("meant")
    return a + 3


_TRIED: dict[int, int] = {}
"""Attempts of the call that is being made at each tag."""


@idempotent(retry=Retry(attempts=3, first=timedelta(0)))
async def flaky(tag: int, a: int) -> int:
    """Fails `a % 4` times before it succeeds: with three attempts, for good if that is three."""
    attempt = _TRIED.pop(tag, 0) + 1
    TRACE.append(("flaky", tag, (a, attempt)))
    if attempt <= a % 4:
        if attempt < 3:
            _TRIED[tag] = attempt
        raise Bad("flaky", attempt)
    return a + attempt


@idempotent(retry=Retry(attempts=None))
async def say(tag: int, a: int) -> str:
    """Endless, so it cannot fail for good."""
    TRACE.append(("say", tag, a))
    return "s" * (a % 4)


@transactional
async def save(tx: Any, tag: int, a: int) -> int:
    """Writes nothing; raises by its argument."""
    TRACE.append(("save", tag, a))
    if a % 6 == 5:
        raise Other("saved", a)
    return a - 2


@compensatable(refused=(Bad,), timeout=timedelta(hours=1))
async def hold(tag: int, a: int) -> int:
    """May be refused; its undo takes the unknown form."""
    TRACE.append(("hold", tag, a))
    if a % 4 == 3:
        raise Worse("held", a)
    return a * 10 % 60


@hold.undo
async def release(got: int | None, tag: int, a: int) -> None:
    """Undo of `hold`."""
    TRACE.append(("release", tag, (got, a)))


@compensatable
def book(tag: int, a: int) -> Booking:
    """Sync, never refused; its undo takes the result."""
    TRACE.append(("book", tag, a))
    return Booking(tag, a)


@book.undo
def unbook(booking: Booking) -> None:
    """Undo of `book`."""
    TRACE.append(("unbook", booking.tag, booking.n))


@irreversible(refused=(Bad,))
async def charge(tag: int, a: int) -> str:
    """May be refused."""
    TRACE.append(("charge", tag, a))
    if a % 4 == 3:
        raise Bad("declined")
    return f"c{a}"


@irreversible
def seal(tag: int, a: int) -> int:
    """Sync, never refused."""
    TRACE.append(("seal", tag, a))
    return a + 1


def mark(tag: int, a: int) -> int:
    """Glue that leaves a trace of when and with what it was evaluated."""
    TRACE.append(("mark", tag, a))
    return a


def seen(tag: int, error: BaseException) -> int:
    """Glue that leaves a trace of a caught exception."""
    TRACE.append(("seen", tag, (type(error).__name__, error.args)))
    return len(error.args)


def told(tag: int, value: object) -> None:
    """Glue that leaves a trace of a value with parts, in its order."""
    TRACE.append(("told", tag, repr(value)))
