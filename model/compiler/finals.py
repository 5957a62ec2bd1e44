"""Jumps that leave glue through a `finally`: what is handed on is read behind the clean-up.

A jump becomes `return (exit, *values)`, and Python would take the values before `finally` runs. So
inside a `try` with clean-up a jump sets a flag and returns nothing; at the end of the clean-up the
flag says which exit it was, and the values are those of that moment. Who jumps where is not
decided here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import cast

from .blocks import Leave
from .build import assign, load
from .trees import Transformer, children

_SCOPED = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_NONE = -1


class Finals(Transformer):
    """Rewrites each `try` with a `finally` that a `Leave` passes through; the inner ones first."""

    def __init__(self) -> None:
        self.count = 0

    def visit_Try(self, node: ast.Try) -> ast.stmt:
        self.generic_visit(node)
        labels = sorted({leave.label for part in _guarded(node) for leave in _leaves(part)})
        if not node.finalbody or not labels:
            return node
        self.count += 1
        return _Flagged(f"$left{self.count}", labels).rewritten(node)


class _Flagged(Transformer):
    """One `try`: whichever way it is left, `flag` says which jump is under way, if any."""

    def __init__(self, flag: str, labels: Sequence[str]) -> None:
        self.flag, self.labels = flag, labels
        self.depth = 0  # of loops inside

    def rewritten(self, node: ast.Try) -> ast.stmt:
        for part in _guarded(node):
            part[:] = self.all(part)
        last = node.orelse or node.body
        for end in (last, *(h.body for h in node.handlers)):
            end.append(self.set(_NONE, end[-1]))
        again = ast.copy_location(ast.Raise(), node)
        every = load("BaseException", node)
        unset = ast.ExceptHandler(every, None, [self.set(_NONE, node), again])
        inner: list[ast.stmt] = list(node.body)
        if node.handlers:
            tried = ast.Try(node.body, node.handlers, node.orelse, [])
            inner = [ast.copy_location(tried, node)]
        at = node.finalbody[-1]
        ends = [self.ended(number, label, at) for number, label in enumerate(self.labels)]
        handlers = [ast.copy_location(unset, node)]
        orelse = [] if node.handlers else node.orelse
        made = ast.Try(inner, handlers, orelse, [*node.finalbody, *ends])
        return ast.copy_location(made, node)

    def all(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            found: ast.AST | list[ast.stmt] = self.visit(statement)
            made += found if isinstance(found, list) else [cast("ast.stmt", found)]
        return made

    def set(self, number: int, at: ast.AST) -> ast.stmt:
        return assign(self.flag, ast.copy_location(ast.Constant(number), at), at)

    def ended(self, number: int, label: str, at: ast.AST) -> ast.stmt:
        same = ast.Compare(load(self.flag, at), [ast.Eq()], [ast.Constant(number)])
        return ast.copy_location(ast.If(same, [Leave(label, at)], []), at)

    def visit_Leave(self, node: Leave) -> list[ast.stmt]:
        number = self.labels.index(node.label)
        return [self.set(number, node), ast.copy_location(ast.Return(), node)]

    def visit_Break(self, node: ast.Break) -> ast.stmt | list[ast.stmt]:
        return node if self.depth else [self.set(_NONE, node), node]

    def visit_Continue(self, node: ast.Continue) -> ast.stmt | list[ast.stmt]:
        return node if self.depth else [self.set(_NONE, node), node]

    def visit_For(self, node: ast.For) -> ast.stmt:
        return self.loop(node)

    def visit_While(self, node: ast.While) -> ast.stmt:
        return self.loop(node)

    def loop(self, node: ast.For | ast.While) -> ast.stmt:
        self.depth += 1
        node.body = self.all(node.body)
        self.depth -= 1
        node.orelse = self.all(node.orelse)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node


def _guarded(node: ast.Try) -> list[list[ast.stmt]]:
    """What the `finally` stands behind."""
    return [node.body, *(h.body for h in node.handlers), node.orelse]


def _leaves(nodes: Sequence[ast.AST]) -> Iterator[Leave]:
    for node in nodes:
        if isinstance(node, Leave):
            yield node
        elif not isinstance(node, _SCOPED):
            yield from _leaves(children(node))
