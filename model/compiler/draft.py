"""The net while it is being made: places and transitions with what liveness needs to know.

Contraction of empty vanishing places, resting places for loops that would spin, and pruning of
ways that nothing takes live here. Which fragment a construct becomes does not.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace

from ..net import PlaceKind, Span, Transition, TransitionKind
from .places import Names
from .scan import Scan

Fixed = frozenset[str]


@dataclass
class DraftPlace:
    """A place. `fixed`: its frame whatever is alive; `needs`: what it must hold in any case.

    `code` is the glue of a vanishing place, `scan` what it reads and assigns, `exits` its exits by
    number, `catching` the types of the handlers around.
    """

    name: str
    kind: PlaceKind
    span: Span | None
    block: int
    site: str = ""
    fixed: Fixed | None = None
    needs: Fixed = frozenset()
    code: tuple[ast.stmt, ...] | None = None
    scan: Scan | None = None
    exits: tuple[str, ...] = ()
    catching: tuple[ast.expr, ...] = ()


@dataclass
class DraftTransition:
    """A transition, with the label of its glue exit and the variables that end with it."""

    made: Transition
    label: str = ""
    kills: frozenset[str] = frozenset()


@dataclass
class Draft:
    """Places by name, transitions in order of making."""

    places: dict[str, DraftPlace] = field(default_factory=dict[str, DraftPlace])
    transitions: list[DraftTransition] = field(default_factory=list[DraftTransition])
    names: Names = field(default_factory=Names)
    loops: list[str] = field(default_factory=list[str])

    def place(
        self, name: str, kind: PlaceKind, span: Span | None, block: int, **more: object
    ) -> str:
        """Add a place under a unique name and return that name."""
        unique = self.names.unique(name)
        made = DraftPlace(unique, kind, span, block)
        for key, value in more.items():
            setattr(made, key, value)
        self.places[unique] = made
        return unique

    def add(
        self,
        name: str,
        kind: TransitionKind,
        take: tuple[str, ...],
        put: tuple[str, ...],
        *,
        label: str = "",
        kills: frozenset[str] = frozenset(),
        made: Transition | None = None,
    ) -> None:
        """Add a transition; `made` carries what is beyond name, kind and arcs."""
        span = self.places[take[0]].span
        base = made if made is not None else Transition("", kind, (), ())
        full = replace(base, name=name, kind=kind, take=take, put=put, span=base.span or span)
        self.transitions.append(DraftTransition(full, label, kills))

    def leaving(self) -> dict[str, list[DraftTransition]]:
        """Transitions by each place they take from."""
        found: dict[str, list[DraftTransition]] = {name: [] for name in self.places}
        for t in self.transitions:
            for name in t.made.take:
                found[name].append(t)
        return found


def finish(draft: Draft, initial: str) -> None:
    """Give spinning loops a resting place, contract empty places, drop what cannot be reached."""
    _rest(draft)
    _contract(draft)
    _prune(draft, initial)


def _vanishing_ways(draft: Draft) -> dict[str, list[str]]:
    ways: dict[str, list[str]] = {}
    for t in draft.transitions:
        source = t.made.take[0]
        if draft.places[source].kind is PlaceKind.VANISHING:
            to = [p for p in t.made.put if draft.places[p].kind is PlaceKind.VANISHING]
            ways.setdefault(source, []).extend(to)
    return ways


def _rest(draft: Draft) -> None:
    """C1: a loop with a round that passes no resting place would spin inside one firing."""
    for head in draft.loops:
        ways = _vanishing_ways(draft)
        todo, seen = list(ways.get(head, ())), set[str]()
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo += ways.get(at, ())
        if head not in seen:
            continue
        draft.places[head].kind = PlaceKind.AFTER
        for t in draft.transitions:
            if t.made.take == (head,):
                t.made = replace(t.made, kind=TransitionKind.GO_ON, name="next round")


def _contract(draft: Draft) -> None:
    """A vanishing place without code and with one plain way out is that way's target."""
    target: dict[str, str] = {}
    for name, out in draft.leaving().items():
        place = draft.places[name]
        if place.kind is not PlaceKind.VANISHING or place.code is not None or len(out) != 1:
            continue
        t = out[0]
        plain = t.made.take == (name,) and len(t.made.put) == 1 and not t.made.read
        if plain and t.made.stack_op is None and not t.kills and t.made.put != (name,):
            target[name] = t.made.put[0]

    def resolved(name: str) -> str:
        while name in target:
            name = target[name]
        return name

    draft.transitions = [t for t in draft.transitions if t.made.take[0] not in target]
    for t in draft.transitions:
        if not target.keys().isdisjoint(t.made.put):
            t.made = replace(t.made, put=tuple(resolved(p) for p in t.made.put))
    for name in target:
        del draft.places[name]


def _prune(draft: Draft, initial: str) -> None:
    """Drop places that no token can reach, ends too, and the transitions that need one there."""
    reached = {initial}
    changed = True
    while changed:
        changed = False
        for t in reversed(draft.transitions):  # made from the end to the start
            if reached.issuperset((*t.made.take, *t.made.read)) and not reached.issuperset(
                t.made.put
            ):
                reached.update(t.made.put)
                changed = True
    draft.places = {n: p for n, p in draft.places.items() if n in reached}
    draft.transitions = [
        t for t in draft.transitions if reached.issuperset((*t.made.take, *t.made.read))
    ]
