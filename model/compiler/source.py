"""A function object back to its source: the tree of its whole file, so that every position is the file's.

Nothing is compiled here and no name is looked up.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from types import CellType, FunctionType
from typing import Any

from ..net import Span
from .diagnostics import CompileError, Diagnostic


@dataclass(frozen=True)
class Source:
    """Where a workflow is written. Lines count from 1, columns from 0 (in UTF-8 bytes, as ast does)."""

    file: str
    tree: ast.Module
    node: ast.AsyncFunctionDef
    lines: tuple[str, ...]
    function: FunctionType
    cells: Mapping[str, CellType]  # free variables of the function

    def span(self, node: ast.AST) -> Span:
        """The span of a node of this file; nodes made by the compiler carry copied positions."""
        line = getattr(node, "lineno", self.node.lineno)
        column = getattr(node, "col_offset", 0)
        end_line = getattr(node, "end_lineno", None) or line
        end_column = getattr(node, "end_col_offset", None)
        return Span(
            self.file, line, column, end_line, column + 1 if end_column is None else end_column
        )


_PARSED: dict[str, tuple[tuple[str, ...], ast.Module]] = {}


def read_source(function: Any) -> Source:
    """Find the definition of a function in its file. Raises CompileError (PD112) without source."""
    file = function.__code__.co_filename
    linecache.checkcache(file)
    lines = tuple(linecache.getlines(file, function.__globals__))
    if not lines:
        raise _no_source(function, file)
    known = _PARSED.get(file)
    if known is None or known[0] != lines:
        try:
            known = _PARSED[file] = (lines, ast.parse("".join(lines), file))
        except SyntaxError:
            raise _no_source(function, file) from None
    node = _find(known[1], function)
    if node is None:
        raise _no_source(function, file)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return Source(file, known[1], node, lines, function, cells)


def _find(tree: ast.Module, function: Any) -> ast.AsyncFunctionDef | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == function.__name__:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == function.__code__.co_firstlineno:
                return node
    return None


def _no_source(function: Any, file: str) -> CompileError:
    line = function.__code__.co_firstlineno
    told = Diagnostic(
        "PD112",
        Span(file, line, 0, line, 1),
        f"the source of {function.__name__} is not available",
        "a workflow is compiled from its source; this one was defined with exec or at a prompt",
        "put it in a file or a notebook cell",
    )
    return CompileError([told], f"{file}:{line}:1: PD112 {told.what}\n  why  {told.why}\n  fix  {told.fix}")
