"""What the outside world saw, as the oracle reads it: plain tuples. Nothing of the engine is in
here, and nobody judges here.

Every list only grows, so a judge can remember how far it has read. `occurrence` names one logical
call by what it is about (site and arguments), whatever key it came under (engine-rules 86).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Called(NamedTuple):
    """A request that arrived outside. `role` is "step", "probe" or "undo"."""

    execution: str
    role: str
    site: str
    key: str
    occurrence: str


class Landing(NamedTuple):
    """An effect that happened; `result` is the JSON of what was answered."""

    execution: str
    site: str
    key: str
    occurrence: str
    result: str


class Undo(NamedTuple):
    """An effect that was taken back: once for a landing, however often it was asked for."""

    execution: str
    site: str
    key: str


class Answered(NamedTuple):
    """What a receiver answered to a request: "raised", what a probe says ("landed", "voided",
    "in doubt"), or "done". Whether anybody heard it is not known here."""

    execution: str
    role: str
    key: str
    says: str


class Sent(NamedTuple):
    """A message whose sender was told that it is durable."""

    execution: str
    id: str


@dataclass
class Ledger:
    """Everything that happened outside, in the order in which it happened."""

    calls: list[Called] = field(default_factory=list[Called])
    landings: list[Landing] = field(default_factory=list[Landing])
    undos: list[Undo] = field(default_factory=list[Undo])
    answers: list[Answered] = field(default_factory=list[Answered])
    sent: list[Sent] = field(default_factory=list[Sent])
