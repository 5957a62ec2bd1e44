"""A digest of glue that survives reformatting and the Python version that computes it (C33).

Own serialisation of the syntax tree: fields sorted, empty ones, positions and `ctx` left out,
neighbouring constants of f-strings joined, docstrings and `pass` left out. Variables are not
renamed.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from hashlib import blake2b
from typing import cast

_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})


def code_digest(nodes: Iterable[ast.AST]) -> str:
    """32 hex digits that change when the meaning of the code can."""
    text = ascii([canonical(n) for n in nodes])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def canonical(node: object) -> object:
    """A tree as nested lists and strings."""
    if isinstance(node, ast.JoinedStr):
        return ["JoinedStr", [canonical(v) for v in _joined(node.values)]]
    if isinstance(node, ast.AST):
        fields = ((n, getattr(node, n, None)) for n in _told(type(node)))
        return [type(node).__name__, *((n, canonical(v)) for n, v in fields if v not in (None, []))]
    if isinstance(node, list):
        return [canonical(n) for n in cast("list[object]", node) if not _idle(n)]
    # ascii: repr depends on the Unicode tables of the version.
    return f"{type(node).__name__}:{node!a}"


@functools.cache
def _told(cls: type[ast.AST]) -> list[str]:
    return sorted(str(f) for f in cls._fields if f not in _SKIPPED)


def _idle(node: object) -> bool:
    """A docstring or `pass`: nothing happens there."""
    plain = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return plain or type(node) is ast.Pass


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring constants joined, as parsers differ."""
    out: list[ast.expr] = []
    for part in values:
        text = part.value if isinstance(part, ast.Constant) else None
        if not isinstance(text, str):
            out.append(part)
        elif out and isinstance(out[-1], ast.Constant):
            out[-1] = ast.Constant(str(out[-1].value) + text)
        elif text:
            out.append(part)
    return out
