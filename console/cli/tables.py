"""Rows as text: whole aligned columns for pipes and files, fitted ones for a terminal.

Colours come with rich, where it is there. What the rows mean is not known here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from shutil import get_terminal_size

from .answers import answer, note
from .layout import GAP, columns, laid_out, visible

Row = Sequence[object]


def table(head: Sequence[str], rows: Sequence[Row], *, margin: int = 0) -> str:
    """The rows under their head; nothing but the head when there are none.

    `margin` is how many columns of a terminal are left free for the caller.
    """
    cells = [["" if cell is None else visible(str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        return plain(head, cells)
    lines = laid_out(head, cells, get_terminal_size().columns - margin)
    if find_spec("rich") is not None:
        from .pretty import coloured

        return coloured(lines)
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def answer_rows(
    format: str, document: object, head: Sequence[str], rows: Sequence[Row], *, none: str
) -> None:
    """Answer with a table; for people a word on stderr where there is nothing to show."""
    if rows or format != "text":
        answer(format, document, table(head, rows))
    else:
        note(none)


def plain(head: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Columns two blanks apart, each as wide as it must be, without a mark at the end of a line."""
    lines = [[*head], *cells]
    widths = [max(columns(line[i]) for line in lines) + GAP for i in range(len(head))]
    return "\n".join(
        "".join(
            cell + " " * (width - columns(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """Names and values, one pair a line; pairs without a value are left out.

    Further lines of a value stand below its first one.
    """
    kept = [(name, str(value)) for name, value in pairs if value not in (None, "")]
    width = max((columns(name) for name, _ in kept), default=0)
    below = "\n" + " " * (width + GAP)
    return "\n".join(
        name + " " * (width - columns(name) + GAP) + below.join(map(visible, value.split("\n")))
        for name, value in kept
    )
