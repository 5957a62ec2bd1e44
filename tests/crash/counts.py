"""How many boundaries and faults each flow has, and how its histories end. No test lives here.

They shift whenever the engine uses its ports otherwise. A test that finds other figures prints the
line to put here; read the table (`pytest tests/crash/test_enumeration.py -s`) before you do.
"""

from __future__ import annotations

from perdure.chaos.enumeration import Counts

COUNTS = {
    "sequence": Counts(49, 104, {"done": 94, "on the desk": 10}),
    "parallel": Counts(28, 60, {"done": 60}),
    "failing_saga": Counts(42, 102, {"failed": 102}),
    "reminders": Counts(59, 108, {"done": 108}),
    "fulfil_order": Counts(48, 113, {"done": 111, "failed": 2}),
}
