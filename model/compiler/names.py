"""What a name in a workflow stands for: the live object behind it, never its spelling.

Local variables shadow everything; then the function's cells, its globals, the builtins. No type is
inferred here.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from .source import Source


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""Stands for a name that cannot be resolved, or that is a local variable."""


def local_names(node: ast.AsyncFunctionDef) -> frozenset[str]:
    """Parameters and every name the body binds, without those of nested functions."""
    arguments = node.args
    found = {
        a.arg
        for a in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            *(x for x in (arguments.vararg, arguments.kwarg) if x is not None),
        )
    }
    todo: list[ast.AST] = list(node.body)
    while todo:
        part = todo.pop()
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(part.name)
            continue
        if isinstance(part, ast.Lambda):
            continue
        if isinstance(part, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            found |= {n.target.id for n in ast.walk(part) if _walrus(n)}  # type: ignore[attr-defined]  # _walrus checks it
            continue
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del):
            found.add(part.id)
        if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
            found.add(part.name)
        if isinstance(part, ast.MatchMapping) and part.rest:
            found.add(part.rest)
        if isinstance(part, ast.ExceptHandler) and part.name:
            found.add(part.name)
        todo.extend(ast.iter_child_nodes(part))
    return frozenset(found)


def _walrus(node: ast.AST) -> bool:
    return isinstance(node, ast.NamedExpr)


@dataclass
class Symbols:
    """Resolves names and dotted names as the running function would."""

    source: Source
    local: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.local = local_names(self.source.node)

    def name(self, name: str) -> Any:
        """The live object of a plain name; UNKNOWN for locals and names that do not exist yet."""
        if name in self.local:
            return UNKNOWN
        cell = self.source.cells.get(name)
        if cell is not None:
            try:
                return cell.cell_contents
            except ValueError:
                return UNKNOWN
        space = self.source.function.__globals__
        if name in space:
            return space[name]
        return getattr(builtins, name, UNKNOWN)

    def resolve(self, node: ast.expr) -> Any:
        """The live object of a name or of attributes of modules and classes, else UNKNOWN."""
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value)
            if isinstance(owner, ModuleType | type):
                return getattr(owner, node.attr, UNKNOWN)
            if owner is not UNKNOWN and hasattr(type(owner), node.attr):
                return getattr(owner, node.attr, UNKNOWN)
        return UNKNOWN
