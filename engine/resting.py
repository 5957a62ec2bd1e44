"""What a set of marked places can do, whatever its tokens hold: looked up once, remembered.

An execution comes to rest in the same few sets of places again and again, so what depends on the
places alone is found once per set. Nothing that depends on a token, a time or a log is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..model.marking import Wiring, enabled
from ..model.net import PlaceKind, TransitionKind
from .status import Status

SETS_MAX = 10_000
"""How many sets are remembered, of all nets; a wide `together` has more: the oldest are dropped."""

_FIRST = frozenset({TransitionKind.DRAIN, TransitionKind.JOIN})
WANTING = frozenset(
    {
        PlaceKind.BEFORE,
        PlaceKind.DURING,
        PlaceKind.DOUBT,
        PlaceKind.UNDOING,
        PlaceKind.WAITING,
    }
)


class Auto(NamedTuple):
    """An enabled transition that needs nothing from outside; some look at the token first."""

    transition: int
    place: int
    kind: TransitionKind


@dataclass(frozen=True, slots=True)
class Rest:
    """What the marked places permit and ask for."""

    autos: tuple[Auto, ...]  # drains and joins first, then in the order of the places
    intents: tuple[int, ...]  # one for each call that says so before it is made
    wanting: tuple[int, ...]  # places whose tokens ask for a call, a message, a moment, a person
    waits: bool  # one of them waits for a message or a moment
    after: bool  # an outcome waits to be durable before the code behind it runs
    still: bool  # nothing of the above but calls without an intent: only their outcomes go on
    final: Status | None  # how the execution has ended


@lru_cache(maxsize=SETS_MAX)
def rest(wiring: Wiring, places: tuple[int, ...]) -> Rest:
    """What these places permit; their order is that of the marking, and says who is first."""
    kinds = [wiring.net.places[place].kind for place in places]
    final = [p for p in wiring.final if p in places]
    autos, waits = _autos(wiring, places), PlaceKind.WAITING in kinds
    asking = (wiring.by_kind.get((place, TransitionKind.INTENT), ()) for place in places)
    intents = tuple(found[0] for found in asking if found)
    return Rest(
        autos=autos,
        intents=intents,
        wanting=tuple(p for p, kind in zip(places, kinds, strict=True) if kind in WANTING),
        waits=waits,
        after=PlaceKind.AFTER in kinds,
        still=not autos and not intents and not waits,
        final=Status(wiring.net.places[final[0]].kind.value) if final else None,
    )


def _autos(wiring: Wiring, places: tuple[int, ...]) -> tuple[Auto, ...]:
    marked = dict.fromkeys(places)
    found = [
        Auto(transition, place, wiring.net.transitions[transition].kind)
        for place in places
        for transition in wiring.autos[place]
        if enabled(wiring, marked, transition)
    ]
    return tuple(sorted(found, key=lambda auto: auto.kind not in _FIRST))
