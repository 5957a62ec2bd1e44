"""Liveness and definite assignment on the draft net: the frame of every place.

A backward fixpoint says what a token must hold, a forward one what it surely has. At joins the
scope's token carries what the parent needs; places with a fixed frame hold just that. Types are
not known here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..net import PlaceKind, StackOp, TransitionKind
from .draft import Draft, DraftPlace, DraftTransition
from .rewrite import ERROR
from .scan import Assigned, Scan

Names = frozenset[str]
_NONE: Names = frozenset()
_UNTOUCHED = Assigned(_NONE, _NONE)


@dataclass
class Flow:
    """What the passes found: frames by place, reads and writes by glue place, unset reads."""

    frames: dict[str, Names] = field(default_factory=dict[str, Names])
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    writes: dict[str, tuple[tuple[str, ...], ...]] = field(
        default_factory=dict[str, tuple[tuple[str, ...], ...]]
    )
    unset: list[tuple[str, str, ast.AST | None]] = field(
        default_factory=list[tuple[str, str, ast.AST | None]]
    )


def flow(draft: Draft, initial: str) -> Flow:
    """Compute frames, reads and writes; `unset`: (variable, place, node) that may lack a value."""
    passes = _Passes(draft)
    live = passes.live()
    sure = passes.sure(initial)
    result = Flow()
    for name, place in draft.places.items():
        result.frames[name] = live[name]
        if name not in sure:
            continue
        result.unset += [(v, name, None) for v in sorted(place.needs - sure[name])]
        if place.code is not None:
            found = passes.scans[name]
            missing = [v for v in found.reads if v not in sure[name]]
            result.unset += [(v, name, found.reads[v]) for v in missing]
            result.unset += [(v, name, node) for v, node in found.lost.items()]
            result.reads[name], result.writes[name] = passes.signature(place, live)
    return result


class _Passes:
    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.scans: dict[str, Scan] = {
            p.name: p.scan for p in draft.places.values() if p.scan is not None
        }
        self.leaving = draft.leaving()

    # --- shared ---------------------------------------------------------------------------

    def assigned(self, place: str, label: str) -> Assigned:
        """What the glue at `place` assigns when it is left by `label`."""
        found = self.scans.get(place)
        if found is None:
            return _UNTOUCHED
        if label == "raise":
            fails = found.fails or _UNTOUCHED
            return Assigned(fails.must | {ERROR}, fails.maybe | {ERROR}, fails.gone)
        return found.exits[label]

    def fixed(self, name: str) -> Names:
        return self.draft.places[name].fixed or _NONE

    def wanted(self, t: DraftTransition, live: dict[str, Names]) -> Names:
        """What the token that carries the variables must bring to `t`."""
        made = t.made
        # A branch that ends without a result brings none; one that landed holds it until it ends.
        optional = () if made.kind is TransitionKind.GO_ON else (PlaceKind.BRANCH,)
        put = [p for p in made.put if self.draft.places[p].kind not in optional]
        want = _union(live[p] for p in put)
        want -= _union(self.fixed(p) for p in made.take)
        if made.binds:
            want -= {made.binds}
        if made.stack_op is StackOp.OPEN:
            want -= {made.stack}
        return want - t.kills

    # --- backward -------------------------------------------------------------------------

    def live(self) -> dict[str, Names]:
        places = self.draft.places
        live = {n: p.fixed if p.fixed is not None else p.needs for n, p in places.items()}
        before: dict[str, list[str]] = {name: [] for name in places}
        for name, leaving in self.leaving.items():
            for put in (p for t in leaving for p in t.made.put if places[name].fixed is None):
                before[put].append(name)
        # Places are made from the end to the start, as what they hold is passed on.
        todo = {n: None for n, p in reversed(places.items()) if p.fixed is None}
        while todo:
            name, _ = todo.popitem()
            new = live[name]
            if name in self.scans:
                new |= frozenset(self.scans[name].reads)
            for t in self.leaving[name]:
                new |= self.wanted(t, live) - self.assigned(name, t.label).must
            if new != live[name]:
                live[name] = new
                todo |= dict.fromkeys(before[name])
        return live

    # --- forward --------------------------------------------------------------------------

    def sure(self, initial: str) -> dict[str, Names]:
        places = self.draft.places
        sure: dict[str, Names] = {n: p.fixed for n, p in places.items() if p.fixed is not None}
        sure.setdefault(initial, _NONE)
        todo = {id(t): t for t in self.draft.transitions}
        while todo:
            _, t = todo.popitem()
            if any(p not in sure for p in t.made.take):
                continue  # tried again when the last of them is reached
            has = self.brings(t, sure)
            for name in t.made.put:
                if places[name].fixed is not None:
                    continue
                new = has if name not in sure else sure[name] & has
                if sure.get(name) != new:
                    sure[name] = new
                    todo |= {id(other): other for other in self.leaving[name]}
        return sure

    def brings(self, t: DraftTransition, sure: dict[str, Names]) -> Names:
        has = _union(sure[p] for p in t.made.take)
        if t.label:
            done = self.assigned(t.made.take[0], t.label)
            has = (has - done.gone) | done.must
        has |= {t.made.binds} if t.made.binds else _NONE
        has |= {t.made.stack} if t.made.stack_op is StackOp.OPEN else _NONE
        return has - t.kills

    # --- glue -----------------------------------------------------------------------------

    def signature(
        self, place: DraftPlace, live: dict[str, Names]
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Reads and, per exit, writes: assigned on some path and alive behind that exit."""
        reads = set(self.scans[place.name].reads)
        writes: list[tuple[str, ...]] = []
        for label in place.exits:
            out = [t for t in self.leaving[place.name] if t.label == label]
            alive = _union(self.wanted(t, live) for t in out)
            done = self.assigned(place.name, label)
            written = done.maybe & alive
            # What only some paths assign is handed through from before.
            reads |= written - done.must
            error = [ERROR] if label == "raise" and ERROR in written else []
            writes.append((*error, *sorted(written - set(error))))
        return tuple(sorted(reads)), tuple(writes)


def _union(parts: Iterable[Names]) -> Names:
    return _NONE.union(*parts)
