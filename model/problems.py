"""A problem of an author's source as text: code, what, where with a caret, why, fix, more.

One shape for the findings of the compiler and of the checker, wherever they are shown: in a
terminal, on a page, or as the message of an error. What is a problem is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from linecache import getline

from .net import Span

BEFORE = 2
"""So many lines are shown before the one that is meant."""


def told(
    code: str,
    what: str,
    span: Span | None,
    why: str = "",
    fix: str = "",
    *,
    warning: bool = False,
    walk: Sequence[str] = (),
) -> str:
    """Several lines, without a newline at the end; `walk` is a run that shows the problem."""
    where = f"{span.file}:{span.line}:{span.column + 1}: " if span else ""
    lines = [f"{where}{code} {'warning: ' if warning else ''}{what}"]
    lines += excerpt(span) if span else []
    lines += _part("why", why) + _part("fix", fix)
    lines += [f"  {'run ' if i == 0 else '    '} {stop}" for i, stop in enumerate(walk)]
    return "\n".join([*lines, f"  more perdure explain {code}"])


def excerpt(span: Span) -> list[str]:
    """The line with a caret under the part that is meant, and the lines before it."""
    numbers = range(max(1, span.line - BEFORE), span.line + 1)
    source = [(n, getline(span.file, n).rstrip()) for n in numbers]
    text = source[-1][1]
    if not text:
        return []
    end = span.end_column if span.end_line == span.line else len(text)
    before = len(text[: span.column].expandtabs())
    caret = " " * before + "^" * max(1, end - span.column)
    shown = [f"{n:5d} | {line.expandtabs()}".rstrip() for n, line in source]
    return [*shown, f"      | {caret}"]


def _part(word: str, text: str) -> list[str]:
    """A part of the message; code of several lines keeps its columns."""
    if not text:
        return []
    first, *rest = text.split("\n")
    return [f"  {word}  {first}", *(f"       {line}".rstrip() for line in rest)]
