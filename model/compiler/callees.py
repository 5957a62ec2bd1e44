"""Who is called: the live object behind `await f(...)`, and how arguments meet parameters.

It looks at resolved objects, never at spelling, so `import perdure as p; p.first(...)` is the same
as `first(...)`. It decides nothing about the net.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature
from types import FunctionType
from typing import Any, cast

from ..language import scopes, waits
from ..language.steps import Step
from ..language.waits import Signal
from .live import written
from .trees import walk

Resolve = Callable[[ast.expr], object]
"""The live object a name or dotted name stands for; None when it is a local or unknown."""

_TIMERS: dict[object, tuple[str, str]] = {
    waits.sleep: ("sleep", "span"),
    waits.sleep_until: ("sleep_until", "moment"),
    waits.after: ("after", "span"),
    waits.at: ("at", "moment"),
}
_FORKS: dict[object, str] = {waits.together: "together", waits.first: "first"}


@dataclass(frozen=True)
class StepCallee:
    """A call of a step; `label` is what its places are named after."""

    step: Step[..., Any]
    label: str


@dataclass(frozen=True)
class TimerCallee:
    """`sleep`, `sleep_until`, `after` or `at`, and the name of its parameter."""

    word: str
    parameter: str


@dataclass(frozen=True)
class SignalCallee:
    """`signal.wait()`."""

    signal: Signal[Any]


@dataclass(frozen=True)
class ForkCallee:
    """`together(...)` or `first(...)`."""

    word: str


Callee = StepCallee | TimerCallee | SignalCallee | ForkCallee


def callee(call: ast.expr, resolve: Resolve) -> Callee | None:
    """Tell who `call` calls; None for anything a workflow may not await."""
    if not isinstance(call, ast.Call):
        return None
    named = _named(call.func, resolve)
    if named is not None:
        return named
    if isinstance(call.func, ast.Attribute) and call.func.attr == "wait":
        signal = resolve(call.func.value)
        if isinstance(signal, Signal):
            return SignalCallee(cast("Signal[Any]", signal))
    target = resolve(call.func)
    if isinstance(target, Step):
        target = cast("Step[..., Any]", target)
        return StepCallee(target, target.place_name or target.name)
    try:
        if target in _TIMERS:
            return TimerCallee(*_TIMERS[target])
        if target in _FORKS:
            return ForkCallee(_FORKS[target])
    except TypeError:  # an object that cannot be hashed is none of ours
        return None
    return None


def is_saga(node: ast.expr, resolve: Resolve) -> bool:
    """Whether `async with node` opens a saga."""
    return isinstance(node, ast.Call) and resolve(node.func) is scopes.saga


def steps_in(step: Step[..., Any]) -> list[tuple[Step[..., Any], int]]:
    """The steps that the body of a step calls, with the lines; none where its source is gone."""
    found = written(cast("FunctionType", step.fn))
    if found is None:
        return []
    scope, node = found
    calls = [n for n in walk(node) if isinstance(n, ast.Call)]
    made = [(callee(call, scope.resolve), call.lineno) for call in calls]
    return [(who.step, line) for who, line in made if isinstance(who, StepCallee)]


def _named(func: ast.expr, resolve: Resolve) -> StepCallee | None:
    """`step.named("second try")(...)`."""
    if not (isinstance(func, ast.Call) and isinstance(func.func, ast.Attribute)):
        return None
    if func.func.attr != "named" or len(func.args) != 1:
        return None
    step, name = resolve(func.func.value), func.args[0]
    if isinstance(step, Step) and isinstance(name, ast.Constant) and isinstance(name.value, str):
        return StepCallee(cast("Step[..., Any]", step), name.value)
    return None


@dataclass(frozen=True)
class Misfit(Exception):
    """Arguments that do not fit the parameters, in Python's words."""

    text: str


def arguments(call: ast.Call, signature: Signature) -> tuple[list[tuple[str, ast.expr]], list[str]]:
    """Return `(parameter, expression)` in source order, and the parameters left to defaults."""
    positional = [
        p.name
        for p in signature.parameters.values()
        if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    ]
    given: list[tuple[str, ast.expr]] = []
    for i, node in enumerate(call.args):
        if isinstance(node, ast.Starred):
            raise Misfit("`*` hides which argument goes where")
        if i >= len(positional):
            raise Misfit(f"{len(call.args)} arguments for {len(positional)} parameters")
        given.append((positional[i], node))
    for keyword in call.keywords:
        if keyword.arg is None:
            raise Misfit("`**` hides which argument goes where")
        parameter = signature.parameters.get(keyword.arg)
        if parameter is None or parameter.kind is Parameter.POSITIONAL_ONLY:
            raise Misfit(f"there is no parameter {keyword.arg!r}")
        if any(keyword.arg == name for name, _ in given):
            raise Misfit(f"{keyword.arg!r} is given twice")
        given.append((keyword.arg, keyword.value))
    have = {name for name, _ in given}
    rest = [p for p in signature.parameters.values() if p.name not in have]
    for parameter in rest:
        if parameter.default is Parameter.empty:
            raise Misfit(f"{parameter.name!r} is missing")
    return given, [p.name for p in rest]
