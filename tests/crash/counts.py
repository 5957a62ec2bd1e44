"""How many boundaries and faults each flow has, and how its histories end. No test lives here.

They shift whenever the engine uses its ports otherwise. A test that finds other figures prints the
line to put here; read the table (`pytest tests/crash/test_enumeration.py -s`) before you do.
"""

from __future__ import annotations

from perdure.chaos.enumeration import Counts

COUNTS = {
    "sequence": Counts(53, 133, {"done": 119, "on the desk": 14}),
    "parallel": Counts(30, 77, {"done": 77}),
    "failing_saga": Counts(47, 133, {"failed": 133}),
    "reminders": Counts(61, 134, {"done": 134}),
    "fulfil_order": Counts(52, 145, {"done": 143, "failed": 2}),
}

# A cancel at every boundary of the same runs.
CANCELLED = {
    "sequence": Counts(53, 46, {"cancelled": 18, "done": 28}),
    "parallel": Counts(30, 28, {"cancelled": 7, "done": 21}),
    "failing_saga": Counts(47, 42, {"cancelled": 9, "failed": 33}),
    "reminders": Counts(61, 54, {"cancelled": 24, "done": 30}),
    "fulfil_order": Counts(52, 42, {"cancelled": 22, "done": 20}),
}
