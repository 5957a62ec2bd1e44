"""The front door of the proofs: everything proved, refuted and reached, as one report.

Needs z3. What is proved stands in specs/protocol, how in specs/proofs; nothing is printed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .manual import ASSUMED, OUTSIDE
from .proofs import spacer
from .proofs.induction import Condition, Induction
from .protocol.guards import DESIGN, GUARDS
from .protocol.runs import LIVES, Refutation, refute, unreached
from .protocol.whole import LAWFUL

PAIRED = {"fence": ("apply", "park"), "primary key": ("apply",)}
"""Guards that are one of two, and the actions that have them: without this one all still holds."""


@dataclass
class Report:
    """What came out."""

    conditions: list[Condition] = field(default_factory=list[Condition])
    paired: dict[str, list[Condition]] = field(default_factory=dict[str, list[Condition]])
    refuted: list[Refutation] = field(default_factory=list[Refutation])
    unreached: list[str] = field(default_factory=list[str])
    spacer: list[spacer.Found] = field(default_factory=list[spacer.Found])
    seconds: float = 0.0

    @property
    def problems(self) -> list[str]:
        """Everything that does not hold, in words; empty is a proof."""
        found = [f"{c.claim} under {c.action}: {c.verdict}" for c in self.conditions if not c.holds]
        for guard, conditions in self.paired.items():
            found += [f"without {guard}: {c.claim}: {c.verdict}" for c in conditions if not c.holds]
        found += [f"the guard {r.guard!r} is not shown to be needed" for r in self.refuted
                  if not r.holds]  # fmt: skip
        found += [f"no lawful run takes {name}" for name in self.unreached]
        for each in self.spacer:
            wanted = "refuted" if each.without else "proved"
            if each.verdict != wanted:
                found.append(f"Spacer, without {each.without or 'nothing'}: {each.verdict}")
        return found

    @property
    def inconclusive(self) -> bool:
        """Nothing is wrong, and something was not decided in its time."""
        return all("unknown" in each for each in self.problems)


def work(quick: bool = False) -> Iterator[tuple[str, Callable[[Report], None]]]:
    """The parts of the whole, each with its name; run one after the other on a report.

    `quick` leaves out what takes longest: the induction over actions.
    """
    induction = Induction()
    yield "beginning", lambda r: r.conditions.extend(induction.begins())
    for name in () if quick else LAWFUL:
        yield name, lambda r, name=name: r.conditions.extend(induction.keeps(name))
    for guard, names in () if quick else PAIRED.items():
        yield f"without {guard}", lambda r, g=guard, n=names: r.paired.update({g: _without(g, n)})
    yield "guards", lambda r: r.refuted.extend(refute(name) for name in GUARDS)
    yield "runs", lambda r: r.unreached.extend(unreached())
    for without in ("", *spacer.GUARDS):
        yield f"spacer {without}".strip(), lambda r, w=without: r.spacer.append(spacer.ask(w))


def _without(guard: str, actions: tuple[str, ...]) -> list[Condition]:
    induction = Induction([guard])
    return [condition for name in actions for condition in induction.keeps(name)]


def prove(quick: bool = False) -> Report:
    """Do all of it."""
    report, begun = Report(), time.perf_counter()
    for _, part in work(quick):
        part(report)
    report.seconds = time.perf_counter() - begun
    return report


__all__ = ["ASSUMED", "DESIGN", "LIVES", "OUTSIDE", "Report", "prove", "work"]
