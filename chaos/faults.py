"""Boundaries and faults as data: where a run can be broken, and how. Nothing is broken here.

A boundary is a point between two operations of the three ports; a crash can only fall on one. Pure
readings (`now`, `monotonic`, `changes`, `weak`) neither wait nor change anything: a crash there is
the crash at the boundary behind them. The same holds for a callback of the clock right after
another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple


class Edge(StrEnum):
    """On which side of its operation a boundary lies."""

    BEFORE = "before"
    AFTER = "after"


class Kind(StrEnum):
    """What goes wrong at a boundary."""

    CRASH = "crash"
    CRASH_SENT = "crash, request on its way"  # it lands in the next life, unless it is refused then
    STOPPED = "stopped until taken over"  # the process stands still and wakes as a zombie
    ASLEEP = "stopped until all is over"  # the same, but it wakes when the execution has settled
    NOT_COMMITTED = "ambiguous, not committed"
    COMMITTED = "ambiguous, committed"
    RAISES = "raises before landing"
    LANDS_AND_RAISES = "lands, then raises"
    HANGS = "hangs past its timeout"  # and lands after it, unless it is refused then
    CANCELLED = "cancelled by somebody"  # no fault: another process sends the wish (rule 42)


class Boundary(NamedTuple):
    """One side of the `number`-th use of an operation; for the world that is role and site."""

    port: str  # "store", "world", "clock"
    operation: str
    number: int
    edge: Edge

    def __str__(self) -> str:
        return f"{self.edge} {self.port}.{self.operation} {self.number}"


class Point(NamedTuple):
    """A boundary of a recorded run, with what decides which faults fit there."""

    boundary: Boundary
    kinds: tuple[Kind, ...]


class Fault(NamedTuple):
    """One thing that goes wrong once."""

    boundary: Boundary
    kind: Kind

    def __str__(self) -> str:
        return f"{self.kind} {self.boundary}"


_EDGES: dict[str, tuple[tuple[Kind, ...], tuple[Kind, ...]]] = {
    "read": ((Kind.CRASH,), (Kind.CRASH,)),
    "write": ((Kind.CRASH,), (Kind.CRASH, Kind.STOPPED, Kind.ASLEEP)),
    # Of these commits the doubt is the engine's own; the others the store repeats itself.
    "commit": (
        (Kind.CRASH, Kind.STOPPED, Kind.ASLEEP, Kind.NOT_COMMITTED),
        (Kind.CRASH, Kind.STOPPED, Kind.ASLEEP, Kind.COMMITTED),
    ),
    "call": (
        (Kind.CRASH, Kind.CRASH_SENT, Kind.RAISES),
        (Kind.CRASH, Kind.STOPPED, Kind.ASLEEP, Kind.LANDS_AND_RAISES),
    ),
    "question": ((Kind.CRASH, Kind.RAISES), (Kind.CRASH, Kind.LANDS_AND_RAISES)),
    "transactional": ((Kind.CRASH, Kind.RAISES), (Kind.CRASH, Kind.LANDS_AND_RAISES)),
    # Its write lock is held until it has committed: a process that stops there stops them all.
    "own commit": (
        (Kind.CRASH, Kind.NOT_COMMITTED),
        (Kind.CRASH, Kind.STOPPED, Kind.ASLEEP, Kind.COMMITTED),
    ),
    "moment": ((Kind.CRASH,), ()),
}
"""Nature of an operation -> faults at its two edges."""


def kinds(nature: str, edge: Edge, *, timeout: bool = False) -> tuple[Kind, ...]:
    """The faults that fit at this edge of an operation; `timeout`: the call has one."""
    before, after = _EDGES[nature]
    if edge is Edge.AFTER:
        return after
    return (*before, Kind.HANGS) if timeout else before


def single_faults(points: Sequence[Point]) -> Iterator[Fault]:
    """Every fault at every boundary of a recorded run."""
    for point in points:
        for kind in point.kinds:
            yield Fault(point.boundary, kind)


def cancels(points: Sequence[Point]) -> Iterator[Fault]:
    """A cancel at every boundary where another process can write: not within a transaction, which
    keeps the only writer of SQLite, and not beside a moment of the clock.
    """
    locked = [kinds("transactional", edge) for edge in Edge]
    for boundary, fitting in points:
        inside = boundary.operation in ("transaction", "step commit") or fitting in locked
        if boundary.port != "clock" and not inside:
            yield Fault(boundary, Kind.CANCELLED)
