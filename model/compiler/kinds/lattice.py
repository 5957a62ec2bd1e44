"""Types as values: what is unknown, what several branches give, what a union consists of.

    NEVER  <  every type  <  unions  <  Mixed (unrelated, PD204)  <  UNKNOWN (PD203)

A type is the object an annotation evaluates to; `None` stands for its class. Nothing here knows
an expression or the net.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...values.shapes import class_of as value_class
from ...values.shapes import type_name


class _Mark:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __or__(self, other: object) -> object:
        return self


UNKNOWN: Any = _Mark("UNKNOWN")
"""Nobody has said what it is."""

NEVER: Any = _Mark("NEVER")
"""No value comes here: a variable that is read before any assignment, an impossible branch."""

_NUMBERS = (bool, int, float)
_WRAPPERS = (typing.Final, typing.Required, typing.NotRequired, typing.ClassVar)


@dataclass(frozen=True)
class Mixed:
    """Unrelated types under one name: fine for as long as nobody keeps it."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Empty:
    """An empty list, set or dict whose elements nobody has named yet."""

    base: type[Any]


def bare(kind: Any) -> Any:
    """The type without what only says something about it: Annotated, NewType, Final, aliases."""
    while True:
        origin = typing.get_origin(kind)
        if origin is typing.Annotated or origin in _WRAPPERS:
            kind = typing.get_args(kind)[0]
        elif isinstance(kind, typing.NewType):
            kind = kind.__supertype__
        elif type(kind).__name__ == "TypeAliasType":
            kind = kind.__value__
        else:
            return None if kind is types.NoneType else kind


def members(kind: Any) -> tuple[Any, ...]:
    """The types that a union consists of; any other type alone; none of NEVER."""
    kind = bare(kind)
    if kind is NEVER:
        return ()
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _once(m for part in typing.get_args(kind) for m in members(part))
    if origin is typing.Literal:
        return _once(map(value_class, typing.get_args(kind)))
    return kind.parts if isinstance(kind, Mixed) else (kind,)


def class_of(kind: Any) -> type[Any] | None:
    """The class of a type's values at run time; None when there is no telling."""
    kind = bare(kind)
    if kind is None:
        return types.NoneType
    if isinstance(kind, Empty):
        return kind.base
    if typing.is_typeddict(kind):
        return dict
    origin = typing.get_origin(kind)
    found = kind if origin is None else origin
    return found if isinstance(found, type) else None


def over(kind: Any, each: Callable[[Any], Any]) -> Any:
    """What `each` gives for the members of a type, taken together."""
    return merge([each(m) for m in members(kind)])


def union(kinds: Iterable[Any]) -> Any:
    """The union as an author would write it: no member is too many."""
    parts = _once(m for kind in kinds for m in members(kind))
    if UNKNOWN in parts:
        return UNKNOWN
    if not parts:
        return NEVER
    if len(parts) == 1:
        return parts[0]
    return typing.cast("Any", typing.Union)[parts]


def merge(kinds: Sequence[Any]) -> Any:
    """The type of a value that may have any of several; unrelated ones are `Mixed`."""
    given = [k for k in _once(kinds) if k is not NEVER]
    if not given:
        return NEVER
    if UNKNOWN in given:
        return UNKNOWN
    if len(given) == 1:
        return given[0]
    if Any in given:
        return Any
    parts = _filled(_once(m for kind in given for m in members(kind)))
    for kind in given:
        if not isinstance(kind, Mixed) and all(p in members(kind) for p in parts):
            return kind
    if len(parts) == 1:
        return parts[0]
    return union(parts) if _related([p for p in parts if p is not None]) else Mixed(parts)


def _related(parts: Sequence[Any]) -> bool:
    """Numbers, or one class and subclasses of it."""
    if all(p in _NUMBERS for p in parts) or len(parts) == 1:
        return True
    classes = [p for p in parts if isinstance(p, type) and typing.get_origin(p) is None]
    if len(classes) < len(parts) or any(p in _NUMBERS for p in parts):
        return False
    return any(all(issubclass(c, base) for c in classes) for base in classes if base is not object)


def _filled(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without the empty containers for which another part names the elements."""
    named = {class_of(p) for p in parts if not isinstance(p, Empty)}
    return tuple(p for p in parts if not (isinstance(p, Empty) and p.base in named))


def _once(kinds: Iterable[Any]) -> tuple[Any, ...]:
    """Each type once, in order; types may have no hash."""
    found: list[Any] = []
    for kind in kinds:
        kind = None if kind is types.NoneType else kind
        if kind not in found:
            found.append(kind)
    return tuple(found)


def without(kind: Any, drop: Callable[[Any], bool]) -> Any:
    """The type less some of its members; the same object when none goes."""
    parts = members(kind)
    left = [p for p in parts if not drop(p)]
    if len(left) == len(parts):
        return kind
    return Mixed(tuple(left)) if isinstance(kind, Mixed) and len(left) > 1 else union(left)


def storable(kind: Any) -> bool:
    """Whether every part of a type is known."""
    if kind is UNKNOWN or kind is NEVER or isinstance(kind, (Mixed, Empty)):
        return False
    if typing.get_origin(kind) in (typing.Literal, typing.Annotated):
        return True
    return all(storable(part) for part in typing.get_args(kind) if part is not ...)


def shown(kind: Any) -> str:
    """A type as its author would write it."""
    if isinstance(kind, Mixed):
        return " | ".join(map(shown, kind.parts))
    if isinstance(kind, Empty):
        return f"{kind.base.__name__}[...]"
    if kind is UNKNOWN or kind is NEVER:
        return "..."
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        parts = sorted(members(kind), key=lambda p: p is None)
        return " | ".join(map(shown, parts))
    if isinstance(origin, type) and typing.get_args(kind):
        inner = ["..." if p is ... else shown(p) for p in typing.get_args(kind)]
        return f"{origin.__name__}[{', '.join(inner)}]"
    if isinstance(kind, type):
        return type_name(kind).rpartition(".")[2]
    return str(kind).replace("typing.", "")
