"""The statements of a workflow in order, with what is known of each variable on the way.

Forward over the tree: branches meet, loops run until nothing new is learnt. What a variable is
assigned anywhere, taken together, is its type (one per workflow). Nothing is executed.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...net import Span
from ..callees import is_saga
from ..live import Function
from ..spans import span_of
from ..trees import children
from . import arithmetic
from .containers import element, unpacked
from .declared import hints, method, result
from .expressions import Expressions
from .lattice import NEVER, UNKNOWN, merge, union
from .narrowing import narrowed
from .patterns import Patterns
from .scope import Entry, Env, met, path

_ROUNDS_MAX = 8
"""A loop that still learns after so many rounds builds ever deeper types: they are unknown."""


class Kinds(Expressions):
    """The types in one workflow; `variables` and `places` are filled by `settle`."""

    def __init__(self, function: Function) -> None:
        super().__init__(function)
        self.variables: dict[str, Any] = {}
        self.places: dict[str, dict[tuple[int, int], Any]] = {}
        self.grown: dict[str, Any] = {}
        self.breaks: list[list[Env]] = []
        self.continues: list[list[Env]] = []
        self.raising: list[list[Env]] = []
        self.patterns = Patterns(self.resolve, self._capture)
        self.at: ast.AST = function.node

    def settle(self) -> None:
        """Find the type of every variable."""
        node = self.function.node
        given = hints(self.function.fn)
        own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for arg in own:
            self.declared[arg.arg] = given.get(arg.arg, UNKNOWN)
        for inner in _own_nodes(node):
            if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                self.declared[inner.target.id] = self.annotation(inner.annotation)
            elif isinstance(inner, ast.FunctionDef):
                self.defined[inner.name] = inner
        for arg in own:
            kind = self.declared[arg.arg]
            self.env[arg.arg] = Entry(kind, kind)
        self.body(node.body, self.env)
        for name, found in self.places.items():
            self.variables[name] = merge(list(found.values()))
        self.variables.update(self.declared)

    # --- what others ask for -----------------------------------------------------------------

    def kind(self, node: ast.AST) -> Any:
        """The type of an expression as it was met on the way; of a fork's branch, its result."""
        found = self.seen.get(id(node), UNKNOWN)
        return self.results.get(span_of("", node), found) if isinstance(node, ast.Call) else found

    def given(self, span: Span) -> Any:
        """What the awaited call at this place gives."""
        return self.results.get(replace(span, file=""), UNKNOWN)

    def element(self, node: ast.expr) -> Any:
        """What a loop over an expression met."""
        return element(self.kind(node))

    # --- assignments --------------------------------------------------------------------------

    def bind(self, target: ast.Name, kind: Any) -> None:
        super().bind(target, kind)
        if target.id not in self.hidden:
            found = self.places.setdefault(target.id, {})
            at = target.lineno, target.col_offset
            found[at] = merge([found.get(at, NEVER), kind])

    def _capture(self, name: str, kind: Any) -> None:
        self.bind(ast.copy_location(ast.Name(name, ast.Store()), self.at), kind)

    def assign(self, target: ast.expr, kind: Any) -> None:
        match target:
            case ast.Name():
                self.bind(target, kind)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                star = next((i for i, p in enumerate(parts) if isinstance(p, ast.Starred)), None)
                for part, inner in zip(parts, unpacked(kind, len(parts), star), strict=True):
                    self.assign(part.value if isinstance(part, ast.Starred) else part, inner)
            case ast.Attribute() | ast.Subscript():
                self.of(target)
                self.forget(path(target))
            case _:
                pass

    # --- statements ---------------------------------------------------------------------------

    def body(self, statements: Sequence[ast.stmt], env: Env | None) -> Env | None:
        """The scope behind the statements; None when their end is not reached."""
        for statement in statements:
            if env is None:
                return None
            self._may_raise(env)
            self.env = dict(env)
            env = self.statement(statement, self.env)
            if env is not None:
                self._may_raise(env)
        return env

    def _may_raise(self, env: Env) -> None:
        if self.raising:
            self.raising[-1].append(dict(env))

    def statement(self, s: ast.stmt, env: Env) -> Env | None:
        match s:
            case ast.If():
                self.of(s.test)
                yes, no = self.ways(s.test)
                return met([self.body(s.body, yes), self.body(s.orelse, no)])
            case ast.While() | ast.For():
                return self.loop(s, env)
            case ast.Try():
                return self.guarded(s, env)
            case ast.Match():
                return self.match(s)
            case ast.With() | ast.AsyncWith():
                return self.scope(s)
            case ast.Return() | ast.Raise():
                for value in children(s):
                    self.of(value) if isinstance(value, ast.expr) else None
                return None
            case ast.Break():
                self.breaks[-1].append(self.env)
                return None
            case ast.Continue():
                self.continues[-1].append(self.env)
                return None
            case ast.Assert():
                self.of(s.test)
                return self.ways(s.test)[0]
            case _:
                return self.simple(s)

    def ways(self, test: ast.expr) -> tuple[Env, Env]:
        """The scopes where a test holds and where it does not; it has been looked at."""
        env = self.env
        yes, no = narrowed(env, test, True, self), narrowed(env, test, False, self)
        self.env = env
        return dict(yes), dict(no)

    def simple(self, s: ast.stmt) -> Env:
        match s:
            case ast.Assign():
                kind = self.of(s.value)
                for target in s.targets:
                    self.assign(target, kind)
            case ast.AnnAssign():
                if s.value is not None:
                    self.assign(s.target, self.of(s.value))
            case ast.AugAssign():
                self.augmented(s)
            case ast.Expr():
                self.of(s.value)
                self.grows(s.value)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.bind(ast.copy_location(ast.Name(s.name, ast.Store()), s), types.FunctionType)
            case ast.ClassDef():
                self.bind(ast.copy_location(ast.Name(s.name, ast.Store()), s), type)
            case ast.Delete():
                for target in s.targets:
                    if isinstance(target, ast.Name):
                        self.env.pop(target.id, None)
            case _:
                pass
        return self.env

    def augmented(self, s: ast.AugAssign) -> None:
        if isinstance(s.target, ast.Name):
            old = self.seen[id(s.target)] = self.variable(s.target.id)
            self.bind(s.target, arithmetic.binary(s.op, old, self.of(s.value)))
        else:
            self.of(s.value)
            self.of(s.target)

    def grows(self, node: ast.expr) -> None:
        """Remember what is put into a container by name: a hint for the message, never a type."""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr), args=[arg]):
                kind = self.seen.get(id(arg), UNKNOWN)
                kind = element(kind) if attr in ("extend", "update") else kind
                if attr in ("append", "add", "extend", "update"):
                    self.grown[name] = merge([self.grown.get(name, NEVER), kind])
            case _:
                pass

    # --- compound statements ------------------------------------------------------------------

    def loop(self, s: ast.While | ast.For, env: Env) -> Env | None:
        start = dict(env)
        again, done, stops = self.round(s, dict(start))
        for number in range(_ROUNDS_MAX):
            after = met([env, again]) or env
            if after == start:
                break
            if number == _ROUNDS_MAX - 2:
                after = {k: _deeper(start.get(k), v) for k, v in after.items()}
            start = after
            again, done, stops = self.round(s, dict(start))
        return met([self.body(s.orelse, done), *stops])

    def round(
        self, s: ast.While | ast.For, env: Env
    ) -> tuple[Env | None, Env | None, Sequence[Env]]:
        """One round: the scope at its end, where the loop is exhausted, and at its breaks."""
        self.breaks.append([])
        self.continues.append([])
        self.env = env
        if isinstance(s, ast.While):
            self.of(s.test)
            inside, done = self.ways(s.test)
            endless = isinstance(s.test, ast.Constant) and bool(s.test.value)
            end = self.body(s.body, inside)
        else:
            inner = element(self.of(s.iter))
            done, endless = dict(self.env), False
            self.assign(s.target, inner)
            end = self.body(s.body, self.env)
        again = met([end, *self.continues.pop()])
        return again, None if endless else done, self.breaks.pop()

    def guarded(self, s: ast.Try, env: Env) -> Env | None:
        self.raising.append([dict(env)])
        end = self.body(s.body, env)
        caught = met(self.raising.pop()) or env
        ends = [self.body(s.orelse, end) if end is not None else None]
        for handler in s.handlers:
            self.env = dict(caught)
            if handler.type is not None:
                self.of(handler.type)
            if handler.name is not None:
                name = ast.copy_location(ast.Name(handler.name, ast.Store()), handler)
                self.bind(name, self.caught(handler.type))
            ends.append(self.body(handler.body, self.env))
            if handler.name is not None and ends[-1] is not None:
                ends[-1].pop(handler.name, None)
        after = met(ends)
        if s.finalbody:
            self.body(s.finalbody, met([caught, after]))
            after = self.body(s.finalbody, after) if after is not None else None
        return after

    def caught(self, node: ast.expr | None) -> Any:
        """The type of the exception that a handler names."""
        parts = node.elts if isinstance(node, ast.Tuple) else [] if node is None else [node]
        classes = [self.resolve(p) for p in parts]
        return union(classes) if classes and all(isinstance(c, type) for c in classes) else UNKNOWN

    def match(self, s: ast.Match) -> Env | None:
        subject = self.of(s.subject)
        named = s.subject if isinstance(s.subject, ast.Name) else None
        before = self.env
        ends: list[Env | None] = []
        for case in s.cases:
            self.env, self.at = dict(before), case.pattern
            found = self.patterns.matched(case.pattern, subject)
            self._narrow(named, found)
            if case.guard is not None:
                self.of(case.guard)
                self.env = self.ways(case.guard)[0]
            ends.append(self.body(case.body, self.env))
            subject = self.patterns.left(case, subject)
            self.env = dict(before)
            self._narrow(named, subject)
            before = self.env
        total = _is_total(s.cases[-1])
        return met([*ends, *([] if total or subject is NEVER else [before])])

    def _narrow(self, name: ast.Name | None, kind: Any) -> None:
        if name is not None and name.id in self.env:
            self.env[name.id] = self.env[name.id]._replace(narrow=kind)

    def scope(self, s: ast.With | ast.AsyncWith) -> Env | None:
        for item in s.items:
            kind = self.of(item.context_expr)
            if item.optional_vars is None or is_saga(item.context_expr, self.resolve):
                continue
            enter = method(kind, "__enter__")
            inner = result(enter, kind, {}) if enter is not None else UNKNOWN
            self.assign(item.optional_vars, inner)
        return self.body(s.body, self.env)


def _deeper(old: Entry | None, new: Entry) -> Entry:
    return new if old is None or old == new else Entry(UNKNOWN, UNKNOWN)


def _is_total(case: ast.match_case) -> bool:
    pattern = case.pattern
    return case.guard is None and isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _own_nodes(node: ast.AST) -> list[ast.AST]:
    """The nodes of a function, those of functions inside it left out."""
    found: list[ast.AST] = []
    todo = children(node)
    while todo:
        at = todo.pop()
        found.append(at)
        if not isinstance(at, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            todo += children(at)
    return found
