"""The verb `perdure demo`: run, print, exit code. What is run stands in `main.py`.

Nothing is judged here.
"""

from __future__ import annotations

import signal
import sys

from . import report
from .main import MomentMissed, run_demo


def run(*, unprotected: bool = False, as_json: bool = False) -> int:
    """Run the demo and print its ledger; 0 when every promise held, else 1.

    `unprotected` runs the same kills in a world that takes "in doubt" for "call again".
    """
    # Whoever ends us politely is owed the same as the one who types Ctrl-C: no process, no folder.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(unprotected, as_json)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(unprotected: bool, as_json: bool) -> int:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        outcome = run_demo(say, unprotected=unprotected)
    except MomentMissed as missed:
        print(f"the demo shows nothing: {missed}", file=sys.stderr)
        return 1
    print(report.as_json(outcome) if as_json else report.as_text(outcome))
    return 0 if outcome.good else 1
