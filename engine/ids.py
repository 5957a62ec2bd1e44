"""What may be the id of an execution: text that can be typed, listed and logged.

An id stands in commands, tables, logs and effect keys for years. Whether one is taken is not
asked here.
"""

from __future__ import annotations

import unicodedata

from ..model.errors import UsageError

CHARACTERS_MAX = 512


class UnusableId(UsageError):
    """The id could not be typed, listed or logged (PD711); nothing was started."""

    code = "PD711"

    def __init__(self, id: object, why: str, /) -> None:
        super().__init__(id, why)
        self.id, self.why = id, why

    def __str__(self) -> str:
        told = ascii(self.id)
        if len(told) > 60:
            told = f"{told[:59]}…"
        return (
            f"{self.code} {told} cannot be an id: {self.why}\n"
            f"  fix  1 to {CHARACTERS_MAX} characters, no control characters, no half ones"
        )


def checked_id(id: str) -> str:
    """The id, if it can be one; raises `UnusableId`, which is the caller's mistake."""
    why = _unusable(id)
    if why:
        raise UnusableId(id, why)
    return id


def _unusable(id: object) -> str:
    if not isinstance(id, str):
        return f"it is no text but {type(id).__name__}"
    if not id.strip():
        return "it is blank" if id else "it is empty"
    if len(id) > CHARACTERS_MAX:
        return f"it has {len(id)} characters"
    if id.isprintable():
        return ""
    for at, character in enumerate(id, 1):
        kind = unicodedata.category(character)
        if kind in ("Cc", "Zl", "Zp"):
            return f"character {at} is a control character"
        if kind == "Cs":
            return f"character {at} is half a character (a lone surrogate)"
    return ""
