"""How long the operations of a store take in a random history: no time, as within the process, or
that of a network, different each time. Nothing waits here.

One choice of the history says which; what the operations take follows from it, so that they cost
no choices, and a failure that needs none of it is made short without.
"""

from __future__ import annotations

import random
from collections.abc import Callable

SEEDS = 200
_NEAR_SECONDS, _FAR_SECONDS, _LOST_SECONDS = 0.002, 0.02, 0.7
_NEAR, _FAR = 0.8, 0.96  # of all ways: below the one near, below the other far; else sent again

Latency = Callable[[], float]
"""Seconds that the next way takes, to the store or back."""


def latency(seed: int) -> Latency | None:
    """The ways of one history; None for seed 0, where nothing takes any time."""
    if not seed:
        return None
    dice = random.Random(seed).random

    def seconds() -> float:
        drawn = dice()
        if drawn < _NEAR:
            return drawn * _NEAR_SECONDS
        return _FAR_SECONDS if drawn < _FAR else _LOST_SECONDS

    return seconds
