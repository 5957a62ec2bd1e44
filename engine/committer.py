"""Group commit: one transaction for everything that is pending in this worker, again and again.

Nothing is told to anyone before the commit returned: calls, answers and results wait in the
instances until `landed`. What a lost session means is not known here; `Fenced` and `Ambiguous` go
to the worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .clock import Clock
from .errors import StoreUnavailable
from .instance import Instance
from .store import Ambiguous, Append, Appended, Fenced, Store

RECORDS_MAX = 1_000
BYTES_MAX = 4 * 1024 * 1024
AGAIN_SECONDS = 0.5
_LOG = logging.getLogger("perdure")


class Committer:
    """Collects pending appends and commits them in batches, in the order they became pending."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        session: Callable[[], int],
        settled: Callable[[Instance, Append, Appended], None],
        lost: Callable[[BaseException], None],
    ) -> None:
        self._store, self._clock, self._session = store, clock, session
        self._settled, self._lost = settled, lost
        self._queue: dict[Instance, None] = {}
        self._task: asyncio.Task[None] | None = None
        self.batches = 0
        self.paused = False
        self._closing = False
        self.idle = asyncio.Event()
        self.idle.set()

    def dirty(self, instance: Instance) -> None:
        """Something of this instance is pending; it goes into the next batch."""
        self._queue[instance] = None
        if self._task is None and not self.paused:
            self.idle.clear()
            self._task = asyncio.get_running_loop().create_task(self._run())

    def drop(self) -> list[Instance]:
        """Forget everything pending, after the session was lost; returns whose it was."""
        queue, self._queue = self._queue, {}
        return list(queue)

    def resume(self) -> None:
        """Commit again, under the session that is in force now."""
        self.paused = False
        for instance in list(self._queue):
            self.dirty(instance)

    def settle(self, instance: Instance, append: Append, result: Appended) -> None:
        """An append that a transactional step wrote is durable."""
        self._settled(instance, append, result)

    def lose(self, gone: BaseException) -> None:
        """Someone who writes beside the batches found that the session is gone."""
        self.paused = True
        self._lost(gone)

    async def close(self) -> None:
        """Wait until everything pending is durable, or the store cannot be reached."""
        self._closing = True
        while self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while self._queue and not self.paused:
                await self._flush(self._batch())
                # The woken executions run before the next flush, or batches shrink to size one.
                await asyncio.sleep(0)
        finally:
            self._task = None
            self.idle.set()

    def _batch(self) -> list[Instance]:
        chosen: list[Instance] = []
        records = size = 0
        for instance in self._queue:
            pending = instance.pending
            if pending is None or instance.flying is not None or instance.held:
                continue
            if not instance.alive:
                continue  # lost, or over: what it still says is of no tenure of ours
            records += len(pending.records)
            size += sum(len(r.body) for r in pending.records)
            if chosen and (records > RECORDS_MAX or size > BYTES_MAX):
                break
            chosen.append(instance)
        for instance in chosen:
            del self._queue[instance]
        if not chosen:
            # Nothing to write, or held by a transactional step, which calls `dirty` at its end.
            self._queue.clear()
        return chosen

    async def _append(self, batch: list[Append]) -> list[Appended]:
        """Write a batch; while the store cannot be reached nothing was written: try again."""
        while True:
            try:
                return await self._store.append(self._session(), batch)
            except StoreUnavailable as trouble:
                if self._closing:
                    raise
                _LOG.warning("%s pending executions wait: %s", len(batch), trouble)
            await self._clock.sleep(AGAIN_SECONDS)

    async def _flush(self, chosen: list[Instance]) -> None:
        appends = [(i, append) for i in chosen if (append := i.fly()) is not None]
        if not appends:
            return
        self.batches += 1
        try:
            results = await self._append([a for _, a in appends])
        except (Fenced, Ambiguous) as gone:
            self.paused = True
            self._lost(gone)
            return
        for (instance, append), result in zip(appends, results, strict=True):
            self._settled(instance, append, result)
