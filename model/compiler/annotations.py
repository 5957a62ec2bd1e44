"""Algebra of annotations: joining, elements, members, results of methods. No syntax tree is known here."""

from __future__ import annotations

import collections.abc as abc
import types
import typing
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from .names import UNKNOWN

NOTHING: Final = type(None)
_WIDER: Final[tuple[tuple[Any, Any], ...]] = ((bool, int), (int, float), (bool, float))
_SEQUENCES: Final = (list, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.Set)


def members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(m for a in get_args(annotation) for m in members(a))
    return (annotation,)


def union(found: list[Any]) -> Any:
    """One annotation for several alternatives, in order, each once."""
    flat: list[Any] = []
    for each in found:
        for member in members(each):
            if member not in flat:
                flat.append(member)
    return Union[tuple(flat)] if len(flat) > 1 else flat[0]


def join(first: Any, second: Any) -> Any:
    """The type of a variable that is given both; UNKNOWN when they are unrelated (PD204)."""
    if first == second:
        return first
    if first is UNKNOWN or second is UNKNOWN:
        return UNKNOWN
    for one, two in ((first, second), (second, first)):
        if one is None or one is NOTHING:
            return union([two, NOTHING]) if NOTHING not in members(two) else two
        if set(members(one)) <= set(members(two)):
            return two
        if (one, two) in _WIDER:
            return two
        if _is_class(one) and _is_class(two) and issubclass(one, two) and two is not object:
            return two
        if get_origin(one) is Literal and two is type(get_args(one)[0]):
            return two
    if NOTHING in members(first) or NOTHING in members(second):
        bare = [union([m for m in members(a) if m is not NOTHING]) for a in (first, second)]
        inner = join(*bare)
        return UNKNOWN if inner is UNKNOWN else union([inner, NOTHING])
    return UNKNOWN


def _is_class(annotation: Any) -> bool:
    return isinstance(annotation, type) and get_origin(annotation) is None


def element(annotation: Any) -> Any:
    """What iterating over a value of this type gives."""
    if annotation is range:
        return int
    if annotation is str:
        return str
    if annotation is bytes:
        return int
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return args[0]
        return union(list(args)) if args else UNKNOWN
    if origin in _SEQUENCES and args:
        return args[0]
    if origin in (dict, abc.Mapping) and args:
        return args[0]
    return UNKNOWN


def item(annotation: Any, index: Any) -> Any:
    """The type of `value[index]`; `index` is the constant, or UNKNOWN when it is not one."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (dict, abc.Mapping) and len(args) == 2:
        return args[1]
    if origin is tuple and args:
        if len(args) == 2 and args[1] is Ellipsis:
            return args[0]
        if isinstance(index, int) and -len(args) <= index < len(args):
            return args[index]
        return union(list(args))
    if typing.is_typeddict(annotation) and isinstance(index, str):
        return hints(annotation).get(index, UNKNOWN)
    return UNKNOWN if annotation is range and index is UNKNOWN else element(annotation)


def hints(owner: Any) -> dict[str, Any]:
    """Resolved annotations of a class or function; empty when they cannot be resolved."""
    try:
        return get_type_hints(owner, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def attribute(annotation: Any, name: str) -> Any:
    """The type of a field or property."""
    owner = get_origin(annotation) or annotation
    if not isinstance(owner, type):
        return UNKNOWN
    declared = hints(owner).get(name)
    if declared is not None:
        return _filled(declared, owner, annotation)
    found = getattr(owner, name, None)
    if isinstance(found, property) and found.fget is not None:
        return hints(found.fget).get("return", UNKNOWN)
    return _BUILTIN_ATTRIBUTES.get((owner, name), UNKNOWN)


def _filled(declared: Any, owner: Any, annotation: Any) -> Any:
    """Put the arguments of a generic class into the type of its field."""
    parameters = getattr(owner, "__parameters__", ())
    known = dict(zip(parameters, get_args(annotation), strict=False))
    return substitute(declared, known) if known else declared


def substitute(annotation: Any, known: dict[Any, Any]) -> Any:
    """Replace type variables by what they stand for."""
    if annotation in known:
        return known[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if not args or origin is Literal:
        return annotation
    filled = tuple(substitute(a, known) for a in args)
    if origin in (Union, types.UnionType):
        return union(list(filled))
    return origin[filled] if origin is not None else annotation


def returned(function: Any) -> Any:
    """The declared result of a function or method."""
    return hints(function).get("return", UNKNOWN)


_SAME: Final = "same"
_ELEMENT: Final = "element"
_STR_METHODS: Final = {
    str: "capitalize casefold center expandtabs format format_map join ljust lower lstrip replace "
    "rjust rstrip strip swapcase title translate upper zfill removeprefix removesuffix",
    int: "count find index rfind rindex",
    bool: "endswith startswith isalnum isalpha isdecimal isdigit islower isnumeric isspace isupper "
    "isidentifier istitle isascii isprintable",
    list[str]: "split rsplit splitlines",
    tuple[str, str, str]: "partition rpartition",
    bytes: "encode",
}
_METHODS: Final[dict[Any, dict[str, Any]]] = {
    str: {name: kind for kind, names in _STR_METHODS.items() for name in names.split()},
    list: {"copy": _SAME, "pop": _ELEMENT, "index": int, "count": int}
    | dict.fromkeys(("append", "extend", "insert", "remove", "clear", "sort", "reverse"), NOTHING),
    set: dict.fromkeys(
        ("copy", "union", "intersection", "difference", "symmetric_difference"), _SAME
    )
    | {"pop": _ELEMENT, "issubset": bool, "issuperset": bool, "isdisjoint": bool}
    | dict.fromkeys(("add", "discard", "remove", "clear", "update"), NOTHING),
    tuple: {"index": int, "count": int},
    bytes: {"decode": str, "hex": str},
    datetime: {"isoformat": str, "timestamp": float, "date": date, "replace": _SAME},
    date: {"isoformat": str, "replace": _SAME},
    timedelta: {"total_seconds": float},
    Decimal: {"quantize": Decimal, "is_zero": bool, "copy_abs": Decimal},
    int: {"bit_length": int},
    float: {"is_integer": bool},
}
_BUILTIN_ATTRIBUTES: Final[dict[tuple[Any, str], Any]] = {
    (timedelta, "days"): int,
    (timedelta, "seconds"): int,
    (datetime, "year"): int,
    (datetime, "month"): int,
    (datetime, "day"): int,
    (datetime, "hour"): int,
    (datetime, "minute"): int,
    (date, "year"): int,
    (date, "month"): int,
    (date, "day"): int,
}


def method(annotation: Any, name: str) -> Any:
    """The type that calling a method of a value gives."""
    owner = get_origin(annotation) or annotation
    if owner is dict and len(get_args(annotation)) == 2:
        return _dict_method(*get_args(annotation), annotation, name)
    known = _METHODS.get(owner, {}).get(name, UNKNOWN)
    if known is _SAME:
        return annotation
    if known is _ELEMENT:
        return element(annotation)
    if known is not UNKNOWN or not isinstance(owner, type):
        return known
    found = getattr(owner, name, None)
    if found is None:
        return UNKNOWN
    result = returned(getattr(found, "__func__", found))
    return annotation if result is typing.Self else _filled(result, owner, annotation)


def _dict_method(key: Any, value: Any, annotation: Any, name: str) -> Any:
    table: dict[str, Any] = {
        "keys": list[key],
        "values": list[value],
        "items": list[tuple[key, value]],
        "get": union([value, NOTHING]),
        "pop": value,
        "setdefault": value,
        "copy": annotation,
        "popitem": tuple[key, value],
        "update": NOTHING,
        "clear": NOTHING,
    }
    return table.get(name, UNKNOWN)


_NUMBERS: Final = (bool, int, float)


def arithmetic(left: Any, operator: str, right: Any) -> Any:
    """The type of `left operator right` for the numbers, texts, times and containers we know."""
    if left in _NUMBERS and right in _NUMBERS:
        if operator == "Div":
            return float
        if left is bool and right is bool and operator in ("BitAnd", "BitOr", "BitXor"):
            return bool
        if operator == "Pow" and float not in (left, right):
            return UNKNOWN  # an int, or a float when the exponent is negative
        return float if float in (left, right) else int
    if Decimal in (left, right) and {left, right} <= {Decimal, int, bool}:
        return Decimal
    if left is str and right is str and operator == "Add":
        return str
    if left is str and operator == "Mod":
        return str
    if {left, right} == {str, int} and operator == "Mult":
        return str
    if left == right and operator == "Add" and get_origin(left) is list:
        return left
    if left == right and get_origin(left) in (set, frozenset):
        return left
    if left == right and operator == "BitOr" and get_origin(left) is dict:
        return left
    if get_origin(left) is list and right is int and operator == "Mult":
        return left
    return _TIMES.get((left, operator, right), UNKNOWN)


_TIMES: Final[dict[tuple[Any, str, Any], Any]] = {
    (datetime, "Add", timedelta): datetime,
    (timedelta, "Add", datetime): datetime,
    (datetime, "Sub", timedelta): datetime,
    (datetime, "Sub", datetime): timedelta,
    (date, "Add", timedelta): date,
    (date, "Sub", timedelta): date,
    (date, "Sub", date): timedelta,
    (timedelta, "Add", timedelta): timedelta,
    (timedelta, "Sub", timedelta): timedelta,
    (timedelta, "Mult", int): timedelta,
    (int, "Mult", timedelta): timedelta,
    (timedelta, "Mult", float): timedelta,
    (float, "Mult", timedelta): timedelta,
    (timedelta, "Div", timedelta): float,
    (timedelta, "Div", int): timedelta,
    (timedelta, "FloorDiv", timedelta): int,
}
