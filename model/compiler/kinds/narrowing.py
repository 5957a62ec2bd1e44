"""What a test says of the variables in it: `isinstance`, `is None`, truth, `and`, `or`, `not`.

A test narrows names and attributes; those of objects that can change, until the next call. Nothing
is assigned here.
"""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Callable
from typing import Any, Protocol, cast

from ...values.fields import is_frozen, kind_of
from .declared import bare_class
from .lattice import UNKNOWN, class_of, members, merge, union, without
from .scope import Entry, Env, met, path


class Asks(Protocol):
    """What narrowing needs of the expressions."""

    loose: set[str]

    def of(self, node: ast.expr) -> Any:
        """The type of an expression."""
        ...

    def resolve(self, node: ast.expr) -> object:
        """The live object of a name."""
        ...


def narrowed(env: Env, test: ast.expr, holds: bool, asks: Asks) -> Env:
    """The scope where `test` is true (`holds`) or false."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return narrowed(env, inner, not holds, asks)
        case ast.BoolOp(op=op, values=values):
            return _joined(env, values, holds, isinstance(op, ast.And) == holds, asks)
        case ast.NamedExpr(target=target, value=value):
            env = narrowed(env, target, holds, asks)
            return narrowed(env, value, holds, asks)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(env, left, op, right, holds, asks)
        case ast.Call(func=func, args=[subject, classes]) if asks.resolve(func) is isinstance:
            found = _classes(classes, asks)
            return env if found is None else _put(env, subject, _by_class(found, holds), asks)
        case ast.Name() | ast.Attribute():
            return _put(env, test, _by_truth(holds), asks)
        case _:
            return env


def _joined(env: Env, values: list[ast.expr], holds: bool, every: bool, asks: Asks) -> Env:
    """`every`: all parts are as the whole is; else one of them is, and those before are not."""
    ways: list[Env] = []
    for value in values:
        if not every:
            ways.append(narrowed(env, value, holds, asks))
        env = narrowed(env, value, holds if every else not holds, asks)
    return env if every else (met(ways) or env)


def _compared(
    env: Env, left: ast.expr, op: ast.cmpop, right: ast.expr, holds: bool, asks: Asks
) -> Env:
    if isinstance(left, ast.NamedExpr):
        left = left.target
    is_none = isinstance(right, ast.Constant) and right.value is None
    positive = isinstance(op, (ast.Is, ast.Eq))
    if is_none and isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
        wanted = holds == positive
        return _put(env, left, lambda kind: _none(kind, wanted), asks)
    same_type = isinstance(op, (ast.Is, ast.Eq)) and holds
    if same_type and isinstance(left, ast.Call) and asks.resolve(left.func) is type:
        found = _classes(right, asks)
        if found is not None and len(left.args) == 1:
            return _put(env, left.args[0], _by_class(found, True), asks)
    return env


def _put(env: Env, subject: ast.expr, change: Callable[[Any], Any], asks: Asks) -> Env:
    """The scope with the type of a name or an attribute changed."""
    if isinstance(subject, ast.NamedExpr):
        subject = subject.target
    name = path(subject)
    if not name:
        return env
    if isinstance(subject, ast.Attribute) and not _steady(subject.value, asks):
        asks.loose.add(name)
    if isinstance(subject, ast.Name) and name not in env:
        return env
    old = env.get(name)
    kind = old.narrow if old is not None else asks.of(subject)
    wide = old.wide if old is not None else kind
    return {**env, name: Entry(wide, change(kind))}


def _steady(node: ast.expr, asks: Asks) -> bool:
    """Whether the attributes of an object stay what a test has found."""
    if isinstance(node, ast.Attribute) and not _steady(node.value, asks):
        return False
    kinds = members(asks.of(node))
    return bool(kinds) and all(_is_frozen(kind) for kind in kinds)


def _is_frozen(kind: Any) -> bool:
    cls = class_of(kind)
    made = kind_of(cls) if cls is not None else None
    return made is not None and is_frozen(cls, made)


def _none(kind: Any, wanted: bool) -> Any:
    if kind is UNKNOWN or kind is Any:
        return None if wanted else kind
    return without(kind, lambda m: (m is None) != wanted)


def _by_truth(holds: bool) -> Callable[[Any], Any]:
    def change(kind: Any) -> Any:
        if kind is UNKNOWN:
            return kind
        return without(kind, lambda m: m is None if holds else always_true(m))

    return change


def always_true(kind: Any) -> bool:
    """Whether objects of the author's class have no way to be false."""
    cls = bare_class(kind)
    if cls is None or cls.__module__ == "builtins" or kind_of(cls) is None:
        return False
    return not any(hasattr(cls, word) for word in ("__bool__", "__len__"))


def _classes(node: ast.expr, asks: Asks) -> tuple[type[Any], ...] | None:
    """The classes that the second argument of `isinstance` names."""
    if isinstance(node, ast.Tuple):
        parts = [_classes(p, asks) for p in node.elts]
        return None if None in parts else tuple(c for p in parts if p for c in p)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = _classes(node.left, asks), _classes(node.right, asks)
        return None if None in sides else tuple(c for s in sides if s for c in s)
    if isinstance(node, ast.Constant) and node.value is None:
        return (types.NoneType,)
    found = asks.resolve(node)
    if isinstance(found, type):
        return (found,)
    if isinstance(found, tuple) and all(isinstance(c, type) for c in cast("Any", found)):
        return cast("tuple[type[Any], ...]", found)
    return None


def _by_class(classes: tuple[type[Any], ...], holds: bool) -> Callable[[Any], Any]:
    def change(kind: Any) -> Any:
        if holds:
            return kept(kind, classes)
        return kind if kind is UNKNOWN else less(kind, classes)

    return change


def kept(kind: Any, classes: tuple[type[Any], ...]) -> Any:
    """The type of those values that are instances of one of the classes."""
    if kind is UNKNOWN or kind is Any or kind is object:
        return union([_alone(c) for c in classes])
    parts = [p for m in members(kind) for p in _instances(m, classes)]
    left = merge(parts)
    whole = members(kind)
    return union(parts) if all(p in whole for p in parts) else left


def _instances(kind: Any, classes: tuple[type[Any], ...]) -> list[Any]:
    cls = class_of(kind)
    if cls is None:
        return [_alone(c) for c in classes]
    found: list[Any] = []
    for wanted in classes:
        if issubclass(cls, wanted):
            return [kind]
        if issubclass(wanted, cls) or (cls is float and wanted is int):
            found.append(_alone(wanted))
    return found


def _alone(cls: type[Any]) -> Any:
    """An instance of just this class: of a generic one nothing is known inside."""
    if cls is types.NoneType:
        return None
    is_open = cls in (list, dict, set, frozenset, tuple) or getattr(cls, "__parameters__", ())
    return UNKNOWN if is_open else cls


def less(kind: Any, classes: tuple[type[Any], ...]) -> Any:
    """The type of those values that are instances of none of the classes."""

    def gone(member: Any) -> bool:
        cls = class_of(member)
        return cls is not None and issubclass(cls, classes) and typing.get_origin(cls) is None

    return without(kind, gone)
