"""What cannot be stored is refused before anything is written, with a code or a path.

Lives here: planted refusals of types and values. Never here: round trips.
"""

import collections
import dataclasses
import datetime as dt
import enum
import io
import socket
import threading
from collections.abc import Callable, Coroutine, Generator
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pytest
from perdure.model.values import TypeRefused, ValueRefused, codec

T = TypeVar("T")


@dataclasses.dataclass
class Order:
    """A plain class."""

    id: str
    total: Decimal = Decimal(0)
    marks: list[float] = dataclasses.field(default_factory=list[float])


@dataclasses.dataclass
class Rush(Order):
    """A subclass whose field would be lost."""

    hours: int = 1


@dataclasses.dataclass
class Holder:
    """A class around something alive."""

    lock: threading.Event


@dataclasses.dataclass
class Box(Generic[T]):
    """A generic class."""

    inside: T


@dataclasses.dataclass
class Counted:
    """A class that changes each time it is made."""

    n: int

    def __post_init__(self) -> None:
        self.n += 1


@dataclasses.dataclass
class InitOnly:
    """A class that forgets what it was made with."""

    n: int
    seed: dataclasses.InitVar[int]


class Keys(TypedDict):
    """A typed dict."""

    a: int


class Spot(NamedTuple):
    """A named tuple."""

    x: int


class Small(enum.IntEnum):
    """An enumeration that is an int, too."""

    ONE = 1


class Word(enum.Enum):
    """Texts."""

    A = "a"


def another_order() -> type:
    """A second class of that name."""
    return dataclasses.make_dataclass("Order", [("x", int)])


CLASH = another_order()


@pytest.mark.parametrize(
    "annotation",
    [
        io.TextIOWrapper,
        socket.socket,
        Generator[int, None, None],
        type(threading.Lock()),
        Callable[[int], str],
        Coroutine[Any, Any, int],
        type[int],
        Holder,
        list[Holder],
        int | Holder,
        InitOnly,
        complex,
        dict[float, int],
        dict[bool, int],
        dict[int | str, int],
        dict[tuple[int, int], int],
        "Order",
        3,
    ],
)
def test_what_is_alive_has_no_codec(annotation: Any) -> None:
    """PD201 for files, sockets, generators, locks, functions, and keys that may collide."""
    with pytest.raises(TypeRefused) as refused:
        codec(annotation)
    assert refused.value.code == "PD201"
    assert refused.value.fix


@pytest.mark.parametrize(
    "annotation",
    [
        Decimal | str,
        dt.datetime | str,
        dt.datetime | dt.date,
        bytes | str,
        Word | str,
        Small | int,
        Keys | Order,
        Keys | dict[str, int],
        Order | dict[str, int],
        list[int] | list[str],
        list[int] | tuple[int, ...],
        set[int] | frozenset[int],
        Spot | list[int],
        Order | another_order(),
        Box[int] | Box[str],
        list[Order | another_order()],
        list[Order] | list[another_order()],
        list[CLASH] | list[another_order()],
        Box[Decimal | str],
    ],
)
def test_a_union_that_cannot_be_told_apart_is_refused(annotation: Any) -> None:
    """PD202: the stored form would not say which it was."""
    with pytest.raises(TypeRefused) as refused:
        codec(annotation)
    assert refused.value.code == "PD202"


@pytest.mark.parametrize(
    "annotation", [Any, object, list[Any], dict[str, Any], list, dict, Box, Box[Any], Any | None]
)
def test_any_is_refused_unless_allowed(annotation: Any) -> None:
    """PD205: nothing could be checked."""
    with pytest.raises(TypeRefused) as refused:
        codec(annotation)
    assert refused.value.code == "PD205"


NAN, INF = float("nan"), float("inf")
NAIVE = dt.datetime(2026, 1, 1)
ODD_ZONE = dt.timezone(dt.timedelta(seconds=3661))


class Label(str):
    """A text with a class of its own."""


def with_attribute() -> Order:
    """An object that carries more than its fields."""
    order = Order("a")
    order.__dict__["note"] = "lost"
    return order


def inside_itself() -> list[Any]:
    """A list that contains itself."""
    made: list[Any] = []
    made.append(made)
    return made


REFUSED: list[tuple[Any, Any, str]] = [
    (float, NAN, ""),
    (float | None, NAN, ""),
    (dict[str, list[float]], {"a": [1.0, INF]}, "['a'][1]"),
    (Order, Order("a", marks=[0.5, -INF]), ".marks[1]"),
    (list[Order | None], [None, Order("\ud800")], "[1].id"),
    (Decimal, Decimal("NaN"), ""),
    (Decimal, Decimal("sNaN"), ""),
    (Decimal, Decimal("-Infinity"), ""),
    (str, "\udfff", ""),
    (dict[str, int], {"\ud800": 1}, "[key '\\ud800']"),
    (dict[str, int], {1: 1, "1": 2}, "[key 1]"),
    (dict[str, int], {Label("a"): 1}, "[key 'a']"),
    (dict[int, int], {True: 1}, "[key True]"),
    (dt.datetime, NAIVE, ""),
    (list[dt.datetime], [NAIVE], "[0]"),
    (dt.datetime, NAIVE.replace(tzinfo=ODD_ZONE), ""),
    (dt.time, dt.time(1, tzinfo=ZoneInfo("Europe/Berlin")), ""),
    (Order, Rush("a"), ""),
    (list[Order], [Order("a"), Rush("b")], "[1]"),
    (Order | int, Rush("a"), ""),
    (Order, with_attribute(), ""),
    (int, "1", ""),
    (int, True, ""),
    (int, 1.0, ""),
    (int, Small.ONE, ""),
    (bool, 1, ""),
    (str, b"x", ""),
    (str, Label("x"), ""),
    (Decimal, "1.0", ""),
    (Decimal, 1, ""),
    (float, 2**53 + 1, ""),
    (dt.date, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), ""),
    (list[int], (1, 2), ""),
    (tuple[int, ...], [1, 2], ""),
    (tuple[int, int], (1,), ""),
    (tuple[int], Spot(1), ""),
    (set[int], frozenset({1}), ""),
    (dict[str, int], collections.defaultdict(int, a=1), ""),
    (dict[str, int], collections.OrderedDict(a=1), ""),
    (Keys, {"a": 1, "b": 2}, ""),
    (Keys, {}, ""),
    (Keys, {"a": "1"}, "['a']"),
    (Box[int], Box("1"), ".inside"),
    (Box[list[int | None]], Box([None, "1"]), ".inside[1]"),
    (Counted, Counted(1), ""),
    (int, None, ""),
    (None, 0, ""),
    (set[str], {"a", 1}, "{1}"),
]


@pytest.mark.parametrize(("annotation", "value", "path"), REFUSED)
def test_a_value_that_would_come_back_different_is_refused_with_its_path(
    annotation: Any, value: Any, path: str
) -> None:
    """Nothing wrong is ever written, and the message says where in the value it was."""
    with pytest.raises(ValueRefused) as refused:
        codec(annotation).encode(value)
    assert refused.value.path == path
    assert refused.value.why.startswith(path)
    with pytest.raises(ValueRefused):
        codec(annotation).seal(value)


def test_a_number_without_digits_is_refused() -> None:
    """Python itself does not print more than some thousand digits."""
    for annotation in (int, float):
        with pytest.raises(ValueRefused):
            codec(annotation).encode(10**5000)


@pytest.mark.parametrize("value", [NAN, {1: 2}, (1,), Decimal(1), {"a": {"b": object()}}])
def test_allowed_any_takes_nothing_but_plain_json(value: Any) -> None:
    """What JSON cannot say would come back as something else."""
    with pytest.raises(ValueRefused):
        codec(Any, allow_any=True).encode(value)


def test_a_value_inside_itself_is_refused() -> None:
    """A cycle has no tree."""
    with pytest.raises(ValueRefused, match="contains itself"):
        codec(list[Any], allow_any=True).encode(inside_itself())


@pytest.mark.parametrize(
    ("annotation", "raw"),
    [
        (int, b'"1"'),
        (int, b"null"),
        (Order, b'{"total":"1"}'),
        (Order | Spot, b'{"$":"Nope","id":"a"}'),
        (Order | Spot, b'{"id":"a"}'),
        (dict[Word, int], b'{"b":1}'),
    ],
)
def test_bytes_of_another_type_are_not_decoded(annotation: Any, raw: bytes) -> None:
    """Decoding is strict."""
    with pytest.raises(msgspec.ValidationError):
        codec(annotation).decode(raw)
