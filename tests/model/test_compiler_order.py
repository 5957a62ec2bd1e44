"""An expression with awaits is evaluated in CPython's order, whatever it is made of (C5)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure.model.compiler.compile import compile_workflow

from .differential_runs import load, run_net, run_python, same

PROGRAMS = 250
INPUTS = ((0, 0), (3, 1), (6, 4))


class _Expressions:
    """Random int expressions in which everything that is evaluated leaves a trace."""

    def __init__(self, r: random.Random) -> None:
        self.r, self.tags = r, 0
        self.kinds = Counter[str]()

    def tag(self) -> int:
        self.tags += 1
        return self.tags

    def of(self, depth: int) -> str:
        if depth <= 0:
            return f"mark({self.tag()}, {self.r.choice('xy')})"
        kind = self.r.choice(_FORMS)
        self.kinds[kind.__name__] += 1
        return kind(self, depth - 1)

    def step(self, d: int) -> str:
        return f"(await add({self.tag()}, {self.of(d)}, {self.of(d - 1)}))"

    def by_name(self, d: int) -> str:
        return f"(await add({self.tag()}, b={self.of(d)}, a={self.of(d - 1)}))"

    def traced(self, d: int) -> str:
        return f"mark({self.tag()}, {self.of(d)})"

    def binary(self, d: int) -> str:
        return f"({self.of(d)} {self.r.choice('+-*')} {self.of(d)}) % 50"

    def unary(self, d: int) -> str:
        return f"-{self.of(d)} % 50"

    def compared(self, d: int) -> str:
        return f"int({self.of(d)} {self.r.choice(['<', '==', '>='])} {self.of(d)})"

    def lazy(self, d: int) -> str:
        return f"({self.of(d)} {self.r.choice(['and', 'or'])} {self.of(d)})"

    def negated(self, d: int) -> str:
        return f"int(not {self.of(d)})"

    def conditional(self, d: int) -> str:
        return f"({self.of(d)} if {self.of(d)} % 2 else {self.of(d)})"

    def called(self, d: int) -> str:
        return f"max({self.of(d)}, {self.of(d - 1)}, {self.of(d)})"

    def listed(self, d: int) -> str:
        return f"sum([{self.of(d)}, *[{self.of(d - 1)}], {self.of(d)}])"

    def mapped(self, d: int) -> str:
        return f"len({{{self.of(d)}: {self.of(d)}, {self.of(d - 1)}: {self.of(d)}}})"

    def indexed(self, d: int) -> str:
        return f"[{self.of(d)}, {self.of(d - 1)}][{self.of(d)} % 2]"

    def walrus(self, d: int) -> str:
        name = self.r.choice("xy")
        return f"(({name} := {self.of(d)}) + {name})"


_FORMS: tuple[Callable[[_Expressions, int], str], ...] = (
    _Expressions.step,
    _Expressions.step,
    _Expressions.step,
    _Expressions.by_name,
    _Expressions.traced,
    _Expressions.binary,
    _Expressions.unary,
    _Expressions.compared,
    _Expressions.lazy,
    _Expressions.negated,
    _Expressions.conditional,
    _Expressions.called,
    _Expressions.listed,
    _Expressions.mapped,
    _Expressions.indexed,
    _Expressions.walrus,
)


def program(r: random.Random) -> tuple[str, Counter[str]]:
    """A workflow that returns one expression, and what the expression is made of."""
    made = _Expressions(r)
    value = made.of(4)
    return f"@workflow\nasync def w(x: int, y: int) -> int:\n    return {value}\n", made.kinds


def difference(loop: asyncio.AbstractEventLoop, text: str, number: int) -> str:
    """What the net does in another order than Python; empty when nothing."""
    flow = load(text, number)
    compiled = compile_workflow(flow)
    for inputs in INPUTS:
        python, net = run_python(loop, flow, inputs, ()), run_net(compiled, inputs, ())
        if not same(python, net):
            return f"program {number}, inputs {inputs}\npython {python}\nnet    {net}\n{text}"
    return ""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop for `.direct`."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_an_expression_is_evaluated_in_pythons_order(loop: asyncio.AbstractEventLoop) -> None:
    """The same value and the same trace, calls and awaits mixed; every form occurs often."""
    kinds, several = Counter[str](), 0
    for number in range(PROGRAMS):
        text, made = program(random.Random(number))
        found = difference(loop, text, number)
        assert not found, found
        kinds += made
        several += text.count("await") > 1
    assert several > PROGRAMS / 2
    assert min(kinds[form.__name__] for form in _FORMS) > PROGRAMS / 10, kinds


@given(st.randoms(use_true_random=False))
def test_an_expression_is_evaluated_in_pythons_order_shrinking(r: random.Random) -> None:
    """The same with Hypothesis as dice: what fails is told by a small expression."""
    text, _ = program(r)
    made = asyncio.new_event_loop()
    try:
        found = difference(made, text, 0)
    finally:
        made.close()
    assert not found, found
