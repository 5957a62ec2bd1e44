"""Explicit reachability: every state of a control net, breadth first, with parents and limits.

Breadth first makes each path to a state a shortest one. The search stops at a limit of states or
when the caller says that time is out (this floor reads no clock); what was found until then stays
true, and `Space.complete` says that the rest is unknown. Properties are judged elsewhere
(`sound.py`, `effects.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .control import Control

LIMIT_STATES = 200_000
TIME_CHECK_STATES = 256


def never() -> bool:
    """Time is never out: the default where no limit in seconds was asked for."""
    return False


@dataclass(frozen=True, slots=True)
class Limits:
    """How far to search: a number of states, and a callable that says when time is out."""

    states: int = LIMIT_STATES
    out_of_time: Callable[[], bool] = never


@dataclass(slots=True)
class Space:
    """What a search has found. States are numbered in the order of discovery.

    `moves[i]` exists for the first `expanded` states; `unsafe` are (state, transition) pairs whose
    firing would put a second token into a place, behind which the search does not go.
    """

    control: Control
    states: list[int]
    parents: list[tuple[int, int]]
    moves: list[list[tuple[int, int]]] = field(default_factory=list[list[tuple[int, int]]])
    unsafe: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    stopped: str = ""

    @property
    def complete(self) -> bool:
        """All reachable states are here, with all their moves."""
        return not self.stopped and not self.unsafe

    @property
    def incompleteness(self) -> str:
        """Why the space is not complete, in words; empty when it is."""
        return self.stopped or ("the net is not safe" if self.unsafe else "")

    def path(self, state: int, then: int | None = None) -> tuple[int, ...]:
        """The firings of a shortest run to a state, and one more if `then` is given."""
        firings: list[int] = [] if then is None else [then]
        while state:
            state, k = self.parents[state]
            firings.append(k)
        return tuple(reversed(firings))

    def first(self, transitions: frozenset[int]) -> tuple[int, int] | None:
        """The first (state, transition) at which one of these fires, or None."""
        for state, moves in enumerate(self.moves):
            for k, _ in moves:
                if k in transitions:
                    return state, k
        return None


def explore(control: Control, limits: Limits | None = None) -> Space:
    """Find every reachable state, or as many as the limits allow."""
    limits = limits or Limits()
    number = {control.initial: 0}
    space = Space(control, [control.initial], [(0, -1)])
    expanded = 0
    while expanded < len(space.states):
        if len(space.states) > limits.states:
            space.stopped = f"more than {limits.states} states"
            break
        if expanded % TIME_CHECK_STATES == 0 and limits.out_of_time():
            space.stopped = "out of time"
            break
        moves, unsafe = control.successors(space.states[expanded])
        numbered: list[tuple[int, int]] = []
        for k, state in moves:
            known = number.setdefault(state, len(number))
            if known == len(space.states):
                space.states.append(state)
                space.parents.append((expanded, k))
            numbered.append((k, known))
        space.moves.append(numbered)
        space.unsafe += [(expanded, k) for k in unsafe]
        expanded += 1
    return space
