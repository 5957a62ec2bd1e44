"""Ports of a real process that send it a signal at a planned moment. The engine has no hook for it.

`Fatal` counts the moments and sends the signal; what is planned is not decided here.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..engine.sqlite import SqliteStore
from ..engine.sqlite_step import SqliteStepTransaction
from ..engine.store import STEP_SECONDS_MAX, Append, Appended, Claimed
from ..engine.world import Invocation, UserWorld, World
from ..model.language.effects import Effect
from .kills import Fate, Moment

Say = Callable[[str, Moment], None]
"""Tell the parent that "kill" or "stop" comes now, at this moment."""


class Fatal:
    """The fate of this process: a signal to itself when a moment is reached often enough."""

    def __init__(self, fate: Fate | None, say: Say) -> None:
        self._say = say
        self._left = [("kill", fate.kill)] if fate is not None else []
        if fate is not None and fate.stop is not None:
            self._left.insert(0, ("stop", fate.stop))
        self._counts: Counter[Moment] = Counter()

    def meet(self, moment: Moment) -> None:
        """Stop or die here, if it is time; a stopped process goes on when it is continued."""
        self._counts[moment] += 1
        if not self._left:
            return
        kind, meeting = self._left[0]
        if meeting.moment is moment and self._counts[moment] >= meeting.count:
            self._left.pop(0)
            self._counts.clear()
            self._say(kind, moment)
            os.kill(os.getpid(), signal.SIGKILL if kind == "kill" else signal.SIGSTOP)


class DeadlyStore(SqliteStore):
    """A store around whose transactions the process may meet its fate."""

    fatal: Fatal

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """Append as always, if the process lives to do so."""
        outcomes = {effect.outcome for append in batch for effect in append.effects}
        self.fatal.meet(Moment.BEFORE_COMMIT)
        if "open" in outcomes:
            self.fatal.meet(Moment.BEFORE_INTENT)
        results = await super().append(session, batch)
        self.fatal.meet(Moment.AFTER_COMMIT)
        return results

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        """Claim as always; a claim that took nothing is no moment."""
        claimed = await super().claim(session, nets, limit)
        if claimed:
            self.fatal.meet(Moment.AFTER_CLAIM)
        return claimed

    @asynccontextmanager
    async def transaction(
        self, session: int, *, seconds_max: float = STEP_SECONDS_MAX
    ) -> AsyncGenerator[SqliteStepTransaction]:
        """A transactional step, with its writes made and not committed."""
        async with super().transaction(session, seconds_max=seconds_max) as step:
            yield step
            self.fatal.meet(Moment.IN_TRANSACTION)


class DeadlyWorld(UserWorld):
    """A world around whose calls the process may meet its fate; the calls are made by `inner`."""

    def __init__(self, fatal: Fatal, inner: World | None = None) -> None:
        super().__init__()
        self._fatal, self._inner = fatal, inner

    async def call(self, invocation: Invocation) -> Any:
        """Call as always, if the process lives to do so."""
        intent = invocation.step.effect in (Effect.COMPENSATABLE, Effect.IRREVERSIBLE)
        if intent and invocation.role == "step":
            self._fatal.meet(Moment.BEFORE_CALL)
        if self._inner is not None:
            result = await self._inner.call(invocation)
        else:
            result = await super().call(invocation)
        behind = {"step": Moment.BEFORE_OUTCOME, "probe": Moment.ASKED, "undo": Moment.UNDONE}
        if intent:
            self._fatal.meet(behind[invocation.role])
        return result
