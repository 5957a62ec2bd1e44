"""A reference judgement of effects: an explicit search over net, undo stacks and a ledger of them.

Written apart from the checker, which forgets the stacks: here they are kept, a call that is out may
land at any time, and a ledger notes what stands in the world and which sagas owe its undo. Bounded
by the length of the ledger and a number of states. It decides nothing about soundness.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from perdure.model.net import FINAL, Net, PlaceKind, StackOp, Transition, TransitionKind

K = TransitionKind
LEDGER_MAX = 5
STATES_MAX = 40_000
OWN = (PlaceKind.DURING, PlaceKind.DOUBT, PlaceKind.AFTER)


class Effect(NamedTuple):
    """A call: `owed` are the sagas it was made in, `active` until the code behind it goes on."""

    site: str
    owed: frozenset[str]
    landed: bool = False
    active: bool = True


class World(NamedTuple):
    """One state: marking, undo stacks with (site, known) entries, ledger, open sagas."""

    marking: frozenset[str]
    stacks: frozenset[tuple[str, tuple[tuple[str, bool], ...]]]
    ledger: tuple[Effect, ...]
    sagas: frozenset[str]


class Wrong(Exception):
    """What no run may do: `rule` is once, undo or pivot."""

    def __init__(self, rule: str, says: str) -> None:
        super().__init__(rule, says)
        self.rule, self.says = rule, says


class Judgement(NamedTuple):
    """Rules that are broken, each with words; and whether the search ran into its bounds."""

    broken: dict[str, str]
    bounded: bool
    states: int


def judge_effects(net: Net) -> Judgement:
    """Search; behind what is wrong the search does not go on."""
    oracle = _Oracle(net)
    start = World(frozenset([net.initial]), frozenset(), (), frozenset())
    seen, todo, bounded = {start}, deque([start]), False
    while todo:
        world = todo.popleft()
        for t in oracle.enabled(world):
            try:
                after = oracle.fired(world, t)
            except Wrong as wrong:
                oracle.broken.setdefault(wrong.rule, f"{t.name}: {wrong.says}")
                continue
            if after in seen:
                continue
            if len(after.ledger) > LEDGER_MAX or len(seen) >= STATES_MAX:
                bounded = True
                continue
            seen.add(after)
            todo.append(after)
    return Judgement(oracle.broken, bounded, len(seen))


class _Oracle:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.broken: dict[str, str] = {}
        self.kind = {p.name: p.kind for p in net.places}
        self.frame = {p.name: p.frame for p in net.places}
        self.passed = {n for n, kind in self.kind.items() if kind is PlaceKind.VANISHING}
        self.own: dict[str, set[str]] = {}
        for p in net.places:
            if p.kind in OWN:
                self.own.setdefault(p.site, set()).add(p.name)
        self.leaving: dict[str, list[Transition]] = {}
        for t in net.transitions:
            self.leaving.setdefault(t.take[0], []).append(t)

    def enabled(self, world: World) -> Iterator[Transition]:
        """What may fire: a firing is walked to its end, an undo is of the last entry."""
        at, passing = world.marking, world.marking & self.passed
        stacks = dict(world.stacks)
        for t in (t for place in at for t in self.leaving.get(place, ())):
            if not at.issuperset((*t.take, *t.read)) or (passing and not passing & {*t.take}):
                continue
            stack = stacks.get(t.stack, ())
            if t.kind is K.UNDO and (not stack or stack[-1][0] != t.site):
                continue
            if t.kind is K.UNDONE and stack:
                continue
            yield t

    def fired(self, world: World, t: Transition) -> World:
        """The world behind a firing; raises `Wrong`."""
        rest = world.marking - {*t.take}
        marking = rest | {*t.put}
        if rest & {*t.put}:
            raise Wrong("unsafe", "a second token")
        stacks = dict(world.stacks)
        ledger = self.effect(world, t)
        sagas, ledger = self.saga(world.sagas, ledger, t)
        self.stack(stacks, t)
        self.given_up(marking, ledger)
        self.pivot(world, marking, ledger)
        if any(self.kind[p] in FINAL for p in marking) and ledger:
            last = ledger[-1]
            rule = self.rule(last.site) if last.active else "undo"
            raise Wrong(rule, f"the end leaves {last.site}, or a saga it stands in")
        return World(marking, frozenset(stacks.items()), ledger, sagas)

    # --- calls --------------------------------------------------------------------------------

    def rule(self, site: str) -> str:
        return "once" if self.net.site[site].effect == "irreversible" else "undo"

    def effect(self, world: World, t: Transition) -> tuple[Effect, ...]:
        """The ledger behind what a transition does to a call."""
        ledger, site = world.ledger, t.site
        open_at = next((i for i, e in enumerate(ledger) if e.site == site and e.active), -1)
        if t.kind is K.INTENT:
            if open_at >= 0:
                raise Wrong(self.rule(site), "called while a call before it may land")
            return (*ledger, Effect(site, world.sagas))
        if t.kind in (K.LANDED, K.SETTLED):
            if open_at < 0 or ledger[open_at].landed:
                raise Wrong(self.rule(site), "lands without a call, or twice")
            return _with(ledger, open_at, ledger[open_at]._replace(landed=True))
        if t.kind in (K.REFUSED, K.RETRY, K.VOIDED, K.UNDID):
            if open_at < 0 or ledger[open_at].landed:
                raise Wrong(self.rule(site), "is taken for not landed")
            return _with(ledger, open_at, None)
        if t.kind is K.GO_ON and site:
            if open_at < 0 or not ledger[open_at].landed:
                raise Wrong(self.rule(site), "goes on before the outcome is known")
            stands = ledger[open_at]._replace(active=False)
            return _with(ledger, open_at, stands if self.owes(stands) else None)
        return self.undone(ledger, t) if t.kind is K.UNDO else ledger

    def owes(self, effect: Effect) -> bool:
        return bool(effect.owed)

    def undone(self, ledger: tuple[Effect, ...], t: Transition) -> tuple[Effect, ...]:
        """The last effect of the saga is undone, and no other."""
        mine = [i for i, e in enumerate(ledger) if t.stack in e.owed and self.undoable(e)]
        if not mine or ledger[mine[-1]].site != t.site:
            raise Wrong("undo", "undoes what is not the last effect that stands")
        return _with(ledger, mine[-1], None)

    def undoable(self, effect: Effect) -> bool:
        return self.net.site[effect.site].effect == "compensatable"

    def given_up(self, marking: frozenset[str], ledger: tuple[Effect, ...]) -> None:
        for e in ledger:
            if e.active and not marking & self.own.get(e.site, set()):
                raise Wrong(self.rule(e.site), f"{e.site} is given up while it may land")

    # --- sagas --------------------------------------------------------------------------------

    def saga(
        self, sagas: frozenset[str], ledger: tuple[Effect, ...], t: Transition
    ) -> tuple[frozenset[str], tuple[Effect, ...]]:
        """Open sagas and ledger behind a transition that enters or leaves one."""
        if t.stack_op is StackOp.OPEN:
            if t.stack in sagas:
                raise Wrong("undo", "a saga is entered that was never left")
            return sagas | {t.stack}, ledger
        if t.kind is K.UNDONE:
            standing = [e for e in ledger if t.stack in e.owed and self.undoable(e)]
            if standing:
                raise Wrong("undo", f"{standing[-1].site} stands though the saga was undone")
        elif t.stack_op not in (StackOp.FORGET, StackOp.HAND_OVER):
            return sagas, ledger
        left = [e._replace(owed=e.owed - {t.stack}) for e in ledger]
        return sagas - {t.stack}, tuple(e for e in left if e.owed or e.active)

    def stack(self, stacks: dict[str, tuple[tuple[str, bool], ...]], t: Transition) -> None:
        """The undo stack, as the engine keeps it."""
        old = stacks.get(t.stack, ())
        if t.stack_op is StackOp.OPEN:
            stacks[t.stack] = ()
        elif t.stack_op is StackOp.PUSH:
            stacks[t.stack] = (*old, (t.site, False))
        elif t.stack_op is StackOp.COMPLETE:
            stacks[t.stack] = tuple((s, known or s == t.site) for s, known in old)
        elif t.stack_op is StackOp.DROP:
            stacks[t.stack] = tuple((s, known) for s, known in old if known or s != t.site)
        elif t.stack_op is StackOp.POP:
            stacks[t.stack] = old[:-1]
        elif t.stack_op is StackOp.HAND_OVER:
            stacks[t.outer_stack] = (*stacks.get(t.outer_stack, ()), *old)
        if t.stack_op in (StackOp.HAND_OVER, StackOp.FORGET) or t.kind is K.UNDONE:
            stacks.pop(t.stack, None)

    def pivot(self, world: World, marking: frozenset[str], ledger: tuple[Effect, ...]) -> None:
        for place in marking - world.marking:
            if self.kind[place] is not PlaceKind.UNDOING:
                continue
            for e in ledger:
                if not self.undoable(e) and e.owed & {*self.frame[place]} and e.landed:
                    raise Wrong("pivot", f"the saga is undone after {e.site} has landed")


def _with(ledger: tuple[Effect, ...], i: int, made: Effect | None) -> tuple[Effect, ...]:
    return (*ledger[:i], *(() if made is None else (made,)), *ledger[i + 1 :])
