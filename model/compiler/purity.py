"""The purity lint: effects, clocks and dice between two awaits (PD220), code made there (PD108).

It resolves names through the live module and looks one level into plain helpers of the same
package. A lint, not a proof: what a method of a local object does is not known.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterator

from ..language.steps import Step
from ..language.workflows import Workflow
from .build import Builder
from .callees import Resolve
from .known import known_as, reach
from .live import Function, definition
from .outside import CODE, OUTSIDE, Touch, touch
from .places import condition
from .trees import walk

_WHY = "a crash repeats silently what runs between two awaits, and nothing records it"
_GUESS = "after a crash it may come out otherwise, and the log cannot tell why"


def purity(function: Function, build: Builder) -> None:
    """Report what the sync code of a workflow, and its helpers, do outside."""
    told: set[int] = set()  # in `Thread(...).start()` one finding is enough
    for node in _walked(function.node.body):
        if isinstance(node, ast.Call) and id(node) not in told:
            if _call(node, function, build):
                told |= {id(n) for n in walk(node.func)}
        elif isinstance(node, ast.Subscript):
            _setting(node, function, build)


def _walked(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from walk(node)


def _call(node: ast.Call, function: Function, build: Builder) -> bool:
    target = reach(node.func, function.resolve)
    if target is None:
        return False
    name = _name(node.func, target, function.resolve)
    if name in CODE or (name == "builtins.vars" and not node.args):
        text = f"the net cannot see inside `{condition(node.func)}`"
        why = "it makes code or names at run time"
        build.problem("PD108", node, text, why, "write it out, or make it a step")
        return True
    found = touch(name)
    if found is not None:
        _report(node, f"`{condition(node.func)}` {found.does}", found, build)
        return True
    helped = _helper(target, function)
    for inner, line in helped:
        shown = condition(node.func)
        text = f"`{shown}` calls `{inner[0]}` (line {line}), which {inner[1].does}"
        _report(node, text, inner[1], build)
    return bool(helped)


def _report(node: ast.AST, text: str, found: Touch, build: Builder) -> None:
    why = _GUESS if found.lint else _WHY
    build.problem("PD220", node, f"{text}, between two awaits", why, found.fix, warning=found.lint)


def _setting(node: ast.Subscript, function: Function, build: Builder) -> None:
    """`os.environ[...]`: looked at, or set."""
    target = reach(node.value, function.resolve)
    if target is None or not known_as(target).startswith("os._Environ"):
        return
    lint = isinstance(node.ctx, ast.Load)
    found = OUTSIDE["os.environ"] if lint else OUTSIDE["requests"]
    does = found.does if lint else "is changed"
    _report(node, f"`{condition(node)}` {does}", found, build)


def _helper(target: object, function: Function) -> list[tuple[tuple[str, Touch], int]]:
    """What a plain function of the same package does itself, each name once."""
    if isinstance(target, (Step, Workflow)):
        return []  # what a step does is recorded, also if it is a plain `def`
    fn: object = inspect.unwrap(target) if callable(target) else None
    if not isinstance(fn, types.FunctionType) or fn.__code__.co_flags & inspect.CO_COROUTINE:
        return []
    if _package(fn) != _package(function.fn) or _package(fn) == "perdure":
        return []
    found = definition(fn)
    if found is None:
        return []
    seen: dict[str, tuple[tuple[str, Touch], int]] = {}
    for node in walk(found.node):
        if isinstance(node, ast.Call):
            does = touch(_known(node.func, found.resolve))
            if does is not None:
                shown = condition(node.func)
                seen.setdefault(shown, ((shown, does), node.lineno))
    return list(seen.values())


def _name(func: ast.expr, target: object, resolve: Resolve) -> str:
    """The dotted name of a callee; a method that is only inherited is its object's."""
    name = known_as(target)
    if touch(name) is None and isinstance(func, ast.Attribute):
        owner = reach(func.value, resolve)
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            return f"{known_as(owner)}.{func.attr}"
    return name


def _known(node: ast.expr, resolve: Resolve) -> str:
    target = reach(node, resolve)
    return _name(node, target, resolve) if target is not None else ""


def _package(fn: types.FunctionType | types.MethodType) -> str:
    return (fn.__module__ or "").partition(".")[0]
