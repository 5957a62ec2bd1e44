"""Rules 52 and 53: a parked execution costs no worker anything, and is found again by looking.

What wakes it, and that no wake-up is lost, is in `test_messages.py` and `tests/stores`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Elapsed,
    Engine,
    Signal,
    after,
    days,
    first,
    idempotent,
    seconds,
    sleep,
    together,
    workflow,
)
from perdure.engine.client import enqueue
from perdure.engine.instance import Instance
from perdure.engine.store import RowChange
from perdure.model.compiler import compile_workflow

from .ledger import Ledger, until
from .stage import Stage, play

go = Signal[str]("go")
SLEEPERS = 200


@workflow
async def sleeps(n: int) -> int:
    await sleep(days(30))
    return n


@workflow
async def listens(n: int) -> str:
    return await go.wait()


@workflow
async def both(n: int) -> str:
    match await first(go.wait(), after(days(30))):
        case Elapsed():
            return "late"
        case word:
            return word


@workflow
async def pair(n: int) -> list[str]:
    return [*await together(go.wait(), go.wait())]


@idempotent
async def work(n: int) -> int:
    return n


@workflow
async def naps(n: int) -> int:
    await sleep(seconds(0.05))
    got = await work(n)
    await sleep(seconds(1.5))
    return got


def held() -> set[Instance]:
    """Executions in the memory of this process; tests before this one may have left some."""
    gc.collect()
    return {thing for thing in gc.get_objects() if isinstance(thing, Instance)}


@pytest.mark.parametrize("flow", [sleeps, listens, both, pair], ids=lambda f: f.name)
def test_sleepers_are_in_nobodys_memory_and_a_fence_has_none_to_release(flow: Any) -> None:
    """Two hundred wait: each is released in the commit in which it came to rest, no object of it is
    left in the worker, and ending its session touches not one of their rows."""
    stage = Stage()

    async def act(engine: Engine, stage: Stage) -> None:
        before = held()
        runs = [await engine.start(flow(n), id=f"e{n}") for n in range(SLEEPERS)]
        await stage.until(lambda: not engine.worker.instances)
        del runs
        rows = await stage.store.list(limit=2 * SLEEPERS)
        assert {(row.status, row.owner) for row in rows} == {("active", None)}
        assert len(rows) == SLEEPERS and held() <= before
        untouched = {row.key: row.updated for row in rows}
        await asyncio.sleep(10)
        assert await stage.store.fence(engine.worker.session) == 0, "nothing to release"
        rows = await stage.store.list(limit=2 * SLEEPERS)
        assert {row.key: row.updated for row in rows} == untouched

    async def life(engine: Engine) -> None:
        await act(engine, stage)

    stage.play(life)
    for n in (0, SLEEPERS - 1):
        asyncio.run(stage.lawful(f"e{n}"))


class Watched:
    """The stage's store; keeps what every release rode with."""

    def __init__(self, stage: Stage) -> None:
        self._store = stage.store
        self.releases: list[tuple[int, RowChange]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(self, session: int, batch: Any) -> Any:
        """The write; a release is noted with the number of records beside it."""
        for each in batch:
            if each.change is not None and each.change.release:
                self.releases.append((len(each.records), each.change))
        return await self._store.append(session, batch)


def test_parking_is_no_commit_of_its_own() -> None:
    """It rides with the record by which the execution came to rest, and says what it waits for."""
    stage = Stage()
    store = Watched(stage)

    async def life(engine: Engine) -> None:
        await engine.start(both(1), id="e")
        await stage.until(lambda: not engine.worker.instances)

    watched: Any = store
    stage.play(life, store=watched)
    ((records, change),) = store.releases
    assert records > 0, "nobody waits for another commit to be free"
    assert change.waits == "go" and change.wake_at is not None and change.mail_seen == 0


def test_a_moment_that_is_near_stays_in_memory() -> None:
    """Half a second is no reason to be claimed anew."""
    stage = Stage()

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(naps(7), id="e")
        assert await run.result() == 7
        assert (await stage.row()).tenure == 2, "parked once, for the longer nap"

    play(stage, act)


# --- found by looking (rule 53) -------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    yield Ledger(tmp_path)


def nobody_tells(*, work: bool = True, mail: bool = True) -> None:
    """In place of the notification inside a process."""


async def test_without_any_notification_everything_still_ends(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is told of nothing looks for itself: new executions, messages to parked and to
    running ones, moments, a cancel, all from another engine on the file."""
    async with Engine(ledger.url) as worker, Engine(ledger.url) as sender:
        monkeypatch.setattr(worker.worker, "kick", nobody_tells)
        await worker.serve(listens, both, pair, naps)
        # The other engine only sends: it has nobody to claim anything with.
        await sender.worker.stop(0)
        store = sender.store
        for number, (flow, key) in enumerate(
            [(listens, "listens"), (both, "both"), (pair, "pair"), (naps, "naps"), (both, "gone")]
        ):
            await worker.start(flow(number), id=key)
        program = compile_workflow(listens)
        assert await enqueue(store, program, "later", {"n": program.codecs["n"].seal(9)})
        parked = "select count(*) from execution where owner is null and status = 'active'"
        await until(lambda: ledger.one(parked) >= 5 and ledger.words("later") != ["started"])
        await store.send("later", "go", "m0", b'"z"')
        await store.send("listens", "go", "m1", b'"a"')
        await store.send("both", "go", "m2", b'"b"')
        await store.send("pair", "go", "m3", b'"c"')
        await store.send("gone", "$cancel", "m4", b'{"reason": "enough"}')
        taken = "select count(*) from message where consumed_at is not null"
        await until(lambda: ledger.one(taken) == 5)
        await store.send("pair", "go", "m5", b'"d"')
        over = "select key, status from execution where status <> 'active' order by key"
        await until(lambda: len(ledger.rows(over)) == 6)
        ends = {"both": "done", "gone": "cancelled", "listens": "done", "naps": "done"}
        assert dict(ledger.rows(over)) == {**ends, "later": "done", "pair": "done"}
    await ledger.sound()
