"""Decisions about effects as data: what a person, or a caller that came late, may say of which.

A decision is a message; the owner of the execution takes the first that fits, and refuses later
ones (rule 31). There is no plain "retry" of an effect in doubt: that would be the double charge
with a button. Nothing is read, sent or fired here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..model.marking import Wiring
from ..model.net import TransitionKind
from .bodies import NOTHING, Raw
from .kernel import Call, Doubt, Want

FIRES: Mapping[str, tuple[TransitionKind, ...]] = {
    "landed": (TransitionKind.SETTLED,),  # it happened, and this is its result
    "voided": (TransitionKind.VOIDED,),  # it did not, and the receiver refuses the key from now on
    "done": (TransitionKind.UNDO, TransitionKind.UNDID),  # undone by hand; the reason is evidence
    "stand": (TransitionKind.UNDO,),  # left standing for a reason; its undo will not run
}
"""Verdict -> the transitions that it fires."""
ASKS: Mapping[str, str] = {"probe": "probe", "retry": "undo"}
"""Verdict -> the role of the call that is made again, with its attempts counted anew."""
VERDICTS = (*FIRES, *ASKS)
UNDOS_SHOWN = 5
"""Failures of an undo after which it is shown on the desk; it is tried on all the same."""


class Decision(msgspec.Struct, omit_defaults=True, frozen=True):
    """What is said about the effect with key `k`: the key names the attempt.

    `seq` is the record that put the token there which the person saw waiting; 0: not looked at.
    """

    k: str
    verdict: str
    r: Raw = NOTHING
    by: str = ""
    why: str = ""
    seq: int = 0


def verdicts(wiring: Wiring, want: Want) -> tuple[str, ...]:
    """What may be said about something that the marking asks for."""
    if isinstance(want, Doubt) and want.lacks:
        return ("landed",)
    if not isinstance(want, (Call, Doubt)) or getattr(want, "role", "") == "step":
        return ()
    if isinstance(want, Call) and want.role == "undo":
        # An undo may be under way, or have worked unseen: nobody can say any more that it landed.
        return ("retry", *(v for v in ("done", "stand") if fires(wiring, want, v) is not None))
    found = [v for v in ("landed", "voided") if fires(wiring, want, v) is not None]
    return (*found, "probe") if want.site.probe else tuple(found)


def fires(wiring: Wiring, want: Call | Doubt, verdict: str) -> int | None:
    """The transition that a verdict about this want fires, if it fires one."""
    for kind in FIRES.get(verdict, ()):
        for transition in wiring.by_kind.get((want.place, kind), ()):
            if wiring.net.transitions[transition].site == want.site.name:
                return transition
    return None
