"""The five moments a worker is killed in, reached by wrapping its Store and World ports.

A wrapper that reaches its moment tells the parent on stdout and blocks until it is killed. The
engine knows nothing of it, and no moment is reached by sleeping.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from ...engine.sqlite import SqliteStore
from ...engine.store import Append, Appended
from ...engine.world import Invocation, UserWorld
from ...model.language.effects import Voided

PIVOT = "charge_card"


class Moment(StrEnum):
    """Where in the protocol the worker dies."""

    BEFORE_INTENT = "before the intent commits"
    BEFORE_CALL = "after the intent commits, before the call"
    CHARGING = "while the server is charging"
    BEFORE_OUTCOME = "after the charge, before its outcome commits"
    UNDOING = "during undo"

    @property
    def short(self) -> str:
        """The same for a narrow column."""
        return _SHORT[self]


_SHORT = {
    Moment.BEFORE_INTENT: "before the intent",
    Moment.BEFORE_CALL: "intent, but no call",
    Moment.CHARGING: "while charging",
    Moment.BEFORE_OUTCOME: "charged, no outcome",
    Moment.UNDOING: "during undo",
}


def reached(moment: Moment, order: str) -> None:
    """Tell the parent and never go on."""
    print(json.dumps({"moment": moment.value, "order": order}), flush=True)
    while True:
        time.sleep(3600)  # the parent's SIGKILL ends this


class StoreAt(SqliteStore):
    """A store that stops at a moment: right before the batch that would make a fact durable."""

    def watch(self, moment: Moment, order: str, site: str = PIVOT) -> None:
        """Stop before the intent, or before the outcome, of the pivot of one order commits."""
        self._moment, self._order, self._site = moment, order, site
        self._execution = 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """Look for the record the moment is about; else append as always."""
        wanted = {Moment.BEFORE_INTENT: "open", Moment.BEFORE_OUTCOME: "landed"}.get(self._moment)
        for append in batch:
            for effect in append.effects:
                if effect.site == self._site and effect.outcome == wanted:
                    row = await self.find(self._order)
                    mine = row is not None and row.id == append.execution
                    if mine or self._is_created(append):
                        reached(self._moment, self._order)
        return await super().append(session, batch)

    def _is_created(self, append: Append) -> bool:
        return append.create is not None and append.create.key == self._order


class WorldAt(UserWorld):
    """A world that stops before the pivot's call, or when an undo is done but not recorded."""

    def __init__(self, moment: Moment | None, order: str) -> None:
        super().__init__()
        self._moment, self._order = moment, order

    async def call(self, invocation: Invocation) -> Any:
        """Call as always, but for the one call the moment is about."""
        if invocation.order[0] != self._order:
            return await super().call(invocation)
        pivot = invocation.role == "step" and invocation.site == PIVOT
        if self._moment is Moment.BEFORE_CALL and pivot:
            reached(self._moment, self._order)
        result = await super().call(invocation)
        if self._moment is Moment.UNDOING and invocation.role == "undo":
            reached(self._moment, self._order)
        return result


class CallAgain(WorldAt):
    """The world of those who take "in doubt" for "not done": a doubt means a new call."""

    async def call(self, invocation: Invocation) -> Any:
        """Answer every probe without asking anybody."""
        if invocation.role == "probe":
            return Voided()
        return await super().call(invocation)


def say(kind: str, **told: object) -> None:
    """One line to the parent."""
    sys.stdout.write(json.dumps({kind: told}) + "\n")
    sys.stdout.flush()
