"""How many boundaries and faults each flow has, and how its histories end. No test lives here.

They shift whenever the engine uses its ports otherwise. A test that finds other figures prints the
line to put here; read the table (`pytest tests/crash/test_enumeration.py -s`) before you do.
"""

from __future__ import annotations

from perdure.chaos.enumeration import Counts
from perdure.chaos.pairs import PairCounts

COUNTS = {
    "sequence": Counts(56, 138, {"done": 124, "on the desk": 14}),
    "parallel": Counts(32, 81, {"done": 81}),
    "failing_saga": Counts(49, 137, {"failed": 137}),
    "reminders": Counts(63, 138, {"done": 138}),
    "fulfil_order": Counts(55, 150, {"done": 148, "failed": 2}),
}

# A cancel at every boundary of the same runs.
CANCELLED = {
    "sequence": Counts(56, 48, {"cancelled": 17, "done": 31}),
    "parallel": Counts(32, 30, {"cancelled": 6, "done": 24}),
    "failing_saga": Counts(49, 44, {"cancelled": 8, "failed": 36}),
    "reminders": Counts(63, 56, {"cancelled": 24, "done": 32}),
    "fulfil_order": Counts(55, 44, {"cancelled": 22, "done": 22}),
}

# Ordered pairs of faults at a few boundaries of each flow, and how their histories end.
SOME_PAIRS = {
    "sequence": PairCounts(5, 39, {"done": 29, "on the desk": 10}),
    "parallel": PairCounts(2, 12, {"done": 12}),
    "failing_saga": PairCounts(5, 37, {"failed": 37}),
    "reminders": PairCounts(5, 30, {"done": 30}),
    "fulfil_order": PairCounts(5, 37, {"done": 37}),
}

# First faults and pairs at up to 40 boundaries of either kind (the nightly run).
PAIRS = {
    "sequence": (107, 8748),
    "parallel": (81, 6167),
    "failing_saga": (113, 10205),
    "reminders": (87, 7146),
    "fulfil_order": (110, 9803),
}
