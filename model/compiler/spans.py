"""Where a caret goes: the part of a node that is meant, in columns of characters.

A statement with a body is told by its head. Nothing is known here of what is wrong with it.
"""

from __future__ import annotations

import ast
from linecache import getline

from ..net import Span

_HEADS: dict[type[ast.AST], str] = {
    ast.ClassDef: "class ",
    ast.FunctionDef: "def ",
    ast.AsyncFunctionDef: "async def ",
}
_WORDS: dict[type[ast.AST], str] = {
    ast.Try: "try:",
    ast.TryStar: "try:",
    ast.ExceptHandler: "except:",
}


def span_of(file: str, node: ast.AST) -> Span:
    """The whole of a node; synthetic nodes carry copied locations."""
    line = getattr(node, "lineno", 1)
    column = getattr(node, "col_offset", 0)
    end = getattr(node, "end_lineno", None) or line
    last = getattr(node, "end_col_offset", None) or column
    return Span(file, line, _column(file, line, column), end, _column(file, end, last))


def head_of(file: str, node: ast.AST) -> Span:
    """The part of a node to point at: of a statement with a body, the line that opens it."""
    whole = span_of(file, node)
    last = _last_of_head(node)
    if last is not None:
        end = span_of(file, last)
        return Span(file, whole.line, whole.column, end.end_line, end.end_column)
    length = 0
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        length = len(_HEADS[type(node)]) + len(node.name)
    elif type(node) in _WORDS:
        length = len(_WORDS[type(node)])
    if not length:
        return whole
    return Span(file, whole.line, whole.column, whole.line, whole.column + length)


def finally_of(file: str, node: ast.Try) -> Span:
    """The word `finally`, which has no node of its own."""
    stop = max(n.end_lineno or 0 for n in [*node.body, *node.handlers, *node.orelse])
    for line in range(node.finalbody[0].lineno, stop - 1, -1):
        text = getline(file, line)
        column = text.find("finally")
        if column >= 0 and not text[:column].strip():
            return Span(file, line, column, line, column + len("finally"))
    return head_of(file, node)


def _last_of_head(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.For() | ast.AsyncFor():
            return node.iter
        case ast.With() | ast.AsyncWith():
            return node.items[-1].optional_vars or node.items[-1].context_expr
        case ast.While() | ast.If():
            return node.test
        case ast.Match():
            return node.subject
        case ast.ExceptHandler():
            return node.type
        case ast.comprehension():
            return node.iter
        case _:
            return None


def _column(file: str, line: int, offset: int) -> int:
    """Characters, from the bytes that Python's parser counts."""
    text = getline(file, line)
    return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))
