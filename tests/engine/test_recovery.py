"""While one session gives way to the next, others go on: answers that come late, batches that were
made before, a second fault. Whoever loses an execution loses it to somebody (rules 10 and 17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from perdure import Engine, Signal, Tx, pure, transactional, workflow
from perdure.engine import bodies
from perdure.engine.client import enqueue
from perdure.engine.errors import StoreUnavailable
from perdure.engine.store import Ambiguous, Append, Appended, Claimed

from .stage import SLOW_SECONDS, Stage, Troubled, outside

TURN_SECONDS = 0.01
GO = Signal[str]("go")


@pure
async def think(n: int) -> int:
    await outside().attempt("think", n)
    return n


@transactional
async def book(tx: Tx, n: int) -> int:
    outside().note("booked", "book", n)
    return n


@workflow
async def thinks(n: int) -> int:
    n = await think(n)
    n = await think(n)
    return await think(n)


@workflow
async def books(n: int) -> int:
    return await book(n) + await think(n)


@workflow
async def hears(n: int) -> str:
    n = await think(n)
    word = await GO.wait()
    return f"{word} {n}"


Main = Callable[[Engine, Stage], Coroutine[Any, Any, Any]]


def played(stage: Stage, store: Troubled, main: Main) -> Any:
    """One life on that store, after which what is stored is lawful."""

    async def life(engine: Engine) -> Any:
        told = await main(engine, stage)
        for row in await stage.store.list():
            await stage.lawful(row.key)
        return told

    return stage.play(life, store=store.port)


async def all_end(engine: Engine, wanted: dict[str, int]) -> None:
    """They end as they would without trouble; nothing lies anywhere."""
    for key, value in wanted.items():
        assert await engine.find(thinks, key).result() == value


# --- what was asked for before a handover ---------------------------------------------------------


class LateClaim(Troubled):
    """A claim is answered long after it was asked for; one commit is ambiguous."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.claims = asyncio.Event()
        self.claims.set()
        self.doubt = False

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        await self.claims.wait()
        return await self.stage.store.claim(session, nets, limit)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        told = await self.stage.store.append(session, batch)
        if self.doubt:
            self.doubt = False
            raise Ambiguous("no answer")
        return told


def test_a_claim_refused_late_lets_nothing_out_before_the_handover_is_through() -> None:
    """It was asked for under the session before, and answered while the logs are still read: what
    is pending of the tenures before would be refused, and its executions belong to nobody here."""
    stage = Stage()
    store = LateClaim(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        for n, key in enumerate(("a", "b")):
            await engine.start(thinks(n), id=key)
            await asyncio.sleep(0.25)
        store.claims.clear()
        engine.worker.kick()
        await asyncio.sleep(TURN_SECONDS)
        store.doubt = True
        third = asyncio.get_running_loop().create_task(engine.start(thinks(2), id="c"))
        await stage.until(lambda: store.handovers)
        await asyncio.sleep(1.0)  # the first thoughts end: their records wait
        (program,) = engine.worker.programs.values()
        await enqueue(stage.store, program, "q", program.sealed(thinks.bind((3,), {})))
        store.claims.set()
        await third
        await all_end(engine, {"a": 0, "b": 1, "c": 2, "q": 3})
        # Handed over once: none was dropped and claimed again.
        assert [(await stage.row(key)).tenure for key in ("a", "b", "c")] == [2, 2, 2]

    played(stage, store, main)
    assert (store.handovers, store.registered) == (1, 1)


class LateAnswerOfAClaim(LateClaim):
    """What was claimed is told long after; one commit is ambiguous meanwhile."""

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        told = await self.stage.store.claim(session, nets, limit)
        if told and not self.handovers:
            self.doubt = True
            await self.stage.until(lambda: self.registered == 1 and self.slow.is_set())
            await asyncio.sleep(4 * SLOW_SECONDS)
        return told


def test_what_was_claimed_before_a_handover_is_claimed_again_and_called_once() -> None:
    """It was handed over too, and let go, since nobody had it in memory yet. By the tenure of the
    claim nothing could be written, but calls would be made."""
    stage = Stage()
    store = LateAnswerOfAClaim(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        await engine.start(thinks(1), id="a")
        (program,) = engine.worker.programs.values()
        await enqueue(stage.store, program, "q", program.sealed(thinks.bind((3,), {})))
        engine.worker.kick()
        await all_end(engine, {"a": 1, "q": 3})

    played(stage, store, main)
    assert store.handovers == 1
    assert [h.number for h in stage.out.seen if h.what == "called"].count(3) == 3


class Guarded(Troubled):
    """A batch of one execution does not fit its log, and says so only during a handover."""

    wrong = ""
    doubt = False

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        if self.doubt:
            self.doubt = False
            raise Ambiguous("no answer")
        return await self.stage.store.claim(session, nets, limit)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if not self.wrong or all(a.create is not None for a in batch):
            return await self.stage.store.append(session, batch)
        self.wrong = ""
        told = await self.stage.store.append(session, [replace(a, previous=b"?") for a in batch])
        self.doubt = True
        ENGINES[-1].worker.kick()
        await self.slow.wait()
        await asyncio.sleep(SLOW_SECONDS / 2)
        return told


class LateAnswer(Guarded):
    """A release meets mail, and says so only when a handover has put all in order."""

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if self.wrong or not any(a.change is not None and a.change.release for a in batch):
            return await self.stage.store.append(session, batch)
        self.wrong = "no more"
        await self.stage.store.send("e", GO.name, "m", b'"go"')
        told = await self.stage.store.append(session, batch)
        assert [each.mail for each in told] == [True]
        self.doubt = True
        ENGINES[-1].worker.kick()
        await self.slow.wait()
        await asyncio.sleep(2 * SLOW_SECONDS)
        return told


def test_a_batch_answered_after_the_handover_changes_nothing() -> None:
    """What became of it was read from the log, and what it held is pending under the new tenure."""
    stage = Stage()
    store = LateAnswer(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        run = await engine.start(hears(1), id="e")
        assert await run.result() == "go 1"
        assert (await stage.row("e")).tenure == 2

    played(stage, store, main)
    assert store.handovers == 1


class ClaimedInDoubt(Troubled):
    """A release is durable and its answer lost; a look that had begun claims what was released, and
    is told so only when the session has been handed over."""

    released = False

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        told = await self.stage.store.claim(session, nets, limit)
        if told and not self.handovers:
            await self.slow.wait()
            await asyncio.sleep(3 * SLOW_SECONDS)
        return told

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        told = await self.stage.store.append(session, batch)
        if self.released or not any(a.change is not None and a.change.release for a in batch):
            return told
        self.released = True
        await self.stage.store.send("e", GO.name, "m", b'"go"')
        ENGINES[-1].worker.kick()
        await asyncio.sleep(TURN_SECONDS)
        raise Ambiguous("no answer")


def test_what_was_released_in_doubt_and_claimed_by_a_look_that_had_begun_goes_on() -> None:
    """It had left memory by its release; what the session has is the claim, which nobody loads."""
    stage = Stage()
    store = ClaimedInDoubt(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        run = await engine.start(hears(1), id="e")
        assert await run.result() == "go 1"
        assert (await stage.row("e")).tenure == 4  # claimed, handed over, claimed

    played(stage, store, main)
    assert store.handovers == 1


ENGINES: list[Engine] = []


def test_an_execution_that_leaves_memory_during_a_handover_is_let_go() -> None:
    """It was moved to the new session, and nobody here drives it: it is released, and claimed."""
    stage = Stage()
    store = Guarded(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        ENGINES[:] = [engine]
        await engine.start(thinks(1), id="a")
        store.wrong = "a"
        await all_end(engine, {"a": 1})

    played(stage, store, main)
    assert store.handovers == 1


def durable(key: str) -> bool:
    """The execution is in memory, and has a number."""
    known = ENGINES[-1].worker.instances.get(key)
    return known is not None and known.id != 0


class LateTransaction(Troubled):
    """A transactional step gets the write lock only after its session was handed over; its commit
    may be ambiguous then."""

    def __init__(self, stage: Stage, doubt: str = "") -> None:
        super().__init__(stage)
        self.doubt, self.asked = doubt, False

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        if self.asked and not self.handovers and durable("o"):
            raise Ambiguous("no answer")
        return await self.stage.store.claim(session, nets, limit)

    @asynccontextmanager
    async def transaction(self, session: int, **options: Any) -> AsyncGenerator[Any]:
        if not self.asked:
            self.asked = True
            await self.stage.until(lambda: durable("o"))
            ENGINES[-1].worker.kick()
            await self.slow.wait()
        doubt = self.doubt if session == self.handovers + 1 and self.handovers == 1 else ""
        async with self.stage.store.transaction(session, **options) as transaction:
            yield transaction
            if doubt == "absent":
                raise Ambiguous("no answer")
        if doubt == "present":
            raise Ambiguous("no answer")


async def booked(engine: Engine, stage: Stage) -> None:
    """Two executions; the one that books is looked at first, the other's log is read meanwhile."""
    ENGINES[:] = [engine]
    run = await engine.start(books(1), id="e")
    other = await engine.start(thinks(5), id="o")
    assert await run.result() == 2 and await other.result() == 5


def test_a_transaction_refused_before_its_execution_was_looked_at_is_made_again() -> None:
    """Its session was handed over while it waited for the lock; nothing was written."""
    stage = Stage()
    store = LateTransaction(stage)
    played(stage, store, booked)
    assert store.handovers == 1 and stage.out.count("booked") == 2


@pytest.mark.parametrize("doubt", ["present", "absent"])
def test_a_commit_that_gets_ambiguous_during_a_handover_is_looked_for_too(doubt: str) -> None:
    """A transactional step of the new session: nobody would ever look what became of it."""
    stage = Stage()
    store = LateTransaction(stage, doubt)
    played(stage, store, booked)
    assert store.handovers == 2
    assert stage.out.count("booked") == (2 if doubt == "present" else 3)


def test_nothing_goes_out_that_was_gathered_when_the_session_was_lost() -> None:
    """A batch that was about to be made waits like all others until the logs have been read."""
    stage = Stage()
    store = Troubled(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        await engine.start(thinks(1), id="a")
        instance, committer = engine.worker.instances["a"], engine.worker.committer
        await stage.until(lambda: instance.pending is not None and instance.flying is None)
        for turn in range(12):
            committer.dirty(instance)  # as long as something comes, it is gathered
            if turn == 3:
                committer.lose(Ambiguous("no answer"))
            await asyncio.sleep(0)
        await all_end(engine, {"a": 1})
        assert (await stage.row("a")).tenure == 2

    played(stage, store, main)
    assert store.handovers == 1


# --- what was made for the session before ---------------------------------------------------------


class Away(Troubled):
    """Nothing can be written until the session was lost, and another one is there."""

    refused = 0

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if self.registered == 1:
            self.refused += 1
            raise StoreUnavailable("here", "for a moment")
        return await self.stage.store.append(session, batch)


def test_a_start_that_waits_for_the_store_is_written_once_under_the_session_in_force() -> None:
    """Its batch was made for the session before. Record 0 names the session that wrote it, and the
    execution is driven by it."""
    stage = Stage()
    store = Away(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        start = asyncio.get_running_loop().create_task(engine.start(thinks(1), id="a"))
        await stage.until(lambda: store.refused)
        await stage.store.fence(engine.worker.session)
        assert await (await start).result() == 1
        (first, *_) = await stage.store.log((await stage.row("a")).id)
        assert bodies.decode(first.body).s == engine.worker.session

    played(stage, store, main)
    assert (store.registered, store.handovers) == (2, 0)


# --- whose session it is --------------------------------------------------------------------------


class Overtaken(Troubled):
    """A commit is ambiguous, and by then the execution is somebody else's."""

    doubt = True
    other = 0

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        if not self.handovers:
            return []  # it looks for work much later than the other
        return await self.stage.store.claim(session, nets, limit)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if not self.doubt or any(a.create is not None for a in batch):
            return await self.stage.store.append(session, batch)
        self.doubt = False
        await self.stage.store.fence(session)
        ENGINES[-1].worker.kick()  # a file would tell it of the change

        async def taken() -> bool:
            return (await self.stage.row("a")).owner == self.other

        await self.stage.until(taken)
        raise Ambiguous("no answer")


def test_the_session_of_another_engine_in_this_process_is_not_handed_over() -> None:
    """It has the same name, process and file; it took the execution over, and keeps it."""
    stage = Stage()
    store = Overtaken(stage)

    async def main(engine: Engine, stage: Stage) -> None:
        async with Engine("sqlite://", store=stage.store, clock=engine.clock) as second:
            ENGINES[:] = [second]
            await second.serve(thinks)
            store.other = second.worker.session
            assert second.worker.identity == engine.worker.identity
            run = await engine.start(thinks(1), id="a")
            await stage.until(lambda: store.handovers)
            assert store.other in [s.id for s in await stage.store.sessions()]
            assert await run.result() == 1
            assert second.worker.session == store.other != engine.worker.session

    played(stage, store, main)
    assert store.handovers == 1
