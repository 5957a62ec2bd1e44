"""Fixes as changes of the author's text, where a fix can be said that exactly.

A fix is written for one problem at a time; whether it is wanted is for its reader to say. Nothing
is written to a file here.
"""

from __future__ import annotations

import ast
from linecache import getline
from typing import Any

from ..net import Span
from .build import Builder
from .findings import Edit
from .spans import span_of

_NEW = "awaited"


def source(file: str, node: ast.AST) -> str:
    """The text of a node as written; of one that spans lines, as Python would write it."""
    at = span_of(file, node)
    if at.line != at.end_line:
        return ast.unparse(node)
    return getline(file, at.line)[at.column : at.end_column]


def replaced(build: Builder, node: ast.AST, text: str) -> tuple[Edit, ...]:
    """`text` in the place of a node."""
    return (Edit(span_of(build.file, node), text),)


def wrapped(build: Builder, node: ast.AST, before: str, after: str = "") -> tuple[Edit, ...]:
    """`before` and `after` around a node."""
    at = span_of(build.file, node)
    start = Span(at.file, at.line, at.column, at.line, at.column)
    end = Span(at.file, at.end_line, at.end_column, at.end_line, at.end_column)
    return (Edit(start, before), *((Edit(end, after),) if after else ()))


def hoisted(
    build: Builder, statement: ast.stmt | None, node: ast.Await
) -> tuple[str, tuple[Edit, ...]]:
    """The fix "put it on its own line": as code, and as edits when the statement allows it."""
    name = next(n for n in (_NEW, *(f"{_NEW}_{i}" for i in range(2, 99))) if n not in build.local)
    line = f"{name} = {source(build.file, node)}"
    if statement is None or isinstance(statement, ast.While):
        return line, ()
    at = span_of(build.file, statement)
    indent = getline(build.file, at.line)[: at.column]
    if indent.strip() or getline(build.file, at.line)[at.column :].startswith("elif"):
        return line, ()
    before = Span(at.file, at.line, at.column, at.line, at.column)
    return line, (Edit(before, f"{line}\n{indent}"), *replaced(build, node, name))


def spelled(scope: dict[str, object], word: Any) -> str:
    """How a module spells one of our words (`p.sleep` after `import perdure as p`), or nothing."""
    for name, value in scope.items():
        if value is word:
            return name
    for name, value in scope.items():
        if getattr(value, "__name__", "") == "perdure" and hasattr(value, word.__name__):
            return f"{name}.{word.__name__}"
    return ""


def applied(text: str, edits: tuple[Edit, ...]) -> str:
    """A file's text with edits made, the last first so that positions stay true."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda e: (e.span.line, e.span.column), reverse=True):
        at = edit.span
        tail = lines[at.end_line - 1][at.end_column :]
        made = lines[at.line - 1][: at.column] + edit.text + tail
        lines[at.line - 1 : at.end_line] = [made]
    return "".join(lines)
