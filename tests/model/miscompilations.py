"""Planted miscompilations: each makes the compiler, or the firing, wrong in one way.

They show what the differential test can see. Each patches one function for as long as the
`monkeypatch` given lasts; none is known to the code under test.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from perdure.model import firing, marking
from perdure.model.compiler import emit, glue, normal
from perdure.model.compiler.blocks import Leave
from perdure.model.compiler.calls import Calls
from perdure.model.compiler.emit import Emitter
from perdure.model.compiler.expressions import Expressions
from perdure.model.compiler.rewrite import Rewriter
from perdure.model.net import StackOp

Patch = Callable[[pytest.MonkeyPatch], None]


def _wrapped(patch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace `owner.name` by a function that gets the true one first."""
    true = getattr(owner, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return change(true, *args, **kwargs)

    patch.setattr(owner, name, wrapper)


def else_dropped(patch: pytest.MonkeyPatch) -> None:
    """The other branch of an `if` is empty."""

    def change(true: Any, self: Any, word: str, test: Any, shown: Any, at: Any, *ways: Any) -> None:
        then, other = ways
        true(self, word, test, shown, at, then, (lambda: None) if word == "if" else other)

    _wrapped(patch, Expressions, "choose", change)


def loop_off_by_one(patch: pytest.MonkeyPatch) -> None:
    """`for` begins with the second element."""

    def change(true: Any, name: str, value: ast.expr, at: ast.AST) -> Any:
        first = name.startswith("$pos") and isinstance(value, ast.Constant)
        return true(name, ast.copy_location(ast.Constant(1), at) if first else value, at)

    _wrapped(patch, normal, "assign", change)


def live_variable_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Glue does not hand out the last variable it changed."""
    from perdure.model.compiler.flow import _Passes  # pyright: ignore[reportPrivateUsage]  # fault

    def change(true: Any, self: Any, place: Any, live: Any) -> Any:
        reads, writes = true(self, place, live)
        return reads, tuple(w[:-1] if w and w[-1] in reads else w for w in writes)

    _wrapped(patch, _Passes, "signature", change)


def handlers_swapped(patch: pytest.MonkeyPatch) -> None:
    """The last handler is asked first."""

    def change(true: Any, self: Any, block: Any, ways: Any) -> Any:
        return true(self, replace(block, handlers=block.handlers[::-1]), ways)

    _wrapped(patch, Emitter, "try_", change)


def break_continues(patch: pytest.MonkeyPatch) -> None:
    """`break` is taken as `continue`."""

    def change(true: Any, self: Rewriter, node: ast.Break) -> Any:
        return true(self, node) if self.depth else Leave("continue", node)

    _wrapped(patch, Rewriter, "visit_Break", change)


def argument_after(patch: pytest.MonkeyPatch) -> None:
    """What stands before an await in an expression is evaluated after it."""

    def change(true: Any, self: Any, value: Any, *more: Any, **named: Any) -> Any:
        return value

    _wrapped(patch, Expressions, "_kept", change)


def undo_reversed(patch: pytest.MonkeyPatch) -> None:
    """The first effect is undone first."""

    def change(true: Any, net: Any, told: Any, env: dict[str, Any], moment: Any) -> None:
        true(net, told, env, moment)
        if told.stack_op is StackOp.PUSH:
            *rest, last = env[told.stack]
            env[told.stack] = (last, *rest)

    _wrapped(patch, marking, "_stack", change)


def join_takes_one_twice(patch: pytest.MonkeyPatch) -> None:
    """`together` gives the first branch's result for every branch."""

    def change(true: Any, self: Any, results: tuple[str, ...], node: Any, binds: str) -> Any:
        return true(self, results[:1] * len(results), node, binds)

    _wrapped(patch, Calls, "_tuple", change)


def saga_kept_open(patch: pytest.MonkeyPatch) -> None:
    """A saga is not left by `return`: its scope stays."""

    def change(
        true: Any, self: Any, name: str, kind: Any, take: Any, put: Any, **more: Any
    ) -> None:
        if name == "saga ends by return":
            put = [*put, take[1]]
        true(self, name, kind, take, put, **more)

    _wrapped(patch, Emitter, "transition", change)


def first_contender_always(patch: pytest.MonkeyPatch) -> None:
    """`first` of waits knows its first contender only."""

    def change(true: Any, emitter: Any, block: Any, ways: Any) -> Any:
        return true(emitter, replace(block, sites=block.sites[:1]), ways)

    _wrapped(patch, emit, "emit_wait", change)


def saga_undoes_nothing(patch: pytest.MonkeyPatch) -> None:
    """A saga left by an exception keeps what was done."""

    def change(true: Any, emitter: Any, block: Any, ways: Any) -> Any:
        return emitter.emit(block.body, ways)

    _wrapped(patch, emit, "emit_saga", change)


def else_of_try_guarded(patch: pytest.MonkeyPatch) -> None:
    """The `else` of a `try` is guarded by its handlers."""

    def change(true: Any, self: Any, block: Any, ways: Any) -> Any:
        items = (*block.body.items, *block.orelse.items)
        body = replace(block.body, items=items)
        return true(self, replace(block, body=body, orelse=replace(block.orelse, items=())), ways)

    _wrapped(patch, Emitter, "try_", change)


def wrong_case(patch: pytest.MonkeyPatch) -> None:
    """`match` goes the way of the next case."""

    def change(true: Any, self: Any, block: Any, name: str, code: Any, ways: Any) -> Any:
        cases = [label for label in ways.to if label.startswith("case ")]
        if name.startswith("match"):
            turned = zip(cases, [*cases[1:], *cases[:1]], strict=True)
            ways = replace(ways, to={**ways.to, **{a: ways.to[b] for a, b in turned}})
        return true(self, block, name, code, ways)

    _wrapped(patch, Emitter, "glue", change)


def and_taken_as_or(patch: pytest.MonkeyPatch) -> None:
    """`a and await b` evaluates `b` when `a` is false."""

    def change(true: Any, self: Any, name: str, both: bool, values: Any) -> Any:
        return true(self, name, not both, values)

    _wrapped(patch, Expressions, "_bool", change)


def accident_taken_as_meant(patch: pytest.MonkeyPatch) -> None:
    """An exception nobody meant leaves the glue as if it had been raised on purpose."""

    def change(true: Any, error: Any, types: Any) -> bool:
        return True

    _wrapped(patch, glue, "leaves", change)


def change_in_place_lost(patch: pytest.MonkeyPatch) -> None:
    """A list that grew in place is not written back."""

    def change(true: Any, program: Any, name: str, env: dict[str, Any], delta: Any) -> int:
        before = dict(env)
        number: int = true(program, name, env, delta)
        written = program.glue[name].writes[number]
        for variable in program.glue[name].reads:
            if variable not in written:
                env[variable] = before[variable]
                delta.pop(variable, None)
        return number

    _wrapped(patch, firing, "_run", change)


PLANTED: tuple[Patch, ...] = (
    else_dropped,
    loop_off_by_one,
    live_variable_forgotten,
    handlers_swapped,
    break_continues,
    argument_after,
    undo_reversed,
    join_takes_one_twice,
    saga_kept_open,
    first_contender_always,
    saga_undoes_nothing,
    else_of_try_guarded,
    wrong_case,
    and_taken_as_or,
    accident_taken_as_meant,
    change_in_place_lost,
)
