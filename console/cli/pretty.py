"""Colours for tables on terminals, with rich; imported only when both are there.

No data is chosen here, and no line is broken: that is layout.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.text import Text

from .layout import Line

_COLOURS = {
    "done": "green",
    "landed": "green",
    "fulfilled": "green",
    "failed": "red",
    "stalled": "red",
    "WRONG, see below": "red",
    "in-doubt": "yellow",
    "cancelled": "magenta",
    "active": "cyan",
}


def coloured(lines: Sequence[Line]) -> str:
    """The lines as text; NO_COLOR and a terminal that cannot are heeded."""
    out = StringIO()
    console = Console(file=out, force_terminal=True)
    for line in lines:
        text = Text.assemble(*((told, _COLOURS.get(cell, "")) for told, cell in line))
        text.rstrip()
        console.print(text, soft_wrap=True, highlight=False)
    return out.getvalue().removesuffix("\n")
