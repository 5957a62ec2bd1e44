"""Whether two variables share one mutable object (PD212).

Frames hold values: what two names share in plain Python is two things after the next await. The
divergence is from plain Python only, never between a run and its restart; it is reported since
the author may count on it.

Lives here: the walk by identity. Never here: when it is done, nor the message.
"""

from __future__ import annotations

import datetime as dt
import enum
import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import msgspec

from .shapes import attributes, class_of

_ATOMS = (
    str, bytes, int, float, complex, Decimal, dt.date, dt.time, dt.timedelta, dt.tzinfo, UUID,
    enum.Enum, type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, range,
)  # fmt: skip


def aliases(values: Mapping[str, object], *, nested: bool = True) -> tuple[str, str] | None:
    """Two names that reach one mutable object, in the order given; None when there are none.

    With `nested=False` only the variables themselves are compared, which costs next to nothing.
    """
    owner: dict[int, str] = {}
    for name, value in values.items():
        for found in _mutables(value) if nested else _itself(value):
            other = owner.setdefault(id(found), name)
            if other != name:
                return other, name
    return None


def _itself(value: Any) -> list[Any]:
    return [value] if not _is_atom(value) and _is_mutable(value) else []


def _is_atom(value: Any) -> bool:
    return value is None or isinstance(value, _ATOMS)


def _is_mutable(value: Any) -> bool:
    """Whether the object itself can be changed; a class we know nothing of counts as mutable."""
    if isinstance(value, (tuple, frozenset)):
        return False
    cls: Any = class_of(cast("object", value))
    if "__dataclass_params__" in dir(cls):
        return not cls.__dataclass_params__.frozen
    if "__struct_config__" in dir(cls):
        return not cls.__struct_config__.frozen
    return "frozen" not in getattr(cls.__setattr__, "__qualname__", "").lower()


def _mutables(value: Any) -> Iterable[Any]:
    """All mutable objects below a value, each once; the value holds them, so ids stay theirs."""
    seen: set[int] = set()
    todo: list[Any] = [value]
    while todo:
        here = todo.pop()
        if id(here) in seen or _is_atom(here):
            continue
        seen.add(id(here))
        if _is_mutable(here):
            yield here
        todo.extend(_inside(here))


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value)
        return [*pairs.keys(), *pairs.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(cast("Iterable[Any]", value))
    cls = class_of(value)
    names = [n for base in cls.__mro__ for n in _slots(base)]
    found = [getattr(value, name) for name in names if hasattr(value, name)]
    return [*found, *getattr(value, "__dict__", {}).values(), *getattr(value, "args", ())]


def _slots(cls: Any) -> Iterable[str]:
    slots: Any = attributes(cls).get("__slots__", ())
    names: list[str] = [slots] if isinstance(slots, str) else list(slots)
    if issubclass(cls, msgspec.Struct):
        names += cls.__struct_fields__ if cls is not msgspec.Struct else ()
    return [name for name in names if name not in ("__dict__", "__weakref__")]
