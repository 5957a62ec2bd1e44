"""A problem of the user's source as text: code, what, where with a caret, why, fix, more.

The same shape for the compiler's findings and the checker's. What is a problem is decided there.
Nothing is looked up here.
"""

from __future__ import annotations

from collections.abc import Sequence
from linecache import getline

from ..model.compiler.findings import CompileError, Finding
from ..model.net import Span

BEFORE = 2


def problem(
    code: str,
    what: str,
    span: Span | None,
    why: str = "",
    fix: str = "",
    *,
    warning: bool = False,
    walk: Sequence[str] = (),
) -> str:
    """Several lines, without a newline at the end."""
    where = f"{span.file}:{span.line}:{span.column + 1}: " if span else ""
    lines = [f"{where}{code} {'warning: ' if warning else ''}{what}"]
    lines += excerpt(span) if span else []
    lines += [f"  why  {why}"] if why else []
    lines += [f"  fix  {fix}"] if fix else []
    lines += [f"  {'run ' if i == 0 else '    '} {stop}" for i, stop in enumerate(walk)]
    return "\n".join([*lines, f"  more perdure explain {code}"])


def excerpt(span: Span) -> list[str]:
    """The line with a caret under the part that is meant, and the lines before it."""
    numbers = range(max(1, span.line - BEFORE), span.line + 1)
    source = [(n, getline(span.file, n).rstrip("\n")) for n in numbers]
    if not source[-1][1]:
        return []
    text = source[-1][1]
    end = span.end_column if span.end_line == span.line else len(text)
    caret = " " * len(text[: span.column].expandtabs()) + "^" * max(1, end - span.column)
    shown = [f"{n:5d} | {line.expandtabs()}".rstrip() for n, line in source]
    return [*shown, f"      | {caret}"]


def told_finding(f: Finding) -> str:
    """A compiler's finding for people."""
    return problem(f.code, f.message, f.span, f.why, f.fix, warning=f.warning)


def told_error(error: CompileError) -> str:
    """All problems of a workflow that does not compile."""
    return "\n\n".join(map(told_finding, error.findings))
