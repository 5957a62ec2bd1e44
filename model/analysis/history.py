"""What the effect rules look at: a net's firings with bits that remember effects and sagas.

One exploration under the atomic rule (exactly the engine's firings), with observers:

- `open X`: an intent of X is durable and its occurrence is not over; `landed X`: and it has landed;
- `pivot S`: since saga S was entered, an irreversible step inside it has landed.

Only what is remembered is defined here; what must hold of it is in `effects.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..net import Net, PlaceKind, Site, StackOp, TransitionKind
from .control import Control, Observer
from .explicit import Limits, Space, explore

LANDS = frozenset({TransitionKind.LANDED, TransitionKind.SETTLED})
NOT_LANDED = frozenset(
    {
        TransitionKind.VOIDED,
        TransitionKind.UNDID,
        TransitionKind.REFUSED,
        TransitionKind.RETRY,
    }
)
OVER = NOT_LANDED | {TransitionKind.GO_ON}


@dataclass(frozen=True, slots=True)
class Saga:
    """A saga as the net shows it: its undo-stack variable, its live places, its undoing places.

    A branch of a race that may have to be undone is one too: `raced`, and nothing is inside it.
    """

    stack: str
    live: frozenset[str]
    undoing: frozenset[str]
    enters: frozenset[int]
    pushed: frozenset[str]  # sites whose intents rest on its stack, or are handed over to it
    raced: bool


def sagas(net: Net) -> tuple[Saga, ...]:
    """The sagas of a net, in the order in which they are entered in the source."""
    opened: dict[str, set[int]] = {}
    pushed: dict[str, set[str]] = {}
    outer: dict[str, str] = {}
    raced = {t.stack for t in net.transitions if t.kind is TransitionKind.WINS}
    for k, t in enumerate(net.transitions):
        if t.stack:  # a saga that is never opened is one too, if by mistake
            opened.setdefault(t.stack, set())
        if t.stack_op is StackOp.OPEN:
            opened[t.stack].add(k)
        elif t.stack_op is StackOp.HAND_OVER:
            outer[t.stack] = t.outer_stack
        elif t.stack_op is StackOp.PUSH:
            pushed.setdefault(t.stack, set()).add(t.site)
    for stack in outer:  # what lies on an inner stack may come to lie on all those around it
        sites, around, seen = pushed.get(stack, set()), outer[stack], {stack}
        while around and around not in seen:
            pushed.setdefault(around, set()).update(sites)
            seen.add(around)
            around = outer.get(around, "")
    return tuple(
        Saga(
            stack,
            _holders(net, stack, PlaceKind.SCOPE),
            _holders(net, stack, PlaceKind.UNDOING),
            frozenset(enters),
            frozenset(pushed.get(stack, ())),
            stack in raced,
        )
        for stack, enters in opened.items()
    )


def _holders(net: Net, stack: str, kind: PlaceKind) -> frozenset[str]:
    return frozenset(p.name for p in net.places if p.kind is kind and stack in p.frame)


def firing(net: Net, kinds: Collection[TransitionKind], sites: Collection[str]) -> frozenset[int]:
    """The transitions of these kinds at these sites."""
    return frozenset(
        k for k, t in enumerate(net.transitions) if t.kind in kinds and t.site in sites
    )


def with_effect(net: Net, *effects: str) -> tuple[Site, ...]:
    """The call sites of these effect classes."""
    return tuple(s for s in net.sites if s.effect in effects)


class History:
    """A net explored with observers; `without` leaves transitions out, to find the next witness."""

    def __init__(self, net: Net, limits: Limits, without: Collection[int] = ()) -> None:
        self.net = net
        self.sagas = sagas(net)
        self.irreversible = with_effect(net, "irreversible")
        self._number: dict[str, int] = {}
        observers = [*self._attempts(), *self._pivots()]
        for number, observer in enumerate(observers):
            self._number[observer.name] = number
        control = Control(net, observers, atomic=True, without=without)
        self.space: Space = explore(control, limits)

    def _attempts(self) -> list[Observer]:
        found: list[Observer] = []
        for site in with_effect(self.net, "irreversible", "compensatable"):
            here = (site.name,)
            over = firing(self.net, OVER, here)
            begins = firing(self.net, {TransitionKind.INTENT}, here)
            found.append(Observer(f"open {site.name}", begins, over))
            found.append(Observer(f"landed {site.name}", firing(self.net, LANDS, here), over))
        return found

    def _pivots(self) -> list[Observer]:
        """Entering lowers the bit, so only what lands inside, at any depth, makes a pivot."""
        lands = firing(self.net, LANDS, {s.name for s in self.irreversible})
        return [Observer(f"pivot {s.stack}", lands, s.enters) for s in self.sagas]

    def inside(self, state: int, saga: Saga) -> bool:
        """Whether the saga's live token is there."""
        control = self.space.control
        return bool(self.space.states[state] & control.of(saga.live))

    def remembers(self, state: int, observer: str) -> bool:
        """Whether that observer's bit is up in a state."""
        space = self.space
        return space.control.observed(space.states[state], self._number[observer])
