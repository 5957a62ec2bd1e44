"""Statements in normal form (C4, C8, C9): which are opened into blocks, which stay glue.

Only statements with an await, an `async with` or a jump that leaves them are opened; everything
else is sync code and runs as the author wrote it. Expressions are treated in `expressions.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from .blocks import Choice, Handler, Jump, Leave, Loop, Saga, Sequence, Try
from .build import Builder, Origin, assign, load
from .callees import is_saga
from .calls import UNUSED, rebound
from .closures import changed_names
from .expressions import Expressions, awaits
from .places import condition
from .rewrite import ERROR, VALUE, Rewriter, jumps
from .scan import irrefutable
from .trees import children


def normalise(node: ast.AsyncFunctionDef, build: Builder, returns: object) -> Sequence:
    """The block tree of a workflow; problems are left in `build`."""
    build.temp(Origin("annotation", node, returns), VALUE)
    build.temp(Origin("error", node), ERROR)
    return _Statements(build).workflow(node)


class _Statements:
    def __init__(self, build: Builder) -> None:
        self.build = build
        self.expressions = Expressions(build)
        self.lift = self.expressions.lift
        self.caught = ""

    def workflow(self, node: ast.AsyncFunctionDef) -> Sequence:
        def fill() -> None:
            self.body(node.body)
            last = node.body[-1]
            if not isinstance(last, (ast.Return, ast.Raise)):
                none = ast.copy_location(ast.Constant(None), last)
                self.build.glue(assign(VALUE, none, last), Leave("return", last))

        return self.build.sequence(node, fill)

    def body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def plain(self, statement: ast.stmt) -> None:
        """Keep a statement as glue."""
        self.build.glue(*Rewriter(self.build, self.caught).rewritten(statement))

    def statement(self, s: ast.stmt) -> None:
        opened = awaits(s)
        match s:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                return
            case ast.If() if opened or jumps(s):
                self.if_(s)
            case ast.AsyncWith():
                self.saga(s)
            case _ if not opened:
                self.plain(s)
            case ast.Expr(value=ast.Await() as value):
                self.expressions.calls.awaited(value, UNUSED)
            case ast.Expr():
                self.build.glue(ast.copy_location(ast.Expr(self.lift(s.value)), s))
            case ast.Assign() | ast.AnnAssign():
                self.assign(s)
            case ast.AugAssign():
                self.augmented(s)
            case ast.Return():
                self.return_(s)
            case ast.Raise():
                self.raise_(s)
            case ast.While():
                self.while_(s)
            case ast.For():
                self.for_(s)
            case ast.Match():
                self.match(s)
            case ast.Try():
                self.try_(s)
            case _:
                self.refused(s)

    def refused(self, s: ast.stmt) -> None:
        """Go on behind, and with what is inside: all problems are told in one run."""
        self.build.recover(s)
        for part in children(s):
            if isinstance(part, ast.stmt):
                self.statement(part)
            elif isinstance(part, ast.ExceptHandler):
                self.body(part.body)

    # --- simple statements ----------------------------------------------------------------

    def assign(self, s: ast.Assign | ast.AnnAssign) -> None:
        targets: list[ast.expr] = [*s.targets] if isinstance(s, ast.Assign) else [s.target]
        value = s.value
        if value is None:
            return
        if len(targets) == 1 and isinstance(targets[0], ast.Name) and isinstance(value, ast.Await):
            name = targets[0].id
            result = self.expressions.calls.awaited(value, name)
            if not (isinstance(result, ast.Name) and result.id == name):
                self.build.glue(assign(name, result, s))
            return
        if any(awaits(t) for t in targets):
            self.refused(s)
            return
        self.build.glue(ast.copy_location(ast.Assign(targets, self.lift(value)), s))

    def augmented(self, s: ast.AugAssign) -> None:
        """Python reads the target, then awaits, then writes: so do we."""
        if isinstance(s.target, ast.Name):
            target, name = s.target, s.target.id
            if name in rebound(s.value):  # a walrus gives it another value meanwhile
                before = self.expressions.spill(load(name, target), target).id
                target = ast.copy_location(ast.Name(before, ast.Store()), target)
            value = self.lift(s.value)
            self.build.glue(ast.copy_location(ast.AugAssign(target, s.op, value), s))
            if target.id != name:
                self.build.glue(assign(name, load(target.id, s), s))
            return
        self.refused(s)

    def return_(self, s: ast.Return) -> None:
        build = self.build
        if isinstance(s.value, ast.Await):
            result = self.expressions.calls.awaited(s.value, VALUE)
            if isinstance(result, ast.Name) and result.id == VALUE:
                build.add(Jump(id=build.id(), span=build.span(s), to="return"))
                return
        else:
            assert s.value is not None, "a bare return holds no await"
            result = self.lift(s.value)
        build.glue(assign(VALUE, result, s), Leave("return", s))

    def raise_(self, s: ast.Raise) -> None:
        error = self.lift(s.exc) if s.exc is not None else None
        cause = self.lift(s.cause) if s.cause is not None else None
        self.plain(ast.copy_location(ast.Raise(error, cause), s))

    # --- branches and loops ---------------------------------------------------------------

    def if_(self, s: ast.If) -> None:
        """`if a and await b:` without an else is `if a: if await b:`, and b is a choice itself."""
        both = isinstance(s.test, ast.BoolOp) and isinstance(s.test.op, ast.And)
        apart = both and awaits(s.test) and not s.orelse
        self.tests(s, s.test.values if isinstance(s.test, ast.BoolOp) and apart else [s.test])

    def tests(self, s: ast.If, left: list[ast.expr]) -> None:
        test, *rest = left
        self.expressions.choose(
            "if",
            self.lift(test),
            test,
            s,
            lambda: self.tests(s, rest) if rest else self.body(s.body),
            lambda: self.body(s.orelse) if not rest else None,
        )

    def while_(self, s: ast.While) -> None:
        def fill() -> None:
            if isinstance(s.test, ast.Constant) and s.test.value:
                self.body(s.body)
                return
            test = self.lift(s.test)
            self.expressions.choose(
                "while", test, s.test, s.test, lambda: self.body(s.body), lambda: self.exhaust(s)
            )

        self.loop(s, "while", condition(s.test), fill)

    def for_(self, s: ast.For) -> None:
        """The iterable is taken once; the position rests in the token (C8)."""
        build, at = self.build, s.iter
        items = build.temp(Origin("items", s), build.names.unique("$items"))
        position = build.temp(Origin("annotation", at, int), build.names.unique("$pos"))
        listed = ast.Call(build.constant(tuple, at), [self.lift(at)], [])
        zero = ast.copy_location(ast.Constant(0), at)
        build.glue(assign(items, ast.copy_location(listed, at), at), assign(position, zero, at))
        size = ast.Call(build.constant(len, at), [load(items, at)], [])
        more = ast.Compare(load(position, at), [ast.Lt()], [size])
        element = ast.Subscript(load(items, at), load(position, at), ast.Load())
        one = ast.BinOp(load(position, at), ast.Add(), ast.Constant(1))
        step = assign(position, ast.copy_location(one, at), at)
        taken = ast.copy_location(ast.Assign([s.target], ast.copy_location(element, at)), s.target)

        def fill() -> None:
            then = ast.If(more, [taken, step, Leave("then", at)], [Leave("else", at)])
            code = (ast.copy_location(then, at),)
            number = build.id()
            branches = (
                ("then", build.sequence(s, lambda: self.body(s.body))),
                ("else", build.sequence(s, lambda: self.exhaust(s))),
            )
            text = f"{condition(s.target)} in {condition(at)}"
            made = Choice(
                id=number,
                span=build.span(at),
                word="for",
                text=text,
                code=code,
                branches=branches,
            )
            build.add(made)

        self.loop(s, "for", f"{condition(s.target)} in {condition(at)}", fill)

    def loop(self, s: ast.While | ast.For, word: str, text: str, fill: Callable[[], None]) -> None:
        build = self.build
        build.flush()
        number = build.id()
        body = build.sequence(s, fill)
        orelse = build.sequence(s, lambda: self.body(s.orelse))
        made = Loop(id=number, span=build.span(s), word=word, text=text, body=body, orelse=orelse)
        build.add(made)

    def exhaust(self, s: ast.stmt) -> None:
        self.build.add(Jump(id=self.build.id(), span=self.build.span(s), to="exhausted"))

    def match(self, s: ast.Match) -> None:
        """The author's own match runs as glue and says which case it is (C9)."""
        build = self.build
        subject = self.lift(s.subject)
        cases = [
            ast.match_case(c.pattern, c.guard, [Leave(f"case {i}", c.pattern)])
            for i, c in enumerate(s.cases)
        ]
        decide = ast.copy_location(ast.Match(subject, cases), s)
        code: tuple[ast.stmt, ...] = (*build.take(), decide)
        number = build.id()
        branches = [
            (f"case {i}", build.sequence(c.pattern, lambda c=c: self.body(c.body)))
            for i, c in enumerate(s.cases)
        ]
        if not irrefutable(s.cases[-1]):
            code = (*code, Leave("no case", s))
            branches.append(("no case", build.sequence(s, lambda: None)))
        build.add(
            Choice(
                id=number,
                span=build.span(s),
                word="match",
                text=condition(s.subject),
                code=code,
                branches=tuple(branches),
            )
        )

    # --- scopes ---------------------------------------------------------------------------

    def try_(self, s: ast.Try) -> None:
        build = self.build
        if s.finalbody:
            self.refused(s)
            return
        build.flush()
        number = build.id()
        body = build.sequence(s, lambda: self.body(s.body))
        handlers = tuple(self.handler(h) for h in s.handlers)
        orelse = build.sequence(s, lambda: self.body(s.orelse))
        build.add(Try(id=number, span=build.span(s), body=body, handlers=handlers, orelse=orelse))

    def handler(self, h: ast.ExceptHandler) -> Handler:
        build, outer = self.build, self.caught
        number = build.id()
        if h.name:
            build.origins[h.name] = Origin("error", h)
        if h.name and h.name not in changed_names(h.body):
            caught = h.name  # a bare `raise` raises it with what was noted on it
        else:
            caught = build.temp(Origin("error", h), build.names.unique("$caught"))
        self.caught = caught
        body = build.sequence(h, lambda: self.body(h.body))
        self.caught = outer
        types = h.type or load("Exception", h)  # a bare one has been refused
        return Handler(
            id=number, span=build.span(h), types=types, name=h.name or "", caught=caught, body=body
        )

    def saga(self, s: ast.AsyncWith) -> None:
        build = self.build
        plain = len(s.items) == 1 and s.items[0].optional_vars is None
        if not (plain and is_saga(s.items[0].context_expr, build.resolve)):
            self.refused(s)
            return
        build.flush()
        number, outer = build.id(), self.expressions.calls.saga
        stack = build.names.unique("$saga")
        self.expressions.calls.saga = stack
        body = build.sequence(s, lambda: self.body(s.body))
        self.expressions.calls.saga = outer
        build.add(Saga(id=number, span=build.span(s), stack=stack, body=body))
