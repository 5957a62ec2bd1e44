"""Every storable type: what is written comes back equal, with the same bytes.

Annotations are drawn from the grammar and values from the annotations. Lives here: the round
trip. Never here: what is refused (test_values_refusals).
"""

import dataclasses
import datetime as dt
import enum
import itertools
import types
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar, Union
from uuid import UUID

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from perdure.model.values import Codec, TypeRefused, Value, codec

T = TypeVar("T")


class Word(enum.Enum):
    """By value: texts."""

    YES = "yes"
    NO = "no"


class Number(enum.IntEnum):
    """By value: numbers."""

    ONE = 1
    TWO = 2


class Mixed(enum.Enum):
    """By name: values that JSON keys would confuse, and one that JSON cannot say."""

    TEXT = "1"
    NUMBER = 1
    PAIR = (1, 2)


class Rights(enum.Flag):
    """By number, since members combine."""

    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Landed:
    """A frozen class."""

    id: str
    amount: Decimal = Decimal("0.00")


@dataclasses.dataclass
class Failed:
    """A class that can be changed, with a field that no constructor sets."""

    error: str
    tries: list[int] = dataclasses.field(default_factory=list[int])
    seen: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """A generic class."""

    left: T
    right: "tuple[T, ...]"


@dataclasses.dataclass(frozen=True)
class Named(Pair[T], Generic[T]):
    """A generic class above another one with the same variable."""

    name: str = ""


@dataclasses.dataclass
class Tree:
    """A class that contains itself, around a union of classes."""

    leaf: Landed | Failed
    kids: "list[Tree]"


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: float


class Event(NamedTuple):
    """A named tuple that needs a mirror."""

    at: dt.datetime
    what: Landed | Failed


class Options(TypedDict):
    """A typed dict with a key that may be absent."""

    depth: int
    label: NotRequired[str]


class Outcome(TypedDict):
    """A typed dict that needs a mirror."""

    what: Landed | Failed
    more: "NotRequired[list[Outcome]]"


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A struct that writes an array."""

    key: str
    value: int


class Sheet(msgspec.Struct, rename="camel"):
    """A struct with other names in JSON."""

    first_line: Line
    last_result: Landed | Failed | None = None


Drawn = tuple[Any, st.SearchStrategy[Any]]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
zones = st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
numbers = st.floats(allow_nan=False, allow_infinity=False)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
moments = st.datetimes(timezones=zones)
landed = st.builds(Landed, text, decimals)


@st.composite
def failures(draw: st.DrawFn) -> Failed:
    """An object whose last field was set, or left alone."""
    made = Failed(draw(text), draw(st.lists(st.integers(), max_size=3)))
    if draw(st.booleans()):
        made.seen = draw(st.integers())
    return made


either = landed | failures()
trees = st.recursive(
    st.builds(Tree, either, st.just(list[Tree]())),
    lambda kids: st.builds(Tree, either, st.lists(kids, max_size=3)),
    max_leaves=4,
)
lines = st.builds(Line, text, st.integers())


@st.composite
def outcomes(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """Typed dicts inside each other."""
    made: dict[str, Any] = {"what": draw(either)}
    if depth and draw(st.booleans()):
        made["more"] = draw(st.lists(outcomes(depth - 1), max_size=2))
    return made


SCALARS: list[Drawn] = [
    (int, st.integers(-(2**80), 2**80)),
    (str, text),
    (bool, st.booleans()),
    (float, numbers),
    (None, st.none()),
    (bytes, st.binary(max_size=6)),
    (Decimal, decimals),
    (dt.datetime, moments),
    (dt.date, st.dates()),
    (dt.time, st.times() | st.times(timezones=zones)),
    (dt.timedelta, st.timedeltas()),
    (UUID, st.uuids()),
    (Word, st.sampled_from(Word)),
    (Number, st.sampled_from(Number)),
    (Mixed, st.sampled_from(Mixed)),
    (Rights, st.sampled_from([Rights.READ, Rights.WRITE, Rights(3), Rights(0)])),
    (Literal["a", 2, None], st.sampled_from(["a", 2, None])),
    (Literal[True, "b"], st.sampled_from([True, "b"])),
]
HASHABLE: list[Drawn] = [
    *SCALARS,
    (Landed, landed),
    (Point, st.builds(Point, st.integers(), numbers)),
    (tuple[int, str], st.tuples(st.integers(), text)),
    (int | str, st.integers() | text),
    (frozenset[Word], st.frozensets(st.sampled_from(Word))),
]
CLASSES: list[Drawn] = [
    (Landed, landed),
    (Failed, failures()),
    (Tree, trees),
    (Point, st.builds(Point, st.integers(), numbers)),
    (Event, st.builds(Event, moments, either)),
    (Line, lines),
    (Sheet, st.builds(Sheet, lines, st.none() | either)),
]
OTHERS: list[Drawn] = [
    (Options, st.fixed_dictionaries({"depth": st.integers()}, optional={"label": text})),
    (Outcome, outcomes()),
]
KEYS: list[Drawn] = [
    (str, text),
    (int, st.integers(-(2**70), 2**70)),
    (Word, st.sampled_from(Word)),
    (Number, st.sampled_from(Number)),
    (Mixed, st.sampled_from(Mixed)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
]


_NUMBERS = itertools.count()


def made_class(name: str, fields: list[Drawn]) -> Drawn:
    """A dataclass made on the spot, and its objects."""
    names = [f"f{index}" for index in range(len(fields))]
    cls = dataclasses.make_dataclass(
        name, [(n, a) for n, (a, _) in zip(names, fields, strict=True)], namespace={}
    )
    cls.__qualname__ = f"made{next(_NUMBERS)}.{name}"  # one name, and yet not one class
    return cls, st.builds(cls, **{n: v for n, (_, v) in zip(names, fields, strict=True)})


def generic(cls: Any, drawn: Drawn) -> Drawn:
    """An instantiation of a generic class."""
    annotation, values = drawn
    many = st.lists(values, max_size=2).map(tuple)
    return cls[annotation], st.builds(cls, values, many)


def joined(annotations: list[Any]) -> Any:
    """The union of types that are known at run time only."""
    union: Any = Union
    return union[tuple(annotations)]


def union(members: list[Drawn]) -> Drawn:
    """One of several types."""
    annotations = [types.NoneType if a is None else a for a, _ in members]
    return joined(annotations), st.one_of([v for _, v in members])


def listed(drawn: Drawn) -> Drawn:
    """A list."""
    return list[drawn[0]], st.lists(drawn[1], max_size=3)


def row(members: list[Drawn]) -> Drawn:
    """A tuple of several types."""
    return tuple[tuple(a for a, _ in members)], st.tuples(*(v for _, v in members))


def table(key: Drawn, value: Drawn) -> Drawn:
    """A dict."""
    return dict[key[0], value[0]], st.dictionaries(key[1], value[1], max_size=3)


def gathered(cls: Any, make: Callable[..., Any], drawn: Drawn) -> Drawn:
    """A set or frozen set."""
    return cls[drawn[0]], make(drawn[1], max_size=3)


def extended(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    """The grammar's rules that hold other types."""
    some = st.lists(inner, min_size=1, max_size=3)
    hashable = st.sampled_from(HASHABLE)
    return st.one_of(
        inner.map(listed),
        inner.map(lambda d: (tuple[d[0], ...], st.lists(d[1], max_size=3).map(tuple))),
        some.map(row),
        some.map(union),
        st.lists(st.sampled_from(CLASSES), min_size=2, max_size=3).map(union),
        st.tuples(st.sampled_from(KEYS), inner).map(lambda pair: table(*pair)),
        hashable.map(lambda d: gathered(set, st.sets, d)),
        hashable.map(lambda d: gathered(frozenset, st.frozensets, d)),
        inner.map(lambda d: generic(Pair, d)),
        inner.map(lambda d: generic(Named, d)),
        st.tuples(st.sampled_from(["Made", "Other"]), some).map(lambda pair: made_class(*pair)),
    )


annotations = st.recursive(st.sampled_from([*SCALARS, *CLASSES, *OTHERS]), extended, max_leaves=5)


def read_or_refused(annotation: Any) -> Codec | None:
    """The codec, or None when the union was called ambiguous."""
    try:
        return codec(annotation)
    except TypeRefused as refused:
        assert refused.code == "PD202"
        return None


@settings(max_examples=400, deadline=None)
@given(annotations, st.data())
def test_every_value_of_every_storable_type_comes_back_equal_with_equal_bytes(
    drawn: Drawn, data: st.DataObject
) -> None:
    """Identity after encode and decode, or PD202 before anything runs; never an error later."""
    annotation, values = drawn
    found = read_or_refused(annotation)
    event("refused" if found is None else "native" if "$" not in str(found.schema()) else "mirror")
    if found is None:
        return
    for _ in range(3):
        value = data.draw(values)
        sealed = found.seal(value)
        back = sealed.get()
        assert back == value
        assert type(back) is type(value)
        assert found.encode(back) == sealed.raw
        assert Value.of(found, sealed.raw).get() == value
        assert sealed.get() is back or not found.immutable


@settings(max_examples=150, deadline=None)
@given(annotations, annotations, st.data())
def test_two_values_of_one_type_have_equal_bytes_only_if_they_are_equal(
    one: Drawn, two: Drawn, data: st.DataObject
) -> None:
    """Bytes tell values apart, also those that Python calls equal (1 and 1.0 and True)."""
    annotation, values = union([one, two])
    found = read_or_refused(annotation)
    if found is None:
        return
    first, second = data.draw(values), data.draw(values)
    if found.encode(first) == found.encode(second):
        assert first == second
        assert type(first) is type(second)


@given(st.permutations([int, Landed, Failed, types.NoneType]))
def test_the_order_of_a_union_is_not_part_of_its_name(order: list[Any]) -> None:
    """Equal annotations have equal text, or equal programs would have different digests."""
    found = codec(list[joined(order)])
    assert found.text == f"list[int | {__name__}.Failed | {__name__}.Landed | None]"


IN_ORDER: list[tuple[Any, Any]] = [
    (str, text),
    (int, st.integers()),
    (Mixed, st.sampled_from(Mixed)),
    (Number, st.sampled_from(Number)),
]


@pytest.mark.parametrize(("key", "keys"), IN_ORDER, ids=lambda x: getattr(x, "__name__", ""))
@given(data=st.data())
def test_a_dict_keeps_its_order(key: Any, keys: Any, data: st.DataObject) -> None:
    """A workflow can see it by a loop: as in plain Python it is the order of insertion, nested
    and beside classes too, after any number of restarts."""
    items = data.draw(st.lists(st.tuples(keys, st.integers()), unique_by=_first, max_size=6))
    for annotation, value in (
        (dict[key, int], dict(items)),
        (list[dict[key, int]], [dict(items)]),
        (dict[key, int] | None, dict(items)),
        (tuple[Landed, dict[key, int]], (Landed("a"), dict(items))),
        (dict[str, dict[key, int]], {"z": dict(items), "a": dict(items[::-1])}),
    ):
        back = codec(annotation).seal(value).get()
        assert repr(back) == repr(value)
        assert repr(codec(annotation).decode(codec(annotation).encode(back))) == repr(value)


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


@given(st.sets(st.integers() | text), st.randoms())
def test_the_order_of_a_set_is_not_part_of_the_bytes(value: set[Any], random: Any) -> None:
    """Equal sets have equal bytes: whatever order Python's hashes gave them is left aside."""
    items = list(value)
    random.shuffle(items)
    annotation: Any = set[int | str]
    assert codec(annotation).encode(set(items)) == codec(annotation).encode(value)


@given(decimals)
def test_decimals_keep_their_digits(value: Decimal) -> None:
    """1.0 and 1.00 are different amounts."""
    assert codec(Decimal).seal(value).get().as_tuple() == value.as_tuple()


json = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
)


@given(json)
def test_any_takes_plain_json_where_it_is_allowed(value: Any) -> None:
    """`Any` holds what JSON itself can say, and only when asked for."""
    found = codec(dict[str, Any] | None, allow_any=True)
    assert found.seal({"v": value}).get() == {"v": value}


@pytest.mark.parametrize(
    ("annotation", "immutable"),
    [
        (int, True),
        (tuple[str, Landed | None], True),
        (frozenset[Word], True),
        (Point, True),
        (Line, True),
        (Pair[int], True),
        (Pair[list[int]], False),
        (list[int], False),
        (Failed, False),
        (Landed | Failed, False),
        (Tree, False),
        (Sheet, False),
        (Options, False),
        (ValueError, False),
    ],
)
def test_immutable_is_what_no_reader_can_change(annotation: Any, immutable: bool) -> None:
    """Only deeply immutable types share one decoded object."""
    assert codec(annotation).immutable is immutable


def test_readers_of_a_mutable_value_never_meet_in_one_object() -> None:
    """Each reader decodes anew; the writer's object is left behind."""
    mine = Failed("x", [1])
    sealed = codec(Failed).seal(mine)
    mine.tries.append(2)
    first = sealed.get()
    first.tries.append(3)
    assert sealed.get() == Failed("x", [1])


def test_a_codec_is_made_once_per_annotation() -> None:
    """Places of one type share one codec."""
    assert codec(list[Landed | Failed]) is codec(list[Landed | Failed])


def test_classes_of_a_union_are_tagged_by_name() -> None:
    """The stored form is part of the contract: old logs must stay readable."""
    assert codec(Landed | Failed).encode(Failed("x")) == (
        b'{"$":"Failed","error":"x","tries":[],"seen":0}'
    )
    assert codec(list[Landed | int]).encode([Landed("a"), 1]) == b'[{"id":"a","amount":"0.00"},1]'
    assert codec(set[int]).encode({10, 9}) == b"[10,9]"
    assert codec(dict[Mixed, int]).encode({Mixed.TEXT: 1, Mixed.NUMBER: 2}) == (
        b'{"TEXT":1,"NUMBER":2}'
    )


def test_a_mirror_takes_old_bytes_without_a_field_that_has_a_default() -> None:
    """Mirrors are as tolerant as the classes that they stand for."""
    assert codec(Landed | Failed).decode(b'{"$":"Landed","id":"a"}') == Landed("a")
    assert codec(Landed).decode(b'{"id":"a"}') == Landed("a")


def test_an_int_for_a_float_is_written_as_a_float() -> None:
    """Type checkers allow it; the bytes are those of the float."""
    assert codec(list[float | None]).encode([1, None]) == b"[1.0,null]"
    assert codec(Point).seal(Point(1, 2)).get() == Point(1, 2.0)


def test_the_schema_shows_tags_and_fields() -> None:
    """Senders check messages against it without user code."""
    shown = codec(Landed | Failed).schema()
    assert {name: part["properties"]["$"] for name, part in shown["$defs"].items()} == {
        "Failed": {"enum": ["Failed"]},
        "Landed": {"enum": ["Landed"]},
    }
