"""Expressions and calls of random programs, and what has a value where they stand.

Statements are made in `programs.py`, never here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

PAD = "    "


@dataclass(frozen=True)
class Here:
    """What holds where a statement is written."""

    inside: tuple[str, ...] = ()  # constructs around, outermost first
    pad: str = PAD
    loop: bool = False
    saga: bool = False
    error: str = ""  # the exception of the handler around
    names: list[str] = field(default_factory=list[str])  # ints with a value
    fixed: frozenset[str] = frozenset()  # of these, loop counters: not to be assigned
    moments: tuple[str, ...] = ()  # datetimes with a value

    def within(self, construct: str, **more: object) -> Here:
        """The same, one construct deeper; what is named in there stays there."""
        base = replace(
            self, inside=(*self.inside, construct), pad=self.pad + PAD, names=list(self.names)
        )
        return replace(base, **more)  # pyright: ignore[reportArgumentType]  # fields by name


class Expressions:
    """Makes expressions with the dice `r`, and notes what occurs."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.constructs: set[str] = set()
        self.pairs: set[tuple[str, str]] = set()
        self.tags = 0

    def saw(self, here: Here, construct: str) -> None:
        """Note a construct and what it stands directly in."""
        self.constructs.add(construct)
        if here.inside:
            self.pairs.add((here.inside[-1], construct))

    def tag(self) -> int:
        """A number that stands for one place in the source."""
        self.tags += 1
        return self.tags

    def maybe(self, chance: float) -> bool:
        return self.r.random() < chance

    def atom(self, here: Here) -> str:
        return self.r.choice(here.names) if self.maybe(0.75) else str(self.r.randint(0, 5))

    def value(self, here: Here) -> str:
        """An int expression without awaits."""
        a, b = self.atom(here), self.atom(here)
        forms = [a, a, f"{a} + {b}", f"({a} - {b})", f"{a} * 3 % 7", f"xs[{a} % len(xs)]"]
        forms += [f"max({a}, {b})", f"len(xs) + {a}", f"mark({self.tag()}, {a})", f"-{a} % 11"]
        forms += [f"({a} if {b} % 2 else {self.atom(here)})"]
        if not self.maybe(0.15):
            return self.r.choice(forms)
        kind, form = self.r.choice(
            [
                ("comprehension", f"sum([q * {a} % 5 for q in xs if q != {b}])"),
                ("comprehension", "len({q % 3: p for p, q in enumerate(xs)})"),
                ("generator", f"sum(q + {a} for q in range({b} % 4))"),
                ("lambda", f"(lambda q: q * 2 + {a})({b})"),
                ("f-string", f"len(f'{{{a}}}-{{{b}!r:>4}}')"),
            ]
        )
        self.saw(here, kind)
        return form

    def test(self, here: Here) -> str:
        a, b = self.value(here), self.atom(here)
        forms = [f"{a} % 2 == 0", f"{a} > {b}", f"{a} % 3", f"not {b}", f"{a} < 4 or {b} > 2"]
        return self.r.choice(forms)

    def call(self, here: Here, tag: int | None = None, names: tuple[str, ...] = ()) -> str:
        """A call that gives an int."""
        name = self.r.choice(names or ("add", "add", "twice", "look", "picky", "hold"))
        tag = self.tag() if tag is None else tag
        self.saw(here, name)
        if name == "add" and self.maybe(0.5):
            if self.maybe(0.3):
                return f"add({tag}, b={self.value(here)}, a={self.value(here)})"
            return f"add({tag}, {self.value(here)}, {self.value(here)})"
        return f"{name}({tag}, {self.value(here)})"

    def target(self, here: Here) -> str:
        """A variable to assign: an old one, or a new one that is visible from here on."""
        old = [n for n in here.names if n not in here.fixed]
        if self.maybe(0.6):
            return self.r.choice(old)
        name = f"v{self.tag()}"
        here.names.append(name)
        return name
