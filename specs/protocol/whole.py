"""The protocol put together: its actions by name, and the forms in which backends ask for it.

No action, promise or guard is written here.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import owning, reaching, writing
from .claims import PROMISES, STEPS, Claim
from .lemmas import LEMMAS
from .terms import Action

ACTIONS: Mapping[str, Action] = {
    action.name: action for action in (*owning.ACTIONS, *writing.ACTIONS, *reaching.ACTIONS)
}
LAWFUL = tuple(name for name in ACTIONS if name not in reaching.MUTATED)
"""The actions of the engine we want; the others exist only without their guard."""
INVARIANTS: tuple[Claim, ...] = (*PROMISES, *LEMMAS)
CLAIMS: Mapping[str, Claim] = {claim.name: claim for claim in (*PROMISES, *STEPS)}
