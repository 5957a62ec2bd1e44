"""Proof by induction: every invariant holds at the beginning, and every action keeps it.

One condition per invariant and action. Only the invariants are quantified: the state behind a step
is a Python closure over the one before it, the step's and the goal's things are constants. An
invariant that reads nothing the action changes is kept without a solver. What is to be proved is
not known here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import z3

from ..protocol.claims import STEPS, Claim
from ..protocol.lemmas import facts, initial
from ..protocol.terms import Action, State, Step, Table, Term, Words
from ..protocol.whole import ACTIONS, INVARIANTS
from .solving import Solving, sorts, symbols

SECONDS_FIRST = 0.5
SECONDS_MAX = 30
SEEDS = 7  # with all invariants; each has twice the time of the one before
_GROUND = ("chain", "record", "logged", "follows", "fresh", "says")
# Most conditions follow from these and from the invariant itself; the others get all.
_FIRST = ("log", "logged", "follows", "chain", "record", "counters", "memory", "fresh")
CONCLUDED = (*INVARIANTS, *STEPS)
BEGINNING = "the beginning"


class Condition(NamedTuple):
    """One thing to prove and what came out: "proved", "untouched", "refuted" or "unknown"."""

    claim: str
    action: str
    verdict: str
    seconds: float
    why: str = ""

    @property
    def holds(self) -> bool:
        """It is proved."""
        return self.verdict in ("proved", "untouched")


class Induction:
    """The protocol over unbounded sorts, with some guards taken out."""

    def __init__(self, off: Iterable[str] = ()) -> None:
        self.logic = Solving(sorts())
        self.words = Words(self.logic, frozenset(off))
        self.state = symbols(self.logic.sorts)
        w, s = self.words, self.state
        self._facts = facts(w, s)
        self._assumptions = {claim.name: self._assumed(claim) for claim in INVARIANTS}
        self._reads = {claim.name: self._read_by(claim) for claim in (*INVARIANTS, *STEPS)}

    def _assumed(self, claim: Claim) -> Term:
        things = self.logic.things(claim.sorts)
        seen = [
            self.state.tables[table](*[things[at] for at in positions])
            for table, *positions in claim.trigger
        ]
        patterns = [z3.MultiPattern(*seen)] if seen else []
        return z3.ForAll(things, claim.holds(self.words, self.state, *things), patterns=patterns)

    def _read_by(self, claim: Claim) -> set[str]:
        seen: set[str] = set()
        state = _noting(self.state, seen)
        behind = () if claim not in STEPS else (state,)
        claim.holds(self.words, state, *behind, *self.logic.things(claim.sorts))
        return seen

    def begins(self, claims: Sequence[Claim] = INVARIANTS) -> Iterator[Condition]:
        """Every invariant holds at the beginning."""
        w, s = self.words, self.state
        start = [*facts(w, s), *initial(w, s)]
        for claim in claims:
            goal = claim.holds(w, s, *self.logic.things(claim.sorts))
            yield self._prove(claim, BEGINNING, start, goal)

    def keeps(self, name: str, claims: Sequence[Claim] = CONCLUDED) -> Iterator[Condition]:
        """Every invariant is kept by this action, and every promise about steps holds of it."""
        step, after = self._step(ACTIONS[name])
        needs = [*self._facts, *[need.term for need in step.needs if need.term is not True]]
        some = _solver(SECONDS_FIRST)
        some.add(*needs, *[self._assumptions[name] for name in _FIRST])
        for claim in claims:
            if not self._reads[claim.name] & step.changes.keys():
                yield Condition(claim.name, name, "untouched", 0.0)
                continue
            things = self.logic.things(claim.sorts)
            if claim in STEPS:
                goal = claim.holds(self.words, self.state, after, *things)
            else:
                goal = claim.holds(self.words, after, *things)
            own = [] if claim in STEPS else [self._assumptions[claim.name]]
            own += self._instances(claim, things)
            found = self._ask(some, claim, name, goal, own)
            for seed in range(SEEDS):
                if not found.holds:
                    again = _solver(SECONDS_FIRST * 2**seed, seed)
                    again.add(*needs, *self._assumptions.values())
                    more = self._ask(again, claim, name, goal, own)
                    found = more._replace(seconds=found.seconds + more.seconds)
            yield found

    def _instances(self, claim: Claim, things: Sequence[Term]) -> list[Term]:
        """The invariants a solver needs first, of the things that the goal is about."""
        w, s = self.words, self.state
        found = [] if claim in STEPS else [claim.holds(w, s, *things)]
        for thing in (t for letter, t in zip(claim.sorts, things, strict=True) if letter == "T"):
            for lemma in INVARIANTS:
                if lemma.name in _GROUND:
                    found += [lemma.holds(w, s, thing), lemma.holds(w, s, s.before(thing))]
        return found

    def _step(self, action: Action) -> tuple[Step, State]:
        things = self.logic.things(action.sorts)
        step = action.does(self.words, self.state, *things)
        return step, State({**self.state.tables, **step.changes})

    def _prove(self, claim: Claim, name: str, given: Sequence[object], goal: object) -> Condition:
        solver = _solver(SECONDS_MAX)
        solver.add(*given)
        return self._ask(solver, claim, name, goal)

    def _ask(
        self, solver: z3.Solver, claim: Claim, name: str, goal: Term, own: Sequence[Term] = ()
    ) -> Condition:
        if goal is True:
            return Condition(claim.name, name, "proved", 0.0)
        begun = time.perf_counter()
        solver.push()
        solver.add(self.logic.no(goal), *own)
        found = solver.check()
        why = solver.reason_unknown() if found == z3.unknown else ""
        solver.pop()
        verdict = {"unsat": "proved", "sat": "refuted"}.get(str(found), "unknown")
        return Condition(claim.name, name, verdict, time.perf_counter() - begun, why)


def _solver(seconds: float, seed: int = 0) -> z3.Solver:
    """Quantifiers by their triggers alone: what is true is found soon, what is not is unknown."""
    solver = z3.SimpleSolver()
    solver.set("timeout", round(seconds * 1000))
    solver.set("smt.auto_config", False)
    solver.set("smt.random_seed", seed)
    solver.set("smt.mbqi", False)
    return solver


def _noting(state: State, seen: set[str]) -> State:
    """The same state, noting which tables are read."""

    def noted(name: str, table: Table) -> Table:
        def read(*at: Term) -> Term:
            seen.add(name)
            return table(*at)

        return read

    return State({name: noted(name, table) for name, table in state.tables.items()})
