"""Random programs by number, each compiled once per process as long as they are not too many.

No test lives here, and nothing is run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache

from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.program import Program

from .differential_runs import load
from .programs import Source, generate

FILES = 1_000_000
"""Texts of these programs have file numbers from here on: apart from those of other tests."""


def source(number: int) -> Source:
    """The text of program `number`."""
    return generate(random.Random(number))


@lru_cache(maxsize=2000)
def compiled(number: int) -> Program | None:
    """Program `number`, or None where the compiler refuses it."""
    try:
        return compile_workflow(load(source(number).text, FILES + number))
    except CompileError:
        return None


def programs(numbers: range) -> Iterator[tuple[int, Program]]:
    """The programs of these numbers that compile."""
    for number in numbers:
        program = compiled(number)
        if program is not None:
            yield number, program
