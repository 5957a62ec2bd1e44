"""Rows as text: aligned columns for pipes and files, rich for a terminal that has it.

What the rows mean is not known here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from .answers import answer, note

Row = Sequence[object]


def table(head: Sequence[str], rows: Sequence[Row]) -> str:
    """The rows under their head; nothing but the head when there are none."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty() and find_spec("rich") is not None:
        from .pretty import pretty

        return pretty(head, cells)
    return plain(head, cells)


def answer_rows(
    format: str, document: object, head: Sequence[str], rows: Sequence[Row], *, none: str
) -> None:
    """Answer with a table; for people a word on stderr where there is nothing to show."""
    if rows or format != "text":
        answer(format, document, table(head, rows))
    else:
        note(none)


def plain(head: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Columns two blanks apart, without a mark at the end of a line."""
    lines = [[*head], *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """Names and values, one pair a line; pairs without a value are left out."""
    kept = [(name, value) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in kept), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in kept)
