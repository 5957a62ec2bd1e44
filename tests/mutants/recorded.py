"""Where each mutant was caught last time: data that the full run writes anew. Nothing is hunted
here.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from .hunting import Caught
from .mutant import Mutant

FILE = Path(__file__).with_name("found.json")


def read() -> dict[int, Caught]:
    """Number -> what caught it."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[int, Caught])


def write(found: dict[int, Caught]) -> None:
    """Keep what a full run found."""
    raw = msgspec.json.encode({str(n): found[n] for n in sorted(found)})
    FILE.write_bytes(msgspec.json.format(raw, indent=1) + b"\n")


def row(mutant: Mutant, caught: Caught | None) -> tuple[str, ...]:
    """Number, mutant, what killed it, after how many histories, and the broken rule."""
    told = (str(mutant.number), mutant.name)
    if mutant.waits:
        return (*told, "waiting", "", mutant.waits)
    if caught is None:
        return (*told, "SURVIVES", "", mutant.says)
    by = f"{caught.by}: {caught.fault}" if caught.fault else caught.by
    if caught.both:
        by = f"redundant ({mutant.guard}); both out: {by}"
    return (*told, by, str(caught.histories), caught.rule)


HEAD = ("", "mutant", "killed by", "histories", "broken rule")


def page(mutants: list[Mutant], found: dict[int, Caught]) -> str:
    """The table of the manual."""
    rows = [row(mutant, found.get(mutant.number)) for mutant in mutants]
    lines = [_line(HEAD), _line(("---",) * len(HEAD)), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def shown(row: tuple[str, ...]) -> str:
    """The same for a terminal."""
    number, name, by, count, rule = row
    after = f" after {count} histories" if count else ""
    return f"{number:>2}  {name:<52} {by}{after}\n    {rule}"
