"""The type of an expression, in the scope of the point where it stands.

Every expression that is looked at is remembered, for the temporaries of the net. Statements are
walked in `walk.py`, tests narrow in `narrowing.py`; neither is done here, and nothing is executed.
"""

from __future__ import annotations

import ast
import collections.abc as abc
import datetime as dt
import enum
import types
import typing
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from ...language.ambient import now
from ...net import Span
from ...values.shapes import class_of
from ..callees import callee
from ..live import Function
from ..spans import span_of
from ..trees import walk
from . import arithmetic, calls, methods
from .annotations import evaluated
from .containers import display, element, item, of
from .declared import attribute, bare_class
from .lattice import NEVER, UNKNOWN, members, merge, over, without
from .narrowing import always_true, narrowed
from .scope import Entry, Env, bound, met, path

_CONSTANTS: tuple[type[Any], ...] = (
    bool, int, float, str, bytes, Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, UUID,
)  # fmt: skip


class Expressions:
    """Types of expressions; `env` is the scope at the point being looked at."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.env: Env = {}
        self.hidden: frozenset[str] = frozenset()  # variables of comprehensions
        self.declared: dict[str, Any] = {}
        self.defined: dict[str, ast.FunctionDef] = {}
        self.loose: set[str] = set()  # narrowed attributes of objects that can change
        self.seen: dict[int, Any] = {}
        self.results: dict[Span, Any] = {}  # what awaited calls give, those in a fork too

    # --- variables ----------------------------------------------------------------------------

    def bind(self, target: ast.Name, kind: Any) -> None:
        """Assign to a variable; one that is annotated keeps its type, narrowed by the value."""
        name = target.id
        wide = self.declared.get(name, kind) if name not in self.hidden else kind
        parts = members(wide)
        fits = bool(members(kind)) and all(m in parts for m in members(kind))
        bound(self.env, name, Entry(wide, kind if fits else wide))

    def variable(self, name: str) -> Any:
        """The type of a variable here."""
        entry = self.env.get(name)
        return NEVER if entry is None else entry.narrow

    def resolve(self, node: ast.expr) -> object:
        """The live object of a name, unless a comprehension hides it."""
        root = path(node).partition(".")[0]
        return None if root in self.hidden else self.function.resolve(node)

    # --- the table ----------------------------------------------------------------------------

    def of(self, node: ast.expr) -> Any:
        """The type of an expression, remembered."""
        kind = self._of(node)
        self.seen[id(node)] = merge([self.seen.get(id(node), NEVER), kind])
        return kind

    def _of(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return None if value is None else type(value)
            case ast.JoinedStr(values=parts):
                self.all(p.value for p in parts if isinstance(p, ast.FormattedValue))
                return str
            case ast.Compare():
                self.all([node.left, *node.comparators])
                return bool
            case ast.Name():
                return self.name(node)
            case ast.Attribute():
                return self.attribute(node)
            case ast.Await(value=call):
                return self.awaited(call)
            case ast.NamedExpr():
                kind = self.of(node.value)
                self.bind(node.target, kind)
                return kind
            case ast.Call():
                return self.called(node)
            case ast.BinOp():
                power = node.right.value if isinstance(node.right, ast.Constant) else None
                if isinstance(node.right, ast.UnaryOp) and isinstance(node.op, ast.Pow):
                    power = _constant(node.right)
                return arithmetic.binary(node.op, self.of(node.left), self.of(node.right), power)
            case ast.UnaryOp():
                return arithmetic.unary(node.op, self.of(node.operand))
            case ast.IfExp():
                return self.conditional(node)
            case ast.BoolOp():
                return self.either(node)
            case ast.Subscript():
                return self.subscript(node)
            case ast.Lambda():
                return types.FunctionType
            case _:
                return self.container(node)

    def all(self, nodes: Iterable[ast.expr]) -> list[Any]:
        """The types of several expressions, in order."""
        return [self.of(n) for n in nodes]

    def name(self, node: ast.Name) -> Any:
        if node.id in self.hidden or node.id in self.function.local:
            return self.variable(node.id)
        annotated = self.function.scope.get("__annotations__", {})
        if isinstance(annotated, dict) and node.id in annotated:
            return evaluated(annotated[node.id], self.function.scope)
        return _of_constant(self.function.resolve(node))

    def attribute(self, node: ast.Attribute) -> Any:
        narrow = self.env.get(path(node))
        if narrow is not None:
            return narrow.narrow
        found = self.resolve(node)
        if found is not None and bare_class(self.resolve(node.value)) is None:
            return _of_constant(found)
        if isinstance(found, enum.Enum):
            return type(found)
        owner = self.of(node.value)
        declared = over(owner, lambda kind: attribute(kind, node.attr))
        if declared is not UNKNOWN:
            return declared
        return over(owner, lambda kind: methods.attribute(kind, node.attr))

    def awaited(self, call: ast.expr) -> Any:
        """What awaiting a call gives; its arguments and branches are looked at, too."""
        if isinstance(call, ast.Call):
            for part in (*call.args, *(k.value for k in call.keywords)):
                self.of(part)
                if isinstance(part, ast.Call) and callee(part, self.resolve) is not None:
                    self.result(part, calls.awaited(part, self.resolve, self.of))
        return self.result(call, calls.awaited(call, self.resolve, self.of))

    def result(self, call: ast.expr, kind: Any) -> Any:
        """Remember what awaiting a call gives."""
        span = span_of("", call)
        self.results[span] = merge([self.results.get(span, NEVER), kind])
        return kind

    def forget(self, name: str = "") -> None:
        """Attributes may have changed: those of one object, or of all that can change."""
        gone = [k for k in self.env if (k.startswith(name) if name else k in self.loose)]
        self.env = {k: v for k, v in self.env.items() if k not in gone}

    def called(self, node: ast.Call) -> Any:
        given = calls.arguments(node, self.of)
        func = node.func
        target = self.resolve(func)
        if not (isinstance(target, type) or calls.harmless(target)):
            self.forget()
        if target is now:
            return dt.datetime
        if target is not None:
            found = calls.function(target, given)
            if found is not UNKNOWN:
                return found
        if isinstance(func, ast.Lambda):
            return self.at_once(func, given.given)
        if isinstance(func, ast.Subscript):
            return calls.generic(self.annotation(func))
        if isinstance(func, ast.Name) and func.id in self.defined:
            returned = self.defined[func.id].returns
            return UNKNOWN if returned is None else self.annotation(returned)
        if isinstance(func, ast.Attribute):
            if path(func) == "dict.fromkeys" and given.given:
                keys, *value = given.given
                return of(dict, element(keys), value[0] if value else None)
            return calls.of_value(self.of(func.value), func.attr, given)
        return UNKNOWN

    def at_once(self, node: ast.Lambda, given: Sequence[Any]) -> Any:
        """A lambda that is called where it is written."""
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        outer, hidden = self.env, self.hidden
        told = {n: Entry(k, k) for n, k in zip(names, given, strict=False)}
        self.env, self.hidden = outer | told, hidden | {*names}
        made = self.of(node.body)
        self.env, self.hidden = outer, hidden
        return made if len(names) == len(given) else UNKNOWN

    def annotation(self, node: ast.expr) -> Any:
        """The type that an annotation in the body names."""
        return evaluated(node, self.function.scope, self.resolve)

    # --- several ways -------------------------------------------------------------------------

    def conditional(self, node: ast.IfExp) -> Any:
        self.of(node.test)
        before = self.env
        kinds: list[Any] = []
        ends: list[Env] = []
        for part, holds in ((node.body, True), (node.orelse, False)):
            self.env = narrowed(before, node.test, holds, self)
            kinds.append(self.of(part))
            ends.append(self.env)
        self.env = met(ends) or before
        return merge(kinds)

    def either(self, node: ast.BoolOp) -> Any:
        """`a or b` is `a` where that is true; `a and b` is `a` where it is false."""
        goes_on = isinstance(node.op, ast.And)
        kinds: list[Any] = []
        ends: list[Env] = []
        for part in node.values:
            kind = self.of(part)
            last = part is node.values[-1]
            kinds.append(kind if last else _kept(kind, falsy=goes_on))
            ends.append(dict(self.env))
            self.env = narrowed(self.env, part, goes_on, self)
        self.env = met(ends) or self.env
        return merge(kinds)

    # --- containers ---------------------------------------------------------------------------

    def subscript(self, node: ast.Subscript) -> Any:
        owner, where = self.of(node.value), node.slice
        if isinstance(where, ast.Slice):
            self.all(p for p in (where.lower, where.upper, where.step) if p is not None)
            return item(owner, slice, _bounds(where), is_slice=True)
        return item(owner, self.of(where), _constant(where), is_slice=False)

    def container(self, node: ast.expr) -> Any:
        match node:
            case ast.Tuple(elts=parts) if not any(isinstance(p, ast.Starred) for p in parts):
                return of(tuple, *self.all(parts))
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                base = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(node)]
                kinds = [self.spread(p) for p in parts]
                return of(tuple, merge(kinds), ...) if base is tuple else display(base, kinds)
            case ast.Dict():
                return self.dictionary(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self.comprehension(node)
            case ast.Starred(value=value):
                return element(self.of(value))
            case _:
                return UNKNOWN

    def spread(self, node: ast.expr) -> Any:
        """An element of a display; `*xs` stands for the elements of `xs`."""
        return self.of(node)

    def dictionary(self, node: ast.Dict) -> Any:
        keys: list[Any] = []
        values: list[Any] = []
        for key, value in zip(node.keys, node.values, strict=True):
            kind = self.of(value)
            inner: list[Any] = [self.of(key), kind] if key else list(typing.get_args(kind))
            keys.append(inner[0] if len(inner) == 2 else UNKNOWN)
            values.append(inner[1] if len(inner) == 2 else UNKNOWN)
        if not keys:
            return display(dict, [])
        return of(dict, merge(keys), merge(values))

    def comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> Any:
        outer, hidden = self.env, self.hidden
        self.env = dict(outer)
        for part in node.generators:
            kind = element(self.of(part.iter))
            names = {n.id for n in walk(part.target) if isinstance(n, ast.Name)}
            self.hidden |= names
            self.assign(part.target, kind)
            for test in part.ifs:
                self.of(test)
                self.env = narrowed(self.env, test, True, self)
        if isinstance(node, ast.DictComp):
            made = of(dict, self.of(node.key), self.of(node.value))
        else:
            inner = self.of(node.elt)
            made = of(list if isinstance(node, ast.ListComp) else set, inner)
            if isinstance(node, ast.GeneratorExp):
                made = of(abc.Generator, inner, None, None)
        walrus = {k: v for k, v in self.env.items() if k not in self.hidden and k not in outer}
        self.env, self.hidden = outer | walrus, hidden
        return made

    def assign(self, target: ast.expr, kind: Any) -> None:
        """Assign a value of this type to a target of whatever form."""
        raise NotImplementedError


def _kept(kind: Any, falsy: bool) -> Any:
    """The part of a type whose values may be false, or true."""
    return without(kind, always_true) if falsy else without(kind, lambda m: m is None)


def _of_constant(value: object) -> Any:
    """The type of a module's constant, if no assignment inside it could change what it is."""
    if isinstance(value, enum.Enum):
        return type(value)
    cls = class_of(value)
    if cls is tuple:
        return of(tuple, *map(_of_constant, cast("tuple[object, ...]", value)))
    return cls if cls in _CONSTANTS else UNKNOWN


def _constant(node: ast.expr) -> object:
    """The value of a literal, `-1` included; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        return -value if isinstance(value, int) else None
    return node.value if isinstance(node, ast.Constant) else None


def _bounds(node: ast.Slice) -> object:
    parts = (node.lower, node.upper, node.step)
    found = [None if p is None else _constant(p) for p in parts]
    known = all(p is None or isinstance(f, int) for p, f in zip(parts, found, strict=True))
    return slice(*found) if known else None
