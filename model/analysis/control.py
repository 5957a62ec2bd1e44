"""The control net: a net with data forgotten, as bit masks one can step fast; and the slow replay.

A marking of a safe net is one integer, a bit per place. *Observers* are extra bits above the places
which transitions set and clear; they never decide what is enabled, so they record what has happened
on the way without changing the net. No search lives here (`explicit.py`), and no property.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..net import Net


class NotAFiring(ValueError):
    """A claimed run is none: a transition is not enabled. Our defect, never the user's fault."""

    def __init__(self, position: int, transition: str, missing: str) -> None:
        super().__init__(position, transition, missing)
        self.position, self.transition, self.missing = position, transition, missing


@dataclass(frozen=True, slots=True)
class Observer:
    """A bit that remembers: transitions of `sets` raise it, of `clears` lower it (sets win)."""

    name: str
    sets: frozenset[int]
    clears: frozenset[int] = frozenset()


class Control:
    """Masks of a net. `atomic`: a firing is walked to its end before anything else moves.

    The plain rule (`atomic=False`) lets other tokens move between two steps of one firing; it
    contains every run of the engine. The atomic rule is exactly the engine's.
    """

    def __init__(
        self,
        net: Net,
        observers: Sequence[Observer] = (),
        *,
        atomic: bool = False,
        without: Collection[int] = (),
    ) -> None:
        self.net = net
        self.observers = tuple(observers)
        self.places = (1 << len(net.places)) - 1
        vanishing = self._mask(p.name for p in net.places if not p.tangible) if atomic else 0
        self._vanishing = vanishing
        self._always: list[tuple[int, int, int, int, int]] = []
        self._by_trigger: list[list[tuple[int, int, int, int, int]]] = [[] for _ in net.places]
        self._without = frozenset(without)
        self._fill()
        self.initial = self._mask((net.initial,))

    def _mask(self, names: Iterable[str]) -> int:
        mask = 0
        for name in names:
            mask |= 1 << self.net.place[name]
        return mask

    def _fill(self) -> None:
        """Tables (transition, need, keep, put, take); each waits at its least shared place."""
        size = len(self.net.places)
        shared = Counter(p for t in self.net.transitions for p in {*t.take, *t.read})
        for k, t in enumerate(self.net.transitions):
            if k in self._without:
                continue
            take, put = self._mask(t.take), self._mask(t.put)
            sets = clears = 0
            for bit, observer in enumerate(self.observers, size):
                if k in observer.sets:
                    sets |= 1 << bit
                elif k in observer.clears:
                    clears |= 1 << bit
            row = (k, take | self._mask(t.read), ~(take | clears), put | sets, take)
            waits = min({*t.take, *t.read}, key=lambda p: (shared[p], p), default=None)
            here = self._always if waits is None else self._by_trigger[self.net.place[waits]]
            here.append(row)

    def successors(self, state: int) -> tuple[list[tuple[int, int]], list[int]]:
        """Return (transition, next state) of each safe firing, and the unsafe transitions."""
        moves: list[tuple[int, int]] = []
        unsafe: list[int] = []
        glued = state & self._vanishing
        rows = list(self._always)
        rest = state & self.places
        while rest:
            low = rest & -rest
            rows += self._by_trigger[low.bit_length() - 1]
            rest ^= low
        for k, need, keep, put, take in rows:
            if state & need != need or (glued and not take & glued):
                continue
            left = state & keep
            if left & put & self.places:
                unsafe.append(k)
            else:
                moves.append((k, left | put))
        moves.sort()
        return moves, unsafe

    def marking(self, state: int) -> dict[str, int]:
        """The marking of a state, by place name."""
        return {p.name: 1 for i, p in enumerate(self.net.places) if state >> i & 1}

    def observed(self, state: int, observer: int) -> bool:
        """Whether the bit of that observer is up."""
        return bool(state >> len(self.net.places) + observer & 1)

    def of(self, names: Iterable[str]) -> int:
        """The mask of some places."""
        return self._mask(names)


def replay(net: Net, firings: Sequence[int]) -> Mapping[str, int]:
    """Fire by the book, with counted tokens and no masks, and return the last marking.

    Independent of `Control` on purpose: every witness passes here before it is shown.
    """
    tokens = Counter({net.initial: 1})
    for position, k in enumerate(firings):
        t = net.transitions[k]
        for place, needed in (Counter(t.take) | Counter(dict.fromkeys(t.read, 1))).items():
            if tokens[place] < needed:
                raise NotAFiring(position, t.name, place)
        tokens.subtract(Counter(t.take))
        tokens.update(t.put)
    return {place: count for place, count in sorted(tokens.items()) if count}
