"""Rule 14: leases do not depend on what the time of day says, on either side.

Two workers on one store, in virtual time: their own clocks run evenly, the time of day jumps by an
hour to and fro, acknowledgements of beats are late, and one of them is suspended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest
from msgspec.structs import replace
from perdure import Engine, effect_order, idempotent, irreversible, workflow
from perdure.chaos.simulation import EPOCH, SimLoop, Time
from perdure.engine.errors import StoreUnavailable
from perdure.engine.leases import BEATS_IN_LEASE, LEASE_SECONDS, MARGIN_SECONDS
from perdure.engine.store import Append, Appended
from perdure.engine.worker import SWEEP_SECONDS

from .stage import QUIET_SECONDS, Kept, Stage, StageClock, Troubled
from .test_recovery import thinks

HOUR = 3600.0
BEATS_SECONDS = LEASE_SECONDS / BEATS_IN_LEASE
CALLS: list[tuple[str, int, float]] = []
STAGE: list[Stage] = []


class Jumping(Kept):
    """A store whose time of day is set forward and back, and whose beats may be cut off."""

    def __init__(self, time: Time) -> None:
        super().__init__("sqlite://", now=self._tell)
        self.time, self.ahead = time, 0.0
        self.cut: set[int] = set()
        self.beats: dict[int, int] = {}

    def _tell(self) -> int:
        return EPOCH + self.time.now + int(self.ahead * 1e6)

    def beat(self, session: int) -> bool:
        self.beats[session] = self.beats.get(session, 0) + 1
        if session in self.cut:
            raise StoreUnavailable("here", "out of reach")
        return super().beat(session)


def note(name: str) -> None:
    """Who is called under which tenure, and when."""
    CALLS.append((name, effect_order()[1], STAGE[-1].time.now / 1e6))


@idempotent
async def work(seconds: int) -> int:
    note("work")
    await asyncio.sleep(seconds)
    return seconds


@irreversible
async def pay(seconds: int) -> int:
    note("pay")
    await asyncio.sleep(seconds)
    return seconds


@workflow
async def works(seconds: int) -> int:
    return await work(seconds) + await pay(seconds) + await work(seconds)


@asynccontextmanager
async def beside(store: Jumping) -> AsyncGenerator[Engine]:
    """Another worker on the store, which serves the same, in the loop of the first."""
    clock = StageClock(store.time, cast("SimLoop", asyncio.get_running_loop()))
    async with Engine("sqlite://", store=store, clock=clock, drain_seconds=0) as engine:
        await engine.serve(works)
        yield engine


def stage() -> tuple[Stage, Jumping]:
    """A stage and the store of its two workers."""
    made = Stage()
    STAGE[:] = [made]
    CALLS.clear()
    store = Jumping(made.time)
    made.store = store
    return made, store


JUMPS = {
    "forward": [HOUR],
    "back": [-HOUR],
    "to and fro": [HOUR, -HOUR, 0.0, 25 * HOUR],
    "by a lease": [LEASE_SECONDS, -LEASE_SECONDS],
}


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=list(JUMPS))
def test_nobody_is_fenced_because_the_time_of_day_jumps(jumps: list[float]) -> None:
    """The owner works on for four leases while it jumps: one tenure, each call once, no session
    ended; the other one saw its counter grow all the time."""
    made, store = stage()

    async def main(owner: Engine) -> None:
        async with beside(store) as other:
            run = await owner.start(works(20), id="e")
            for ahead in jumps:
                await asyncio.sleep(9)
                store.ahead = ahead
            assert await run.result() == 60
            alive = {row.id for row in await store.sessions()}
            assert alive == {owner.worker.session, other.worker.session}
        assert (await made.row()).tenure == 1

    made.play(main)
    assert [(name, tenure) for name, tenure, _ in CALLS] == [("work", 1), ("pay", 1), ("work", 1)]
    asyncio.run(made.lawful())


@pytest.mark.parametrize("ahead", [0.0, HOUR, -HOUR])
def test_a_session_out_of_reach_is_fenced_after_a_lease_and_calls_nothing_meanwhile(
    ahead: float,
) -> None:
    """Its beats do not get through: with less than the margin left it starts no call, a lease after
    the last beat the other takes over, not earlier, whatever the time of day says meanwhile."""
    made, store = stage()

    async def main(owner: Engine) -> None:
        async with beside(store):
            lost = owner.worker.session
            await owner.start(works(14), id="e")
            await asyncio.sleep(4)
            store.cut.add(lost)
            last, store.ahead = BEATS_SECONDS * (store.beats[lost]), ahead

            async def fenced() -> bool:
                return lost not in {row.id for row in await store.sessions()}

            await made.until(fenced)
            taken = made.time.now / 1e6
            assert last + LEASE_SECONDS <= taken <= last + LEASE_SECONDS + 3 * SWEEP_SECONDS
            assert [(name, tenure) for name, tenure, _ in CALLS if tenure == 1] == [("work", 1)]
            assert last + LEASE_SECONDS - MARGIN_SECONDS < 14, "pay was due with too little left"
            store.cut.clear()  # the next beat gets through, and tells it
            assert await owner.find(works, "e").result() == 42

    made.play(main)
    assert {tenure for _, tenure, _ in CALLS} == {1, 2}
    asyncio.run(made.lawful())


class SetBack(Troubled):
    """The time of day is set back right before a release is written, and stays so; before it, one
    record does not follow its log, if `refuses`."""

    refuses = False

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if self.refuses and all(a.create is None for a in batch):
            self.refuses = False
            batch = [replace(a, previous=b"?") for a in batch]
        elif any(a.change is not None and a.change.release for a in batch):
            self.stage.time.skipped -= int(HOUR * 1e6)
        return await self.stage.store.append(session, batch)


@pytest.mark.parametrize("refuses", [True, False])
def test_what_is_released_at_once_goes_on_whatever_the_time_of_day_says_by_then(
    refuses: bool,
) -> None:
    """Given back to be loaded again, or left to others by a worker that ends."""
    stage = Stage()
    store = SetBack(stage)
    store.refuses = refuses

    async def main(engine: Engine) -> None:
        run = await engine.start(thinks(1), id="e")
        if refuses:
            async with asyncio.timeout(QUIET_SECONDS):
                assert await run.result() == 1
        await stage.until(lambda: stage.out.count("called"))

    stage.play(main, store=store.port)
    assert stage.time.skipped < 0

    async def others(engine: Engine) -> None:
        await engine.serve(thinks)
        async with asyncio.timeout(QUIET_SECONDS):
            assert await engine.find(thinks, "e").result() == 1

    stage.play(others)
