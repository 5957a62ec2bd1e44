"""Loops with an await in them: what they may run over (PD115), and what they must not see (PD213).

The compiler takes such an iterable once, at entry, so that the position can rest (C8). Loops
without an await are Python's own and never looked at here.
"""

from __future__ import annotations

import ast
import collections
import collections.abc
import inspect
from typing import Any, get_origin

from .build import Builder
from .closures import bound_names, changed_names
from .edits import wrapped
from .expressions import awaits
from .kinds import UNKNOWN, Kinds
from .live import Function
from .places import condition
from .trees import walk

_VIEWS = frozenset({"items", "keys", "values"})
_GOOD = (list, tuple, range, str, bytes, dict, enumerate, zip, collections.deque,
         collections.abc.Sequence, collections.abc.Mapping, collections.abc.KeysView,
         collections.abc.ValuesView, collections.abc.ItemsView)  # fmt: skip
_CALLS: tuple[Any, ...] = (range, enumerate, zip, list, tuple, sorted, dict, str, bytes, reversed)
_MAPPED: tuple[Any, ...] = (map, filter)
_ONCE: tuple[Any, ...] = (iter, open, *_MAPPED)
_CHANGES = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
    "popleft", "remove", "reverse", "setdefault", "sort", "update",
})  # fmt: skip


def loops(function: Function, kinds: Kinds, build: Builder) -> None:
    """Report loops that cannot be resumed, and those whose body changes what they run over."""
    for node in walk(function.node):
        if isinstance(node, ast.For) and any(map(awaits, node.body)):
            _iterable(node.iter, function, kinds, build)
            _changed(node, build)
            _copied(node, function, build)


def _iterable(node: ast.expr, function: Function, kinds: Kinds, build: Builder) -> None:
    what = _unfit(node, function, kinds)
    if not what:
        return
    ordered = what.startswith("a set")
    text = f"`for` over {what}"
    why = "it has no order to go on in" if ordered else "it can be read once only, not resumed"
    take = "sorted" if ordered else "list"
    fix = f"{take}({condition(node)})   # taken once, before the loop"
    # What a list of mapped things holds is not known: a comprehension says it.
    mapped = isinstance(node, ast.Call) and any(function.resolve(node.func) is m for m in _MAPPED)
    edits = () if mapped else wrapped(build, node, f"{take}(", ")")
    fix = "[change(x) for x in xs]   # taken once, before the loop" if mapped else fix
    build.problem("PD115", node, text, why, fix, edits=edits)


def _unfit(node: ast.expr, function: Function, kinds: Kinds) -> str:
    """What is wrong with an iterable; empty when nothing is, or its type is not known."""
    match node:
        case ast.GeneratorExp():
            return "a generator"
        case ast.Set() | ast.SetComp():
            return "a set"
        case ast.Call(func=func):
            target = function.resolve(func)
            if any(target is good for good in _CALLS):
                parts = node.args[:1] if target is enumerate else node.args if target is zip else []
                return next(filter(None, (_unfit(p, function, kinds) for p in parts)), "")
            if any(target is once for once in _ONCE):
                return f"`{condition(func)}(...)`"
            if target is set or target is frozenset:
                return "a set"
            if isinstance(func, ast.Attribute) and func.attr in _VIEWS:
                return ""
        case _:
            pass
    kind = kinds.kind(node)
    if kind is UNKNOWN or kind is Any:
        return ""
    plain: Any = get_origin(kind) or kind
    if not inspect.isclass(plain) or issubclass(plain, _GOOD):
        return ""
    shown = plain.__name__
    is_set = issubclass(plain, collections.abc.Set)
    return "a set" if is_set else f"`{condition(node)}`, which is no list ({shown})"


def _changed(s: ast.For, build: Builder) -> None:
    name = _viewed(s.iter)
    if name is None:
        return
    change = next((n for b in s.body for n in walk(b) if _changes(n, name)), None)
    if change is None:
        return
    shown = f"`{name}`"
    fix = f"for {condition(s.target)} in list({condition(s.iter)}):   # says that it is meant"
    build.warn(
        "PD213",
        change,
        f"{shown} changes inside the loop that runs over it",
        "the loop keeps its first view: what is added here is never come to",
        fix,
        edits=wrapped(build, s.iter, "list(", ")"),
    )


def _copied(s: ast.For, function: Function, build: Builder) -> None:
    """Warn when a part of what is looped over changes: a frame holds values, so it is a copy."""
    parts = bound_names(s.target) - changed_names(s.body)
    change = next((n for b in s.body for n in walk(b) if _part(n) in parts), None)
    taken = [n for n in walk(s.iter) if isinstance(n, ast.Name) and n.id in function.local]
    inside = {id(n) for n in taken}
    read = {n.id for n in walk(function.node) if isinstance(n, ast.Name) and id(n) not in inside}
    whole = next((n.id for n in taken if n.id in read), None)
    if change is None or whole is None:
        return
    build.warn(
        "PD212",
        change,
        f"`{_part(change)}` is a copy of what `{whole}` holds: what changes here is lost there",
        "a loop with an await in it runs over values that were taken once, at its entry",
        f"collect what changes in a new list, or change it in place: `{whole}[i]...`",
    )


def _part(node: ast.AST) -> str:
    """The variable of which a part is changed here, empty when it is none."""
    match node:
        case ast.Call(func=ast.Attribute(value=at, attr=attr)) if attr in _CHANGES:
            return _root(at)
        case (
            ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del())
        ):
            return _root(node)
        case _:
            return ""


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _viewed(node: ast.expr) -> str | None:
    """The variable that a loop runs over, itself or by a view of it."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if attr in _VIEWS:
            return name
        case ast.Call(func=ast.Name(id="enumerate" | "reversed"), args=[ast.Name(id=name), *_]):
            return name
        case _:
            return None


def _changes(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=at), attr=attr)):
            return at == name and attr in _CHANGES
        case ast.Subscript(value=ast.Name(id=at), ctx=ast.Store() | ast.Del()):
            return at == name
        case ast.AugAssign(target=ast.Name(id=at)):
            return at == name
        case _:
            return False
