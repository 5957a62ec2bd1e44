"""Sync code between awaits does in a net what it does in a plain function (C4, C23, C24).

Programs are random, but the same each time. What happens outside the code between two awaits is
held by the differential test.
"""

from __future__ import annotations

import asyncio
import linecache
import random
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.language.workflows import Workflow, workflow

from . import differential_world as world
from .differential_runs import Outcome, run_net, run_python, same, stalled_on
from .sync_bodies import program

PROGRAMS = 1000 if settings.get_current_profile_name() == "nightly" else 60
INPUTS = ((0, 0), (1, 2), (5, 3), (9, 9))


class Door:
    """A context manager that notes when it is left, and raises for some arguments."""

    def __init__(self, tag: int, n: int) -> None:
        self.tag, self.n = tag, n

    def __enter__(self) -> None:
        world.mark(self.tag, self.n)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        world.mark(self.tag, -1)
        if self.n % 3 == 1:
            raise world.Other(self.n)


def load(text: str, number: int) -> Workflow[..., Any]:
    """The workflow of a text, in a module of its own."""
    file = f"<sync {number}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {n: v for n, v in vars(world).items() if not n.startswith("__")}
    scope |= {"Door": Door, "suppress": suppress, "workflow": workflow, "__name__": file}
    exec(compile(text, file, "exec", dont_inherit=True), scope)
    made: Workflow[..., Any] = scope["w"]
    return made


def lines(error: BaseException, file: str) -> list[int | None]:
    """The lines of the author's file in a traceback."""
    return [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]


def difference(loop: asyncio.AbstractEventLoop, text: str, number: int) -> tuple[str, Counter[str]]:
    """What a net does otherwise than Python, if anything, and how the runs ended."""
    flow, ends = load(text, number), Counter[str]()
    compiled = compile_workflow(flow)
    file = f"<sync {number}>"
    for inputs in INPUTS:
        python = run_python(loop, flow, inputs, ())
        net = run_net(compiled, inputs, (), resume=True)
        ends[net.how] += 1
        told = f"program {number}, inputs {inputs}\npython {python}\nnet    {net}\n{text}"
        if not same(python, net, again=True) and not _meant(python, net):
            return told, ends
        if net.how == "stalled":
            errors = stalled_on(compiled, inputs, ()), _raised_at(loop, flow, inputs)
            if lines(errors[0], file) != lines(errors[1], file):
                return f"other lines\n{told}", ends
    return "", ends


def _meant(python: Outcome, net: Outcome) -> bool:
    """An accident in both, told by the stall where Python unwinds."""
    return net.how == "stalled" and python[1:] == net[1:]


def _raised_at(
    loop: asyncio.AbstractEventLoop, flow: Workflow[..., Any], inputs: tuple[int, int]
) -> BaseException:
    try:
        loop.run_until_complete(flow.direct(*inputs))
    except Exception as error:
        return error
    raise AssertionError("it raises nothing")


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop for `.direct`."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_glue_does_what_the_plain_function_does(loop: asyncio.AbstractEventLoop) -> None:
    """Result, exit, exception and its lines; and all of these occur."""
    ends, refused = Counter[str](), 0
    for number in range(PROGRAMS):
        text = program(random.Random(number))
        try:
            found, how = difference(loop, text, number)
        except CompileError as error:
            assert {f.code for f in error.findings if not f.warning} == {"PD207"}, error
            refused += 1
            continue
        assert not found, found
        ends += how
    assert refused < PROGRAMS / 10
    assert min(ends[how] for how in ("value", "raised", "stalled")) > PROGRAMS / 10, ends


@given(st.randoms(use_true_random=False))
def test_glue_does_what_the_plain_function_does_shrinking(r: random.Random) -> None:
    """The same with Hypothesis as dice: what fails is told by a small program."""
    text = program(r)
    made = asyncio.new_event_loop()
    try:
        found, _ = difference(made, text, -1)
    except CompileError:
        return
    finally:
        made.close()
    assert not found, found
