"""What those who wait are told when an append was refused: what is stored, and nothing else (rule
9). A stall can be refused too, and what was given back may go on in another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from perdure import Engine, pure, workflow
from perdure.engine.audit import audit
from perdure.engine.client import enqueue
from perdure.engine.records import Kind
from perdure.engine.refused import MISMATCHES_MAX
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended, AttemptRow, Claimed, Status

from .ledger import until

GATE: list[asyncio.Event] = []
PATIENCE_SECONDS = 5.0  # for what never comes


@pure
async def think(n: int) -> int:
    await GATE[-1].wait()
    return n


@workflow
async def thinks(n: int) -> int:
    return await think(n)


class Refusing(SqliteStore):
    """Refuses the record of the first outcome, as poison or as one that does not follow the log,
    and then so many stalls."""

    def __init__(self, path: Path, *, poison: bool, stalls: int = 0) -> None:
        super().__init__(path)
        self._poison, self._left = poison, stalls
        self.outcomes = self.stalls = 0
        self.claims = True
        GATE[:] = [asyncio.Event()]

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """The write, of what is damaged where it is to be refused."""
        return await super().append(session, [self._damaged(each) for each in batch])

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        """Nothing, once another process is to have what is given back."""
        return await super().claim(session, nets, limit) if self.claims else []

    def _damaged(self, append: Append) -> Append:
        kinds = {record.kind for record in append.records}
        if Kind.FIRED in kinds and append.create is None:
            self.outcomes += 1
            if self.outcomes == 1 and self._poison:
                bad = AttemptRow(append.execution, "s", 1, 0, 0, "\ud800")
                return msgspec.structs.replace(append, attempts=[bad])
            if self.outcomes == 1:
                self.claims = False
                return msgspec.structs.replace(append, previous=b"?" * 16)
        if Kind.STALLED in kinds:
            self.stalls += 1
            if self.stalls <= self._left:
                return msgspec.structs.replace(append, previous=b"?" * 16)
        return append


async def test_a_stall_that_is_refused_is_made_again_before_anybody_is_told(tmp_path: Path) -> None:
    """Who hears that it is stalled finds it so, and can resume it."""
    store = Refusing(tmp_path / "s.db", poison=True, stalls=MISMATCHES_MAX - 1)
    async with asyncio.timeout(PATIENCE_SECONDS), Engine("x", store=store) as engine:
        run = await engine.start(thinks(1), id="e")
        waiter = asyncio.create_task(engine.ended("e"))
        GATE[-1].set()
        told, _ = await waiter
        row = await store.find("e")
        assert row is not None and (told, row.status) == (Status.STALLED, Status.STALLED)
        assert store.stalls == MISMATCHES_MAX
        assert (await audit(store, row)).problems == ()
        assert await engine.resume("e")
        assert await run.result() == 1


async def test_nobody_is_told_of_a_stall_that_is_not_stored(tmp_path: Path) -> None:
    """Refused without end it is given up, with a line in the process's log."""
    store = Refusing(tmp_path / "n.db", poison=True, stalls=100)
    async with asyncio.timeout(PATIENCE_SECONDS), Engine("x", store=store) as engine:
        await engine.start(thinks(1), id="e")
        waiter = asyncio.create_task(engine.ended("e"))
        GATE[-1].set()
        await until(lambda: waiter.done() or store.stalls == MISMATCHES_MAX)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiter, 0.3)
        row = await store.find("e")
        assert row is not None and row.status is Status.ACTIVE
        assert store.stalls == MISMATCHES_MAX


async def test_who_waits_hears_of_an_end_elsewhere_after_a_refusal_here(tmp_path: Path) -> None:
    """Given back by this process it is finished by another: this one's caller is told."""
    store = Refusing(tmp_path / "e.db", poison=False)
    async with asyncio.timeout(PATIENCE_SECONDS), Engine("x", store=store) as engine:
        run = await engine.start(thinks(1), id="e")
        waiter = asyncio.create_task(run.result())
        async with Engine("x", store=SqliteStore(tmp_path / "e.db")) as other:
            await other.serve(thinks)
            GATE[-1].set()
            assert await waiter == 1
        row = await store.find("e")
        assert row is not None and row.tenure == 2


async def test_what_cannot_begin_once_it_is_loaded_is_stalled_and_leaves_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nobody's then: in memory it would be driven all the same."""

    def broken(*_: object) -> bool:
        raise RuntimeError("a bug of ours")

    store = SqliteStore(tmp_path / "s.db")
    async with asyncio.timeout(PATIENCE_SECONDS), Engine("x", store=store) as engine:
        (program,) = await engine.serve(thinks)
        monkeypatch.setattr(engine.worker.quarantine, "admit", broken)
        await enqueue(store, program, "e", program.sealed(thinks.bind((1,), {})))
        engine.worker.kick()
        told, _ = await engine.ended("e")
        assert told is Status.STALLED and engine.worker.instances == {}
