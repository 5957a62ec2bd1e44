"""Every single fault at every boundary of a flow: recorded, played, and laid out as a table.

The list of boundaries is that of a fault-free run, not a list that somebody wrote. What is lawful
is the oracle's to say (`specs`), what a fault does is `ports.py`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..specs.oracle import Broken, Rule
from .faults import Boundary, Fault, Kind, Point, single_faults
from .history import Flow, Outcome, play, template

Plan = Callable[[Sequence[Point]], Iterable[Fault]]
"""From the points of a calm run to the faults that are played."""


class Played(NamedTuple):
    """One fault and what became of it."""

    fault: Fault
    outcome: Outcome

    @property
    def wrong(self) -> list[str]:
        """Why this is not a success: never fired, broke a rule, or met a defect."""
        unfired = [] if self.outcome.fired else ["the planned fault never fired"]
        return [*unfired, *complaints(self.outcome)]


class Counts(NamedTuple):
    """The figures of an enumeration, to be held against those of the last one."""

    boundaries: int
    faults: int
    outcomes: dict[str, int]


class Enumeration(NamedTuple):
    """All histories of one flow."""

    flow: Flow
    calm: Outcome  # the run without a fault
    played: list[Played]

    @property
    def counts(self) -> Counts:
        """How many boundaries and faults, and how the executions ended."""
        ends = Counter(each.outcome.status for each in self.played)
        return Counts(len(self.calm.points), len(self.played), dict(sorted(ends.items())))

    @property
    def failures(self) -> list[str]:
        """Everything that went wrong, said in words; empty is a pass."""
        calm = [f"{self.flow.name}, no fault: {w}" for w in complaints(self.calm)]
        return calm + [
            f"{self.flow.name}, {each.fault}: {w}" for each in self.played for w in each.wrong
        ]

    def table(self) -> str:
        """Boundary by outcome: one line for each boundary, with what each fault led to."""
        lines = [f"{self.flow.name}: {len(self.calm.points)} boundaries, {len(self.played)} faults"]
        for point in self.calm.points:
            told = "; ".join(self._ends(point.boundary))
            lines.append(f"  {point.boundary!s:<36} {told}".rstrip())
        ends = ", ".join(f"{n} {end}" for end, n in self.counts.outcomes.items())
        return "\n".join([*lines, f"  in all: {ends}"])

    def _ends(self, boundary: Boundary) -> Iterator[str]:
        kinds: dict[str, list[str]] = {}
        for fault, outcome in self.played:
            if fault.boundary == boundary:
                decided = f" ({'; '.join(outcome.decided)})" if outcome.decided else ""
                kinds.setdefault(outcome.status + decided, []).append(fault.kind)
        for end, found in kinds.items():
            yield f"{' | '.join(found)} -> {end}"

    def at(self, boundary: str, kind: Kind) -> Outcome:
        """What a kind of fault at a boundary (as text) led to."""
        return next(
            o for fault, o in self.played if (str(fault.boundary), fault.kind) == (boundary, kind)
        )


def complaints(outcome: Outcome) -> list[str]:
    """What an outcome is to be blamed for."""
    broken = [f"{b.rule}: {b.says} [{outcome.broken_at}]" for b in outcome.broken]
    return [*broken, *outcome.defects]


class Catch(NamedTuple):
    """The first history in which the oracle found a broken rule."""

    boundary: str  # where the fault was, or "no fault"
    kind: Kind | None
    broken: Broken
    point: str  # the durable point at which it showed
    number: int  # of histories played until then


def hunt(flow: Flow, folder: Path) -> Catch | None:
    """Play a flow's histories until the oracle objects to one; None when it objects to none."""
    empty = template(folder, flow)
    calm = play(flow, empty, folder)
    if found := _ruled(calm):
        return Catch("no fault", None, found[0], calm.broken_at, 1)
    for number, fault in enumerate(single_faults(calm.points), 2):
        outcome = play(flow, empty, folder, fault)
        if found := _ruled(outcome):
            return Catch(str(fault.boundary), fault.kind, found[0], outcome.broken_at, number)
    return None


def _ruled(outcome: Outcome) -> list[Broken]:
    """What the oracle says; the protocol's word (`specs/binding.py`) is not its own."""
    return [broken for broken in outcome.broken if broken.rule is not Rule.PROTOCOL]


def enumerate_flow(flow: Flow, folder: Path, plan: Plan = single_faults) -> Enumeration:
    """Record a fault-free run, then play every fault of a plan over its boundaries, each alone."""
    empty = template(folder, flow)
    calm = play(flow, empty, folder)
    faults = list(plan(calm.points))
    return Enumeration(flow, calm, [Played(f, play(flow, empty, folder, f)) for f in faults])
