"""Effect safety on the control net: what no run may do with what it has done to the world.

- `irreversible_at_most_once`: per occurrence of an irreversible step there is one intent and one
  landing; a second intent only after the first is known not to have landed (`attempts.py`).
- `pivot_last`: a saga in which an irreversible step has landed is never undone (`pivots.py`).
- `undo_complete`: a saga's effects are on its stack; it is left well, or through `undoing`, and
  that only by UNDONE (`undoing.py`); a compensatable call lands at most once per occurrence too.

The crash gadget is part of the net, so crashes and doubts are explored like all else. No rule is
written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from ..net import Net
from . import aftermath, pivots
from .attempts import Wrong, wrong_attempts
from .explicit import Limits
from .history import History
from .undoing import wrong_undoing
from .verdicts import Answer, Evidence, Finding, Verdict, witness

METHOD = "explicit"
GADGET = "a crash returns an execution to its last committed marking, or into doubt"
STACK = "entries are pushed with the intent and popped with the undo's record, last first"


class Effects:
    """The effect rules of one net; explored once."""

    def __init__(self, net: Net, limits: Limits | None = None) -> None:
        self.net = net
        self.limits = limits or Limits()
        self.history = History(net, self.limits)

    def irreversible_at_most_once(self) -> Verdict:
        """No irreversible step is called twice for one occurrence, or given up."""
        wrong = wrong_attempts(self.history, "irreversible")
        return self._verdict("irreversible_at_most_once", wrong, GADGET)

    def undo_complete(self) -> Verdict:
        """No saga is left with something undone, and undoing ends by UNDONE alone."""
        wrong = chain(wrong_undoing(self.history), wrong_attempts(self.history, "compensatable"))
        return self._verdict("undo_complete", wrong, GADGET, STACK)

    def pivot_last(self) -> Verdict:
        """No saga is undone in which an irreversible step has landed."""
        return self._verdict("pivot_last", pivots.after_pivot(self.history), GADGET)

    def findings(self) -> tuple[Finding, ...]:
        """PD301 and PD303 to PD305; a refused saga is not also warned of (PD305)."""
        found = pivots.findings(self.history, self.limits)
        later = tuple(aftermath.findings(self.net, self.limits))
        refused = any(f.code == "PD301" or f.severity == "error" for f in found)
        return (*found, *(f for f in later if f.code != "PD305" or not refused))

    def _verdict(self, name: str, wrong: Iterator[Wrong], *assumptions: str) -> Verdict:
        space = self.history.space
        states = len(space.states)
        first = next(wrong, None)
        if first is not None:
            state, k, says = first
            run = witness(self.net, space.path(state, k), says)
            violated = Answer.VIOLATED
            return Verdict(name, violated, METHOD, states, run, assumptions=assumptions, why=says)
        if space.complete:
            return Verdict(name, Answer.HOLDS, METHOD, states, assumptions=assumptions)
        unknown, why = Evidence.INCONCLUSIVE, space.incompleteness
        answer = Answer.INCONCLUSIVE
        return Verdict(name, answer, METHOD, states, None, unknown, assumptions, why)


PROPERTIES: dict[str, Callable[[Effects], Verdict]] = {
    "irreversible_at_most_once": Effects.irreversible_at_most_once,
    "undo_complete": Effects.undo_complete,
    "pivot_last": Effects.pivot_last,
}
