"""What each property of a net means, in a sentence: for the demo, the pages and SARIF's rules.

How a property is decided is in model/analysis, and nothing of that is here.
"""

from __future__ import annotations

from collections.abc import Mapping

MEANINGS: Mapping[str, str] = {
    "sound": "From wherever it stands, every run can end; nothing is left behind; nothing is dead.",
    "safe": "No place ever holds two tokens.",
    "option_to_complete": "From wherever it stands, every run can end.",
    "proper_completion": "When a run has ended, no token is left anywhere else.",
    "quasi_live": "Every transition lies on some run: nothing is dead.",
    "irreversible_at_most_once": "An irreversible step happens at most once for each call of it.",
    "undo_complete": "When a saga fails, everything that was done in it is undone, last first.",
    "pivot_last": "Behind an irreversible step in a saga nothing can fail for good.",
    "structure": "Every place and transition lies between the start and the end.",
}


def meaning(name: str) -> str:
    """The sentence of a property; its name where nobody wrote one yet."""
    return MEANINGS.get(name, name.replace("_", " "))
