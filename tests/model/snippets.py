"""Workflows that are text: how they are loaded, and the findings that are marked in them.

No test lives here.
"""

from __future__ import annotations

import itertools
import linecache
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError, Finding
from perdure.model.language.workflows import Workflow

_MARK = re.compile(r"^\s*#\s*(\^+) (PD\d+)( warning)? (.+)$")
_COUNT = itertools.count()


class Mark(NamedTuple):
    """A finding as a source says it: line, columns from 0, code, whether it is a warning."""

    line: int
    start: int
    end: int
    code: str
    warning: bool


class Case(NamedTuple):
    """A workflow by its name, with its whole file."""

    name: str
    text: str


def cases(prelude: str, group: str) -> list[Case]:
    """The workflows of a group, each in a file of its own behind the prelude."""
    parts = re.split(r"^(?=@workflow)", group, flags=re.M)[1:]
    named = [(re.search(r"async def (\w+)", part), part) for part in parts]
    return [Case(m[1], prelude + part) for m, part in named if m is not None]


def marks(text: str) -> Iterator[tuple[Mark, str]]:
    """What a source marks, with words of the message."""
    meant = 0
    for number, line in enumerate(text.splitlines(), 1):
        found = _MARK.match(line)
        if found is None:
            meant = number
        else:
            start, end = found.span(1)
            yield Mark(meant, start, end, found[2], found[3] is not None), found[4]


def load(text: str, name: str) -> Workflow[..., Any]:
    """The workflow `name` of a text, in a module of its own that can be imported by name."""
    module = ModuleType(f"snippet{next(_COUNT)}")
    file = f"<{module.__name__}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module.__file__ = file
    sys.modules[module.__name__] = module
    exec(compile(text, file, "exec", dont_inherit=True), vars(module))
    made: Workflow[..., Any] = vars(module)[name]
    return made


def found_in(text: str, name: str) -> tuple[Finding, ...]:
    """All the compiler says of a workflow, whether it compiles or not."""
    try:
        told = compile_workflow(load(text, name)).warnings
    except CompileError as error:
        return error.findings
    return tuple(w for w in told if isinstance(w, Finding))


def mark_of(finding: Finding) -> Mark:
    """Where a finding is, as sources mark it."""
    at = finding.span
    assert at.line == at.end_line, finding
    return Mark(at.line, at.column, at.end_column, finding.code, finding.warning)
