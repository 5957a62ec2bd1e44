"""Values as they lie in a log, for readers without the user's code: audit, console, command line.

Nothing here knows a user's type; moments and spans are the only strings that are looked into.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..model.values.notes import noted


class Stored:
    """The canonical bytes of a value whose type is not at hand."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def json(self) -> Any:
        """What the bytes say as plain JSON."""
        return msgspec.json.decode(self.raw)

    def noting(self, later: Stored, branch: int) -> Stored:
        """An exception with a later one of the same fork among its notes."""
        return Stored(noted(self.raw, later.raw, branch))

    def get(self) -> Any:
        """A span or a moment if it reads as one (timers ask for these), else plain JSON."""
        for kind in (timedelta, datetime):
            try:
                return msgspec.json.decode(self.raw, type=kind)
            except msgspec.ValidationError:
                continue
        return self.json()


def stored(variable: str, site: str, raw: bytes) -> Stored:
    """Makes values for `kernel.fold` and for checkpoints, whatever the variable is."""
    return Stored(raw)
