"""What the patterns of a `match` bind, and what they leave for the next case.

Which way a match goes is decided when it runs, never here.
"""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable, Iterator
from typing import Any

from .containers import of, unpacked
from .declared import attribute, fields
from .lattice import UNKNOWN, class_of, members, merge, over, union, without
from .narrowing import kept, less

Bind = Callable[[str, Any], None]
Resolve = Callable[[ast.expr], object]

_WHOLE: tuple[object, ...] = (
    bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple,
)  # fmt: skip
"""Classes whose one positional pattern stands for the object itself."""


class Patterns:
    """The patterns of one function."""

    def __init__(self, resolve: Resolve, bind: Bind) -> None:
        self.resolve, self.bind = resolve, bind

    def matched(self, pattern: ast.pattern, subject: Any) -> Any:
        """Bind what a pattern captures of a subject; the type of what it matches."""
        match pattern:
            case ast.MatchAs(pattern=None, name=name):
                found = subject
            case ast.MatchAs(pattern=inner, name=name):
                assert inner is not None
                found = self.matched(inner, subject)
            case ast.MatchOr(patterns=options):
                found = [self.matched(option, subject) for option in options]
                parts, whole = [p for f in found for p in members(f)], members(subject)
                return union(parts) if all(p in whole for p in parts) else merge(found)
            case ast.MatchSingleton(value=value):
                return None if value is None else bool
            case ast.MatchClass():
                return self.of_class(pattern, subject)
            case ast.MatchSequence():
                return self.sequence(pattern, subject)
            case ast.MatchMapping():
                return self.mapping(pattern, subject)
            case _:
                return subject
        if name is not None:
            self.bind(name, found)
        return found

    def of_class(self, pattern: ast.MatchClass, subject: Any) -> Any:
        cls = self.resolve(pattern.cls)
        if not isinstance(cls, type):
            for _, inner in self._parts(pattern, ()):
                self.matched(inner, UNKNOWN)
            return UNKNOWN
        found = kept(subject, (cls,))
        if cls in _WHOLE and pattern.patterns:
            self.matched(pattern.patterns[0], found)
            return found
        names: tuple[str, ...] = getattr(cls, "__match_args__", ())
        for name, inner in self._parts(pattern, names):
            self.matched(inner, over(found, lambda kind, n=name: attribute(kind, n)))
        return found

    def _parts(
        self, pattern: ast.MatchClass, names: tuple[str, ...]
    ) -> Iterator[tuple[str, ast.pattern]]:
        for i, inner in enumerate(pattern.patterns):
            yield (names[i] if i < len(names) else ""), inner
        yield from zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True)

    def sequence(self, pattern: ast.MatchSequence, subject: Any) -> Any:
        parts = pattern.patterns
        star = next((i for i, p in enumerate(parts) if isinstance(p, ast.MatchStar)), None)
        rows = without(subject, lambda kind: not _is_sequence(kind))
        for inner, kind in zip(parts, unpacked(rows, len(parts), star), strict=True):
            if isinstance(inner, ast.MatchStar):
                if inner.name is not None:
                    self.bind(inner.name, kind)
            else:
                self.matched(inner, kind)
        return rows

    def mapping(self, pattern: ast.MatchMapping, subject: Any) -> Any:
        for key, inner in zip(pattern.keys, pattern.patterns, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            self.matched(inner, over(subject, lambda kind, n=name: _under(kind, n)))
        if pattern.rest is not None:
            self.bind(pattern.rest, over(subject, _rest))
        return subject

    def left(self, case: ast.match_case, subject: Any) -> Any:
        """What the next case still may see."""
        if case.guard is not None or subject is UNKNOWN:
            return subject
        classes = self._taken(case.pattern)
        return less(subject, classes) if classes else subject

    def _taken(self, pattern: ast.pattern) -> tuple[type[Any], ...]:
        """Classes whose instances all match."""
        match pattern:
            case ast.MatchAs(pattern=None):
                return (object,)
            case ast.MatchAs(pattern=inner) if inner is not None:
                return self._taken(inner)
            case ast.MatchOr(patterns=options):
                return tuple(c for option in options for c in self._taken(option))
            case ast.MatchSingleton(value=None):
                return (type(None),)
            case ast.MatchClass():
                cls = self.resolve(pattern.cls)
                inner = [*pattern.patterns, *pattern.kwd_patterns]
                whole = all(isinstance(p, ast.MatchAs) and p.pattern is None for p in inner)
                return (cls,) if whole and isinstance(cls, type) else ()
            case _:
                return ()


def _is_sequence(kind: Any) -> bool:
    cls = class_of(kind)
    return cls is None or (hasattr(cls, "__getitem__") and not issubclass(cls, (str, bytes, dict)))


def _under(kind: Any, key: object) -> Any:
    parts = typing.get_args(kind)
    if isinstance(key, str) and key in fields(kind):
        return fields(kind)[key]
    return parts[1] if class_of(kind) is dict and len(parts) == 2 else UNKNOWN


def _rest(kind: Any) -> Any:
    parts = typing.get_args(kind)
    return of(dict, *parts) if class_of(kind) is dict and len(parts) == 2 else UNKNOWN
