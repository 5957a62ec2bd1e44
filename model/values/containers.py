"""Shapes of lists, sets, tuples, dicts, and of plain JSON.

Lives here: how parts of one or several types are held and ordered. Never here: classes with
fields, unions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from math import isfinite
from typing import Any, Literal

import msgspec

from .scalars import Choice, Text
from .shapes import TUPLE, Ann, Inside, Shape, bad_text, encode, locate


class Items(Shape):
    """`list`, `set`, `frozenset` and `tuple[T, ...]`: any number of one type.

    Sets are written in one order, by the bytes of their items.
    """

    def __init__(self, cls: type[Any], item: Shape) -> None:
        more = ", ..." if cls is tuple else ""
        super().__init__(f"{cls.__name__}[{item.text}{more}]", ["array"])
        self.cls = cls
        self.make: Any = cls
        self.item = item
        self.frozen = cls in (tuple, frozenset)
        self.unordered = cls in (set, frozenset)
        self.foreign = self.unordered

    def parts(self) -> Iterable[Shape]:
        return (self.item,)

    def owns(self, cls: type[Any]) -> bool:
        return cls is self.cls

    def check(self, values: list[Any]) -> bool:
        if not {self.cls}.issuperset(map(type, values)):
            return False
        column = list(chain.from_iterable(values))
        return not column or self.item.check(column)

    def inside(self, value: Any) -> Inside:
        for index, item in enumerate(value):
            yield (f"{{{item!r:.40}}}" if self.unordered else f"[{index}]"), self.item, item

    @cached_property
    def wire(self) -> Ann:
        if self.unordered:
            return list[self.item.wire]
        return TUPLE[self.item.wire, ...] if self.cls is tuple else self.make[self.item.wire]

    @property
    def wire_class(self) -> type[Any]:
        return list if self.unordered else self.cls

    def forth(self, value: Any) -> Any:
        if self.native:
            return value
        items = [self.item.forth(item) for item in value]
        return sorted(items, key=encode) if self.unordered else self.make(items)

    def back(self, wired: Any) -> Any:
        if self.native:
            return wired
        items = self.make(map(self.item.back, wired))
        if len(items) != len(wired):
            raise msgspec.ValidationError("Expected distinct items")
        return items


class Row(Shape):
    """`tuple[A, B, C]`: so many, each of its own type."""

    frozen = True

    def __init__(self, columns: list[Shape]) -> None:
        inner = ", ".join(column.text for column in columns) or "()"
        super().__init__(f"tuple[{inner}]", ["array"])
        self.columns = columns

    def parts(self) -> Iterable[Shape]:
        return self.columns

    def owns(self, cls: type[Any]) -> bool:
        return cls is tuple

    def check(self, values: list[Any]) -> bool:
        if not values:
            return True
        if not {tuple}.issuperset(map(type, values)):
            return False
        if not {len(self.columns)}.issuperset(map(len, values)):
            return False
        turned = zip(*values, strict=True)
        return all(
            column.check(list(cells)) for column, cells in zip(self.columns, turned, strict=True)
        )

    def why(self, value: Any) -> str | None:
        wrong = super().why(value)
        if wrong or len(value) == len(self.columns):
            return wrong
        return f"expected {len(self.columns)} items, got {len(value)}"

    def inside(self, value: Any) -> Inside:
        for index, (column, item) in enumerate(zip(self.columns, value, strict=True)):
            yield f"[{index}]", column, item

    @cached_property
    def wire(self) -> Ann:
        return TUPLE[tuple(column.wire for column in self.columns)]

    @property
    def wire_class(self) -> type[Any]:
        return tuple

    def forth(self, value: Any) -> Any:
        return tuple(c.forth(item) for c, item in zip(self.columns, value, strict=True))

    def back(self, wired: Any) -> Any:
        return tuple(c.back(item) for c, item in zip(self.columns, wired, strict=True))


class Table(Shape):
    """`dict[K, V]`: keys are texts, numbers or enumeration members; their order is kept."""

    def __init__(self, key: Shape, value: Shape) -> None:
        super().__init__(f"dict[{key.text}, {value.text}]", ["object"])
        self.key = key
        self.value = value
        self.foreign = not (key.kinds == frozenset(["string"]) and not isinstance(key, Choice))

    def parts(self) -> Iterable[Shape]:
        return (self.key, self.value)

    def owns(self, cls: type[Any]) -> bool:
        return cls is dict

    def check(self, values: list[Any]) -> bool:
        if not {dict}.issuperset(map(type, values)):
            return False
        keys = list(chain.from_iterable(values))
        cells = list(chain.from_iterable(map(dict[Any, Any].values, values)))
        return not keys or (self.key.check(keys) and self.value.check(cells))

    def inside(self, value: Any) -> Inside:
        for key, item in value.items():
            yield f"[key {key!r:.40}]", self.key, key
            yield f"[{key!r:.40}]", self.value, item

    @cached_property
    def wire(self) -> Ann:
        # An enumeration is read by the text of its key: msgspec would turn "1" into a number.
        key = Literal[tuple(self.key.named)] if isinstance(self.key, Choice) else self.key.wire
        return dict[key, self.value.wire]

    @property
    def wire_class(self) -> type[Any]:
        return dict

    def forth(self, value: Any) -> Any:
        if self.native:
            return value
        name = self.key.key if isinstance(self.key, Choice) else str
        return {name(key): self.value.forth(item) for key, item in value.items()}

    def back(self, wired: Any) -> Any:
        if self.native:
            return wired
        named = self.key.named if isinstance(self.key, Choice) else None
        back = self.value.back
        return {(named[key] if named else key): back(item) for key, item in wired.items()}


class Plain(Shape):
    """`Any` where it is allowed: whatever JSON itself can say."""

    def __init__(self) -> None:
        super().__init__("Any", ["null", "bool", "int", "float", "string", "array", "object"])

    def owns(self, cls: type[Any]) -> bool:
        return cls in (type(None), bool, int, float, str, list, dict)

    def check(self, values: list[Any]) -> bool:
        return all(locate(self, value) is None for value in values)

    def why(self, value: Any) -> str | None:
        wrong = Shape.why(self, value)
        if wrong is None and type(value) is float and not isfinite(value):
            return f"{value} has no JSON"
        return bad_text(value) if type(value) is str else wrong

    def inside(self, value: Any) -> Inside:
        if type(value) is list:
            yield from ((f"[{i}]", self, item) for i, item in enumerate(_list(value)))
        elif type(value) is dict:
            for key, item in _dict(value).items():
                yield f"[key {key!r:.40}]", Text(), key
                yield f"[{key!r:.40}]", self, item

    @cached_property
    def wire(self) -> Ann:
        return Any

    @property
    def wire_class(self) -> type[Any]:
        return object


def _list(value: Any) -> list[Any]:
    return value


def _dict(value: Any) -> dict[Any, Any]:
    return value
