"""What is inside containers: elements, positions, items, slices.

Tables over the standard containers. No call and no statement is looked at here.
"""

from __future__ import annotations

import collections.abc as abc
import types
import typing
from collections.abc import Sequence
from typing import Any

from .declared import fields, method, result
from .lattice import NEVER, UNKNOWN, Empty, bare, class_of, members, merge, over, union

_FIRST: tuple[Any, ...] = (
    list, set, frozenset, dict, zip, enumerate, map, filter, reversed,
    abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable, abc.Iterator, abc.Set,
    abc.MutableSet, abc.Mapping, abc.MutableMapping, abc.KeysView,
)  # fmt: skip
"""Iterating these gives their first parameter."""

_DEPTH_MAX = 6
"""A display nested deeper is built by a loop that would go on."""

_PAIRS = (dict, abc.Mapping, abc.MutableMapping)
_LISTS = (list, abc.Sequence, abc.MutableSequence)


def of(base: Any, *parts: Any) -> Any:
    """A container type: `of(list, int)` is `list[int]`."""
    return types.GenericAlias(base, parts)


def is_row(kind: Any) -> bool:
    """Whether it is a tuple of so many, not of any number."""
    parts = typing.get_args(kind)
    return class_of(kind) is tuple and not (len(parts) == 2 and parts[1] is ...)


def element(kind: Any) -> Any:
    """What iterating a value of this type gives."""
    return over(kind, _element)


def _element(kind: Any) -> Any:
    kind = bare(kind)
    parts, origin = typing.get_args(kind), typing.get_origin(kind)
    if kind is str or kind is range or kind is bytes:
        return str if kind is str else int
    if isinstance(kind, Empty):
        return NEVER
    if origin is tuple:
        return union(parts) if is_row(kind) else parts[0]
    if origin is abc.ItemsView:
        return of(tuple, *parts)
    if origin in (abc.ValuesView, abc.Generator) and parts:
        return parts[-1] if origin is abc.ValuesView else parts[0]
    if origin in _FIRST and parts:
        return parts[0]
    named = row_of(kind)
    if named:
        return union(named)
    iterates = method(kind, "__iter__")
    return element(result(iterates, kind, {})) if iterates is not None else UNKNOWN


def row_of(kind: Any) -> tuple[Any, ...]:
    """The types of a named tuple's fields, in order."""
    names: Sequence[str] = getattr(class_of(kind), "_fields", ())
    found = fields(kind)
    return tuple(found.get(name, UNKNOWN) for name in names)


def position(kind: Any, index: int) -> Any:
    """What stands at a constant index."""
    return over(kind, lambda k: _position(k, index))


def _position(kind: Any, index: int) -> Any:
    parts = typing.get_args(kind) if is_row(kind) else row_of(kind)
    if parts:
        return parts[index] if -len(parts) <= index < len(parts) else UNKNOWN
    return element(kind)


def unpacked(kind: Any, size: int, star: int | None) -> list[Any]:
    """The types of the targets of `a, *b, c = value`; `star` is the index of the starred one."""
    found = [[_target(k, i, size, star) for k in members(kind)] for i in range(size)]
    return [merge(kinds) for kinds in found]


def _target(kind: Any, i: int, size: int, star: int | None) -> Any:
    parts = typing.get_args(kind) if is_row(kind) else row_of(kind)
    if i == star:
        rest = parts[i : len(parts) - (size - 1 - i)] if parts else (element(kind),)
        return of(list, merge(rest)) if rest else Empty(list)
    if star is not None and i > star:
        return _position(kind, i - size) if parts else element(kind)
    return _position(kind, i)


def item(owner: Any, index: Any, constant: object, is_slice: bool) -> Any:
    """What `owner[index]` is: `index` is the type, `constant` the value if it is written down."""
    return over(owner, lambda kind: _item(kind, index, constant, is_slice))


def _item(kind: Any, index: Any, constant: object, is_slice: bool) -> Any:
    kind = bare(kind)
    parts, origin = typing.get_args(kind), typing.get_origin(kind)
    if kind is str or (kind is bytes and is_slice):
        return kind
    if typing.is_typeddict(origin or kind) and isinstance(constant, str):
        return fields(kind).get(constant, UNKNOWN)
    if is_slice:
        return _slice(kind, constant)
    if isinstance(constant, int) and (origin is tuple or row_of(kind)):
        return _position(kind, constant)
    if origin in _PAIRS and len(parts) == 2:
        return parts[1]
    if origin in _LISTS or origin is tuple or kind in (bytes, range) or row_of(kind):
        return element(kind)
    reads = method(kind, "__getitem__")
    return result(reads, kind, {}) if reads is not None else UNKNOWN


def _slice(kind: Any, bounds: object) -> Any:
    """A slice is of the same type; of a row with constant bounds, of some of its columns."""
    if class_of(kind) is list or kind is range or isinstance(kind, Empty):
        return kind
    parts = typing.get_args(kind) if is_row(kind) else row_of(kind)
    if parts and isinstance(bounds, slice):
        taken: tuple[Any, ...] = parts[bounds]
        return of(tuple, *taken)
    if class_of(kind) is tuple or parts:
        return of(tuple, element(kind), ...)
    return UNKNOWN


def display(base: Any, kinds: Sequence[Any]) -> Any:
    """The type of `[…]` or `{…}` with elements of these types."""
    inner = merge(kinds)
    if depth(inner) > _DEPTH_MAX:
        return UNKNOWN
    return of(base, inner) if kinds and inner is not NEVER else Empty(base)


def depth(kind: Any) -> int:
    """How deep containers are nested."""
    return max((1 + depth(p) for m in members(kind) for p in typing.get_args(m)), default=0)
