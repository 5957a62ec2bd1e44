"""What goes wrong in a random history, by name: written down while it is played, played again, and
made short. Where it comes from is `troubles.py`'s, what it does `wild.py`'s: nothing breaks here.

Choices (`choices.py`) say the same in fewer words, but mean something else as soon as one boundary
is more or less. Names are kept in files, and in tests of users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from .choices import Replay, Source
from .faults import Boundary, Edge, Kind
from .troubles import Chance, Woe, fits

CALLS_MAX = 12
RUNS_MAX = 150
"""Histories that making one failure short may cost."""
_PORTS = {
    **dict.fromkeys(("call", "call in time", "question", "transactional", "inside"), "world"),
    "moment": "clock",
    "message": "client",
}  # all others are the store's


class Mishap(NamedTuple):
    """One trouble at one boundary of a history; `details` are its choices: how late, how long."""

    boundary: Boundary
    kind: Woe
    details: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.boundary}"


@dataclass(frozen=True)
class Script:
    """A history of one execution: so many workers, at this pace, and what goes wrong, in order."""

    mishaps: tuple[Mishap, ...]
    workers: int
    pace: float

    def __str__(self) -> str:
        told = ", then ".join(map(str, self.mishaps)) or "nothing goes wrong"
        return f"{self.workers} workers: {told}" if self.workers > 1 else told


class _Numbered(Chance):
    """Numbers the boundaries of a history, whichever process is at them."""

    def __init__(self, source: Source, favoured: Woe | None) -> None:
        super().__init__(source, favoured)
        self.mishaps: list[Mishap] = []  # that have happened
        self.calls: list[Boundary] = []  # behind each call that was answered
        self._counts: Counter[tuple[str, Edge]] = Counter()

    def boundary(self, nature: str, edge: Edge, name: str) -> Boundary:
        """The one that is met now."""
        self._counts[name, edge] += 1
        found = Boundary(_PORTS.get(nature, "store"), name, self._counts[name, edge], edge)
        if found.port == "world" and edge is Edge.AFTER:
            self.calls.append(found)
        return found


class Written(_Numbered):
    """Writes down what goes wrong, by chance and so many times at most."""

    def __init__(self, source: Source, favoured: Woe | None, troubles_max: int) -> None:
        super().__init__(source, favoured)
        self._max = troubles_max

    def meet(self, nature: str, edge: Edge = Edge.BEFORE, name: str = "") -> Woe | None:
        """What goes wrong at this boundary, mostly nothing."""
        boundary = self.boundary(nature, edge, name)
        if len(self.mishaps) >= self._max:
            return None
        woe = super().meet(nature, edge, name)
        if woe is not None:
            self.mishaps.append(Mishap(boundary, woe))
        return woe

    def one_of(self, count: int) -> int:
        """A choice about the trouble that has just been met."""
        number, last = super().one_of(count), self.mishaps[-1]
        self.mishaps[-1] = last._replace(details=(*last.details, number))
        return number


class Played(_Numbered):
    """Plays what is written: a mishap is awaited when those before it have happened."""

    def __init__(self, mishaps: tuple[Mishap, ...]) -> None:
        super().__init__(Replay(()), None)
        self._awaited = list(reversed(mishaps))
        self._details: list[int] = []

    def meet(self, nature: str, edge: Edge = Edge.BEFORE, name: str = "") -> Woe | None:
        """What is written for this boundary, if it still fits there."""
        boundary = self.boundary(nature, edge, name)
        if not self._awaited or self._awaited[-1].boundary != boundary:
            return None
        if not fits(self._awaited[-1].kind, nature, edge):
            return None
        mishap = self._awaited.pop()
        self.mishaps.append(mishap)
        self._details = list(reversed(mishap.details))
        self.fired[mishap.kind] += 1
        return mishap.kind

    def one_of(self, count: int) -> int:
        """The choice that is written, or the dull one."""
        return min(self._details.pop(), count - 1) if self._details else 0


def deaths(calls: Sequence[Boundary], pace: float) -> list[Script]:
    """The plainest scripts: a death right behind a call."""
    return [Script((Mishap(call, Kind.CRASH),), 1, pace) for call in calls[:CALLS_MAX]]


def shortened(
    script: Script, fails: Callable[[Script], Script | None], pace: float, runs_max: int = RUNS_MAX
) -> Script:
    """The shortest script found that fails in the same way; `fails` plays one, and gives back what
    of it happened.

    Greedy: less trouble first, then a plain death, fewer workers, the common pace, dull choices.
    """
    left, known = runs_max, {script}
    better = True
    while better:
        better = False
        for shorter in _shorter(script, pace):
            if shorter in known or left <= 0:
                continue
            known.add(shorter)
            left -= 1
            found = fails(shorter)
            if found is not None:
                script, better = found, True
                break
    return script


def _shorter(script: Script, pace: float) -> Iterator[Script]:
    mishaps = script.mishaps
    if len(mishaps) > 1:  # which one alone is enough?
        yield from (replace(script, mishaps=(one,)) for one in mishaps)
    for at in reversed(range(len(mishaps))):
        yield replace(script, mishaps=mishaps[:at] + mishaps[at + 1 :])
    for at, mishap in enumerate(mishaps):
        if mishap.kind is not Kind.CRASH:
            dead = Mishap(mishap.boundary, Kind.CRASH)
            yield replace(script, mishaps=(*mishaps[:at], dead, *mishaps[at + 1 :]))
    yield from (replace(script, workers=workers) for workers in range(1, script.workers))
    yield replace(script, pace=pace)
    for at, mishap in enumerate(mishaps):
        for place in [n for n, detail in enumerate(mishap.details) if detail]:
            dull = (*mishap.details[:place], 0, *mishap.details[place + 1 :])
            yield replace(
                script,
                mishaps=(*mishaps[:at], mishap._replace(details=dull), *mishaps[at + 1 :]),
            )
