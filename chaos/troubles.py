"""What can go wrong in a random history, where it can, and when it does: one draw for the distance
to the next trouble, one for its kind. Nothing is broken here; see `wild.py`.

Beside the faults of `faults.py` stand those that need more than one process, or a world of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from enum import StrEnum

from .choices import Source
from .faults import Boundary, Edge, Kind


class Trouble(StrEnum):
    """What goes wrong, or comes from outside, beyond the single faults."""

    SLOW = "store slow"  # the operation is done later, and others are done before it
    BUSY = "store busy"  # somebody else holds the write lock for a while
    UNAVAILABLE = "store unavailable"
    LANDS_LATE = "ambiguous, committed later"  # by an orphan, unless it is refused then
    PAUSED = "stopped and continued"
    OUSTED = "taken over"  # another fences this session, which lives and knows nothing
    WALL_JUMP = "wall clock jumps"
    MONOTONIC_JUMP = "monotonic clock jumps"  # as after a suspend: leases run out in sleep
    DELIVERED_LATE = "call delivered late"
    BEATS_LOST = "heartbeats lost"
    PROBE_IN_DOUBT = "probe in doubt"
    PROBE_LATE = "probe answers late"
    MESSAGE_TWICE = "message sent twice"
    MESSAGE_LATE = "message delayed"


Woe = Kind | Trouble
KINDS: tuple[Woe, ...] = (*Kind, *Trouble)
"""Everything that a campaign must have seen at least once."""

_ANYWHERE = (
    Kind.CANCELLED,
    Trouble.OUSTED,
    Trouble.WALL_JUMP,
    Trouble.MONOTONIC_JUMP,
)
_STOPS = (Trouble.PAUSED, Kind.STOPPED, Kind.ASLEEP)
_OUT_OF_REACH = (Trouble.SLOW, Trouble.UNAVAILABLE)
_NONE: tuple[Woe, ...] = ()
_FITTING: Mapping[tuple[str, Edge], tuple[Woe, ...]] = {
    ("read", Edge.BEFORE): (Kind.CRASH, *_OUT_OF_REACH, *_ANYWHERE),
    ("read", Edge.AFTER): (Kind.CRASH,),
    ("write", Edge.BEFORE): (Kind.CRASH, *_OUT_OF_REACH, Trouble.BUSY, *_ANYWHERE),
    ("write", Edge.AFTER): (Kind.CRASH, *_STOPS, *_ANYWHERE),
    ("commit", Edge.BEFORE): (
        Kind.CRASH,
        *_STOPS,
        Kind.NOT_COMMITTED,
        Trouble.LANDS_LATE,
        *_OUT_OF_REACH,
        Trouble.BUSY,
        *_ANYWHERE,
    ),
    ("commit", Edge.AFTER): (Kind.CRASH, *_STOPS, Kind.COMMITTED, *_ANYWHERE),
    ("call", Edge.BEFORE): (
        Kind.CRASH,
        Kind.CRASH_SENT,
        Kind.RAISES,
        Trouble.DELIVERED_LATE,
        *_ANYWHERE,
    ),
    ("call", Edge.AFTER): (Kind.CRASH, *_STOPS, Kind.LANDS_AND_RAISES, *_ANYWHERE),
    ("call in time", Edge.BEFORE): (
        Kind.HANGS,
        Kind.CRASH,
        Kind.CRASH_SENT,
        Kind.RAISES,
        Trouble.DELIVERED_LATE,
        *_ANYWHERE,
    ),
    ("call in time", Edge.AFTER): (Kind.CRASH, *_STOPS, Kind.LANDS_AND_RAISES, *_ANYWHERE),
    ("question", Edge.BEFORE): (
        Kind.CRASH,
        Kind.RAISES,
        Trouble.PROBE_IN_DOUBT,
        Trouble.PROBE_LATE,
        *_ANYWHERE,
    ),
    ("question", Edge.AFTER): (Kind.CRASH, *_STOPS, Kind.LANDS_AND_RAISES),
    # The write lock is held: who stops here stops everybody, and nobody else can write.
    ("transactional", Edge.BEFORE): (Kind.CRASH, Kind.RAISES),
    ("transactional", Edge.AFTER): (Kind.CRASH, Kind.LANDS_AND_RAISES),
    ("locked", Edge.BEFORE): _NONE,
    ("locked", Edge.AFTER): (Kind.CRASH,),
    ("own commit", Edge.BEFORE): (Kind.CRASH, Kind.NOT_COMMITTED),
    ("own commit", Edge.AFTER): (Kind.CRASH, *_STOPS, Kind.COMMITTED),
    ("moment", Edge.BEFORE): (Kind.CRASH, *_ANYWHERE),
    ("inside", Edge.BEFORE): (Kind.CRASH,),  # before a line of a body of the user's
    ("beat", Edge.BEFORE): (Trouble.BEATS_LOST,),
    ("message", Edge.BEFORE): (Trouble.MESSAGE_TWICE, Trouble.MESSAGE_LATE),
}
EVERYWHERE = ("read", "write", "commit", "moment", "beat")
"""What every workflow meets."""


def fitting(natures: Container[str]) -> list[Woe]:
    """The kinds that can come at boundaries of these natures."""
    found = {kind for (nature, _), kinds in _FITTING.items() if nature in natures for kind in kinds}
    return [kind for kind in KINDS if kind in found]


def fits(kind: Woe, nature: str, edge: Edge) -> bool:
    """Whether this kind can come at this edge of an operation."""
    return kind in _FITTING[nature, edge]


DISTANCE = 60
"""Boundaries to the next trouble: fewer than this."""
LOSES_SESSION = (Kind.NOT_COMMITTED, Kind.COMMITTED, Trouble.LANDS_LATE, Trouble.OUSTED)
NEAR = 10
"""Boundaries to the next trouble after one of these: while one session gives way to the next."""
FAVOURED: tuple[Woe, ...] = (
    *KINDS,
    *(3 * (Kind.HANGS, Trouble.PROBE_IN_DOUBT, Trouble.PROBE_LATE)),
    *(3 * (Trouble.MESSAGE_TWICE, Trouble.MESSAGE_LATE)),
)
"""What a history may favour; what fits seldom is favoured more often."""
FAVOURED_AT = 1
"""Which of a history's choices says what it favours, from 0: nothing, or one of the list."""
FAVOURED_DISTANCE = 3
TROUBLES_MAX = 6


class Chance:
    """Decides at every boundary of a history whether something goes wrong there, and what.

    `favoured` is a kind that comes besides, once, at one of the first boundaries where it fits.
    """

    def __init__(self, source: Source, favoured: Woe | None = None) -> None:
        self._source, self._favoured = source, favoured
        self.fired: Counter[Woe] = Counter()
        self.met = 0  # boundaries
        self.met_execution = False  # there is one: from then on what is done to one does something
        self._moment = False
        # 0, the dull choice: nothing goes wrong any more.
        self._left = source.choose(DISTANCE)
        self._until = 1 + source.choose(FAVOURED_DISTANCE) if favoured is not None else 0

    def meet(self, nature: str, edge: Edge = Edge.BEFORE, name: str = "") -> Woe | None:
        """What goes wrong at this boundary, mostly nothing; `name` is for those who write down
        where it was."""
        if nature == "moment" and self._moment:
            return None  # nothing lies between two moments of the clock
        self._moment = nature == "moment"
        self.met += 1
        if not (self._left or self._until):
            return None
        kinds = _FITTING[nature, edge]
        ready = self.met_execution or self._favoured not in _ANYWHERE
        if self._until and ready and self._favoured is not None and self._favoured in kinds:
            self._until -= 1
            if not self._until:
                self._left = _distance(self._favoured, self._left)
                return self._fire(self._favoured)
        if not (self._left and kinds):
            return None
        self._left -= 1
        if self._left:
            return None
        kind = self._fire(kinds[self._source.choose(len(kinds))])
        if self.fired.total() < TROUBLES_MAX:
            self._left = _distance(kind, self._source.choose(DISTANCE))
        return kind

    def _fire(self, kind: Woe) -> Woe:
        self.fired[kind] += 1
        return kind

    def void(self, kind: Woe) -> None:
        """One of this kind came to nothing: there was nobody to whom it could be done."""
        self.fired[kind] -= 1

    def one_of(self, count: int) -> int:
        """A choice about the trouble that has just been met."""
        return self._source.choose(count)

    def calm(self) -> None:
        """Let nothing go wrong any more."""
        self._left = self._until = 0


def _distance(kind: Woe, drawn: int) -> int:
    """How far the trouble after one of this kind is, of what was drawn for it; 0: there is none."""
    return 1 + drawn % NEAR if kind in LOSES_SESSION and drawn > NEAR else drawn


class Lines:
    """The lines of a user's bodies, as boundaries of a random history: a process may die there."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def number(self, port: str, operation: str) -> int:
        """Who writes it down counts for itself."""
        return 1

    def meet(self, boundary: Boundary, fitting: tuple[Kind, ...]) -> Kind | None:
        """Death, or nothing."""
        woe = self._chance.meet("inside", boundary.edge, boundary.operation)
        return Kind.CRASH if woe is not None else None
