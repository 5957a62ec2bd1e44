"""What every log keeps to whatever its records say, and what is said of one that does not.

The order of records, the sessions that their tenures name, and the channels that messages are taken
from: the proved protocol takes these for granted, so they are held against the log here. No step of
the protocol is taken, and nothing of the net is known but the transition a record fires.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .game import Net

CONSUMED, DECIDED, STALLED = 3, 7, 13
AFTER_THE_END = "$evidence"
CANCEL, DESK = "$cancel", "$desk"
_BESIDE_THE_NET = {CONSUMED: (CANCEL, DESK), DECIDED: (DESK,)}
_MUST_TAKE = ("receive", "cancel")


class Unbound(Exception):
    """Something for which there is no record, or that no record may say."""


class Order:
    """The order of the records of one log, as far as it was read."""

    def __init__(self) -> None:
        self.stalled = False
        self._next: int = 0
        self._tenure: int = 0
        self._named = False

    def follow(self, row: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Refuse a record that leaves a gap, names a session where none is due, or none where one
        is, or goes on in a tenure that was let go."""
        seq: int = row["seq"]
        tenure: int = row["tenure"]
        session = body.get("s")
        if seq != self._next:
            raise Unbound(f"record {seq} stands where {self._next} is due")
        if not seq or tenure > self._tenure:
            self._named = bool(session)
        elif session:
            raise Unbound(f"session {session} is named in the middle of tenure {tenure}")
        if seq and not self._named:  # whoever only starts it, in record 0, has no session to name
            raise Unbound(f"tenure {tenure} begins without the name of its session")
        if self.stalled and tenure == self._tenure:
            raise Unbound(f"tenure {tenure} goes on after it stalled")
        self._next, self._tenure = seq + 1, tenure
        self.stalled = row["kind"] == STALLED


def may_take(net: Net, row: Mapping[str, Any]) -> Collection[str]:
    """The channels from which a record may take a message."""
    number: int = row["transition"]
    if not 0 <= number < len(net.transitions):
        return _BESIDE_THE_NET.get(row["kind"], ())
    told = net.transitions[number]
    if told["kind"] == "receive":
        return (net.sites[told["site"]]["target"],)
    return (CANCEL,) if told["kind"] == "cancel" else (DESK, AFTER_THE_END)


def must_take(net: Net, row: Mapping[str, Any]) -> bool:
    """The record stands for the arrival of a message."""
    number: int = row["transition"]
    known = 0 <= number < len(net.transitions)
    return known and net.transitions[number]["kind"] in _MUST_TAKE
