"""What calls of builtins give: a table.

A builtin that is not in it is unknown. Calls of anything else are in `calls.py`.
"""

from __future__ import annotations

import collections.abc as abc
import datetime as dt
import typing
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .containers import element, of
from .lattice import NEVER, UNKNOWN, Empty, bare, class_of, members, merge, over, union

Given = Sequence[Any]
Named = Mapping[str, Any]

PLAIN: dict[object, Any] = {
    len: int, int: int, float: float, bool: bool, str: str, repr: str, ascii: str, format: str,
    chr: str, hex: str, oct: str, bin: str, ord: int, hash: int, id: int, isinstance: bool,
    issubclass: bool, callable: bool, hasattr: bool, any: bool, all: bool, bytes: bytes,
    range: range, print: None,
}  # fmt: skip


def called(target: Any, given: Given, named: Named) -> Any:
    """What `target(*given, **named)` gives; UNKNOWN when the table does not know the builtin."""
    if target in PLAIN:
        return PLAIN[target]
    rule = _RULES.get(target)
    return rule(given, named) if rule is not None else UNKNOWN


def _sum(given: Given, named: Named) -> Any:
    """The start is returned for nothing to add: `sum(prices)` of no Decimal is the int 0."""
    start = given[1] if len(given) > 1 else named.get("start", int)
    parts = [_plus(m) for m in members(element(given[0]))]
    return union([*parts, start])


def _plus(kind: Any) -> Any:
    return int if kind is bool else kind


def _extreme(given: Given, named: Named) -> Any:
    found = element(given[0]) if len(given) == 1 else merge(given)
    return merge([found, named["default"]]) if "default" in named else found


def _round(given: Given, named: Named) -> Any:
    digits = given[1] if len(given) > 1 else named.get("ndigits")

    def rounded(kind: Any) -> Any:
        kind = bare(kind)
        if kind in (bool, int):
            return int
        if kind in (float, Decimal):
            return int if digits is None else kind
        return UNKNOWN

    return over(given[0], rounded)


def _abs(given: Given, named: Named) -> Any:
    def size(kind: Any) -> Any:
        kind = bare(kind)
        return kind if kind in (float, Decimal, dt.timedelta) else _plus_or_unknown(kind)

    return over(given[0], size)


def _plus_or_unknown(kind: Any) -> Any:
    return int if kind in (int, bool) else UNKNOWN


def _collected(base: Any) -> Callable[[Given, Named], Any]:
    def rule(given: Given, named: Named) -> Any:
        inner = element(given[0]) if given else NEVER
        return Empty(base) if inner is NEVER else of(base, inner)

    return rule


def _tuple(given: Given, named: Named) -> Any:
    if not given:
        return of(tuple)
    inner = element(given[0])
    return of(tuple) if inner is NEVER else of(tuple, inner, ...)


def _dict(given: Given, named: Named) -> Any:
    found: list[Any] = []
    if given:
        pairs = typing.get_args(given[0])
        if class_of(given[0]) is dict:
            found.append(given[0])
        else:
            pairs = typing.get_args(element(given[0]))
            found.append(of(dict, *pairs) if len(pairs) == 2 else UNKNOWN)
    if named:
        found.append(of(dict, str, merge(list(named.values()))))
    return merge(found) if found else Empty(dict)


def _enumerate(given: Given, named: Named) -> Any:
    return of(enumerate, of(tuple, int, element(given[0])))


def _zip(given: Given, named: Named) -> Any:
    return of(zip, of(tuple, *map(element, given)))


def _reversed(given: Given, named: Named) -> Any:
    return of(reversed, element(given[0]))


def _divmod(given: Given, named: Named) -> Any:
    if all(g in (bool, int) for g in given):
        return of(tuple, int, int)
    return of(tuple, float, float) if all(g in (int, float) for g in given) else UNKNOWN


def _iter(given: Given, named: Named) -> Any:
    return of(abc.Iterator, element(given[0]))


def _next(given: Given, named: Named) -> Any:
    return merge([element(given[0]), *given[1:]])


_RULES: dict[object, Callable[[Given, Named], Any]] = {
    sum: _sum,
    min: _extreme,
    max: _extreme,
    round: _round,
    abs: _abs,
    list: _collected(list),
    sorted: _collected(list),
    set: _collected(set),
    frozenset: _collected(frozenset),
    tuple: _tuple,
    dict: _dict,
    enumerate: _enumerate,
    zip: _zip,
    reversed: _reversed,
    divmod: _divmod,
    iter: _iter,
    next: _next,
}
