"""Where an execution stands, as one word. No transition between the words is decided here."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where an execution stands. Only the last three are final."""

    ACTIVE = "active"  # owned and running, ready to be claimed, or parked
    STALLED = "stalled"  # waits for a person or a fix
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing will happen any more."""
        return self in _FINAL


_FINAL = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
