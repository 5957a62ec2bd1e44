"""From a workflow's function object to its node in the tree of its whole file, and its names.

Names are resolved through the live function: closure cells, globals, builtins; locals are none of
them. What the names mean to a net is decided in `callees.py`.
"""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
import types
from dataclasses import dataclass
from typing import Any

from .scan import bound_names


@dataclass(frozen=True)
class Function:
    """A workflow's function with its definition; `local` are its parameters and own variables."""

    fn: types.FunctionType
    scope: dict[str, object]  # the globals of its module
    node: ast.AsyncFunctionDef
    local: frozenset[str]

    def resolve(self, node: ast.expr) -> object:
        """The live object of a name or dotted name; None for locals and whatever is not found."""
        if isinstance(node, ast.Name):
            return None if node.id in self.local else self._named(node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value)
            if isinstance(base, (types.ModuleType, type)):
                return getattr(base, node.attr, None)
        return None

    def _named(self, name: str) -> object:
        cells = dict(zip(self.fn.__code__.co_freevars, self.fn.__closure__ or (), strict=True))
        if name in cells:
            try:
                return cells[name].cell_contents
            except ValueError:  # not assigned yet
                return None
        return self.scope.get(name, getattr(builtins, name, None))


def find(fn: types.FunctionType) -> Function | None:
    """The definition of `fn`; None when its source is not there."""
    code = fn.__code__
    lines = linecache.getlines(code.co_filename, fn.__globals__)
    for node in _functions("".join(lines)):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        if node.name == fn.__name__ and first == code.co_firstlineno:
            own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
            return Function(fn, fn.__globals__, node, frozenset(own | _assigned(node)))
    return None


@functools.lru_cache(maxsize=64)
def _functions(text: str) -> tuple[ast.AsyncFunctionDef, ...]:
    tree = ast.parse(text)
    return tuple(n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef))


def _assigned(node: ast.AsyncFunctionDef) -> set[str]:
    """Names that the function's own scope assigns; inner scopes have their own."""
    found: set[str] = set()
    todo: list[Any] = list(node.body)
    while todo:
        at = todo.pop()
        if isinstance(at, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(at.name)
            continue
        if isinstance(at, ast.Lambda):
            continue
        if isinstance(at, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            found |= {n.target.id for n in ast.walk(at) if isinstance(n, ast.NamedExpr)}
            continue
        if isinstance(at, ast.ExceptHandler) and at.name:
            found.add(at.name)
        if isinstance(at, (ast.Name, ast.MatchAs, ast.MatchStar, ast.MatchMapping)):
            found |= bound_names(at)
        todo += ast.iter_child_nodes(at)
    return found
