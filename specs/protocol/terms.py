"""What the protocol is written with: a logic that a backend brings, states, steps and guards.

No action and no promise lives here. A term is the solver's or a plain Python value, so it has no
type that both share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Term = Any
Table = Callable[..., Term]
Over = Callable[[Any], Any] | Callable[[Any, Any], Any] | Callable[[Any, Any, Any], Any]
"""A term with one, two or three things left open."""


class Logic(Protocol):
    """What a backend must be able to say."""

    def all(self, *terms: Term) -> Term:
        """And."""
        ...

    def some(self, *terms: Term) -> Term:
        """Or."""
        ...

    def no(self, term: Term) -> Term:
        """Not."""
        ...

    def when(self, condition: Term, then: Term, other: Term) -> Term:
        """If condition then, else other."""
        ...

    def every(self, sorts: str, claim: Over) -> Term:
        """For all things of these sorts."""
        ...

    def put(self, old: Table, key: Sequence[Term], value: Term) -> Table:
        """The table with one entry changed."""
        ...

    def row(self, old: Table, first: Term, sort: str, value: Callable[[Any], Any]) -> Table:
        """The table with the entries `(first, x)` changed, for all `x` of the sort."""
        ...

    def map(self, old: Table, sorts: str, value: Over) -> Table:
        """The table with all its entries changed."""
        ...


class State:
    """One state of the world: a table by the name of each variable and of each fact."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = dict(tables)
        vars(self).update(self.tables)

    def __getattr__(self, name: str) -> Table:
        try:
            return self.tables[name]
        except KeyError:
            raise AttributeError(name) from None


class Need(NamedTuple):
    """A condition of an action; `guard` names it in the table of guards where it can be removed."""

    says: str
    term: Term
    guard: str = ""


class Step(NamedTuple):
    """What an action needs, and the tables it changes."""

    needs: Sequence[Need]
    changes: Mapping[str, Table]


@dataclass(frozen=True)
class Action:
    """One thing that may happen: the sorts of its parameters, and what it does.

    `design` marks what the engine does not have yet: proved on the design. `words` tells it with
    the parameters as {0}, {1}, ...
    """

    name: str
    sorts: str
    does: Callable[..., Step]
    words: str
    design: bool = False


class Words:
    """Short forms over a logic, and the guards that are in force."""

    def __init__(self, logic: Logic, off: frozenset[str] = frozenset()) -> None:
        self.logic, self.off = logic, off
        self.all, self.some, self.no = logic.all, logic.some, logic.no
        self.when, self.every, self.put = logic.when, logic.every, logic.put

    def implies(self, condition: Term, then: Term) -> Term:
        """If condition then."""
        return self.some(self.no(condition), then)

    def among(self, term: Term, *values: int) -> Term:
        """The term is one of these numbers."""
        return self.some(*[term == value for value in values])

    def on(self, guard: str) -> bool:
        """The guard is in force."""
        return guard not in self.off

    def guard(self, name: str, says: str, term: Term, without: Term = True) -> Need:
        """A condition that can be removed; `without` is what is left of it then."""
        return Need(says, term if self.on(name) else without, name)
