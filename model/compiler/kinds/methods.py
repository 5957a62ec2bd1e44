"""What methods and attributes of the standard types give, as a table.

Methods of the author's classes are in `declared.py`. What is not in the table is unknown.
"""

from __future__ import annotations

import collections.abc as abc
import datetime as dt
import enum
import typing
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from ...values.shapes import class_of as value_class
from .containers import element, of
from .lattice import UNKNOWN, Empty, bare, class_of, merge, union

Row = tuple[Any, str]


def _table(*rows: Row) -> dict[str, Any]:
    return {name: kind for kind, names in rows for name in names.split()}


_MOMENT = (
    (int, "year month day weekday isoweekday toordinal"),
    (str, "isoformat strftime ctime"),
)
_CLOCK = ((int, "hour minute second microsecond fold"),)

METHODS: dict[type[Any], dict[str, Any]] = {
    str: _table(
        (str, "upper lower title capitalize casefold swapcase strip lstrip rstrip replace join "
              "format format_map center ljust rjust zfill expandtabs translate removeprefix "
              "removesuffix"),
        (bool, "startswith endswith isalnum isalpha isascii isdecimal isdigit isidentifier "
               "islower isnumeric isprintable isspace istitle isupper"),
        (int, "find rfind index rindex count"),
        (of(list, str), "split rsplit splitlines"),
        (of(tuple, str, str, str), "partition rpartition"),
        (bytes, "encode"),
    ),
    bytes: _table((str, "decode hex"), (int, "find index count"), (bool, "startswith endswith")),
    int: _table((int, "bit_length bit_count conjugate numerator denominator"), (bytes, "to_bytes"),
                (of(tuple, int, int), "as_integer_ratio"), (bool, "is_integer")),
    float: _table((bool, "is_integer"), (str, "hex"), (of(tuple, int, int), "as_integer_ratio"),
                  (float, "conjugate real imag")),
    Decimal: _table(
        (Decimal, "quantize normalize copy_abs copy_negate copy_sign sqrt exp ln log10 fma max min "
                  "remainder_near scaleb to_integral_value to_integral_exact to_integral compare"),
        (bool, "is_zero is_signed is_finite is_nan is_infinite"),
        (int, "adjusted"), (str, "to_eng_string"), (of(tuple, int, int), "as_integer_ratio"),
    ),
    dt.date: _table(*_MOMENT, (dt.date, "replace")),
    dt.datetime: _table(
        *_MOMENT, *_CLOCK, (dt.datetime, "replace astimezone"), (dt.date, "date"),
        (dt.time, "time timetz"), (float, "timestamp"), (union([dt.timedelta, None]), "utcoffset"),
    ),
    dt.time: _table(*_CLOCK, (str, "isoformat strftime"), (dt.time, "replace")),
    dt.timedelta: _table((float, "total_seconds")),
    UUID: {},
}  # fmt: skip

ATTRIBUTES: dict[type[Any], dict[str, Any]] = {
    int: _table((int, "numerator denominator real imag")),
    float: _table((float, "real imag")),
    dt.date: _table((int, "year month day")),
    dt.datetime: _table((int, "year month day"), *_CLOCK),
    dt.time: _table(*_CLOCK),
    dt.timedelta: _table((int, "days seconds microseconds")),
    UUID: _table((str, "hex urn"), (int, "int version"), (bytes, "bytes")),
    range: _table((int, "start stop step")),
}

MADE_BY_CLASS: dict[type[Any], dict[str, Any]] = {
    dt.datetime: _table((dt.datetime, "fromisoformat fromtimestamp combine strptime fromordinal")),
    dt.date: _table((dt.date, "fromisoformat fromtimestamp fromordinal fromisocalendar")),
    dt.time: _table((dt.time, "fromisoformat")),
    str: _table((dict[int, union([int, None])], "maketrans")),
    int: _table((int, "from_bytes")),
    float: _table((float, "fromhex")),
    bytes: _table((bytes, "fromhex")),
    Decimal: _table((Decimal, "from_float")),
}
"""Methods called on the class itself. `dict.fromkeys` is in `builtin_calls.py`."""


def attribute(kind: Any, name: str) -> Any:
    """The type of an attribute of a standard type, or of an enumeration's member."""
    cls = class_of(kind)
    if cls is not None and issubclass(cls, enum.Enum):
        return {"name": str, "value": _values(cls)}.get(name, UNKNOWN)
    return ATTRIBUTES.get(bare(kind), {}).get(name, UNKNOWN) if _hashable(kind) else UNKNOWN


def _values(cls: type[enum.Enum]) -> Any:
    kinds = {value_class(member.value) for member in cls}
    plain = kinds <= {str, int, float, bool}
    return union(sorted(kinds, key=lambda k: k.__name__)) if plain else UNKNOWN


def _hashable(kind: Any) -> bool:
    return isinstance(bare(kind), type)


def called(kind: Any, name: str, given: Sequence[Any]) -> Any:
    """What `value.name(*given)` gives."""
    cls = class_of(kind)
    if cls in (int, bool, float, str, bytes, Decimal) or cls in METHODS:
        return METHODS[int if cls is bool else cls].get(name, UNKNOWN)
    table = _CONTAINERS.get(cls) if cls is not None else None
    return table(kind, name, given) if table is not None else UNKNOWN


def _list(kind: Any, name: str, given: Sequence[Any]) -> Any:
    if name in ("append", "extend", "insert", "remove", "clear", "reverse", "sort"):
        return None
    if name in ("index", "count"):
        return int
    if name == "copy":
        return kind
    return element(kind) if name == "pop" else UNKNOWN


def _set(kind: Any, name: str, given: Sequence[Any]) -> Any:
    if name in ("add", "remove", "discard", "clear", "update", "difference_update",
                "intersection_update", "symmetric_difference_update"):  # fmt: skip
        return None
    if name in ("issubset", "issuperset", "isdisjoint"):
        return bool
    if name in ("copy", "difference", "intersection"):
        return kind
    if name in ("union", "symmetric_difference"):
        base = class_of(kind)
        return of(base, merge([element(kind), *map(element, given)]))
    return element(kind) if name == "pop" else UNKNOWN


def _dict(kind: Any, name: str, given: Sequence[Any]) -> Any:
    parts = typing.get_args(kind)
    if name in ("clear", "update"):
        return None
    if name == "copy":
        return kind
    if len(parts) != 2:
        return UNKNOWN
    key, value = parts
    if name in ("get", "pop", "setdefault"):
        other = given[1] if len(given) > 1 else None
        alone = len(given) < 2 and name == "pop"
        return value if alone else _either(value, other)
    views: dict[str, Any] = {
        "keys": of(abc.KeysView, key),
        "values": of(abc.ValuesView, value),
        "items": of(abc.ItemsView, key, value),
        "popitem": of(tuple, key, value),
    }
    return views.get(name, UNKNOWN)


def _either(value: Any, other: Any) -> Any:
    return value if isinstance(other, Empty) and class_of(value) is other.base else merge(
        [value, other]
    )  # fmt: skip


def _tuple(kind: Any, name: str, given: Sequence[Any]) -> Any:
    return int if name in ("index", "count") else UNKNOWN


_CONTAINERS: dict[type[Any], Callable[[Any, str, Sequence[Any]], Any]] = {
    list: _list,
    set: _set,
    frozenset: _set,
    dict: _dict,
    abc.Mapping: _dict,
    tuple: _tuple,
}
