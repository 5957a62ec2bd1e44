"""Odd programs of the supported subset, by hand: each is run three ways, or refused by name.

A comment behind `@workflow` lists the inputs; "gives" and "says" behind it tell what comes out
where that is not what plain Python does.
"""

from __future__ import annotations

import asyncio
import re
from ast import literal_eval
from typing import Any, NamedTuple

import pytest
from perdure.model.compiler.compile import compile_workflow

from . import odd_world
from .differential_runs import Mail, Outcome, run_net, run_python
from .odd_expressions import EXPRESSIONS
from .odd_forks import FORKS
from .odd_jumps import JUMPS
from .odd_loops import LOOPS
from .odd_refused import REFUSED
from .odd_values import APART, KEPT, STALLED
from .odd_world import Card
from .snippets import Case, cases, found_in, load, mark_of, marks

PRELUDE = f"""
import contextlib
import functools
import math
import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from perdure import (
    Elapsed, after, at, first, hours, now, saga, seconds, sleep, sleep_until, together, workflow,
)
from {odd_world.__name__} import *
from {odd_world.__name__} import a, b
import {odd_world.__name__} as world

"""
MAIL: dict[str, Mail] = {
    "none": (),
    "big": (("note", Card("x", 9), 1),),
    "small": (("note", Card("q", 2), 1),),
    "short": (("word", "hi", 0), ("note", Card("z"), 1)),
    "another": (("note", Card("z", 8), 2),),
    "long": (("word", "hello", 2),),
}
_HEAD = re.compile(r"^@workflow  # (\(.*?\))(?: (gives|says) (.*))?$", re.M)


class Odd(NamedTuple):
    """One run of a program; `words` is what follows "gives" or "says"."""

    case: Case
    inputs: tuple[Any, ...]
    words: str = ""


def odd(*groups: str) -> list[Any]:
    """All runs of all programs of some groups."""
    found: list[Any] = []
    for case in [case for group in groups for case in cases(PRELUDE, group)]:
        head = _HEAD.search(case.text)
        assert head is not None, case.name
        runs = re.split(r"(?<=\)) (?=\()", head[1])
        for each in runs:
            words = literal_eval(head[3]) if head[3] else ""
            odd_one = Odd(case, literal_eval(each), words)
            found.append(pytest.param(odd_one, id=f"{case.name}{each}"))
    return found


def outcomes(run: Odd) -> list[Outcome]:
    """By plain Python, by the net in one go, and resumed after every firing."""
    flow = load(run.case.text, run.case.name)
    program = compile_workflow(flow)
    mail = MAIL.get(str(run.inputs[-1]), ()) if run.inputs else ()
    given = flow.signature.bind(*run.inputs)
    given.apply_defaults()
    loop = asyncio.new_event_loop()
    try:
        python = run_python(loop, flow, run.inputs, mail)
    finally:
        loop.close()
    inputs = tuple(given.arguments.values())
    return [python, *(run_net(program, inputs, mail, resume) for resume in (False, True))]


@pytest.mark.filterwarnings("ignore::perdure.model.sharing.SharedObject")
@pytest.mark.parametrize("run", odd(EXPRESSIONS, FORKS, JUMPS, LOOPS, KEPT))
def test_an_odd_program_does_what_python_does(run: Odd) -> None:
    """Result or exception, and everything on the way, in one go and by forced resumes."""
    python, whole, resumed = outcomes(run)
    assert whole == python
    assert resumed == python


@pytest.mark.parametrize("run", odd(STALLED))
def test_a_value_that_has_no_bytes_stalls_before_anything_is_called(run: Odd) -> None:
    """Its type said nothing against it; where it is written, it is refused with the reason."""
    python, whole, resumed = outcomes(run)
    assert python.how == "value"
    assert whole == resumed
    assert (whole.how, whole.trace) == ("stalled", ())
    assert run.words in whole.what[1][0]


@pytest.mark.filterwarnings("ignore::perdure.model.sharing.SharedObject")
@pytest.mark.parametrize("run", odd(APART))
def test_where_a_frame_is_apart_from_python_a_run_and_its_restart_agree(run: Odd) -> None:
    """Shared objects, causes and named zones (C25): what comes out is known, and never changes."""
    python, whole, resumed = outcomes(run)
    assert (whole.how, whole.what) == ("value", run.words)
    assert resumed == whole
    assert python.what != whole.what, "it is not apart any more: move it up"


@pytest.mark.parametrize("case", cases(PRELUDE, REFUSED), ids=lambda c: c.name)
def test_an_odd_program_is_refused_by_name(case: Case) -> None:
    """Code, line, caret and words, with why and fix, and nothing else."""
    found = [f for f in found_in(case.text, case.name) if not f.warning]
    marked = list(marks(case.text))
    assert [mark_of(f) for f in found] == [mark for mark, _ in marked], "\n\n".join(map(str, found))
    for finding, (_, words) in zip(found, marked, strict=True):
        assert words in finding.message
        assert finding.fix
