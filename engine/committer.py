"""Group commit: one transaction for everything that is pending in this worker, again and again.

Nothing is told to anyone before the commit returned: calls, answers and results wait in the
instances until `landed`. What a lost session means is not known here; `Fenced` and `Ambiguous` go
to the worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .clock import Clock, Timer
from .errors import StoreUnavailable
from .instance import Instance
from .store import Ambiguous, Append, Appended, Fenced, Store

T = TypeVar("T")
RECORDS_MAX = 1_000
BYTES_MAX = 4 * 1024 * 1024
AGAIN_SECONDS = 0.5  # between attempts while the store cannot be used
LAZY_SECONDS = 0.01
GATHER_SECONDS, GATHER_TURNS = 0.002, 64
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
        self._timer: Timer | None = None
        self._said = 0  # how often something became pending
        self._urgent = False  # somebody waits for what is pending

    def dirty(self, instance: Instance, *, lazily: bool = False) -> None:
        """Something of this instance is pending; it goes into the next batch.

        `lazily`: nobody waits for it. It rides with the next batch of anybody, and makes one of its
        own only after a moment: outcomes of pure calls in a row are one commit.
        """
        self._queue[instance] = None
        self._said += 1
        if not lazily or self._closing:
            self._begin()
        elif self._task is None:
            self._soon()

    def _soon(self) -> None:
        if self._timer is None and self._queue and not self.paused:
            self._timer = self._clock.later(LAZY_SECONDS, self._begin)

    def _begin(self) -> None:
        self._urgent = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None and not self.paused and self._queue:
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
        """An append is durable, or was refused."""
        if instance.flying is append:  # else a recovery has read meanwhile what became of it
            self._settled(instance, append, result)

    def lose(self, gone: BaseException) -> None:
        """Someone who writes found that the session is gone, or that nothing can be relied upon."""
        self.paused = True
        self._lost(gone)

    async def close(self) -> None:
        """Wait until everything pending is durable; raises when the store cannot be reached."""
        self._closing = True
        self._begin()
        while (task := self._task) is not None:
            await asyncio.wait({task})
            if not task.cancelled() and (trouble := task.exception()) is not None:
                raise trouble

    async def _run(self) -> None:
        try:
            while self._queue and self._urgent and not self.paused:
                self._urgent = False
                await self._gather()
                if self.paused:
                    break  # the session was lost meanwhile: nothing goes out before it is replaced
                await self._flush(self._batch())
                self._store.tidy(not self._queue)
                # The woken executions run before the next flush, or batches shrink to size one.
                await asyncio.sleep(0)
        except StoreUnavailable:  # while closing
            raise
        except Exception as defect:
            self.lose(defect)
        finally:
            self._task = None
            self._soon()

    async def _gather(self) -> None:
        """Let those who wait for nobody go on, while they do, for a moment: one commit for all."""
        end = self._clock.monotonic() + GATHER_SECONDS
        for _ in range(GATHER_TURNS):
            said = self._said
            await asyncio.sleep(0)
            if self._said == said or self._clock.monotonic() >= end:
                return

    def _batch(self) -> list[Instance]:
        chosen: list[Instance] = []
        over: list[Instance] = []  # lost, or ended: what they still say is of no tenure of ours
        records = size = 0
        for instance in self._queue:
            pending = instance.pending
            if not instance.alive:
                over.append(instance)
                continue
            if pending is None or instance.flying is not None or instance.held:
                continue
            records += len(pending.records)
            for _, _, _, _, _, body, _ in pending.records:
                size += len(body)
            if chosen and (records > RECORDS_MAX or size > BYTES_MAX):
                self._urgent = True  # the rest is the next batch
                break
            chosen.append(instance)
        for instance in (*chosen, *over):
            del self._queue[instance]
        if not chosen:
            # Nothing to write, or held by a transactional step, which calls `dirty` at its end.
            self._queue.clear()
        return chosen

    async def keep(self, append: Append) -> None:
        """Store the large values of an append before its records refer to them (rule 13)."""
        for digest, body in list(append.payloads.items()):
            if digest not in append.kept:
                key = bytes.fromhex(digest)
                await self._patiently(
                    lambda k=key, b=body: self._store.keep(append.execution, k, b)
                )
                append.kept |= {digest}

    async def _append(self, session: int, batch: list[Append]) -> list[Appended]:
        for append in batch:
            if append.payloads:
                await self.keep(append)
        return await self._patiently(lambda: self._store.append(self._still(session), batch))

    def _still(self, session: int) -> int:
        """The session that a batch was made for, and that its records name: never another."""
        if self._session() != session:
            raise Fenced(session)
        return session

    async def _patiently(self, write: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """While the store cannot be reached nothing was written: try again."""
        while True:
            try:
                return await write()
            except StoreUnavailable as trouble:
                if self._closing:
                    raise
                _LOG.warning("what is pending waits: %s", trouble)
            await self._clock.sleep(AGAIN_SECONDS)

    async def _flush(self, chosen: list[Instance]) -> None:
        session = self._session()
        appends = [(i, append) for i in chosen if (append := i.fly()) is not None]
        if not appends:
            return
        for instance in chosen:
            if instance.pending is not None:  # what waits for the id that its creation brings
                self._queue[instance] = None
                self._urgent = True
        self.batches += 1
        try:
            results = await self._append(session, [a for _, a in appends])
        except (Fenced, Ambiguous) as gone:
            self.lose(gone)
            return
        for (instance, append), result in zip(appends, results, strict=True):
            if instance.flying is append:  # as `settle`, which would be a call for each step
                self._settled(instance, append, result)
