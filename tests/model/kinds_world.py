"""What the programs of the table of types use: classes of every kind, steps, signals, helpers.

No test lives here; pyright reads this file, and so does the compiler.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, Generic, NamedTuple, NewType, NotRequired, Self, TypedDict, TypeVar

import msgspec
from perdure import Signal, idempotent, observe, pure

T = TypeVar("T")
K = TypeVar("K")
UserId = NewType("UserId", int)

LIMIT = 10
RATE: float = 2
NAME = "shop"
SPAN = timedelta(days=1)
PAIR = (1, "one")


class Color(enum.Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """An enumeration of numbers."""

    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Line:
    """A frozen dataclass."""

    sku: str
    count: int
    price: Decimal
    note: str | None = None

    @property
    def total(self) -> Decimal:
        """A property."""
        return self.price * self.count

    def doubled(self) -> Self:
        """A method that returns its own class."""
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """A class method."""
        return cls(text, 1, Decimal(1))

    @staticmethod
    def zero() -> Decimal:
        """A static method."""
        return Decimal(0)

    def __add__(self, other: Line) -> Line:
        return self

    def __neg__(self) -> Line:
        return self


@dataclass
class Order:
    """A dataclass that can change, with others inside."""

    id: int
    lines: list[Line]
    tags: dict[str, int] = field(default_factory=dict[str, int])
    first: Line | None = None
    kind: ClassVar[str] = "order"

    @cached_property
    def size(self) -> int:
        """A cached property."""
        return len(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __getitem__(self, sku: str) -> Line:
        return self.lines[0]


class Rush(Line):
    """A subclass."""


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: float


class Event(msgspec.Struct, frozen=True):
    """A struct."""

    at: datetime
    what: str


class Row(TypedDict):
    """A typed dict."""

    id: int
    name: str
    note: NotRequired[str]


@dataclass(frozen=True)
class Box(Generic[T]):
    """A generic class."""

    value: T

    def get(self) -> T:
        """What is in it."""
        return self.value


@dataclass(frozen=True)
class Paid:
    """An outcome."""

    amount: Decimal


@dataclass(frozen=True)
class Refused:
    """Another."""

    reason: str


class Declined(Exception):
    """An exception with a field."""

    code: int

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


answer = Signal[Paid | Refused]("answer")
word = Signal[str]("word")


@idempotent
async def count(n: int) -> int:
    """A step."""
    return n


@idempotent
async def load(id: int) -> Order:
    """A step that returns a dataclass."""
    return Order(id, [])


@observe
def find(sku: str) -> Line | None:
    """A step that may return nothing."""
    return None


@pure
def judge(line: Line) -> Paid | Refused:
    """A step that returns a union."""
    return Refused("")


@idempotent
async def tell(text: str) -> None:
    """A step that returns nothing."""


@pure
def pick(items: list[T]) -> T:
    """A generic step."""
    return items[0]


def head(items: Sequence[T]) -> T:
    """A generic function."""
    return items[0]


def swap(pair: tuple[T, K]) -> tuple[K, T]:
    """Two type variables."""
    return pair[1], pair[0]


def either(a: T, b: T) -> T:
    """One type variable for two arguments."""
    return a


def maybe(value: T | None, other: T) -> T:
    """A type variable beside None."""
    return other if value is None else value


def price_of(line: Line) -> Decimal:
    """A plain function."""
    return line.price


def use(*values: object) -> None:
    """Reads what it is given."""


def nobody(line: Line):
    """A function that does not say what it returns."""
    return line
