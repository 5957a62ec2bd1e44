"""Tables for terminals, with rich; imported only when both are there. No data is chosen here."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_COLOURS = {
    "done": "green",
    "landed": "green",
    "failed": "red",
    "stalled": "red",
    "in-doubt": "yellow",
    "cancelled": "magenta",
    "active": "cyan",
}


def pretty(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as text with colours, as wide as the terminal."""
    table = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, _COLOURS.get(cell, "")) for cell in row))
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=Console().width)
    console.print(table)
    return out.getvalue().rstrip("\n")
