"""The verb `perdure demo`: run, print, exit code. What is run stands in `main.py`.

Nothing is judged here.
"""

from __future__ import annotations

import sys

from . import report
from .crew import interruptible
from .main import MomentMissed, run_demo


def run(*, unprotected: bool = False, as_json: bool = False) -> int:
    """Run the demo and print its ledger; 0 when every promise held, else 1.

    `unprotected` runs the same kills in a world that takes "in doubt" for "call again".
    """

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        outcome = interruptible(lambda crew: run_demo(crew, say, unprotected=unprotected))
    except MomentMissed as missed:
        print(f"the demo shows nothing: {missed}", file=sys.stderr)
        return 1
    print(report.as_json(outcome) if as_json else report.as_text(outcome))
    return 0 if outcome.good else 1
