"""A person at the desk of a history: closes the key of what is in doubt at its receiver, looks, and
tells the engine what is so; or lets go on what was stalled.

Who decides when, and whether anybody comes at all, is the history's choice; nothing is judged here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from ..engine.bodies import NOTHING, Raw
from ..engine.decisions import Decision
from ..engine.desk import Case, cases
from ..engine.errors import StoreUnavailable
from ..engine.looking import view
from ..engine.post import DESK
from ..engine.store import Store
from ..model.errors import ExecutionFinished
from ..model.language.effects import Landed, Voided
from ..specs.ledger import Called
from .outside import Outside

TYPING_SECONDS = 0.2
LOOK_SECONDS = 0.5
LOOKS_MAX = 200


class Person:
    """Decides about one execution at a time, over a store of their own."""

    def __init__(self, store: Store, outside: Callable[[str], Outside]) -> None:
        self._store, self._outside = store, outside
        self._count = 0

    async def decide(self, key: str, told: Callable[[str], None]) -> None:
        """Decide about the first effect of an execution that is in doubt, and see that it is taken;
        `told` is called with the id of the decision when it is durable.
        """
        try:
            case = next((c for c in cases(await view(self._store, key)) if c.key), None)
            decision = None if case is None else self._look(key, case)
            if decision is None:
                return
            await asyncio.sleep(TYPING_SECONDS)  # in which a late answer may come
            self._count += 1
            id = f"decision {self._count}"
            number = await self._store.send(key, DESK, id, msgspec.json.encode(decision))
            told(id)
            await self._taken(key, number)
        except (ExecutionFinished, StoreUnavailable):
            return  # too late, or later

    async def resume(self, key: str) -> bool:
        """Let an execution that is stalled go on; whether it was."""
        while True:
            try:
                await asyncio.sleep(TYPING_SECONDS)
                return await self._store.resume(key)
            except StoreUnavailable:
                await asyncio.sleep(LOOK_SECONDS)

    def _look(self, key: str, case: Case) -> Decision | None:
        """What the receiver says once the key is closed; of an undo, or where it closes nothing, a
        person knows no more than anybody."""
        if case.kind != "in-doubt":
            return None
        answer = self._outside(key).look(Called(key, "probe", case.site, case.key, ""))
        if isinstance(answer, Landed):
            raw = Raw(msgspec.json.encode(answer.value))
            return Decision(case.key, "landed", raw, "a person", "the receiver says so", case.seq)
        if isinstance(answer, Voided):
            return Decision(case.key, "voided", NOTHING, "a person", "its key is closed", case.seq)
        return None

    async def _taken(self, key: str, number: int) -> None:
        for _ in range(LOOKS_MAX):
            row = await self._store.find(key)
            mail = [] if row is None else await self._store.messages(row.id, number - 1)
            if not mail or mail[0].consumed_at is not None or (row and row.status.final):
                return
            await asyncio.sleep(LOOK_SECONDS)
