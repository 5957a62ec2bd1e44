"""Syntax trees, walked and copied: as `ast.walk` and `copy.deepcopy` do it, several times faster.

A compilation comes to each node some dozens of times, and half of all nodes say only what stands
in one word of their parent: `Load`, `Add`, `Not`. Those are left out. What nodes mean is not known
here.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from typing import Any, TypeVar

_START: Mapping[str, Any] = {"lineno": 1, "col_offset": 0, "end_lineno": 1, "end_col_offset": 0}
Node = TypeVar("Node", bound=ast.AST)

_WORDS = frozenset({"ctx", "op", "ops", "id", "attr", "kind", "type_comment"})
"""Fields that hold no node, or one without a place and without fields of its own."""


@functools.cache
def _visitor(cls: type[ast.AST]) -> str:
    return f"visit_{cls.__name__}"


@functools.cache
def _inner(cls: type[ast.AST]) -> tuple[str, ...]:
    return () if cls is ast.Constant else tuple(f for f in cls._fields if f not in _WORDS)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly inside, in the order of the grammar; contexts and operators left out."""
    found: list[ast.AST] = []
    held = node.__dict__
    for name in _inner(type(node)):
        value: Any = held.get(name)
        if value.__class__ is list:
            found += [n for n in value if isinstance(n, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(node: ast.AST) -> list[ast.AST]:
    """The node and all nodes below it, level by level; contexts and operators left out."""
    found = [node]
    for at in found:  # which grows on the way
        found += children(at)
    return found


def twin(node: Node) -> Node:
    """A copy with copies of all nodes below it, but for contexts and operators: those are shared.

    The place in the file is copied too. What stands twice in a tree stands there as two copies.
    """
    made = type(node).__new__(type(node))
    held: dict[str, Any] = made.__dict__
    held.update(node.__dict__)
    for name in _inner(type(node)):
        value: Any = held.get(name)
        if value.__class__ is list:
            held[name] = [twin(n) if isinstance(n, ast.AST) else n for n in value]
        elif isinstance(value, ast.AST):
            held[name] = twin(value)
    return made


class Transformer:
    """As `ast.NodeTransformer`: `visit_X` gives what stands for a node of class X, or a list of it.

    Contexts and operators are not visited. Trees change in place.
    """

    def visit(self, node: ast.AST) -> Any:
        """What stands for the node."""
        method = getattr(self, _visitor(type(node)), self.generic_visit)
        return method(node)

    def generic_visit(self, node: Node) -> Node:
        """Visit what is directly inside."""
        held = node.__dict__
        for name in _inner(type(node)):
            value: Any = held.get(name)
            if value.__class__ is list:
                made: list[Any] = []
                for item in value:
                    new: Any = self.visit(item) if isinstance(item, ast.AST) else item
                    made += new if new.__class__ is list else [new]
                held[name] = made
            elif isinstance(value, ast.AST):
                held[name] = self.visit(value)
        return node


def located(node: ast.AST, place: Mapping[str, Any] = _START) -> None:
    """Give every node without a place in the file that of its parent, as `compile` wants it."""
    if node._attributes:
        held = node.__dict__
        if held.get("end_col_offset") is None:
            held.update({name: place[name] for name in _START if held.get(name) is None})
        place = held
    for child in children(node):
        located(child, place)
