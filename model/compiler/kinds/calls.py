"""What calls give: steps, waits and forks when awaited; classes, functions and methods otherwise.

Types of arguments are given, not found here: that is done in `expressions.py`.
"""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...language.waits import Elapsed
from ..callees import ForkCallee, Resolve, SignalCallee, StepCallee, TimerCallee, callee
from . import builtin_calls, methods
from .containers import of
from .declared import constructed, is_open, method, result, returns
from .lattice import UNKNOWN, class_of, over, union

Of = Callable[[ast.expr], Any]


@dataclass(frozen=True)
class Arguments:
    """The types of a call's arguments, by position and by name."""

    given: tuple[Any, ...]
    named: Mapping[str, Any]

    def by_parameter(self, fn: Callable[..., Any], skipped: int = 0) -> dict[str, Any]:
        """The types by parameter; empty when they do not fit."""
        try:
            signature = inspect.signature(fn)
            bound = signature.bind_partial(*[None] * skipped, *self.given, **self.named)
        except (TypeError, ValueError):
            return {}
        kinds = bound.arguments
        for name in list(kinds)[:skipped]:
            del kinds[name]
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return {n: k for n, k in kinds.items() if signature.parameters[n].kind not in variadic}


def arguments(call: ast.Call, kind_of: Of) -> Arguments:
    """The types of what a call passes."""
    given = tuple(kind_of(a) for a in call.args)
    return Arguments(given, {k.arg or "**": kind_of(k.value) for k in call.keywords})


def awaited(call: ast.expr, resolve: Resolve, kind_of: Of) -> Any:
    """What awaiting `call` gives."""
    match callee(call, resolve):
        case StepCallee(step, _):
            assert isinstance(call, ast.Call)
            found = returns(step)
            return _solved(step, call, kind_of) if is_open(found) else found
        case SignalCallee(signal):
            return signal.payload_type
        case TimerCallee(word, _):
            return Elapsed if word in ("after", "at") else None
        case ForkCallee(word):
            assert isinstance(call, ast.Call)
            kinds = [awaited(a, resolve, kind_of) for a in call.args]
            return union(kinds) if word == "first" else of(tuple, *kinds)
        case _:
            return UNKNOWN


def _solved(step: Any, call: ast.Call, kind_of: Of) -> Any:
    given = arguments(call, kind_of)
    names = list(step.signature.parameters)
    by_name = {**dict(zip(names, given.given, strict=False)), **given.named}
    return result(step.fn, UNKNOWN, by_name)


def function(target: Any, given: Arguments) -> Any:
    """What calling a live object gives."""
    if isinstance(target, typing.NewType):
        return target
    if type(target).__hash__ is None:
        return UNKNOWN
    found = builtin_calls.called(target, given.given, given.named)
    if found is not UNKNOWN:
        return found
    if isinstance(target, type):
        return constructed(target, _construction(target, given))
    if isinstance(target, types.MethodType) and isinstance(target.__func__, types.FunctionType):
        owner = target.__self__ if isinstance(target.__self__, type) else type(target.__self__)
        return result(target.__func__, owner, given.by_parameter(target))
    if isinstance(target, types.FunctionType):
        return result(target, UNKNOWN, given.by_parameter(target))
    return _of_standard_class(target)


def harmless(target: object) -> bool:
    """Whether a call changes none of the objects it is given."""
    return isinstance(target, types.BuiltinFunctionType) and target in builtin_calls.PLAIN


def _construction(cls: type[Any], given: Arguments) -> Mapping[str, Any]:
    return given.by_parameter(cls) if getattr(cls, "__parameters__", ()) else {}


def _of_standard_class(target: Any) -> Any:
    """`datetime.fromisoformat` and so on: builtin methods of a class in the table."""
    owner, name = getattr(target, "__self__", None), getattr(target, "__name__", "")
    known = methods.MADE_BY_CLASS.get(owner, {}) if isinstance(owner, type) else {}
    return known.get(name, UNKNOWN)


def generic(alias: Any) -> Any:
    """`Box[int](...)`: the class as instantiated."""
    return alias if isinstance(typing.get_origin(alias), type) else UNKNOWN


def of_value(owner: Any, name: str, given: Arguments) -> Any:
    """What `value.name(...)` gives, by the type of the value."""

    def one(kind: Any) -> Any:
        own = method(kind, name)
        if own is not None:
            static = isinstance(inspect.getattr_static(class_of(kind), name), staticmethod)
            return result(own, kind, given.by_parameter(own, 0 if static else 1))
        return methods.called(kind, name, given.given)

    return over(owner, one)
