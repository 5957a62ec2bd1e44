"""What becomes of an execution whose part of a batch was refused, or whose log cannot be loaded.

Poison (values that the store cannot keep, a log that is no run of its net) stalls the execution it
came from. A mismatch (another writer, or a bug of ours) drops the instance and lets the log be read
again; three in a row without a new record stall it too. The neighbours of the guilty are never
touched from here (rule 9).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from . import bodies
from .bodies import Body
from .instance import Instance
from .records import NO_TRANSITION, Kind, Record, chain
from .store import AT_ONCE, Append, ExecutionRow, Guard, RowChange, Status, Store

MISMATCHES_MAX = 3
Act = Callable[[], Coroutine[Any, Any, None]]
"""Something that can be tried again."""
_LOG = logging.getLogger("perdure")


class Refused:
    """Stalls or gives back the executions that a store refused."""

    def __init__(
        self,
        store: Store,
        session: Callable[[], int],
        finished: Callable[[str, tuple[Status, Body] | None], None],
        free: Callable[[], None],
    ) -> None:
        self._store, self._session, self._finished = store, session, finished
        self._free = free  # told when something was given back: nobody else's commit says so
        self._mismatches: dict[str, tuple[int, int]] = {}  # key -> durable seq, how often in a row

    def settle(self, instance: Instance, guard: Guard) -> Act:
        """What is to be done after the instance was dropped: nothing of its append was written."""
        self._finished(instance.key, None)  # who waits looks for himself: it may go on elsewhere
        if guard.poison or self._too_often(instance.key, instance.durable):
            return lambda: self.stall(instance.key, instance.tenure, guard.why)
        _LOG.warning("%s is loaded again: %s", instance.key, guard.why)
        return lambda: self._give_back(instance)

    def _too_often(self, key: str, durable: int) -> bool:
        before, count = self._mismatches.get(key, (durable, 0))
        count = count + 1 if before == durable else 1
        self._mismatches[key] = (durable, count)
        return count >= MISMATCHES_MAX

    async def stall(self, key: str, tenure: int, why: str) -> None:
        """Write a `stalled` record behind the stored head, if this session still owns it.

        Refused like any append, it is made anew behind the head that is there then; nobody is told
        of a stall that is not stored.
        """
        self._mismatches.pop(key, None)
        for _ in range(MISMATCHES_MAX):
            row = await self._store.find(key)
            if row is None or (row.owner, row.tenure) != (self._session(), tenure):
                break
            append, body = await self._stalled(row, why)
            [result] = await self._store.append(self._session(), [append])
            if result.ok:
                _LOG.error("%s is stalled: %s", key, why)
                self._finished(key, (Status.STALLED, body))
                return
            _LOG.error("%s is to be stalled, and that is refused: %s", key, result.guard)
        self._finished(key, None)

    async def _stalled(self, row: ExecutionRow, why: str) -> tuple[Append, Body]:
        (*_, last) = await self._store.log(row.id, row.checkpoint_seq - 1)
        named = self._session() if row.tenure != last.tenure else 0  # first of its tenure: rule 1
        at, body = max(self._store.now(), last.at), Body(s=named, why=bodies.plain(why))
        raw, seq = bodies.encode(body), last.seq + 1
        digest = chain(last.hash, seq, row.tenure, Kind.STALLED, NO_TRANSITION, at, raw)
        record = Record(seq, row.tenure, Kind.STALLED, NO_TRANSITION, at, raw, digest)
        change = RowChange(status=Status.STALLED)
        return Append(row.id, row.tenure, last.hash, [record], change=change), body

    async def _give_back(self, instance: Instance) -> None:
        """Release it if it is still this session's, so that the next claim reads its log."""
        while True:
            row = await self._store.find(instance.key)
            if row is None or (row.owner, row.tenure) != (self._session(), instance.tenure):
                return
            change = RowChange(release=True, wake_at=AT_ONCE, mail_seen=row.mail)
            append = Append(row.id, row.tenure, b"", change=change)
            [result] = await self._store.append(self._session(), [append])
            if not result.mail:
                self._free()
                return
