"""The actions of the protocol as straight Python: each is run once on letters, not on values, and
what it needs and changes is written down as a function, which a play takes from then on.

The model stays the one that is proved: the text is made of the very terms that the solver gets. An
action that is taken is a thousand reads of tables and no more; run as terms, it is as many calls.
No action is written here, and `plain.py` says what a term is worth where the two differ.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from .shape import FACTS, SORTS, VARIABLES
from .terms import Over, State, Step, Table, Term, Words
from .whole import ACTIONS

Entries = dict[tuple[Any, ...], Any]
Taken = Callable[..., int | None]
"""Takes a step, or says which of its needs is not met and changes nothing."""
NOTHING: Mapping[str, Term] = {"I": 0, "B": False}
"""What a table says that was never written, by its range; of things it is None."""
TABLES = {**VARIABLES, **FACTS}


class _Text:
    """A term, written out."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        raise TypeError(f"{self.text} is known only when the step is taken")

    __hash__ = object.__hash__

    def __eq__(self, other: Term) -> Term:
        return _joined("==", self, other)

    def __ne__(self, other: Term) -> Term:
        return _joined("!=", self, other)

    def __lt__(self, other: Term) -> Term:
        return _joined("<", self, other)

    def __le__(self, other: Term) -> Term:
        return _joined("<=", self, other)

    def __gt__(self, other: Term) -> Term:
        return _joined(">", self, other)

    def __ge__(self, other: Term) -> Term:
        return _joined(">=", self, other)

    def __add__(self, other: Term) -> Term:
        return _joined("+", self, other)

    def __sub__(self, other: Term) -> Term:
        return _joined("-", self, other)


def _text(term: Term) -> str:
    return term.text if isinstance(term, _Text) else repr(term)


def _joined(between: str, *terms: Term) -> _Text:
    return _Text("(" + f" {between} ".join(map(_text, terms)) + ")")


def _key(terms: Sequence[Term]) -> str:
    return "(" + "".join(f"{_text(term)}, " for term in terms) + ")"


class _Written:
    """Changed entries of a table: written one by one, or all together."""

    def __init__(self, value: str, key: str = "") -> None:
        self.value, self.key = value, key

    def __call__(self, *at: Term) -> Term:
        raise TypeError("an action reads what was there before it")


def _once(old: Table) -> None:
    """As in `plain.py`: of a change of a change only the last would be written."""
    if isinstance(old, _Written):
        raise TypeError("an action changes a table twice")


class Writer:
    """The logic of `terms.Logic` as text. What is read outside of an `every` is read once."""

    def __init__(self) -> None:
        self.reads: dict[str, str] = {}  # what is read -> the name it has
        self.used: set[str] = set()  # tables and sorts
        self._open = 0  # things that are left open around what is written now
        self._count = 0

    def table(self, name: str) -> Table:
        """A table whose entries are read when the step is taken."""
        nothing = NOTHING.get(TABLES[name].range)

        def read(*at: Term) -> Term:
            self.used.add(name)
            text = f"{name}_get({_key(at)}, {nothing!r})"
            if self._open:
                return _Text(text)
            return _Text(self.reads.setdefault(text, f"v{len(self.reads)}"))

        return read

    def all(self, *terms: Term) -> Term:
        """And."""
        return _joined("and", *terms) if terms else True

    def some(self, *terms: Term) -> Term:
        """Or."""
        return _joined("or", *terms) if terms else False

    def no(self, term: Term) -> Term:
        """Not."""
        return _Text(f"(not {_text(term)})")

    def when(self, condition: Term, then: Term, other: Term) -> Term:
        """If condition then, else other."""
        return _Text(f"({_text(then)} if {_text(condition)} else {_text(other)})")

    def every(self, sorts: str, claim: Over) -> Term:
        """For all things of these sorts that are there."""
        with self._over(sorts) as (things, loops):
            return _Text(f"all({_text(claim(*things))}{loops})")

    def put(self, old: Table, key: Sequence[Term], value: Term) -> Table:
        """The table with one entry changed."""
        _once(old)
        return _Written(_text(value), _key(key))

    def row(self, old: Table, first: Term, sort: str, value: Table) -> Table:
        """The entries `(first, x)` changed."""
        _once(old)
        with self._over(sort) as ((thing,), loops):
            return _Written(f"{{{_key((first, thing))}: {_text(value(thing))}{loops}}}")

    def map(self, old: Table, sorts: str, value: Over) -> Table:
        """All entries changed."""
        _once(old)
        with self._over(sorts) as (things, loops):
            return _Written(f"{{{_key(things)}: {_text(value(*things))}{loops}}}")

    @contextmanager
    def _over(self, sorts: str) -> Generator[tuple[list[_Text], str]]:
        names = [f"x{self._count + n}" for n in range(len(sorts))]
        self._count += len(sorts)
        self.used |= set(sorts)
        loops = "".join(f" for {x} in {sort}" for x, sort in zip(names, sorts, strict=True))
        self._open += 1
        try:
            yield [_Text(name) for name in names], loops
        finally:
            self._open -= 1


@lru_cache(maxsize=1024)
def text_of(action: str, off: frozenset[str] = frozenset()) -> str:
    """The function of an action, in one that is given the tables and the things."""
    writer, told = Writer(), ACTIONS[action]
    state = State({name: writer.table(name) for name in TABLES})
    names = [f"a{n}" for n in range(len(told.sorts))]
    step = told.does(Words(writer, off), state, *map(_Text, names))
    body = [*_body(step)]  # what is read is known behind it
    reads = [f"{name} = {text}" for text, name in writer.reads.items()]
    needed = sorted(writer.used - {*SORTS})
    lines = [
        "def bound(tables, things):",
        *(f"    {name}_get = tables[{name!r}].get" for name in needed),
        *(f"    {name}_table = tables[{name!r}]" for name in step.changes),
        *(f"    {sort} = things[{sort!r}]" for sort in sorted(writer.used & {*SORTS})),
        f"    def taken({', '.join(names)}):",
        *(f"        {line}" for line in (*reads, *body)),
        "    return taken",
    ]
    return "\n".join(lines)


def _body(step: Step) -> Iterator[str]:
    for number, need in enumerate(step.needs):
        yield f"if not {_text(need.term)}: return {number}"
    written = {name: table for name, table in step.changes.items() if isinstance(table, _Written)}
    assert len(written) == len(step.changes)
    for name, table in written.items():  # all that is new is known before anything is changed
        yield f"new_{name} = {table.value}"
    for name, table in written.items():
        at = f"{name}_table[{table.key}] = new_{name}"
        yield at if table.key else f"{name}_table.update(new_{name})"


@lru_cache(maxsize=1024)
def _made(action: str, off: frozenset[str]) -> Callable[..., Taken]:
    names: dict[str, Any] = {}
    exec(compile(text_of(action, off), f"<{action}>", "exec"), names)
    return names["bound"]


def straight(
    action: str,
    off: frozenset[str],
    tables: Mapping[str, Entries],
    things: Mapping[str, Sequence[Term]],
) -> Taken:
    """What takes this action on these tables, without the guards that are `off`."""
    return _made(action, off)(tables, things)
