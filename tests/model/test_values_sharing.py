"""Two variables with one mutable object are found; shared immutable ones are nobody's business."""

import dataclasses
from typing import Any

import msgspec
import pytest
from perdure.model.values import PAYLOAD_BYTES_MIN, aliases, is_payload, payload_digest


@dataclasses.dataclass
class Open:
    """Can be changed."""

    items: list[int]


@dataclasses.dataclass(frozen=True)
class Closed:
    """Cannot be changed, its list can."""

    items: list[int]


@dataclasses.dataclass(slots=True)
class Slotted:
    """Without a dict."""

    items: list[int]


class Struct(msgspec.Struct):
    """A struct."""

    items: list[int]


LIST = [1]
OPEN = Open([2])


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (LIST, LIST),
        (LIST, [LIST]),
        (OPEN, {"k": (OPEN,)}),
        (Open(LIST), Closed(LIST)),
        (Slotted(LIST), Struct(LIST)),
        (ValueError(LIST), LIST),
        ({"a": {"b": LIST}}, (None, [LIST])),
    ],
)
def test_a_shared_mutable_object_is_found_at_any_depth(one: Any, two: Any) -> None:
    """Both names are told, in order."""
    assert aliases({"x": 1, "a": one, "b": two}) == ("a", "b")


@pytest.mark.parametrize(
    ("one", "two"),
    [([1], [1]), ("text", "text"), ((1, "a"), (1, "a")), (None, None), (Open([1]), Open([1]))],
)
def test_equal_or_immutable_objects_are_not_aliases(one: Any, two: Any) -> None:
    """Only identity of something that can be changed counts."""
    assert aliases({"a": one, "b": two}) is None


def test_one_immutable_object_may_have_two_names() -> None:
    """Nobody can tell it from two."""
    shared = (1, frozenset({2}), Closed)
    assert aliases({"a": shared, "b": shared}) is None


def test_without_nesting_only_the_variables_themselves_count() -> None:
    """The cheap check that is always on."""
    assert aliases({"a": LIST, "b": [LIST]}, nested=False) is None
    assert aliases({"a": LIST, "b": LIST}, nested=False) == ("a", "b")


def test_a_cycle_ends() -> None:
    """A list inside itself is one object of one variable."""
    cycle: list[Any] = []
    cycle.append(cycle)
    assert aliases({"a": cycle, "b": [1]}) is None


def test_payload_names_are_sixteen_bytes_of_their_content() -> None:
    """Equal bytes have one name; only large ones need one."""
    large = b"x" * (PAYLOAD_BYTES_MIN + 1)
    assert is_payload(large)
    assert not is_payload(large[1:])
    assert len(payload_digest(large)) == 16
    assert payload_digest(large) == payload_digest(bytes(large))
    assert payload_digest(large) != payload_digest(large[1:])
