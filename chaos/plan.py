"""What a random history is about, by the first of its choices. Nothing is played here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .choices import Source
from .history import Flow
from .latency import SEEDS
from .troubles import FAVOURED, Woe

SHAPES = ((2, 1), (1, 1), (2, 2), (3, 1), (2, 1), (3, 3), (1, 2), (2, 1))
"""Workers and executions of a history; the shape that comes more often is more likely."""
PACES = (2.0, 1.0, 10.0)
PLACES = 2
"""Of the store: within the process, or far away."""


class Plan(NamedTuple):
    """What a history is about, by the first of its choices."""

    workers: int
    flows: tuple[Flow, ...]
    favoured: Woe | None
    pace: float
    far: int = 0  # from which the time follows that the way to the store takes; see `latency.py`


def draw_plan(source: Source, flows: Sequence[Flow]) -> Plan:
    """How many workers, which flows, which trouble is favoured, and how far the store is."""
    shape = source.choose(len(SHAPES) * len(PACES) * PLACES)
    shape, way = shape % (len(SHAPES) * len(PACES)), shape // (len(SHAPES) * len(PACES))
    workers, executions = SHAPES[shape % len(SHAPES)]
    favoured = source.choose(len(FAVOURED) + 1)
    left = list(flows)
    chosen: list[Flow] = []
    while len(chosen) < executions and left:
        flow = left[source.choose(len(left))]
        chosen.append(flow)
        # The check of an author's tables knows of one execution, and so do receivers of its own.
        if flow.tables or flow.outside:
            left.remove(flow)
    pace = PACES[shape // len(SHAPES)]
    far = 1 + source.choose(SEEDS) if way else 0
    return Plan(workers, tuple(chosen), FAVOURED[favoured - 1] if favoured else None, pace, far)
