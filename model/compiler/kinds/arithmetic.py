"""What operators give: a table over numbers, texts, moments and containers.

What stands in no row is asked of the author's own class; else it is unknown. Nothing here looks
at values, but for the exponent of a power.
"""

from __future__ import annotations

import ast
import datetime as dt
import typing
from decimal import Decimal
from typing import Any

from .containers import element, is_row, of
from .declared import method, result
from .lattice import UNKNOWN, Empty, bare, class_of, merge, over

_NUMBERS = (bool, int, float)
_MOMENTS = (dt.datetime, dt.date)
_SUMS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_BITS = (ast.BitAnd, ast.BitOr, ast.BitXor)
_METHODS: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
    ast.LShift: "lshift", ast.RShift: "rshift", ast.MatMult: "matmul",
}  # fmt: skip

_SIGNS: dict[type[ast.unaryop], str] = {
    ast.USub: "__neg__", ast.UAdd: "__pos__", ast.Invert: "__invert__",
}  # fmt: skip


def binary(op: ast.operator, left: Any, right: Any, exponent: object = None) -> Any:
    """The type of `left op right`; `exponent` is the right value if it is written down."""
    return over(left, lambda a: over(right, lambda b: _binary(op, bare(a), bare(b), exponent)))


def unary(op: ast.unaryop, kind: Any) -> Any:
    """The type of `-x`, `+x`, `~x` or `not x`."""
    if isinstance(op, ast.Not):
        return bool
    return over(kind, lambda k: _unary(op, bare(k)))


def _unary(op: ast.unaryop, kind: Any) -> Any:
    if kind in (bool, int):
        return int
    if kind in (float, Decimal, dt.timedelta) and not isinstance(op, ast.Invert):
        return kind
    own = method(kind, _SIGNS[type(op)])
    return result(own, kind, {}) if own is not None else UNKNOWN


def _binary(op: ast.operator, left: Any, right: Any, exponent: object) -> Any:
    for table in (_numbers, _decimals, _moments, _texts, _containers):
        found = table(op, left, right, exponent)
        if found is not UNKNOWN:
            return found
    return _own(op, left, right)


def _numbers(op: ast.operator, left: Any, right: Any, exponent: object) -> Any:
    if left not in _NUMBERS or right not in _NUMBERS:
        return UNKNOWN
    if isinstance(op, _BITS) and float not in (left, right):
        return bool if left is right is bool else int
    if isinstance(op, (ast.LShift, ast.RShift)) and float not in (left, right):
        return int
    if not isinstance(op, _SUMS):
        return UNKNOWN
    if isinstance(op, ast.Pow):
        return _power(left, exponent)
    return float if isinstance(op, ast.Div) or float in (left, right) else int


def _power(left: Any, exponent: object) -> Any:
    """A negative power of an int is a float, a fractional one of a negative number is complex."""
    if not isinstance(exponent, int):
        return UNKNOWN
    return float if left is float or exponent < 0 else int


def _decimals(op: ast.operator, left: Any, right: Any, exponent: object) -> Any:
    exact = all(k in (Decimal, int, bool) for k in (left, right))
    return Decimal if exact and Decimal in (left, right) and isinstance(op, _SUMS) else UNKNOWN


def _moments(op: ast.operator, left: Any, right: Any, exponent: object) -> Any:
    span = dt.timedelta
    if left in _MOMENTS:
        if right is span and isinstance(op, (ast.Add, ast.Sub)):
            return left
        return span if right is left and isinstance(op, ast.Sub) else UNKNOWN
    if right in _MOMENTS and left is span and isinstance(op, ast.Add):
        return right
    if left is span and right is span:
        if isinstance(op, (ast.Add, ast.Sub, ast.Mod)):
            return span
        return float if isinstance(op, ast.Div) else int if _floors(op) else UNKNOWN
    scaled = isinstance(op, ast.Mult) or (left is span and isinstance(op, ast.Div))
    scaled = scaled or (left is span and _floors(op) and right is not float)
    numbers = [k for k in (left, right) if k in _NUMBERS]
    return span if span in (left, right) and len(numbers) == 1 and scaled else UNKNOWN


def _texts(op: ast.operator, left: Any, right: Any, exponent: object) -> Any:
    for text in (str, bytes):
        if left is text and (isinstance(op, ast.Mod) or (right is text and _adds(op))):
            return text
        if text in (left, right) and isinstance(op, ast.Mult) and _times(left, right):
            return text
    return UNKNOWN


def _floors(op: ast.operator) -> bool:
    return isinstance(op, ast.FloorDiv)


def _adds(op: ast.operator) -> bool:
    return isinstance(op, ast.Add)


def _times(left: Any, right: Any) -> bool:
    return left in (int, bool) or right in (int, bool)


def _containers(op: ast.operator, left: Any, right: Any, exponent: object) -> Any:
    one, two = class_of(left), class_of(right)
    if isinstance(op, ast.Mult) and _times(left, right):
        kind = right if left in (int, bool) else left
        if class_of(kind) is tuple:
            return of(tuple, element(kind), ...)
        return kind if class_of(kind) is list else UNKNOWN
    if one is not two:
        return UNKNOWN
    if one is list and isinstance(op, ast.Add):
        return _joined(list, left, right)
    if one is tuple and isinstance(op, ast.Add):
        if is_row(left) and is_row(right):
            return of(tuple, *typing.get_args(left), *typing.get_args(right))
        return of(tuple, merge([element(left), element(right)]), ...)
    if one in (set, frozenset) and isinstance(op, (*_BITS, ast.Sub)):
        return left if isinstance(op, (ast.Sub, ast.BitAnd)) else _joined(one, left, right)
    if one is dict and isinstance(op, ast.BitOr):
        return left if left == right else merge([left, right])
    return UNKNOWN


def _joined(base: Any, left: Any, right: Any) -> Any:
    if isinstance(left, Empty) or isinstance(right, Empty):
        return merge([left, right])
    return of(base, merge([element(left), element(right)]))


def _own(op: ast.operator, left: Any, right: Any) -> Any:
    """`__add__` and so on of the author's class, then `__radd__` of the other's."""
    name = _METHODS[type(op)]
    for owner, word in ((left, f"__{name}__"), (right, f"__r{name}__")):
        own = method(owner, word)
        if own is not None:
            other = right if owner is left else left
            second = list(own.__annotations__)[:1]
            return result(own, owner, dict.fromkeys(second, other))
    return UNKNOWN
