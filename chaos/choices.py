"""Where a simulation's choices come from: dice with a seed, a list that is replayed, or Hypothesis.
And how a list of choices that fails is made short. Nothing is simulated here.

A choice is a whole number from 0 up to a bound, and 0 is always the dull one: nothing goes wrong.
So a list that ends is a list that goes on with zeros, and what is shorter is calmer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

RUNS_MAX = 400
"""Histories that making one failure short may cost."""


class Source(Protocol):
    """Anything that can choose."""

    def choose(self, below: int) -> int:
        """A number from 0 to `below` - 1."""
        ...


class Dice:
    """Choices from a seed, for raw speed."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)

    def choose(self, below: int) -> int:
        """Any of them, each as likely as another."""
        return int(self._random.random() * below)


class Settled:
    """The choices of a source but for some, by their number from 0, which are settled."""

    def __init__(self, source: Source, settled: Mapping[int, int]) -> None:
        self._source, self._settled = source, settled
        self._count = 0

    def choose(self, below: int) -> int:
        """What is settled, or else what the source says."""
        number, self._count = self._count, self._count + 1
        chosen = self._source.choose(below)
        return self._settled.get(number, chosen)


class Replay:
    """The choices of a list, then zeros."""

    def __init__(self, choices: Sequence[int]) -> None:
        self._left = list(reversed(choices))

    def choose(self, below: int) -> int:
        """The next of the list; one that is too large, since others came before it, is cut down."""
        return min(self._left.pop(), below - 1) if self._left else 0


class Drawn:
    """Choices that somebody else draws: Hypothesis, whose shrinker then owns the schedule.

    `draw` is given the bound: `lambda below: data.draw(integers(0, below - 1))`.
    """

    def __init__(self, draw: Callable[[int], int]) -> None:
        self._draw = draw

    def choose(self, below: int) -> int:
        """What is drawn."""
        return self._draw(below)


class Tape:
    """Writes down what a source chose."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.taken: list[int] = []

    def choose(self, below: int) -> int:
        """A choice of the source; it is asked only where there is one."""
        if below < 2:
            return 0
        number = self._source.choose(below)
        self.taken.append(number)
        return number

    @property
    def choices(self) -> tuple[int, ...]:
        """What replays the same history: without the zeros at the end."""
        return trimmed(self.taken)


def trimmed(choices: Sequence[int]) -> tuple[int, ...]:
    """Without the zeros at the end, which say nothing."""
    length = len(choices)
    while length and choices[length - 1] == 0:
        length -= 1
    return tuple(choices[:length])


class Shrinker:
    """Makes a failing list of choices short, then small. `fails` plays a list, and gives back those
    of its choices that were asked for, if the history fails; else None.

    Greedy, after Zeller and Hildebrandt (2002), "Simplifying and isolating failure-inducing input":
    cut parts out, put zeros, put less, again until nothing helps.
    """

    def __init__(
        self, fails: Callable[[tuple[int, ...]], tuple[int, ...] | None], runs_max: int = RUNS_MAX
    ) -> None:
        self._fails, self._left = fails, runs_max
        self._known: set[tuple[int, ...]] = set()
        self.best: tuple[int, ...] = ()

    def shrink(self, choices: Sequence[int]) -> tuple[int, ...]:
        """The shortest list found that still fails; it is the one that is given, at worst."""
        self.best = trimmed(choices)
        if self._try(()):  # no fault is needed
            return self.best
        before: tuple[int, ...] | None = None
        while before != self.best and self._left > 0:
            before = self.best
            self._cut()
            self._lower()
        return self.best

    def _try(self, choices: Sequence[int]) -> bool:
        found = trimmed(choices)
        if found == self.best or found in self._known or self._left <= 0:
            return False
        self._known.add(found)
        self._left -= 1
        if (len(found), found) >= (len(self.best), self.best):
            return False
        used = self._fails(found)
        if used is None:
            return False
        self.best = min(found, used, key=lambda each: (len(each), each))
        return True

    def _cut(self) -> None:
        for size in (16, 8, 4, 3, 2, 1):
            at = len(self.best) - size
            while at >= 0:
                if not self._try(self.best[:at] + self.best[at + size :]):
                    at -= 1
                else:
                    at = min(at, len(self.best) - size)

    def _lower(self) -> None:
        for at in range(len(self.best)):
            if at < len(self.best) and self.best[at]:
                self._less(at)

    def _less(self, at: int) -> None:
        """Zero, or else the least that fails, as far as halving finds it."""
        low, high = -1, self.best[at]
        while high - low > 1:
            middle = 0 if low < 0 else (low + high) // 2
            if self._try((*self.best[:at], middle, *self.best[at + 1 :])):
                if at >= len(self.best):
                    return
                high = self.best[at]
            else:
                low = middle
