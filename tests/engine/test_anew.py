"""A session was fenced, and the next one begins anew: what was lost is told of, and what is in
memory by then is whose it is (rules 5 and 17)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from perdure import Engine, irreversible, workflow
from perdure.engine.client import enqueue
from perdure.engine.errors import StoreUnavailable
from perdure.engine.store import Append, Appended, Claimed, Fenced, Identity

from .stage import QUIET_SECONDS, SLOW_SECONDS, Stage, Troubled, outside
from .test_recovery import ENGINES, all_end, played, thinks


@irreversible
async def pay(n: int) -> str:
    return await outside().attempt("pay", n)


@workflow
async def pays(n: int) -> str:
    return await pay(n)


class FencedAtTheLanding(Troubled):
    """Fenced right before a landing is written; and then the store is out of reach."""

    away = 2
    fences = 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        landed = any(e.outcome == "landed" for a in batch for e in a.effects)
        if landed and not self.fences:
            await self.stage.store.fence(session)
        return await self.stage.store.append(session, batch)

    async def fence(self, session: int) -> int:
        self.fences += 1
        if self.fences <= self.away:
            raise StoreUnavailable("here", "for a moment")
        return await self.stage.store.fence(session)


def test_a_late_answer_is_told_however_often_a_new_session_is_asked_for() -> None:
    """The charge landed, and only its caller knows: its evidence settles the doubt."""
    stage = Stage()
    store = FencedAtTheLanding(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(pays(1), id="e")
        assert await run.result() == "pay 1"
        assert await stage.ledger() == [("pay", "landed", "evidence")]

    played(stage, store, main)
    assert store.fences > store.away and stage.out.count("lands", "pay") == 1


class Interrupted(FencedAtTheLanding):
    """What a call answered can not be told at first."""

    away = 0
    sends = 0

    async def send(self, key: str, channel: str, id: str, body: bytes) -> Any:
        self.sends += 1
        if self.sends == 1:
            raise StoreUnavailable("here", "for a moment")
        return await self.stage.store.send(key, channel, id, body)


@pytest.mark.parametrize("answered", [True, False])
def test_a_late_answer_is_told_when_the_store_can_be_reached_again(answered: bool) -> None:
    """Whether the session was lost before the call answered, or before that could be written. The
    charge has no probe: without this witness a person would be asked."""
    stage = Stage()
    store = Interrupted(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(pays(1), id="e")
        await stage.until(lambda: stage.out.count("called"))
        if not answered:
            await stage.store.fence(engine.worker.session)
            engine.worker.committer.lose(Fenced(engine.worker.session))
        async with asyncio.timeout(QUIET_SECONDS):
            assert await run.result() == "pay 1"
        assert await stage.ledger() == [("pay", "landed", "evidence")]

    played(stage, store, main)
    assert store.sends == 2 and stage.out.count("lands", "pay") == 1


class AnsweredWhileFenced(Troubled):
    """What was claimed is told while the session, fenced meanwhile, gives way to another."""

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        told = await self.stage.store.claim(session, nets, limit)
        if told and self.registered == 1:
            await self.stage.store.fence(session)
            ENGINES[-1].worker.committer.lose(Fenced(session))
            await asyncio.sleep(SLOW_SECONDS / 2)
        return told

    async def register(self, identity: Identity) -> int:
        if self.registered:
            await asyncio.sleep(SLOW_SECONDS)
        return await super().register(identity)


def test_what_a_fenced_session_had_claimed_is_not_taken_into_the_next_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It came into memory behind all that was dropped; under the next session it would be written
    with a tenure that is not its own, and refused."""
    stage = Stage()
    store = AnsweredWhileFenced(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        await engine.serve(thinks)
        (program,) = engine.worker.programs.values()
        await enqueue(stage.store, program, "q", program.sealed(thinks.bind((3,), {})))
        engine.worker.kick()
        await all_end(engine, {"q": 3})

    played(stage, store, main)
    assert store.registered == 2 and "is loaded again" not in caplog.text
    assert stage.out.count("called") == 4  # one of them was given up with the session


class ClaimedWhileTelling(FencedAtTheLanding):
    """A look that had begun before the session was lost claims for the next one, which still tells
    what the calls of the one before have answered."""

    away = 0

    async def sessions(self) -> Any:
        if self.stage.out.count("called") and not self.fences:
            await self.stage.until(lambda: self.registered == 2)
            ENGINES[-1].worker.kick()  # a database in memory tells nobody that it has changed
        return await self.stage.store.sessions()

    async def send(self, key: str, channel: str, id: str, body: bytes) -> Any:
        await asyncio.sleep(SLOW_SECONDS)
        return await self.stage.store.send(key, channel, id, body)


def test_what_the_next_session_claims_while_the_last_is_told_of_keeps_its_tenure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only what nobody can have seen is created again."""
    stage = Stage()
    store = ClaimedWhileTelling(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        await engine.serve(thinks)
        (program,) = engine.worker.programs.values()
        run = await engine.start(pays(1), id="e")
        await stage.until(lambda: stage.out.count("called"))
        await enqueue(stage.store, program, "q", program.sealed(thinks.bind((3,), {})))
        await all_end(engine, {"q": 3})
        assert await run.result() == "pay 1"
        assert (await stage.row("q")).tenure == 2

    played(stage, store, main)
    assert store.registered == 2 and "is loaded again" not in caplog.text
