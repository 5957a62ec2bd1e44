"""A second witness: Spacer finds by itself an invariant of the core, and nobody tells it one.

The reduced model, written independently of specs/protocol: one execution, one irreversible effect,
two places for workers (each stands for many in a row, since a crash empties it), unbounded tenures,
log length and crashes; a worker goes on from a view that may be long out of date.
Asked: is the effect ever called twice? Nothing else is decided here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import z3

SECONDS_MAX = 20
GUARDS = ("lookup", "open attempt")
_WORLD = ("tenure", "length", "last", "calls")
_WORKER = ("held", "view", "right")
_PLACES = (0, 1)


class Found(NamedTuple):
    """What Spacer says: "proved" with the size of its invariant, "refuted", or "unknown"."""

    without: str
    verdict: str
    seconds: float
    size: int = 0


class _System:
    """Variables before a step, and rules over them."""

    def __init__(self, off: str) -> None:
        self.off = off
        names = [*_WORLD, *[f"{name} {i}" for i in _PLACES for name in _WORKER]]
        self.of = {name: z3.Int(name) for name in names}
        integers = [z3.IntSort()] * len(names)
        self.reached = z3.Function("reached", *integers, z3.BoolSort())
        self.bad = z3.Function("bad", z3.BoolSort())
        self.points = z3.Fixedpoint()
        self.points.set(engine="spacer", timeout=SECONDS_MAX * 1000)
        self.points.register_relation(self.reached, self.bad)
        self.points.declare_var(*self.of.values())
        start = {name: z3.IntVal(-1 if name == "last" else 0) for name in names}
        self.points.rule(self.reached(*start.values()))

    def on(self, guard: str, term: object) -> object:
        """The condition, unless its guard is out."""
        return z3.BoolVal(True) if guard == self.off else term

    def step(self, needs: object, changes: Mapping[str, object]) -> None:
        """Something may happen."""
        after = [changes.get(name, value) for name, value in self.of.items()]
        self.points.rule(self.reached(*after), [self.reached(*self.of.values()), needs])


def _worker(s: _System, i: int) -> None:
    """Everything one worker, and the database for it, may do."""
    v = s.of
    held, view, right = (f"{name} {i}" for name in _WORKER)
    always = z3.BoolVal(True)
    s.step(always, {"tenure": v["tenure"] + 1, held: v["tenure"] + 1, view: v["length"]})
    s.step(always, {"tenure": v["tenure"] + 1})
    s.step(always, {held: z3.IntVal(0), view: z3.IntVal(0), right: z3.IntVal(0)})
    fits = z3.And(
        v[held] > 0,
        s.on("tenure", v[held] == v["tenure"]),
        s.on("predecessor", v[view] >= v["length"]),
    )
    longer = {"length": v[view] + 1}
    s.step(fits, {**longer, view: v[view] + 1})
    s.step(fits, longer)
    seen = s.on("open attempt", z3.Implies(v["last"] < v[view], v["last"] == -1))
    decides = z3.And(v[held] > 0, seen, v[right] == 0)
    intent = {**longer, "last": v[view]}
    s.step(z3.And(fits, decides), {**intent, view: v[view] + 1, right: z3.IntVal(1)})
    s.step(z3.And(fits, decides), intent)  # committed, and nobody learns so
    if s.off == "lookup":
        s.step(decides, {right: z3.IntVal(1)})
    s.step(v[right] == 1, {right: z3.IntVal(2), "calls": v["calls"] + 1})


def ask(without: str = "") -> Found:
    """Ask Spacer about the reduced model, with one guard out or none."""
    system = _System(without)
    for i in _PLACES:
        _worker(system, i)
    system.points.rule(system.bad(), [system.reached(*system.of.values()), system.of["calls"] > 1])
    begun = time.perf_counter()
    try:
        found = str(system.points.query(system.bad()))
    except z3.Z3Exception:  # what it says when its time is over
        found = "unknown"
    seconds = time.perf_counter() - begun
    if found == "unsat":
        return Found(without, "proved", seconds, len(str(system.points.get_answer())))
    return Found(without, "refuted" if found == "sat" else "unknown", seconds)
