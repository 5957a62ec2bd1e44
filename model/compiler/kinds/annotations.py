"""What an annotation in a body, or at the top of a module, names: evaluated by resolved objects.

No text is executed; what cannot be resolved is unknown.
"""

from __future__ import annotations

import ast
import builtins
import types
import typing
from collections.abc import Mapping
from typing import Any

from ..callees import Resolve
from .lattice import UNKNOWN, union


def evaluated(annotation: Any, scope: Mapping[str, object], resolve: Resolve | None = None) -> Any:
    """The type of an annotation: a syntax node, its text, or the object itself."""
    if isinstance(annotation, str):
        try:
            annotation = ast.parse(annotation, mode="eval").body
        except SyntaxError:
            return UNKNOWN
    if not isinstance(annotation, ast.expr):
        return annotation
    found = _Reader(resolve or (lambda node: _dotted(node, scope))).read(annotation)
    return None if found is types.NoneType else found


def _dotted(node: ast.expr, scope: Mapping[str, object]) -> object:
    if isinstance(node, ast.Name):
        return scope.get(node.id, getattr(builtins, node.id, None))
    if isinstance(node, ast.Attribute):
        return getattr(_dotted(node.value, scope), node.attr, None)
    return None


class _Reader:
    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve

    def read(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Constant(value=str(text)):
                return evaluated(text, {}, self.resolve)
            case ast.Constant(value=value) if value is ...:
                return ...
            case ast.Name() | ast.Attribute():
                found = self.resolve(node)
                return UNKNOWN if found is None else found
            case ast.BinOp(op=ast.BitOr()):
                return union([self.read(node.left), self.read(node.right)])
            case ast.List(elts=parts):
                return [self.read(p) for p in parts]
            case ast.Subscript():
                return self.subscript(node)
            case _:
                return UNKNOWN

    def subscript(self, node: ast.Subscript) -> Any:
        base = self.resolve(node.value)
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if base is typing.Literal:
            parts = tuple(_literal(p) for p in inner)
        elif base is typing.Annotated:
            parts = (self.read(inner[0]), *map(self.metadata, inner[1:]))
        else:
            parts = tuple(self.read(p) for p in inner)
        if base is None or UNKNOWN in parts:
            return UNKNOWN
        try:
            subscripted: Any = base
            return subscripted[parts if len(parts) != 1 else parts[0]]
        except TypeError:
            return UNKNOWN

    def metadata(self, node: ast.expr) -> Any:
        """What stands behind the type in `Annotated`: constants by name, else nothing is known."""
        found = self.resolve(node) if isinstance(node, (ast.Name, ast.Attribute)) else None
        return UNKNOWN if found is None else found


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if isinstance(value, int) else UNKNOWN
    return node.value if isinstance(node, ast.Constant) else UNKNOWN
