"""Tables that fit: columns side by side while no word has to be cut, else row under row.

What stands on a terminal must be whole: an id that ends in dots cannot be typed again. So text
wraps between words only, and rows whose words do not fit side by side are stacked, a field a line.
Nothing is coloured here and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from unicodedata import combining, east_asian_width

GAP = 2
READABLE = 12  # no text is squeezed below this many columns
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{3})Z")
_TO_THE_SECOND = frozenset({"created", "updated"})

Piece = tuple[str, str]  # what stands there, padded; the whole cell it is of
Line = list[Piece]


def visible(text: str) -> str:
    """The text in one line, with nothing in it that a terminal would obey instead of show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def laid_out(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Line]:
    """The lines of a table that is at most `width` wide, the head first; or of stacked rows.

    A word that is wider than the whole line is left to the terminal.
    """
    head, rows = _short_moments(head, rows)
    widths = _widths(head, rows, width)
    if widths is None:
        return list(_stacked(head, rows))
    return [line for cells in (head, *rows) for line in _side_by_side(cells, widths)]


def _short_moments(
    head: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Moments without what all of a column share: the day stands in the head, once."""
    names, found = list(head), [list(row) for row in rows]
    for i, name in enumerate(head):
        told = {n: _MOMENT.fullmatch(row[i]) for n, row in enumerate(rows) if row[i]}
        moments = {n: m for n, m in told.items() if m is not None}
        if not moments or len(moments) < len(told):
            continue
        days = {m[1] for m in moments.values()}
        if len(days) == 1:
            names[i] = f"{name} {days.pop()}"
        for n, m in moments.items():
            time = m[2] + ("" if name in _TO_THE_SECOND else m[3]) + "Z"
            found[n][i] = time if names[i] != name else f"{m[1]} {time}"
    return names, found


def _widths(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """A width for each column in which no word is cut; None where there is no room for that."""
    cells = [[line[i] for line in (head, *rows)] for i in range(len(head))]
    whole = [max(map(columns, column)) for column in cells]
    least = [
        max(min(full, READABLE), *(columns(word) for cell in column for word in cell.split(" ")))
        for full, column in zip(whole, cells, strict=True)
    ]
    spare = width - sum(least) - GAP * (len(head) - 1)
    if spare < 0:
        return None
    found = list(least)
    for i in sorted(range(len(head)), key=lambda i: whole[i] - least[i]):
        more = min(spare, whole[i] - least[i])
        found[i] += more
        spare -= more
    return found


def _side_by_side(cells: Sequence[str], widths: Sequence[int]) -> Iterator[Line]:
    parts = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for n in range(max(map(len, parts), default=1)):
        texts = [part[n] if n < len(part) else "" for part in parts]
        yield [
            (text + " " * (width - columns(text) + GAP), cell)
            for text, width, cell in zip(texts, widths, cells, strict=True)
        ]


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines that are broken between words."""
    if columns(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if columns(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _stacked(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Line]:
    """A field a line, a blank line between two rows; fields without a value are left out."""
    names = max(map(columns, head), default=0)
    for n, row in enumerate(rows):
        if n:
            yield []
        for name, cell in zip(head, row, strict=True):
            if cell:
                yield [(name + " " * (names - columns(name) + GAP), ""), (cell, cell)]
