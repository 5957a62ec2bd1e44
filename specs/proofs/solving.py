"""The protocol's terms as Z3 terms over unbounded sorts. No proof is led here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count

import z3

from ..protocol.shape import FACTS, SORTS, VARIABLES
from ..protocol.terms import Over, State, Table, Term

_NUMBER = count()


def sorts() -> dict[str, z3.SortRef]:
    """Uninterpreted sorts; numbers are integers."""
    named: dict[str, z3.SortRef] = {
        letter: z3.DeclareSort(word) for letter, word in SORTS.items() if letter not in "IB"
    }
    return {**named, "I": z3.IntSort(), "B": z3.BoolSort()}


class Solving:
    """The logic of `terms.Logic` in Z3."""

    def __init__(self, sorts: Mapping[str, z3.SortRef]) -> None:
        self.sorts = sorts

    def all(self, *terms: Term) -> Term:
        """And; constants are folded."""
        kept = [term for term in terms if term is not True]
        if any(term is False for term in kept):
            return False
        return True if not kept else kept[0] if len(kept) == 1 else z3.And(*kept)

    def some(self, *terms: Term) -> Term:
        """Or; constants are folded."""
        kept = [term for term in terms if term is not False]
        if any(term is True for term in kept):
            return True
        return False if not kept else kept[0] if len(kept) == 1 else z3.Or(*kept)

    def no(self, term: Term) -> Term:
        """Not."""
        return not term if isinstance(term, bool) else z3.Not(term)

    def when(self, condition: Term, then: Term, other: Term) -> Term:
        """If condition then, else other."""
        if isinstance(condition, bool):
            return then if condition else other
        return then if then is other else z3.If(condition, then, other)

    def every(self, sorts: str, claim: Over) -> Term:
        """For all things of these sorts."""
        things = self.things(sorts)
        body = claim(*things)
        return body if isinstance(body, bool) else z3.ForAll(things, body)

    def things(self, sorts: str) -> list[z3.ExprRef]:
        """New constants of these sorts."""
        return [
            z3.Const(f"{letter.lower()}{next(_NUMBER)}", self.sorts[letter]) for letter in sorts
        ]

    def put(self, old: Table, key: Sequence[Term], value: Term) -> Table:
        """The table with one entry changed."""

        def new(*at: Term) -> Term:
            hit = self.all(*[a == b for a, b in zip(at, key, strict=True)])
            return self.when(hit, value, old(*at))

        return new

    def row(self, old: Table, first: Term, sort: str, value: Table) -> Table:
        """The entries `(first, x)` changed."""

        def new(a: Term, x: Term) -> Term:
            return self.when(a == first, value(x), old(a, x))

        return new

    def map(self, old: Table, sorts: str, value: Over) -> Table:
        """All entries changed."""
        return value


def symbols(sorts: Mapping[str, z3.SortRef]) -> State:
    """A state of which nothing is known: every table a function symbol."""
    tables: dict[str, Callable[..., Term]] = {}
    for name, (domain, target) in {**VARIABLES, **FACTS}.items():
        kinds = [sorts[letter] for letter in domain]
        if kinds:
            tables[name] = z3.Function(name, *kinds, sorts[target])
        else:
            tables[name] = partial(_same, z3.Const(name, sorts[target]))
    return State(tables)


def _same(constant: Term) -> Term:
    return constant
