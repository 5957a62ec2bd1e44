"""Rule 84: what happens to a step without options that fails n times, through the whole engine.

Time is virtual, so the waits are those that the engine makes, to the poll of a worker: below a
second in memory, from a second on parked, without an owner.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Engine,
    Tx,
    Workflow,
    compensatable,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    transactional,
    workflow,
)
from perdure.chaos.simulation import SimClock, SimLoop, Time, run
from perdure.engine.audit import audit
from perdure.engine.bodies import decode
from perdure.engine.sqlite import SqliteStore

from .stage import StageClock

WAITS = [1.0, 2.0, 4.0, 8.0]
LATE_SECONDS = 0.1  # a worker polls, and a commit is gathered: some hundredths


class Flaky(Exception):
    """It may work the next time."""


class Fake:
    """A receiver that fails the first times; when it was called is kept."""

    def __init__(self) -> None:
        self.time, self.fails = Time(), 0
        self.calls: list[float] = []

    def attempt(self) -> int:
        """One call."""
        self.calls.append(self.time.now / 1e6)
        if len(self.calls) <= self.fails:
            raise Flaky(f"call {len(self.calls)}")
        return len(self.calls)

    @property
    def waits(self) -> list[float]:
        """Seconds between one call and the next."""
        return [round(b - a, 6) for a, b in zip(self.calls, self.calls[1:], strict=False)]


FAKE = [Fake()]


@pure
async def d_pure(n: int) -> int:
    return FAKE[0].attempt()


@observe
async def d_observe(n: int) -> int:
    return FAKE[0].attempt()


@idempotent
async def d_idempotent(n: int) -> int:
    return FAKE[0].attempt()


@transactional
async def d_transactional(tx: Tx, n: int) -> int:
    return FAKE[0].attempt()


@compensatable
async def d_compensatable(n: int) -> int:
    return FAKE[0].attempt()


@d_compensatable.undo
async def _undone(got: int) -> None:
    raise AssertionError("nobody knows whether it landed")


@irreversible
async def d_irreversible(n: int) -> int:
    return FAKE[0].attempt()


@compensatable
async def kept(n: int) -> int:
    return n


@kept.undo
async def d_undo(got: int) -> None:
    FAKE[0].attempt()


@workflow
async def w_pure(n: int) -> int:
    return await d_pure(n)


@workflow
async def w_observe(n: int) -> int:
    return await d_observe(n)


@workflow
async def w_idempotent(n: int) -> int:
    return await d_idempotent(n)


@workflow
async def w_transactional(n: int) -> int:
    return await d_transactional(n)


@workflow
async def w_compensatable(n: int) -> int:
    return await d_compensatable(n)


@workflow
async def w_irreversible(n: int) -> int:
    return await d_irreversible(n)


@workflow
async def w_undo(n: int) -> str:
    try:
        async with saga():
            await kept(n)
            raise Flaky("after all")
    except Flaky:
        return "undone"


AGAIN: list[Workflow[..., Any]] = [w_pure, w_observe, w_idempotent]
ONCE: list[Workflow[..., Any]] = [w_transactional, w_compensatable, w_irreversible]


def play(
    path: Path,
    fails: int,
    main: Callable[[Engine], Coroutine[Any, Any, Any]],
    clock: type[SimClock] = SimClock,
) -> Fake:
    """A life with a fake that fails so often; what is stored is lawful afterwards."""
    fake = FAKE[0] = Fake()
    fake.fails = fails
    loop = SimLoop(fake.time)

    async def life() -> None:
        store = SqliteStore(path / "d.db", now=fake.time.database)
        async with Engine("", store=store, clock=clock(fake.time, loop)) as engine:
            await main(engine)
            row = await store.find("e")
            assert row is not None and (await audit(store, row)).problems == ()

    run(loop, life())
    return fake


def waited(fake: Fake, waits: list[float], late: float = LATE_SECONDS) -> None:
    """Never early, and late by no more than a worker looks."""
    assert len(fake.waits) == len(waits)
    for was, due in zip(fake.waits, waits, strict=True):
        assert due <= was <= due + late


@pytest.mark.parametrize("fails", range(6))
@pytest.mark.parametrize("flow", AGAIN, ids=lambda flow: flow.name)
def test_a_step_without_options_is_tried_five_times(
    tmp_path: Path, flow: Workflow[..., Any], fails: int
) -> None:
    """After 1, 2, 4 and 8 seconds; the fifth failure is the workflow's. The record of the outcome
    says how many attempts it took, and the counter is gone with it."""

    async def main(engine: Engine) -> None:
        handle = await engine.start(flow(1), id="e")
        if fails < 5:
            assert await handle.result() == fails + 1
        else:
            with pytest.raises(Flaky, match="call 5"):
                await handle.result()
        records = [decode(r.body) for r in await engine.store.log(1)]
        assert [body.n for body in records if body.n] == ([min(fails + 1, 5)] if fails else [])
        assert await engine.store.attempts(1) == []

    waited(play(tmp_path, fails, main), WAITS[:fails])


@pytest.mark.parametrize("flow", AGAIN, ids=lambda flow: flow.name)
def test_the_waits_of_a_step_without_options_are_kept_by_nobody(
    tmp_path: Path, flow: Workflow[..., Any]
) -> None:
    """From two seconds on it has no owner between two attempts; its next moment is in the row, and
    what it failed with is told."""

    async def main(engine: Engine) -> None:
        handle = await engine.start(flow(1), id="e")
        for tries in range(2, 5):
            while len(FAKE[0].calls) < tries or engine.worker.instances:
                await engine.worker.clock.sleep(0.02)
            row = await engine.store.find("e")
            (counted,) = await engine.store.attempts(1)
            assert row is not None and (row.owner, row.status) == (None, "active")
            assert (counted.tries, counted.next_at) == (tries, row.wake_at)
            assert counted.error == f"Flaky: call {tries}"
        assert await handle.result() == 5

    waited(play(tmp_path, 4, main), WAITS)


@pytest.mark.parametrize("flow", ONCE, ids=lambda flow: flow.name)
def test_what_may_not_be_repeated_is_tried_once(tmp_path: Path, flow: Workflow[..., Any]) -> None:
    """Transactional: it failed. With an intent: doubt, and minutes later still that one call."""

    async def main(engine: Engine) -> None:
        handle = await engine.start(flow(1), id="e")
        if flow is w_transactional:
            with pytest.raises(Flaky):
                await handle.result()
            return
        await engine.worker.clock.sleep(300)
        (effect,) = await engine.store.effects(1)
        assert effect.outcome == "in-doubt" and "Flaky: call 1" in effect.evidence

    assert play(tmp_path, 1, main, StageClock).waits == []


def test_an_undo_without_options_is_tried_until_it_works(tmp_path: Path) -> None:
    """Without end: the waits double up to five minutes, and stay there."""

    async def main(engine: Engine) -> None:
        assert await engine.run(w_undo(1), id="e") == "undone"

    fake = play(tmp_path, 12, main, StageClock)  # in which a worker looks once a second
    waited(fake, [min(2.0**n, 300.0) for n in range(12)], late=1.0 + LATE_SECONDS)
