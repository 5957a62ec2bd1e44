"""All stages that look for what a workflow cannot say, and one report of what all stages found.

The stages are in files of their own. No problem is found here.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from .build import Builder, Problem
from .closures import bound_names
from .findings import Finding, ordered
from .foreign import foreign
from .handlers import handlers
from .kinds import Kinds
from .live import Function
from .loops import loops
from .order import order
from .purity import purity
from .receivers import receivers
from .syntax import syntax
from .trees import walk

_FOLLOWS = ("PD201", "PD202", "PD203", "PD204", "PD205", "PD207")
"""What may be said of a value only because the statement that makes it was refused."""
_HELD = ("PD103", "PD104")
"""What is opened there is refused already: that it reaches outside as well is no news."""


def refuse(function: Function, kinds: Kinds, build: Builder) -> None:
    """Report everything that a look at the source and the live names tells."""
    syntax(function.node, build)
    foreign(function, kinds, build)
    order(function.node, kinds, build)
    receivers(function.node, kinds, build)
    loops(function, kinds, build)
    handlers(function, build)
    purity(function, build)


def told(node: ast.AsyncFunctionDef, problems: Sequence[Problem]) -> tuple[Finding, ...]:
    """All findings in source order, without those that only follow from others."""
    causes = [p for p in problems if not p.finding.warning and p.finding.code not in _FOLLOWS]
    lines = {p.finding.span.line for p in causes}
    lost = _lost(node, causes) if causes else set[str]()
    held = {p.finding.span.line for p in causes if p.finding.code in _HELD}
    causes = [p for p in causes if p.finding.code != "PD220" or p.finding.span.line not in held]
    kept = [p for p in problems if p in causes or not _follows(p, node, lines, lost)]
    return ordered(p.finding for p in kept)


def _follows(p: Problem, node: ast.AST, lines: set[int], lost: set[str]) -> bool:
    if p.finding.code == "PD220":
        return not p.finding.warning
    if p.finding.code not in _FOLLOWS or p.node is node or not lines:
        return False
    names = {n.id for n in walk(p.node) if isinstance(n, ast.Name)}
    return p.finding.span.line in lines or bool(names & lost)


def _lost(node: ast.AST, causes: Sequence[Problem]) -> set[str]:
    """Variables whose values come from what was refused, directly or through others."""
    lines = {p.finding.span.line for p in causes}
    lost = {name for p in causes if isinstance(p.node, ast.stmt) for name in bound_names(p.node)}
    parts = [part for n in walk(node) if n is not node for part in _simple(n)]
    while True:
        before = len(lost)
        for s in parts:
            last = getattr(s, "end_lineno", None) or 0
            inside = lines.intersection(range(getattr(s, "lineno", 1), last + 1))
            if inside or lost & {n.id for n in walk(s) if isinstance(n, ast.Name)}:
                lost |= bound_names(s)
        if len(lost) == before:
            return lost


def _simple(node: ast.AST) -> list[ast.AST]:
    """What binds names by itself: a simple statement, a loop's head, a case, a walrus."""
    match node:
        case ast.For():
            head = ast.Tuple([node.target, node.iter], ast.Store())
            return [ast.copy_location(head, node.iter)]
        case ast.match_case():
            return [node.pattern]
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
            return [node]
        case _:
            return []
