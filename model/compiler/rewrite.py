"""Sync statements made ready for glue: jumps that leave it, raises the author meant, asserts.

Works on copies: the tree of the user's file stays as it was parsed. Positions are kept, so that
tracebacks show the user's lines.
Nothing is compiled here.
"""

from __future__ import annotations

import ast
import sys
from typing import cast

from .blocks import Leave
from .build import Builder, assign, load
from .trees import Transformer, children, twin

VALUE = "$value"
ERROR = "$error"
_MARK = "__perdure_raised__"
_SCOPED = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def raised(error: object) -> BaseException:
    """Mark an exception as raised by the author on purpose; glue lets it through."""
    made: object = error
    if isinstance(error, type) and issubclass(error, BaseException):
        made = error()
    if not isinstance(made, BaseException):
        raise TypeError("exceptions must derive from BaseException")
    setattr(made, _MARK, True)
    return made


def raised_again() -> BaseException:
    """The exception being handled, marked as raised on purpose."""
    error = sys.exc_info()[1]
    if error is None:
        raise RuntimeError("No active exception to reraise")
    return raised(error)


def leaves(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    """Whether glue is left by its raise exit: meant by the author, or caught by a handler."""
    if error.__dict__.pop(_MARK, False):  # what is stored is the exception as the author made it
        return True
    return isinstance(error, types)


def jumps(node: ast.AST, depth: int = 0) -> bool:
    """Whether a statement may be left by return, break, continue or raise."""
    if isinstance(node, _SCOPED):
        return False
    if isinstance(node, (ast.Return, ast.Raise)):
        return True
    if isinstance(node, (ast.Break, ast.Continue)):
        return depth == 0
    inside = depth + isinstance(node, (ast.For, ast.While))
    return any(jumps(child, inside) for child in children(node))


class Rewriter(Transformer):
    """Rewrites one statement; `caught` holds the exception of the handler around, if any."""

    def __init__(self, build: Builder, caught: str) -> None:
        self.build, self.caught = build, caught
        self.depth = 0
        self.handling = 0

    def rewritten(self, node: ast.stmt) -> list[ast.stmt]:
        """The statements that stand for `node` in glue."""
        return _listed(self.visit(twin(node)))

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        value = node.value or ast.copy_location(ast.Constant(None), node)
        return [assign(VALUE, value, node), Leave("return", node)]

    def visit_Break(self, node: ast.Break) -> ast.stmt:
        return node if self.depth else Leave("break", node)

    def visit_Continue(self, node: ast.Continue) -> ast.stmt:
        return node if self.depth else Leave("continue", node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if node.exc is not None:
            error = self._call(raised, [node.exc], node)
        elif self.handling or not self.caught:
            error = self._call(raised_again, [], node)
        else:
            error = self._call(raised, [load(self.caught, node)], node)
        return ast.copy_location(ast.Raise(error, node.cause), node)

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        kind = self.build.constant(AssertionError, node)
        said = [node.msg] if node.msg is not None else []
        made = ast.copy_location(ast.Call(kind, said, []), node)
        failed = ast.copy_location(ast.Raise(self._call(raised, [made], node), None), node)
        test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        return ast.copy_location(ast.If(test, [failed], []), node)

    def visit_For(self, node: ast.For) -> ast.stmt:
        return self._loop(node)

    def visit_While(self, node: ast.While) -> ast.stmt:
        return self._loop(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.handling += 1
        made = self.generic_visit(node)
        self.handling -= 1
        return made

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return node

    def _loop(self, node: ast.For | ast.While) -> ast.stmt:
        self.depth += 1
        node.body = [s for b in node.body for s in _listed(self.visit(b))]
        self.depth -= 1
        node.orelse = [s for b in node.orelse for s in _listed(self.visit(b))]
        return node

    def _call(self, function: object, arguments: list[ast.expr], at: ast.AST) -> ast.expr:
        return ast.copy_location(ast.Call(self.build.constant(function, at), arguments, []), at)


def _listed(made: ast.AST | list[ast.stmt]) -> list[ast.stmt]:
    return made if isinstance(made, list) else [cast("ast.stmt", made)]
