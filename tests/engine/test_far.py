"""A store that is far away: what it answered is older than what came about meanwhile, and counts
for no more than it says (rules 18, 47, 48 and 53)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from perdure import Engine, ExecutionCancelled, observe, sleep, workflow
from perdure.engine.store import Ambiguous, Append, Appended, Claimed, Fenced

from .stage import QUIET_SECONDS, SLOW_SECONDS, Stage, Troubled
from .test_recovery import ENGINES, GO, book, books, durable, hears, played

NAP_SECONDS = 10.0


@workflow
async def books_twice(n: int) -> int:
    return await book(n) + await book(n + 1)


@workflow
async def naps(n: int) -> int:
    await sleep(timedelta(seconds=NAP_SECONDS))
    return n


class LateWake(Troubled):
    """When the next one wakes is told late, each time."""

    async def next_wake(self) -> int | None:
        told = await self.stage.store.next_wake()
        await asyncio.sleep(SLOW_SECONDS)
        return told


def test_who_is_parked_while_the_next_moment_is_asked_for_is_woken_in_time() -> None:
    """The answer does not know of it yet. Nothing else comes that would make the worker look."""
    stage = Stage()
    store = LateWake(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(naps(1), id="e")
        began = stage.time.now
        async with asyncio.timeout(QUIET_SECONDS):
            assert await run.result() == 1
        assert stage.time.now - began < (NAP_SECONDS + 2 * SLOW_SECONDS) * 1e6

    played(stage, store, main)


class SlowRollback(Troubled):
    """A transactional step gets the lock after its session was handed over, is refused, and what it
    wrote is taken back slowly; meanwhile its log is read."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.asked = False

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        if self.asked and not self.handovers and durable("e"):
            raise Ambiguous("no answer")
        return await self.stage.store.claim(session, nets, limit)

    @asynccontextmanager
    async def transaction(self, session: int, **options: Any) -> AsyncGenerator[Any]:
        if not self.asked:
            self.asked = True
            ENGINES[-1].worker.kick()
            await self.slow.wait()
        try:
            async with self.stage.store.transaction(session, **options) as transaction:
                yield transaction
        except Fenced:
            await asyncio.sleep(2 * SLOW_SECONDS)
            raise


def test_a_step_taken_back_slowly_is_called_once_more_and_by_one_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Recovery has put its execution where the log stands, and has it called again."""
    stage = Stage()
    store = SlowRollback(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        run = await engine.start(books(1), id="e")
        async with asyncio.timeout(QUIET_SECONDS):
            assert await run.result() == 2
        assert (await stage.row("e")).tenure == 2

    played(stage, store, main)
    assert store.handovers == 1 and stage.out.count("booked") == 2
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == []


class AnsweredLate(Troubled):
    """Two transactional steps, one after the other: the commit of the first is durable, and
    answered while that of the second is under way, which does not hold, and nobody knows."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.begun = 0
        self.committed, self.second, self.answered = (asyncio.Event() for _ in range(3))

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        if self.committed.is_set() and not self.handovers:
            raise Ambiguous("no answer")
        return await self.stage.store.claim(session, nets, limit)

    @asynccontextmanager
    async def transaction(self, session: int, **options: Any) -> AsyncGenerator[Any]:
        self.begun += 1
        number = self.begun
        async with self.stage.store.transaction(session, **options) as transaction:
            yield transaction
            if number == 2:
                self.second.set()
                await self.answered.wait()
                await asyncio.sleep(SLOW_SECONDS)
                raise Ambiguous("no answer")
        if number == 1:
            self.committed.set()
            ENGINES[-1].worker.kick()
            await self.second.wait()
            self.answered.set()


def test_a_commit_answered_after_a_handover_says_nothing_of_the_next_one() -> None:
    """What became of the first was read from the log. The record of the second must not be written
    again: the author's writes are not there, and the step is called once more."""
    stage = Stage()
    store = AnsweredLate(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        run = await engine.start(books_twice(1), id="e")
        async with asyncio.timeout(QUIET_SECONDS):
            assert await run.result() == 3
        assert await stage.words("e") == ["started", *3 * ["fired"], "finished"]

    played(stage, store, main)
    assert store.handovers == 2 and stage.out.count("booked") == 3


class MailAtTheEnd(Troubled):
    """A release meets mail while the worker ends, and the mail is read slowly."""

    sent = False

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if not self.sent and any(a.change is not None and a.change.release for a in batch):
            self.sent = True
            await self.stage.store.send("e", GO.name, "m", b'"go"')
        return await self.stage.store.append(session, batch)

    async def messages(self, execution: int, after: int = 0) -> Any:
        await asyncio.sleep(SLOW_SECONDS)
        return await self.stage.store.messages(execution, after)


def test_what_meets_mail_while_its_worker_ends_is_released_all_the_same() -> None:
    """Nobody lost it."""
    stage = Stage()
    store = MailAtTheEnd(stage)

    async def main(engine: Engine) -> None:
        await engine.start(hears(1), id="e")
        await stage.until(lambda: stage.out.count("called"))

    stage.play(main, store=store.port)
    row = asyncio.run(stage.row("e"))
    assert store.sent and row.owner is None and not row.lost


class LateBorn(Troubled):
    """The answer to a creation comes late."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.written = asyncio.Event()

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        told = await self.stage.store.append(session, batch)
        if any(a.create is not None for a in batch):
            self.written.set()
            await asyncio.sleep(SLOW_SECONDS)
        return told


@observe
async def watch(n: int) -> int:
    await asyncio.sleep(1_000)
    return n


@workflow
async def watches(n: int) -> int:
    return await watch(n)


def test_a_message_to_who_is_not_known_to_be_created_is_not_forgotten() -> None:
    """It came before the answer; nobody sends a second one."""
    stage = Stage()
    store = LateBorn(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        born = asyncio.get_running_loop().create_task(engine.start(watches(1), id="e"))
        await store.written.wait()
        await engine.cancel("e", reason="enough")
        await born
        began = stage.time.now
        with pytest.raises(ExecutionCancelled):
            await engine.find(watches, "e").result()
        assert stage.time.now - began < SLOW_SECONDS * 1e6

    played(stage, store, main)


class SlowCommit(Troubled):
    """That the commit of a transactional step holds is answered late."""

    committed = False

    @asynccontextmanager
    async def transaction(self, session: int, **options: Any) -> AsyncGenerator[Any]:
        async with self.stage.store.transaction(session, **options) as transaction:
            yield transaction
        self.committed = True
        await asyncio.sleep(SLOW_SECONDS)


def test_a_commit_under_way_when_its_worker_ends_is_waited_for_like_its_call() -> None:
    """Then its execution is released, and not lost."""
    stage = Stage()
    store = SlowCommit(stage)

    async def main(engine: Engine) -> None:
        await engine.start(books(1), id="e")
        await stage.until(lambda: store.committed)

    stage.play(main, store=store.port)
    row = asyncio.run(stage.row("e"))
    assert row.owner is None and not row.lost and stage.out.count("booked") == 1
