"""The protocol in plain Python: one state that is played forward, step by step, on real values.

A step whose needs are not met is refused, and the need is named. Which steps are taken is somebody
else's choice (runs.py, specs/trace.py); no solver is needed here. What a step is worth is said by
its terms (`step`), and it is taken by the function that is written from them (straight.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import product
from typing import NamedTuple

from .claims import PROMISES, STEPS, Claim
from .shape import COMPENSATABLE, LOGGED
from .straight import NOTHING, TABLES, Taken, straight
from .terms import Need, Over, State, Step, Table, Term, Words
from .whole import ACTIONS


class Refused(Exception):
    """A step that may not happen now, and the need that is not met."""

    def __init__(self, action: str, need: Need) -> None:
        super().__init__(f"{action}: {need.says} does not hold")
        self.action, self.need = action, need


class _Cells:
    """A table with real entries; what was never written is nothing, zero or false."""

    def __init__(self, nothing: Term) -> None:
        self.entries: dict[tuple[Term, ...], Term] = {}
        self.nothing = nothing

    def __call__(self, *at: Term) -> Term:
        return self.entries.get(at, self.nothing)


class Patch:
    """Changed entries of a table, evaluated already."""

    def __init__(self, old: Table, entries: dict[tuple[Term, ...], Term]) -> None:
        self.old, self.entries = old, entries

    def __call__(self, *at: Term) -> Term:
        return self.entries[at] if at in self.entries else self.old(*at)


class Plain:
    """The logic of `terms.Logic` in Python, over the things that are there."""

    def __init__(self) -> None:
        self.things: dict[str, list[Term]] = {letter: [] for letter in "ESTFGDX"}

    def all(self, *terms: Term) -> Term:
        """And."""
        return all(terms)

    def some(self, *terms: Term) -> Term:
        """Or."""
        return any(terms)

    def no(self, term: Term) -> Term:
        """Not."""
        return not term

    def when(self, condition: Term, then: Term, other: Term) -> Term:
        """If condition then, else other."""
        return then if condition else other

    def every(self, sorts: str, claim: Over) -> Term:
        """For all things of these sorts that are there."""
        return all(claim(*things) for things in product(*[self.things[letter] for letter in sorts]))

    def put(self, old: Table, key: Sequence[Term], value: Term) -> Table:
        """The table with one entry changed."""
        return Patch(_once(old), {tuple(key): value})

    def row(self, old: Table, first: Term, sort: str, value: Table) -> Table:
        """The entries `(first, x)` changed."""
        return Patch(_once(old), {(first, x): value(x) for x in self.things[sort]})

    def map(self, old: Table, sorts: str, value: Over) -> Table:
        """All entries changed."""
        keys = product(*[self.things[letter] for letter in sorts])
        return Patch(_once(old), {key: value(*key) for key in keys})


def _once(old: Table) -> Table:
    """An action changes a table once: of a change of a change only the last would be kept here."""
    if isinstance(old, Patch):
        raise TypeError("an action changes a table twice")
    return old


class Broken(NamedTuple):
    """A promise that does not hold, and of what."""

    claim: str
    things: tuple[Term, ...]


class Play:
    """A world that is played: things are added as they appear, steps are taken one by one."""

    def __init__(self, off: Iterable[str] = ()) -> None:
        self.logic = Plain()
        self.words = Words(self.logic, frozenset(off))
        self._cells = {name: _Cells(NOTHING.get(table.range)) for name, table in TABLES.items()}
        self.state = State(self._cells)
        self.entries = {name: cells.entries for name, cells in self._cells.items()}
        self._taken: dict[str, Taken] = {}

    def add(self, sort: str, thing: Term) -> Term:
        """Let there be a thing; an execution begins with its record 0."""
        self.logic.things[sort].append(thing)
        if sort == "E":
            self._begin(thing)
        return thing

    def _begin(self, e: Term) -> None:
        root = self.add("T", f"{e} root")
        for name, key, value in (
            ("root", (e,), root), ("of", (root,), e), ("stored", (root,), LOGGED),
            ("length", (e,), 1), ("entry", (e, 0), root), ("present", (e, 0), True),
            ("wakes", (e,), True),
        ):  # fmt: skip
            self.set(name, key, value)

    def drop(self, sort: str, thing: Term) -> None:
        """Ask nothing more of a thing to which nothing can happen any more."""
        with suppress(ValueError):
            self.logic.things[sort].remove(thing)

    def set(self, name: str, key: tuple[Term, ...], value: Term) -> None:
        """Say what a fact is, of a thing that was just added."""
        self._cells[name].entries[key] = value

    def effect(self, f: Term, e: Term, g: Term, kind: int, *, probed: bool = True) -> None:
        """Add an effect of a class, and of a saga."""
        self.add("F", f)
        if g not in self.logic.things["G"]:
            self.add("G", g)
            self.set("saga_home", (g,), e)
        for name, value in (("home", e), ("saga_of", g), ("class_of", kind)):
            self.set(name, (f,), value)
        self.set("blind", (f,), kind == COMPENSATABLE and not probed)

    def step(self, name: str, *things: Term) -> Step:
        """What an action needs and changes here, without taking it."""
        return ACTIONS[name].does(self.words, self.state, *things)

    def unmet(self, name: str, *things: Term) -> list[Need]:
        """The needs of an action that are not met."""
        return [need for need in self.step(name, *things).needs if not need.term]

    def take(self, name: str, *things: Term) -> None:
        """Take a step; raises `Refused`."""
        taken = self._taken.get(name)
        if taken is None:
            taken = straight(name, self.words.off, self.entries, self.logic.things)
            self._taken[name] = taken
        unmet = taken(*things)
        if unmet is not None:
            raise Refused(name, self.step(name, *things).needs[unmet])

    def broken(self, claims: Sequence[Claim] = PROMISES) -> Iterator[Broken]:
        """The promises about a state that do not hold now."""
        things = {**self.logic.things, "I": list(range(self._numbers()))}
        for claim in claims:
            for those in product(*[things[letter] for letter in claim.sorts]):
                if not claim.holds(self.words, self.state, *those):
                    yield Broken(claim.name, those)

    def broken_by(self, name: str, *things: Term) -> Iterator[Broken]:
        """The promises about steps that this step does not keep."""
        changes = self.step(name, *things).changes
        after = State({**self.state.tables, **changes})
        known = {**self.logic.things, "I": list(range(self._numbers()))}
        for claim in STEPS:
            for those in product(*[known[letter] for letter in claim.sorts]):
                if not claim.holds(self.words, self.state, after, *those):
                    yield Broken(claim.name, those)

    def _numbers(self) -> int:
        return 2 + max([self.state.length(e) for e in self.logic.things["E"]], default=0)
