"""The steps, values and helpers that the programs of `odd_programs.py` are written with.

Every call leaves a line in the trace of `differential_world`. No program is here, none is run.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Generic, NamedTuple, TypedDict, TypeVar

import msgspec
from perdure.model.language.decorators import compensatable, idempotent, irreversible, observe, pure
from perdure.model.language.effects import Retry
from perdure.model.language.waits import Signal

from .differential_world import TRACE

ONCE = Retry(attempts=1)
LIMIT = 3
PAIR = (1, 2)
T = TypeVar("T")


class Color(enum.Enum):
    """Values of two types."""

    RED = 1
    BLUE = "blue"


class Level(enum.IntEnum):
    """A number with a name."""

    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    """A set of bits."""

    READ = 1
    WRITE = 2


class Mode(enum.StrEnum):
    """A text with a name."""

    FAST = "fast"
    SLOW = "slow"


@dataclass
class Box:
    """A value that can change."""

    n: int
    items: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class Card:
    """A value that cannot."""

    name: str
    n: int = 1


@dataclass(frozen=True)
class Wide(Card):
    """A subclass with a field more."""

    extra: int = 0


@dataclass(frozen=True)
class Money:
    """Fields of many types."""

    amount: Decimal
    due: date | None = None
    when: datetime | None = None
    span: timedelta = timedelta(0)
    tags: tuple[str, ...] = ()
    level: Level = Level.LOW


@dataclass
class Node:
    """A value that holds values of its own class."""

    n: int
    next: Node | None = None


@dataclass(frozen=True)
class Full(Generic[T]):
    """A generic value."""

    inside: T


class Point(msgspec.Struct):
    """A struct that can change."""

    x: int
    y: int = 0


class Spot(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


class Row(TypedDict):
    """A dict with known keys."""

    name: str
    n: int


class Bad(Exception):
    """What steps of these programs raise."""


class Worse(Bad):
    """A kind of it."""


class Coded(Exception):
    """With arguments of its own."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(code, text)
        self.code = code


BADS = (Bad, KeyError)
note = Signal[Card]("note")
word = Signal[str]("word")


@idempotent(retry=ONCE)
async def a(x: int = 0, /) -> int:
    """Positional only."""
    TRACE.append(("a", 0, x))
    return x + 1


@idempotent(retry=ONCE)
def b(*, x: int, y: int = 10) -> int:
    """Keyword only, sync."""
    TRACE.append(("b", 0, (x, y)))
    return x + y


@pure
async def nums(n: int) -> list[int]:
    """A list."""
    TRACE.append(("nums", 0, n))
    return list(range(n))


@observe(retry=ONCE)
async def table(n: int) -> dict[str, int]:
    """A dict whose keys are not sorted."""
    TRACE.append(("table", 0, n))
    return {"zebra": n, "ant": 2, "mole": 3}


@observe(retry=ONCE)
async def maybe(n: int) -> int | None:
    """None for odd numbers."""
    TRACE.append(("maybe", 0, n))
    return None if n % 2 else n


@observe(retry=ONCE)
async def either(n: int) -> int | str:
    """Text for odd numbers."""
    TRACE.append(("either", 0, n))
    return f"t{n}" if n % 2 else n


@observe(retry=ONCE)
async def box(n: int) -> Box:
    """A value that can change."""
    TRACE.append(("box", 0, n))
    return Box(n, [n])


@observe(retry=ONCE)
async def card(n: int) -> Card | Box | None:
    """One of several classes."""
    TRACE.append(("card", 0, n))
    return (Card("c", n), Box(n, [n]), None)[n % 3]


@idempotent(retry=ONCE)
async def keep(xs: list[int]) -> list[int]:
    """Gives back what it got, and changes it afterwards in its own copy."""
    TRACE.append(("keep", 0, tuple(xs)))
    return xs


@idempotent(retry=Retry(attempts=None))
async def say(what: str) -> str:
    """Cannot fail for good."""
    TRACE.append(("say", 0, what))
    return what.upper()


@idempotent(retry=ONCE)
async def fails(how: str) -> int:
    """Raises what it is told to."""
    TRACE.append(("fails", 0, how))
    errors: dict[str, Exception] = {
        "bad": Bad("b", 1),
        "worse": Worse("w"),
        "key": KeyError("k"),
        "coded": Coded(7, "seven"),
        "value": ValueError("v"),
    }
    if how in errors:
        raise errors[how]
    return len(how)


@compensatable(refused=(Bad,))
async def hold(n: int) -> int:
    """May be refused."""
    TRACE.append(("hold", 0, n))
    if n < 0:
        raise Worse("negative", n)
    return n * 10


@hold.undo
async def release(got: int | None, n: int) -> None:
    """Undo of `hold`."""
    TRACE.append(("release", 0, (got, n)))


@irreversible(refused=(Bad,))
async def charge(n: int) -> str:
    """May be refused."""
    TRACE.append(("charge", 0, n))
    if n > 90:
        raise Bad("too much")
    return f"c{n}"


def seen(what: object) -> bool:
    """Glue that leaves a trace, and is true."""
    TRACE.append(("seen", 0, repr(what)))
    return True


def hidden(what: object) -> bool:
    """Glue that leaves a trace, and is false."""
    return not seen(what)


def breaks(how: str) -> int:
    """A helper that raises."""
    if how == "bad":
        raise Bad("helper")
    return int(how)


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
