"""A creation is answered while its session gives way to the next one: what the answer says counts,
and nothing is created, called or written a second time (rules 5 and 10)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from perdure import Engine, Stalled, workflow
from perdure.engine.client import enqueue
from perdure.engine.errors import StoreUnavailable
from perdure.engine.store import Ambiguous, Append, Appended, Claimed, Fenced, Guard

from .stage import QUIET_SECONDS, SLOW_SECONDS, Stage, Troubled
from .test_anew import FencedAtTheLanding, pays
from .test_recovery import played, thinks


@workflow
async def adds(n: int) -> int:
    return n + 1


class LateBirth(Troubled):
    """A creation is durable, and its answer comes late; a claim is ambiguous meanwhile."""

    engine: Engine
    late_seconds = SLOW_SECONDS / 2  # after the handover, when logs are read

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.doubt, self.created = False, 0

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        if self.doubt:
            self.doubt = False
            raise Ambiguous("no answer")
        return await self.stage.store.claim(session, nets, limit)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        told = await self.stage.store.append(session, batch)
        self.created += sum(a.create is not None for a in batch)
        if not self.handovers and any(a.create is not None for a in batch):
            self.doubt = True
            self.engine.worker.kick()
            await self.slow.wait()
            await asyncio.sleep(self.late_seconds)
        return told


class FoundLate(LateBirth):
    """The answer comes before the row is found."""

    late_seconds = SLOW_SECONDS / 4

    async def find(self, key: str) -> Any:
        if self.slow.is_set():
            await asyncio.sleep(SLOW_SECONDS / 2)
        return await self.stage.store.find(key)


@pytest.mark.parametrize("kind", [LateBirth, FoundLate])
def test_a_creation_answered_while_it_is_looked_for_is_what_it_became(
    kind: type[LateBirth],
) -> None:
    """The answer says which execution it is; it is not created again."""
    stage = Stage()
    store = kind(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        store.engine = engine
        run = await engine.start(thinks(1), id="a")
        assert await run.result() == 1
        assert (await stage.row("a")).tenure == 2
        assert (await stage.words("a")).count("started") == 1

    played(stage, store, main)
    assert store.handovers == 1 and stage.out.count("called") == 3


def test_what_ends_in_the_batch_that_creates_it_is_not_created_again() -> None:
    """The answer that comes meanwhile says that it is created, and over."""
    stage = Stage()
    store = FoundLate(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        store.engine = engine
        run = await engine.start(adds(1), id="a")
        await asyncio.sleep(4 * SLOW_SECONDS)
        assert await run.result() == 2 and engine.worker.instances == {}

    played(stage, store, main)
    assert (store.handovers, store.created) == (1, 1)


class BornWhileTelling(FencedAtTheLanding):
    """A creation is durable before its session is fenced; the answer comes while the next session
    tells what a call of the last one has answered."""

    away = 0
    engine: Engine

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        told = await self.stage.store.append(session, batch)
        if self.registered == 1 and any(a.create and a.create.key == "a" for a in batch):
            paying = self.engine.worker.instances["e"]
            await self.stage.until(lambda: paying.pending is not None)
            await self.stage.store.fence(session)
            self.engine.worker.committer.lose(Fenced(session))
            await self.stage.until(lambda: self.registered == 2)
            await asyncio.sleep(SLOW_SECONDS / 2)
        return told

    async def send(self, key: str, channel: str, id: str, body: bytes) -> Any:
        await asyncio.sleep(SLOW_SECONDS)
        return await self.stage.store.send(key, channel, id, body)


def test_a_creation_answered_while_the_last_session_is_told_of_belongs_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is of the fenced session, and claimed like all that it had: under its old tenure nothing
    could be written, and the new session would be lost for it."""
    stage = Stage()
    store = BornWhileTelling(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        store.engine = engine
        paid = await engine.start(pays(1), id="e")
        await stage.until(lambda: stage.out.count("called"))
        run = await engine.start(thinks(1), id="a")
        assert await run.result() == 1 and await paid.result() == "pay 1"
        assert await stage.ledger() == [("pay", "landed", "evidence")]

    played(stage, store, main)
    assert store.registered == 2 and "is loaded again" not in caplog.text
    assert stage.out.count("lands", "pay") == 1


class Lost(LateBirth):
    """What a creation became is found; then its log can not be read for a moment, and by then the
    session that it was handed over to is fenced too."""

    reads = 0

    async def log(self, execution: int, after: int = -1) -> Any:
        self.reads += self.slow.is_set()
        if self.reads == 2:
            await self.stage.store.fence(self.engine.worker.session)
            raise StoreUnavailable("here", "for a moment")
        return await self.stage.store.log(execution, after)


def test_a_creation_that_was_found_and_lost_again_is_told_to_who_started_it() -> None:
    """It exists, whoever drives it; the worker has not ended."""
    stage = Stage()
    store = Lost(stage)
    store.late_seconds = QUIET_SECONDS

    async def main(engine: Engine, stage: Stage) -> None:
        store.engine = engine
        run = await engine.start(thinks(1), id="a")
        assert await run.result() == 1

    played(stage, store, main)
    assert store.handovers == 2


class Unreadable(Troubled):
    """What is claimed cannot be loaded; creations are written slowly, one behind the other."""

    writing = False

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        told = await self.stage.store.claim(session, nets, limit)
        return [each._replace(records=[]) for each in told]

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if any(a.create is not None for a in batch):
            self.writing = True
            await asyncio.sleep(SLOW_SECONDS)
        return await self.stage.store.append(session, batch)


def test_a_start_whose_key_is_that_of_a_log_that_cannot_be_loaded_finds_it() -> None:
    """It is there, and stalled; who waits for it is told so, and not that the worker has ended."""
    stage = Stage()
    store = Unreadable(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        (program,) = await engine.serve(thinks)
        other = asyncio.get_running_loop().create_task(engine.start(thinks(5), id="o"))
        await stage.until(lambda: store.writing)
        start = asyncio.get_running_loop().create_task(engine.start(thinks(1), id="q"))
        await stage.until(lambda: "q" in engine.worker.instances)
        await enqueue(stage.store, program, "q", program.sealed(thinks.bind((1,), {})))
        engine.worker.kick()
        run = await start
        with pytest.raises(Stalled):
            await run.result()
        assert await (await other).result() == 5

    played(stage, store, main)


class Poisoned(Troubled):
    """The first record behind a creation is refused; that it stalls is written slowly, and a
    creation too."""

    refused = False

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if any(a.create is not None for a in batch):
            await asyncio.sleep(4 * SLOW_SECONDS if self.refused else 0)
            return await self.stage.store.append(session, batch)
        if not self.refused:
            self.refused = True
            return [
                Appended(a.execution, False, guard=Guard(a.execution, "?", True)) for a in batch
            ]
        await asyncio.sleep(SLOW_SECONDS)
        return await self.stage.store.append(session, batch)


def test_a_start_while_the_same_execution_is_being_stalled_finds_it() -> None:
    """Who waits for the end is told of the stall; who starts it once more waits for the row."""
    stage = Stage()
    store = Poisoned(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        await engine.start(thinks(1), id="a")
        await stage.until(lambda: store.refused)
        again = await engine.start(thinks(1), id="a")
        with pytest.raises(Stalled):
            await again.result()

    played(stage, store, main)
