"""The body of a workflow, node by node: what Python allows and a net cannot hold (C5).

The table of nodes is in `nodes.py`; here is what depends on where a node stands. What names stand
for is never asked: see `foreign.py`, `purity.py` and `handlers.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from .build import Builder
from .edits import hoisted
from .expressions import awaits
from .nodes import refusal
from .spans import finally_of, span_of

_NOWHERE = "what Python evaluates around it would have to be stored half done"
_LIVE = "it holds a live resource across awaits, and a restart would lose it"
_COMPREHENSION = "a comprehension"
_LOOP = "found = []\nfor item in items:\n    found.append(await step(item))"
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def syntax(node: ast.AsyncFunctionDef, build: Builder) -> None:
    """Report everything in the body that a net cannot hold, whatever it stands for."""
    _Walk(build).all(node.body)


class _Walk:
    """`place`: why an await cannot stand here, empty where it can."""

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.within = 0  # nested functions
        self.statement: ast.stmt | None = None

    def all(self, nodes: Iterable[ast.AST | None], place: str = "") -> None:
        for node in nodes:
            if node is not None:
                self.visit(node, place)

    def visit(self, node: ast.AST, place: str = "") -> None:
        if self.refused(node):
            return
        if isinstance(node, ast.stmt) and not self.within:
            self.statement = node
        match node:
            case ast.Await():
                if place:
                    self.misplaced(node, place)
                self.visit(node.value, place)
            case ast.FunctionDef() | ast.Lambda():
                self.function(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self.asynchronous(node)
                self.all(ast.iter_child_nodes(node), _COMPREHENSION)
            case ast.JoinedStr():
                self.all(node.values, "an f-string")
            case ast.Compare():
                self.all([node.left, node.comparators[0]], place)
                self.all(node.comparators[1:], "a chained comparison")
            case ast.stmt():
                self.within_statement(node)
            case ast.ExceptHandler():
                self.all([node.type], "an except clause")
                self.all(node.body)
            case ast.match_case():
                self.visit(node.pattern, "a pattern")
                self.all([node.guard], "a guard")
                self.all(node.body)
            case _:
                self.all(ast.iter_child_nodes(node), place)

    def within_statement(self, s: ast.stmt) -> None:
        match s:
            case ast.Assert():
                self.all([s.test, s.msg], "an assert")
            case ast.Delete():
                self.all(s.targets, "a del")
            case ast.Assign():
                self.visit(s.value)
                self.all(s.targets, "a target")
            case ast.AnnAssign():
                self.all([s.value])
                self.visit(s.target, "a target")
            case ast.AugAssign():
                self.augmented(s)
            case ast.For():
                self.visit(s.iter)
                self.visit(s.target, "a target")
                self.all([*s.body, *s.orelse])
            case ast.With():
                self.with_(s)
            case ast.Try():
                self.try_(s)
            case _:
                self.all(ast.iter_child_nodes(s))

    # --- what is refused ------------------------------------------------------------------

    def refused(self, node: ast.AST) -> bool:
        """Whether the table refuses the node; its inside is not looked at then."""
        found = refusal(type(node).__name__)
        if found is None or (self.within and not found.within):
            return False
        what = found.what.format(node=type(node).__name__)
        self.build.problem(found.code, node, what, found.why, found.fix)
        if isinstance(node, (ast.AsyncFor, ast.TryStar)):
            self.all(ast.iter_child_nodes(node))
        return True

    def misplaced(self, node: ast.Await, place: str) -> None:
        text = f"an await inside {place} has no place of its own"
        fix, edits = hoisted(self.build, self.statement, node)
        if place == _COMPREHENSION:
            fix, edits = _LOOP, ()
        self.build.problem("PD106", node, text, _NOWHERE, fix, edits=edits)

    def function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        """A function of the author's: plain Python, but for what reaches out of it."""
        self.all([*node.args.defaults, *node.args.kw_defaults], "a default")
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            text = f"`{node.name}` is decorated each time the workflow passes here"
            why = "the net cannot see what a decorator makes of it"
            fix = "define it at the top of the module"
            self.build.problem("PD108", node.decorator_list[0], text, why, fix)
        self.within += 1
        self.all(node.body if isinstance(node, ast.FunctionDef) else [node.body])
        self.all(getattr(node, "type_params", ()))
        self.within -= 1

    def asynchronous(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        for part in node.generators:
            if part.is_async:
                start, end = (span_of(self.build.file, n) for n in (part.target, part.iter))
                text = "`async for` would wait inside Python, where a restart cannot find it"
                self.build.problem(
                    "PD102",
                    part.iter,
                    text,
                    "only an await of the workflow's own has a place in its net",
                    "fetch the pages in an @observe step: `for row in await rows():`",
                    span=type(start)(
                        start.file, start.line, start.column, end.end_line, end.end_column
                    ),
                )

    def augmented(self, s: ast.AugAssign) -> None:
        self.visit(s.target, "a target")
        if awaits(s.value) and not isinstance(s.target, ast.Name):
            text = "an item or attribute is read before this await and written after it"
            why = "the container may be another one by then"
            first = next(n for n in ast.walk(s.value) if isinstance(n, ast.Await))
            fix, edits = hoisted(self.build, s, first)
            self.build.problem("PD106", s, text, why, fix, edits=edits)
        else:
            self.visit(s.value)

    def with_(self, s: ast.With) -> None:
        if any(map(awaits, s.body)):
            text = "`with` around an await"
            fix = "open it inside the step that uses it, or close it before the await"
            self.build.problem("PD104", s, text, _LIVE, fix)
        for item in s.items:
            self.all([item.context_expr, item.optional_vars], "a with line")
        self.all(s.body)

    def try_(self, s: ast.Try) -> None:
        if s.finalbody and awaits(s):
            self.build.problem(
                "PD116",
                s,
                "`finally` around an await is not supported yet",
                "each way out of it needs a copy of the clean-up in the net",
                "repeat the clean-up behind the try and in `except Exception: ...; raise`",
                span=finally_of(self.build.file, s),
            )
        self.all(ast.iter_child_nodes(s))
