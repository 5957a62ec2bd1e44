"""Shapes of values without parts: numbers, texts, moments, enumerations, literals.

Lives here: what each scalar refuses (NaN, lone surrogates, naive datetimes). Never here: anything
that holds other values.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cached_property
from math import isfinite
from typing import Any, Literal
from uuid import UUID

import msgspec

from .shapes import Ann, Shape, bad_text, type_name


class Scalar(Shape):
    """One class without parts; `judge` gives the reason against one of its values."""

    frozen = True

    def __init__(
        self, cls: type[Any], kind: str, judge: Callable[[Any], str | None] | None = None
    ) -> None:
        super().__init__(type_name(cls) if cls is not type(None) else "None", [kind])
        self.cls = cls
        self.judge = judge
        self.only = {cls}

    def owns(self, cls: type[Any]) -> bool:
        return cls is self.cls

    def check(self, values: list[Any]) -> bool:
        if not self.only.issuperset(map(type, values)):
            return False
        return self.judge is None or not any(map(self.judge, values))

    def fits(self, value: Any) -> bool:
        return type(value) is self.cls and (self.judge is None or self.judge(value) is None)

    def why(self, value: Any) -> str | None:
        wrong = super().why(value)
        return wrong if wrong or self.judge is None else self.judge(value)

    @cached_property
    def wire(self) -> Ann:
        return self.cls

    @property
    def wire_class(self) -> type[Any]:
        return self.cls


class Text(Scalar):
    """`str`; lone surrogates are found by the encoder, so only the slow way looks for them."""

    def __init__(self) -> None:
        super().__init__(str, "string")

    def why(self, value: Any) -> str | None:
        return super().why(value) or bad_text(value)


class Float(Scalar):
    """`float`, finite; an int is widened as type checkers allow, if no digit is lost."""

    def __init__(self) -> None:
        super().__init__(float, "float")

    def check(self, values: list[Any]) -> bool:
        return self.only.issuperset(map(type, values)) and all(map(isfinite, values))

    def fits(self, value: Any) -> bool:
        return type(value) is float and isfinite(value)

    def why(self, value: Any) -> str | None:
        if type(value) is int:
            return None if _widens(value) else "this int has more digits than a float"
        wrong = Shape.why(self, value)
        return wrong or (None if isfinite(value) else f"{value} has no JSON")


def _widens(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def _decimal(value: Decimal) -> str | None:
    return None if value.is_finite() else f"{value} is not a finite number"


def _datetime(value: dt.datetime) -> str | None:
    offset = value.utcoffset()
    if offset is None:
        return "a datetime without a time zone names no moment; give it a tzinfo"
    return None if not offset.total_seconds() % 60 else "its UTC offset is not in whole minutes"


def _time(value: dt.time) -> str | None:
    if value.tzinfo is None:
        return None
    offset = value.utcoffset()
    if offset is None:
        return "its time zone has no fixed offset; use a datetime"
    return None if not offset.total_seconds() % 60 else "its UTC offset is not in whole minutes"


def scalar(cls: Any) -> Scalar | None:
    """The shape of a scalar class; None for every other class."""
    if cls is str:
        return Text()
    if cls is float:
        return Float()
    kind = {type(None): "null", bool: "bool", int: "int"}.get(cls)
    if kind is not None:
        return Scalar(cls, kind)
    judge = {Decimal: _decimal, dt.datetime: _datetime, dt.time: _time}.get(cls)
    return Scalar(cls, "string", judge) if judge or cls in _PLAIN_STRINGS else None


_PLAIN_STRINGS = frozenset[type[Any]]({bytes, dt.date, dt.timedelta, UUID})


class Choice(Shape):
    """An enumeration: by value where msgspec can, else by name; flags as their number."""

    frozen = True

    def __init__(self, cls: type[enum.Enum]) -> None:
        values: list[Any] = [member.value for member in cls]
        self.cls = cls
        self.flag = issubclass(cls, enum.Flag)
        classes: set[type[Any]] = set(map(type, values))
        self.foreign = self.flag or classes not in ({str}, {int})
        number = self.flag or classes == {int}
        super().__init__(type_name(cls), ["int" if number else "string"])
        self.named: dict[str, Any] = {self.key(member): member for member in cls}

    def inner_text(self) -> str:
        return ", ".join(f"{m.name} = {m.value!a}" for m in self.named.values())

    def key(self, member: Any) -> str:
        """What stands for the member as a key of a JSON object."""
        return member.name if self.foreign else str(member.value)

    def owns(self, cls: type[Any]) -> bool:
        return cls is self.cls

    def check(self, values: list[Any]) -> bool:
        return {self.cls}.issuperset(map(type, values))

    @cached_property
    def wire(self) -> Ann:
        if self.flag:
            return int
        return Literal[tuple(self.named)] if self.foreign else self.cls

    @property
    def wire_class(self) -> type[Any]:
        if self.flag:
            return int
        return str if self.foreign else self.cls

    def forth(self, value: Any) -> Any:
        if self.flag:
            return value.value
        return value.name if self.foreign else value

    def back(self, wired: Any) -> Any:
        if self.flag:
            return self.cls(wired)
        return self.named[wired] if self.foreign else wired


class OneOf(Shape):
    """`Literal[...]` of texts, numbers, truth values and None."""

    frozen = True

    def __init__(self, allowed: Iterable[Any]) -> None:
        self.allowed: set[tuple[type[Any], Any]] = {(type(value), value) for value in allowed}
        self.classes: set[type[Any]] = {cls for cls, _ in self.allowed}
        kinds = [{str: "string", int: "int", bool: "bool"}.get(cls, "null") for cls in self.classes]
        super().__init__(f"Literal[{', '.join(sorted(repr(v) for _, v in self.allowed))}]", kinds)
        # msgspec takes no truth values here; they are read as bool and looked up by `back`.
        self.foreign = bool in self.classes

    def owns(self, cls: type[Any]) -> bool:
        return cls in self.classes

    def check(self, values: list[Any]) -> bool:
        return all(_hashable(v) and (type(v), v) in self.allowed for v in values)

    def why(self, value: Any) -> str | None:
        known = _hashable(value) and (type(value), value) in self.allowed
        return None if known else f"expected {self.text}, got {value!r:.60}"

    @cached_property
    def wire(self) -> Ann:
        rest = tuple(sorted((v for cls, v in self.allowed if cls is not bool), key=repr))
        if not self.foreign:
            return Literal[rest]
        return bool | Literal[rest] if rest else bool

    def back(self, wired: Any) -> Any:
        if (type(wired), wired) not in self.allowed:
            raise msgspec.ValidationError(f"Expected {self.text}, got {wired!r}")
        return wired


def _hashable(value: Any) -> bool:
    return isinstance(value, (str, int)) or value is None
