"""What is told of a workflow that is nested more deeply than Python's stack lets the compiler go.

A chain of `elif` is nested, one in the other, and so is a long sum. Nothing is measured before:
how deep is too deep is for the interpreter to say.
"""

from __future__ import annotations

import ast

from .findings import Finding
from .live import Function
from .spans import span_of


def too_deep(function: Function) -> Finding:
    """PD116, where the nesting is deepest."""
    deepest, most = ast.AST(), -1
    todo: list[tuple[ast.AST, int]] = [(s, 0) for s in function.node.body]
    while todo:
        node, depth = todo.pop()
        if depth > most and hasattr(node, "lineno"):
            deepest, most = node, depth
        todo += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return Finding(
        "PD116",
        span_of(function.fn.__code__.co_filename, deepest),
        f"this stands {most} levels deep, more than Python's recursion limit lets us follow",
        "a chain of `elif`, or of one operator, is nested one in the other",
        "match, a dict or a list in place of the chain; or a plain function that is called here",
    )
