"""What a nested function reads from the scope around it, and what a scope binds itself.

Python's own scoping: a comprehension has a scope for its targets, its first iterable stands
outside; defaults and decorators are evaluated where the function is defined. Nothing is known here
of nets, or of what runs when; see `scan.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .trees import children, walk

Names = frozenset[str]
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def bound_names(node: ast.AST) -> set[str]:
    """The names that a target or pattern binds."""
    found: set[str] = set()
    for n in walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            found.add(n.id)
        elif isinstance(n, (ast.MatchAs, ast.MatchStar)) and n.name:
            found.add(n.name)
        elif isinstance(n, ast.MatchMapping) and n.rest:
            found.add(n.rest)
    return found


def own_names(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Names:
    """Parameters, and the names that the function's own scope assigns."""
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    return parameters(node.args) | _assigned(body)


def parameters(args: ast.arguments) -> Names:
    """The names of all parameters."""
    plain = (*args.posonlyargs, *args.args, *args.kwonlyargs)
    return frozenset(a.arg for a in (*plain, args.vararg, args.kwarg) if a is not None)


def changed_names(body: Sequence[ast.AST]) -> Names:
    """Names that the statements of one scope assign or delete."""
    nodes = [n for s in body for n in walk(s) if isinstance(n, ast.Name)]
    return _assigned(body) | {n.id for n in nodes if isinstance(n.ctx, ast.Del)}


def _assigned(body: Iterable[ast.AST]) -> Names:
    """Names that the statements of one scope assign; inner scopes have their own."""
    found: set[str] = set()
    todo: list[Any] = list(body)
    while todo:
        at = todo.pop()
        if isinstance(at, _DEFINITIONS):
            found.add(at.name)
            continue
        if isinstance(at, ast.Lambda):
            continue
        if isinstance(at, _COMPREHENSIONS):
            found |= {n.target.id for n in walk(at) if isinstance(n, ast.NamedExpr)}
            continue
        if isinstance(at, ast.ExceptHandler) and at.name:
            found.add(at.name)
        if isinstance(at, (ast.Name, ast.MatchAs, ast.MatchStar, ast.MatchMapping)):
            found |= bound_names(at)
        todo += children(at)
    return frozenset(found)


def free(node: ast.AST, bound: Names = frozenset()) -> Iterator[ast.Name]:
    """Reads, at any depth, of names that neither `bound` nor a scope inside the node binds."""
    match node:
        case ast.Name():
            if isinstance(node.ctx, ast.Load) and node.id not in bound:
                yield node
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            for part in where_defined(node):
                yield from free(part, bound)
            yield from free_inside(node, bound)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            first, *_ = node.generators
            yield from free(first.iter, bound)
            inner = bound.union(*(bound_names(g.target) for g in node.generators))
            for part in children(node):
                for child in [part] if part is not first else [first.target, *first.ifs]:
                    yield from free(child, inner)
        case _:
            for child in children(node):
                yield from free(child, bound)


def free_inside(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, bound: Names = frozenset()
) -> Iterator[ast.Name]:
    """The same for what is evaluated when the function is called."""
    inner = bound | own_names(node)
    for part in [node.body] if isinstance(node, ast.Lambda) else node.body:
        yield from free(part, inner)


def where_defined(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Iterator[ast.expr]:
    """What is evaluated where the function is defined: decorators, defaults, annotations."""
    if not isinstance(node, ast.Lambda):
        yield from node.decorator_list
        yield from _annotations(node)
    yield from node.args.defaults
    yield from (d for d in node.args.kw_defaults if d is not None)


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    for part in walk(node.args):
        if isinstance(part, ast.arg) and part.annotation is not None:
            yield part.annotation
    if node.returns is not None:
        yield node.returns
