"""Ordered pairs of faults: something breaks, and something else breaks while that is being mended.

The first fault is one of the calm run. The boundaries of the second are those that were met behind
the first one, in a run that had it: recovery, takeover and zombies are boundaries too. What is
lawful is not known here, nor what a fault does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from .enumeration import Plan, complaints
from .faults import Fault, single_faults
from .history import Flow, Outcome, play, template

T = TypeVar("T")
BOUNDARIES_MAX = 40


class PairCounts(NamedTuple):
    """The figures of an enumeration of pairs, to be held against those of the last one."""

    firsts: int  # faults of the calm run
    pairs: int
    outcomes: dict[str, int]  # of the pairs


class Pairs:
    """What became of all pairs of one flow; histories that were in order are counted only."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.first_count = self.pair_count = 0
        self.ends: Counter[str] = Counter()
        self.process_counts: Counter[int] = Counter()
        self.failures: list[str] = []  # said in words; empty is a pass

    @property
    def counts(self) -> PairCounts:
        """How many, and how the executions ended."""
        return PairCounts(self.first_count, self.pair_count, dict(sorted(self.ends.items())))

    @property
    def history_count(self) -> int:
        """How many histories were played: the calm one, those of the firsts, those of the pairs."""
        return 1 + self.first_count + self.pair_count

    def note(self, faults: Sequence[Fault], outcome: Outcome) -> None:
        """Count a history, and keep what is wrong with it."""
        if len(faults) == 1:
            self.first_count += 1
        if len(faults) == 2:
            self.pair_count += 1
            self.ends[outcome.status] += 1
            self.process_counts[outcome.process_count] += 1
        wrong = complaints(outcome)
        if len(outcome.fired_at) < len(faults):
            wrong.insert(0, "a planned fault never fired")
        told = ", then ".join(map(str, faults)) or "no fault"
        self.failures += [f"{self.flow.name}, {told}: {each}" for each in wrong]


def spread(items: Sequence[T], count_max: int) -> list[T]:
    """All of them, or so many that lie evenly among them."""
    if len(items) <= count_max:
        return list(items)
    return [items[(2 * n + 1) * len(items) // (2 * count_max)] for n in range(count_max)]


def enumerate_pairs(
    flow: Flow,
    folder: Path,
    boundaries_max: int = BOUNDARIES_MAX,
    plan: Plan = single_faults,
    firsts_max: int | None = None,
) -> Pairs:
    """Play every ordered pair of faults over so many boundaries of either kind.

    A flow with more of them is met at some that lie evenly among all; `firsts_max` is for fewer
    boundaries of the first fault than of the second.
    """
    empty = template(folder, flow)
    found = Pairs(flow)
    calm = play(flow, empty, folder)
    found.note((), calm)
    for first in plan(spread(calm.points, firsts_max or boundaries_max)):
        once = play(flow, empty, folder, first)
        found.note((first,), once)
        behind = once.points[once.fired_at[-1] + 1 :] if once.fired_at else []
        for second in plan(spread(behind, boundaries_max)):
            found.note((first, second), play(flow, empty, folder, first, second))
    return found
