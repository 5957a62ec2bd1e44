"""Types of variables and expressions, as far as resolved objects and a few tables tell them.

It never guesses: what it cannot tell is `UNKNOWN`, and the author is asked for an annotation.
"""

from __future__ import annotations

import ast
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from ..language.ambient import now
from ..language.steps import Step
from ..language.waits import Elapsed
from .callees import ForkCallee, SignalCallee, StepCallee, TimerCallee, callee
from .live import Function

UNKNOWN = object()
_TABLE: dict[object, Any] = {
    len: int, str: str, int: int, float: float, bool: bool, repr: str, isinstance: bool, any: bool,
    all: bool, ord: int, chr: str,
}  # fmt: skip
_MATCH_SELF: tuple[object, ...] = (bool, bytes, dict, float, int, list, set, str, tuple)
_TEXT = {"upper", "lower", "strip", "replace", "join", "format", "title"}
_METHOD: dict[type[ast.operator], str] = {ast.Add: "__add__", ast.Mult: "__mul__"}
_SAME = frozenset({ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod})


class Kinds:
    """The types in one workflow; `variables` is filled by `settle`."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.variables: dict[str, Any] = {}
        self.declared: set[str] = set()

    def settle(self) -> None:
        """Walk the assignments until the types of the variables stand."""
        for name, hint in hints(self.function.fn).items():
            if name != "return":
                self.variables[name] = hint
                self.declared.add(name)
        for node in ast.walk(self.function.node):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.variables[node.target.id] = self.annotation(node.annotation)
                self.declared.add(node.target.id)
        for settled in (False, False, False, True):
            before = dict(self.variables)
            self.assigned: dict[str, list[Any]] = {}
            for node in ast.walk(self.function.node):
                self._assignment(node)
            for name, found in self.assigned.items():
                if name not in self.declared:
                    # A loop feeds a variable its own type: what is not known yet adds nothing.
                    known = [k for k in found if k is not UNKNOWN]
                    self.variables[name] = join(found if settled else known)
            if settled and self.variables == before:
                return

    def _assignment(self, node: ast.AST) -> None:
        match node:
            case ast.Assign():
                for target in node.targets:
                    self._bind(target, self.of(node.value))
            case ast.NamedExpr():
                self._bind(node.target, self.of(node.value))
            case ast.AugAssign(target=ast.Name(id=name)):
                if name in self.variables:
                    made = self._operation(node.op, self.variables[name], self.of(node.value))
                    self._bind(node.target, made)
            case ast.For():
                self._bind(node.target, self.element(node.iter))
            case ast.Match():
                subject = self.of(node.subject)
                for case in node.cases:
                    self._pattern(case.pattern, subject)
            case _:
                pass

    def _bind(self, target: ast.expr, kind: Any) -> None:
        if isinstance(target, ast.Name):
            self.assigned.setdefault(target.id, []).append(kind)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for i, part in enumerate(target.elts):
                self._bind(part, _position(kind, i))

    def _pattern(self, pattern: ast.pattern, subject: Any) -> None:
        match pattern:
            case ast.MatchAs(name=str(name), pattern=inner):
                if isinstance(inner, ast.MatchClass):
                    subject = self.function.resolve(inner.cls) or UNKNOWN
                self.assigned.setdefault(name, []).append(subject)
                if inner is not None:
                    self._pattern(inner, subject)
            case ast.MatchClass():
                cls = self.function.resolve(pattern.cls)
                fields = _fields(cls)
                if cls in _MATCH_SELF and pattern.patterns:
                    self._pattern(pattern.patterns[0], cls)
                    return
                positions = getattr(cls, "__match_args__", ())
                named = zip((*positions[: len(pattern.patterns)], *pattern.kwd_attrs),
                            (*pattern.patterns, *pattern.kwd_patterns), strict=False)  # fmt: skip
                for name, inner in named:
                    self._pattern(inner, fields.get(name, UNKNOWN))
            case ast.MatchOr(patterns=options):
                for option in options:
                    self._pattern(option, subject)
            case ast.MatchSequence(patterns=parts):
                for i, part in enumerate(parts):
                    self._pattern(part, _position(subject, i))
            case _:
                pass

    def annotation(self, node: ast.expr) -> Any:
        """The type that an annotation in the body names."""
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Constant(value=str(text)):
                return self.annotation(ast.parse(text, mode="eval").body)
            case ast.Name() | ast.Attribute():
                found = self.function.resolve(node)
                return UNKNOWN if found is None else found
            case ast.BinOp(op=ast.BitOr()):
                left, right = self.annotation(node.left), self.annotation(node.right)
                return UNKNOWN if UNKNOWN in (left, right) else left | right
            case ast.Subscript():
                base = self.annotation(node.value)
                inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                parts = tuple(
                    ... if isinstance(p, ast.Constant) and p.value is ... else self.annotation(p)
                    for p in inner
                )
                if base is UNKNOWN or UNKNOWN in parts:
                    return UNKNOWN
                return base[parts if len(parts) != 1 else parts[0]]
            case _:
                return UNKNOWN

    def of(self, node: ast.AST) -> Any:
        """The type of an expression."""
        match node:
            case ast.Constant(value=value):
                return None if value is None else type(value)
            case ast.Starred(value=value):
                return self.element(value)
            case ast.JoinedStr():
                return str
            case ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return bool
            case ast.Name(id=name):
                if name in self.function.local:
                    return self.variables.get(name, UNKNOWN)
                value = self.function.resolve(node)
                return type(value) if isinstance(value, (int, str, float)) else UNKNOWN
            case ast.Await(value=call):
                return self.result(call)
            case ast.NamedExpr(value=value) | ast.UnaryOp(operand=value):
                return self.of(value)
            case ast.Attribute(value=value, attr=name):
                return _fields(self.of(value)).get(name, UNKNOWN)
            case ast.Call():
                return self._called(node)
            case ast.BinOp():
                return self._operation(node.op, self.of(node.left), self.of(node.right))
            case ast.IfExp():
                return join([self.of(node.body), self.of(node.orelse)])
            case ast.BoolOp():
                return join([self.of(v) for v in node.values])
            case ast.Tuple(elts=parts):
                kinds = [self.of(p) for p in parts]
                return _tuple(kinds)
            case ast.List(elts=parts) | ast.Set(elts=parts) if parts:
                kind = join([self.of(p) for p in parts])
                base = list if isinstance(node, ast.List) else set
                return UNKNOWN if kind is UNKNOWN else types.GenericAlias(base, (kind,))
            case ast.Dict(keys=keys, values=values) if keys and None not in keys:
                sides = join([self.of(k) for k in keys if k]), join([self.of(v) for v in values])
                return UNKNOWN if UNKNOWN in sides else types.GenericAlias(dict, sides)
            case ast.ListComp(generators=[part]):
                kind = self._inside(part, node.elt)
                return UNKNOWN if kind is UNKNOWN else types.GenericAlias(list, (kind,))
            case ast.Subscript(value=value, slice=index):
                return self._item(self.of(value), index)
            case _:
                return UNKNOWN

    def result(self, call: ast.expr) -> Any:
        """What awaiting `call` gives."""
        match callee(call, self.function.resolve):
            case StepCallee(step, _):
                return returns(step)
            case SignalCallee(signal):
                return signal.payload_type
            case TimerCallee(word, _):
                return Elapsed if word in ("after", "at") else None
            case ForkCallee(word):
                assert isinstance(call, ast.Call)
                kinds = [self.result(a) for a in call.args]
                if word == "first":
                    return join(kinds, strict=False)
                return _tuple(kinds)
            case _:
                return UNKNOWN

    def element(self, node: ast.expr) -> Any:
        """What iterating an expression gives."""
        if isinstance(node, ast.Call):
            target, args = self.function.resolve(node.func), node.args
            if target is range:
                return int
            if target is enumerate:
                return _tuple([int, self.element(args[0])])
            if target is zip:
                return _tuple([self.element(a) for a in args])
            if isinstance(node.func, ast.Attribute) and node.func.attr in (
                "items",
                "keys",
                "values",
            ):
                pair = typing.get_args(self.of(node.func.value))
                if len(pair) == 2:
                    whole = _tuple(list(pair))
                    return {"items": whole, "keys": pair[0], "values": pair[1]}[node.func.attr]
            if target in (sorted, reversed, list, tuple) and args:
                return self.element(args[0])
        if isinstance(node, (ast.Tuple, ast.List)):
            return join([self.of(p) for p in node.elts], strict=False)
        return element(self.of(node))

    def _inside(self, part: ast.comprehension, result: ast.expr) -> Any:
        outer, kind = dict(self.variables), self.element(part.iter)
        local = self.function.local
        if isinstance(part.target, ast.Name):
            self.variables[part.target.id] = kind
            self.function = dataclasses.replace(self.function, local=local | {part.target.id})
        made = self.of(result)
        self.variables = outer
        self.function = dataclasses.replace(self.function, local=local)
        return made

    def _called(self, node: ast.Call) -> Any:
        target = self.function.resolve(node.func)
        if target is not None and target.__hash__ is not None and target in _TABLE:
            return _TABLE[target]
        if target is now:
            return hints(now).get("return", UNKNOWN)
        if target in (list, sorted, tuple) and node.args:
            kind = self.element(node.args[0])
            if kind is UNKNOWN:
                return UNKNOWN
            return tuple[kind, ...] if target is tuple else types.GenericAlias(list, (kind,))
        if target in (max, min, sum, abs, round) and node.args:
            alone = len(node.args) == 1 and target in (max, min, sum)
            return self.element(node.args[0]) if alone else join([self.of(a) for a in node.args])
        if isinstance(target, type):
            return target
        if isinstance(target, types.FunctionType):
            return hints(target).get("return", UNKNOWN)
        if isinstance(node.func, ast.Attribute):
            owner = self.of(node.func.value)
            if owner is str and node.func.attr in _TEXT:
                return str
            method = getattr(owner, node.func.attr, None) if isinstance(owner, type) else None
            if isinstance(method, types.FunctionType):
                return hints(method).get("return", UNKNOWN)
        return UNKNOWN

    def _item(self, owner: Any, index: ast.expr) -> Any:
        if isinstance(index, ast.Slice):
            return owner
        if owner is str:
            return str
        parts, base = typing.get_args(owner), typing.get_origin(owner)
        if base is dict and len(parts) == 2:
            return parts[1]
        if base is tuple and isinstance(index, ast.Constant) and isinstance(index.value, int):
            return _position(owner, index.value)
        return element(owner)

    def _operation(self, op: ast.operator, left: Any, right: Any) -> Any:
        numbers = {bool, int, float}
        if left in numbers and right in numbers and not isinstance(op, ast.Pow):
            if isinstance(op, ast.Div):
                return float
            return float if float in (left, right) else int
        if left is str and isinstance(op, (ast.Mod, ast.Mult)):
            return str
        if type(op) in _SAME and left == right and left is not UNKNOWN:
            return left
        method = _METHOD.get(type(op), "")
        name = getattr(left, "__name__", "") if method else ""
        if (name, method) in (("datetime", "__add__"), ("timedelta", "__mul__")):
            return left
        return left if name == "list" and left == right else UNKNOWN


def hints(fn: Callable[..., Any]) -> Mapping[str, Any]:
    """The resolved annotations of a function; empty when they cannot be resolved."""
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except NameError:
        return {}


def returns(step: Step[..., Any]) -> Any:
    """The declared result of a step."""
    found = hints(step.fn).get("return", UNKNOWN)
    return None if found is type(None) else found


def element(kind: Any) -> Any:
    """What iterating a value of this type gives."""
    parts, base = typing.get_args(kind), typing.get_origin(kind)
    if kind is str:
        return str
    if base is tuple and not (len(parts) == 2 and parts[1] is ...):
        return join(list(parts), strict=False)
    return parts[0] if base in (list, set, frozenset, dict, tuple) and parts else UNKNOWN


def join(kinds: list[Any], strict: bool = True) -> Any:
    """The one type of several; unrelated ones are unknown unless a union is what is meant."""
    unique = list(dict.fromkeys(kinds))
    if UNKNOWN in unique or not unique:
        return UNKNOWN
    if len(unique) == 1:
        return unique[0]
    if all(k in (bool, int, float) for k in unique):
        return float if float in unique else int
    if not strict or (None in unique and len(unique) == 2):
        made: Any = type(None) if unique[0] is None else unique[0]
        for kind in unique[1:]:
            made = made | kind
        return made
    return UNKNOWN


def _tuple(kinds: list[Any]) -> Any:
    return UNKNOWN if UNKNOWN in kinds else types.GenericAlias(tuple, tuple(kinds))


def _position(kind: Any, index: int) -> Any:
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and not (len(parts) == 2 and parts[1] is ...):
        return parts[index] if -len(parts) <= index < len(parts) else UNKNOWN
    return element(kind)


def _fields(cls: object) -> Mapping[str, Any]:
    if not isinstance(cls, type):
        return {}
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return {}
