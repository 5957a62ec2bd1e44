"""Expressions with awaits, evaluated in CPython's order (C5).

`lift` writes the blocks of the awaits in an expression to the builder and returns what is left: an
expression without awaits, to be evaluated next. Calls are made in `calls.py`, statements in
`normal.py`.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Set

from .blocks import Choice, Leave
from .build import Builder, Origin, assign, load
from .calls import Calls, rebound
from .places import condition
from .trees import children, twin

_SCOPED = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LISTS = ("args", "keywords", "elts", "values", "keys", "comparators")


def awaits(node: ast.AST | None) -> bool:
    """Whether an await or `async with` stands in `node`, nested functions left aside."""
    todo = [] if node is None else [node]
    for at in todo:  # which grows on the way
        if isinstance(at, (ast.Await, ast.AsyncWith, ast.AsyncFor)):
            return True
        if not isinstance(at, _SCOPED):
            todo += children(at)
    return False


def is_path(node: ast.expr, unstable: Set[str]) -> bool:
    """Whether an expression only looks up: a name, its attributes, its items by plain indexes."""
    match node:
        case ast.Name(id=name):
            return name not in unstable
        case ast.Attribute(value=value):
            return is_path(value, unstable)
        case ast.Subscript(value=value, slice=index):
            if isinstance(index, ast.UnaryOp):
                index = index.operand
            plain = isinstance(index, ast.Constant)
            plain = plain or (isinstance(index, ast.Name) and index.id not in unstable)
            return plain and is_path(value, unstable)
        case _:
            return False


class Expressions:
    """Lifts awaits out of the expressions of one workflow."""

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.calls = Calls(build, self.lift)

    def lift(self, node: ast.expr) -> ast.expr:
        """Write the awaits of `node`; return the rest, to be evaluated next."""
        if not awaits(node):
            return node
        match node:
            case ast.Await():
                return self.calls.awaited(node)
            case ast.BoolOp():
                name = self.build.temp(Origin("expression", node))
                self._bool(name, isinstance(node.op, ast.And), node.values)
                return load(name, node)
            case ast.IfExp():
                return self._conditional(node)
            case ast.NamedExpr():
                self.build.glue(assign(node.target.id, self.lift(node.value), node))
                return load(node.target.id, node)
            case _:
                return self._operands(node)

    def choose(
        self,
        word: str,
        test: ast.expr,
        shown: ast.AST,
        at: ast.AST,
        then: Callable[[], None],
        other: Callable[[], None],
    ) -> None:
        """Add the choice of `test`, merged with the pending code."""
        build = self.build
        decide = ast.copy_location(ast.If(test, [Leave("then", at)], [Leave("else", at)]), test)
        code = (*build.take(), decide)
        number, span = build.id(), build.span(at)
        branches = (("then", build.sequence(at, then)), ("else", build.sequence(at, other)))
        text = condition(shown)
        build.add(Choice(id=number, span=span, word=word, text=text, code=code, branches=branches))

    def _operands(self, node: ast.expr) -> ast.expr:
        """Spill what is evaluated before the last await; what comes after it stays in place."""
        parts = _parts(node)
        if not any(awaits(part) for _, _, part in parts):
            self.build.recover(node)
            return ast.copy_location(ast.Constant(None), node)
        last = max(i for i, (_, _, part) in enumerate(parts) if awaits(part))
        new = copy.copy(node)
        for name in _LISTS:
            if hasattr(new, name):
                setattr(new, name, [copy.copy(x) for x in getattr(new, name)])
        unstable = rebound(node)
        for i, (name, index, part) in enumerate(parts[: last + 1]):
            value = self.lift(part)
            if i < last:
                value = self._kept(value, part, unstable, name == "func")
            _put(new, name, index, value)
        return new

    def _kept(self, value: ast.expr, origin: ast.expr, unstable: set[str], func: bool) -> ast.expr:
        """`value`, or a temporary holding it when a later await could change or repeat it."""
        if isinstance(value, ast.Constant):
            return value
        if isinstance(value, ast.Name) and value.id not in unstable:
            return value
        if func and self.build.resolve(origin) is not None:
            return value
        if func and isinstance(value, ast.Attribute) and isinstance(origin, ast.Attribute):
            # A bound method cannot rest in a frame; looking it up later finds the same one. What
            # it belongs to is looked up again, too: a copy would take the change and be lost.
            new = copy.copy(value)
            if is_path(value.value, unstable):
                self.build.glue(ast.copy_location(ast.Expr(twin(value)), value))
            else:
                new.value = self._kept(value.value, origin.value, unstable, func=False)
            return new
        return self.spill(value, origin)

    def spill(self, value: ast.expr, origin: ast.expr) -> ast.Name:
        """Keep `value` in a temporary, typed as the expression `origin`."""
        name = self.build.temp(Origin("expression", origin))
        self.build.glue(assign(name, value, origin))
        return load(name, origin)

    def _bool(self, name: str, both: bool, values: list[ast.expr]) -> None:
        """`a and await b`: `b` is evaluated behind a choice."""
        first = values[0]
        self.build.glue(assign(name, self.lift(first), first))
        if len(values) == 1:
            return
        test: ast.expr = load(name, first)
        if not both:
            test = ast.copy_location(ast.UnaryOp(ast.Not(), test), first)
        word = "and" if both else "or"
        self.choose(
            word, test, first, first, lambda: self._bool(name, both, values[1:]), lambda: None
        )

    def _conditional(self, node: ast.IfExp) -> ast.expr:
        """`a if t else b` with an await in it."""
        build = self.build
        name = build.temp(Origin("expression", node))
        self.choose(
            "if",
            self.lift(node.test),
            node.test,
            node,
            lambda: build.glue(assign(name, self.lift(node.body), node.body)),
            lambda: build.glue(assign(name, self.lift(node.orelse), node.orelse)),
        )
        return load(name, node)


def _parts(node: ast.expr) -> list[tuple[str, int, ast.expr]]:
    """`(field, index, expression)` of the operands, in the order CPython evaluates them."""
    match node:
        case ast.Call():
            found = [("func", -1, node.func), *_items("args", node.args)]
            found += [("keywords", i, k.value) for i, k in enumerate(node.keywords)]
        case ast.Attribute() | ast.Starred():
            found = [("value", -1, node.value)]
        case ast.Subscript():
            found = [("value", -1, node.value), ("slice", -1, node.slice)]
        case ast.BinOp():
            found = [("left", -1, node.left), ("right", -1, node.right)]
        case ast.UnaryOp():
            found = [("operand", -1, node.operand)]
        case ast.Compare():
            # Behind the first comparison the rest is evaluated only if that one holds.
            found = [("left", -1, node.left), ("comparators", 0, node.comparators[0])]
            found = found if not any(map(awaits, node.comparators[1:])) else []
        case ast.Tuple() | ast.List() | ast.Set():
            found = _items("elts", node.elts)
        case ast.Dict():
            found: list[tuple[str, int, ast.expr]] = []
            for i, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
                found += [("keys", i, key)] if key is not None else []
                found.append(("values", i, value))
        case ast.Slice():
            bounds = (("lower", node.lower), ("upper", node.upper), ("step", node.step))
            found = [(name, -1, part) for name, part in bounds if part is not None]
        case _:
            found = []
    return found


def _items(name: str, nodes: list[ast.expr]) -> list[tuple[str, int, ast.expr]]:
    return [(name, i, n.value if isinstance(n, ast.Starred) else n) for i, n in enumerate(nodes)]


def _put(new: ast.expr, name: str, index: int, value: ast.expr) -> None:
    if index < 0:
        setattr(new, name, value)
        return
    items = getattr(new, name)
    if isinstance(items[index], (ast.Starred, ast.keyword)):
        items[index].value = value
    else:
        items[index] = value
