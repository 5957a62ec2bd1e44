"""Rule 70: wherever in a value it stands, what JSON cannot keep is refused, and its place is named.

Lives here: bad leaves planted into random surroundings. Never here: round trips, other refusals.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from perdure.model.values import ValueRefused, codec

T = TypeVar("T")


@dataclasses.dataclass
class Box(Generic[T]):
    """A generic class around a value."""

    inside: T
    label: str = ""


class Bad(NamedTuple):
    """A type, a value of it that can be kept, one that cannot, and where inside it that shows."""

    annotation: Any
    good: Any
    bad: Any
    path: str = ""


BAD = [
    Bad(float, 1.5, float("nan")),
    Bad(float, -0.0, float("inf")),
    Bad(float, 1e300, float("-inf")),
    Bad(str, "é", "\ud800"),
    Bad(str, "", "a\udfffb"),
    Bad(Decimal, Decimal("1.00"), Decimal("NaN")),
    Bad(Decimal, Decimal(0), Decimal("Infinity")),
    Bad(dt.datetime, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1)),
    Bad(int, 1, True),
    Bad(int, 0, "0"),
    Bad(dict[str, int], {"1": 1}, {1: 1, "1": 2}, "[key 1]"),
    Bad(dict[str, int], {"": 1}, {"\udc00": 1}, "[key '\\udc00']"),
    Bad(dict[int, int], {1: 1}, {True: 1, 2: 2}, "[key True]"),
    Bad(tuple[float, ...], (1.0, 2.0), (1.0, float("nan"), 2.0), "[1]"),
]


class Planted(NamedTuple):
    """A type, and two values of its shape: one that can be kept, one with a bad leaf at `path`."""

    annotation: Any
    good: Any
    bad: Any
    path: str


def in_list(inner: Planted, before: int, after: int) -> Planted:
    """Among other elements."""
    good = [inner.good] * before
    later = [inner.good] * after
    bad = [*good, inner.bad, *later]
    whole = [*good, inner.good, *later]
    return Planted(list[inner.annotation], whole, bad, f"[{before}]{inner.path}")


def in_dict(inner: Planted, before: int, after: int) -> Planted:
    """Under a key that must be spelled as Python does."""
    key = "it's" if before else "k"
    others = {f"other {n}": inner.good for n in range(after)}
    good, bad = {**others, key: inner.good}, {**others, key: inner.bad}
    return Planted(dict[str, inner.annotation], good, bad, f"[{key!r}]{inner.path}")


def in_tuple(inner: Planted, before: int, after: int) -> Planted:
    """Beside a number."""
    annotation = tuple[int, inner.annotation]
    return Planted(annotation, (before, inner.good), (before, inner.bad), f"[1]{inner.path}")


def in_box(inner: Planted, before: int, after: int) -> Planted:
    """In a field of an object."""
    good, bad = Box(inner.good, "x" * before), Box(inner.bad, "x" * after)
    return Planted(Box[inner.annotation], good, bad, f".inside{inner.path}")


def in_option(inner: Planted, before: int, after: int) -> Planted:
    """Where there may be nothing."""
    return Planted(inner.annotation | None, inner.good, inner.bad, inner.path)


AROUND: list[Callable[[Planted, int, int], Planted]] = [
    in_list,
    in_dict,
    in_tuple,
    in_box,
    in_option,
]
layers = st.lists(
    st.tuples(st.sampled_from(AROUND), st.integers(0, 2), st.integers(0, 2)), max_size=5
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(BAD), layers)
def test_a_bad_leaf_is_refused_and_named_by_its_place(
    leaf: Bad, around: list[tuple[Callable[[Planted, int, int], Planted], int, int]]
) -> None:
    """In any nest of lists, dicts, tuples, objects and options: the very path to it, and the same
    value with a good leaf there is kept with equal bytes."""
    planted = Planted(leaf.annotation, leaf.good, leaf.bad, leaf.path)
    for wrap, before, after in around:
        planted = wrap(planted, before, after)
    found = codec(planted.annotation)
    event(f"{len(around)} deep")
    with pytest.raises(ValueRefused) as refused:
        found.encode(planted.bad)
    assert refused.value.path == planted.path
    assert refused.value.why.startswith(planted.path)
    sealed = found.seal(planted.good)
    assert sealed.get() == planted.good and found.encode(sealed.get()) == sealed.raw


@given(st.sampled_from(BAD), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_refusal_keeps_its_data_when_it_gets_a_name(leaf: Bad, name: str) -> None:
    """The variable stands in front; type, place and reason are those of the refusal."""
    with pytest.raises(ValueRefused) as raised:
        codec(leaf.annotation).encode(leaf.bad)
    named = raised.value.named(name)
    assert (named.variable, named.text, named.path, named.reason, named.why) == (
        name,
        raised.value.text,
        raised.value.path,
        raised.value.reason,
        raised.value.why,
    )
    assert str(named) == f"`{name}` is {raised.value}"
