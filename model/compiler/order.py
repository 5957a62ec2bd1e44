"""Expressions whose order of evaluation is easy to misread (PD107).

The compiler keeps Python's order whatever it is (C5), so this is a warning, for the reader. It
changes nothing.
"""

from __future__ import annotations

import ast
from typing import Any

from .build import Builder
from .edits import hoisted
from .expressions import awaits
from .kinds import Kinds
from .places import condition
from .trees import children, walk

_PLAIN: tuple[Any, ...] = (
    abs, all, any, bin, bool, bytes, chr, dict, divmod, enumerate, float, frozenset, hash, hex, int,
    isinstance, issubclass, len, list, max, min, oct, ord, pow, range, repr, reversed, round, set,
    slice, sorted, str, sum, tuple, zip,
)  # fmt: skip
_VALUES = (bool, bytes, complex, float, frozenset, int, str, tuple)
_WHY = "what stands between two awaits runs in the middle of the line, and is easy to miss"


def order(node: ast.AsyncFunctionDef, kinds: Kinds, build: Builder) -> None:
    """Report calls that may have an effect and run between the awaits of one expression."""
    for statement in walk(node):
        if isinstance(statement, ast.stmt) and not isinstance(statement, ast.AsyncFunctionDef):
            for child in children(statement):
                if isinstance(child, ast.expr) and awaits(child):
                    _Line(kinds, build, statement).read(child)


class _Line:
    """The awaits and calls of one expression, as Python comes to them."""

    def __init__(self, kinds: Kinds, build: Builder, statement: ast.stmt) -> None:
        self.kinds, self.build, self.statement = kinds, build, statement
        self.events: list[ast.Await | ast.Call] = []

    def read(self, node: ast.expr) -> None:
        self.note(node)
        places = [i for i, e in enumerate(self.events) if isinstance(e, ast.Await)]
        first, last = places[0], places[-1]
        between = [e for e in self.events[first:last] if isinstance(e, ast.Call)]
        behind = [e for e in self.events[last:] if isinstance(e, ast.Call) and not awaits(e)]
        for call in [*between, *behind][:1]:
            awaited = self.events[first]
            assert isinstance(awaited, ast.Await), "the first place is one of an await"
            fix, edits = hoisted(self.build, self.statement, awaited)
            shown = f"`{condition(call, 24)}`"
            if between:
                text = f"the order of {shown} and the awaits around it is easy to misread"
            else:
                text = f"{shown} runs only after the await before it in this line"
            self.build.warn("PD107", call, text, _WHY, fix, edits=edits)

    def note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            for part in (*node.value.args, *(k.value for k in node.value.keywords)):
                # The branches of a fork are no calls of their own.
                inner = isinstance(part, ast.Call) and self.build.resolve(part.func) is not None
                for child in children(part) if inner else (part,):
                    self.note(child)
            self.events.append(node)
            return
        for child in children(node):
            self.note(child)
        if isinstance(node, ast.Await) or (
            isinstance(node, ast.Call) and acts(node, self.kinds, self.build)
        ):
            self.events.append(node)


def acts(call: ast.Call, kinds: Kinds, build: Builder) -> bool:
    """Whether a call may do anything that its neighbours could notice."""
    target = build.resolve(call.func)
    if isinstance(target, type) or any(target is plain for plain in _PLAIN):
        return False
    if isinstance(call.func, ast.Attribute):
        return kinds.kind(call.func.value) not in _VALUES
    return True
