"""The committer by itself: what it writes at once, what it leaves for later, what it holds back.

It is the real one, over a real store and real executions that nobody drives. Counted are the writes
that reach the store; the time is virtual and passes only while all wait for it, never in `turns`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import pytest
from perdure import idempotent, workflow
from perdure.chaos.simulation import SimClock, SimLoop, run
from perdure.engine import bodies
from perdure.engine.bodies import Body
from perdure.engine.client import new_instance
from perdure.engine.clock import Timer
from perdure.engine.committer import (
    AGAIN_SECONDS,
    BYTES_MAX,
    GATHER_TURNS,
    LAZY_SECONDS,
    RECORDS_MAX,
    Committer,
)
from perdure.engine.errors import StoreUnavailable
from perdure.engine.instance import Instance
from perdure.engine.records import NO_TRANSITION, Kind
from perdure.engine.store import Append, Appended, Fenced, Identity
from perdure.model.compiler import compile_workflow
from perdure.model.values import PAYLOAD_BYTES_MIN

from .stage import QUIET_SECONDS, Stage, Troubled

WRITE_SECONDS = 30.0
TURNS = 400  # of the loop: more than some batches with all their gathering take
FEW_TURNS = GATHER_TURNS // 3


@idempotent
async def tell(n: int) -> int:
    """Tell somebody."""
    return n


@workflow
async def tells(n: int) -> int:
    return await tell(n)


PROGRAM = compile_workflow(tells)


class Watched(SimClock):
    """Virtual time that notes the timers which are asked for."""

    def __init__(self, stage: Stage, loop: SimLoop) -> None:
        super().__init__(stage.time, loop)
        self.asked: list[float] = []

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self.asked.append(seconds)
        return super().later(seconds, callback)


class Desk(Troubled):
    """A committer, the store that it writes to, and what both did."""

    def __init__(self) -> None:
        super().__init__(Stage())
        self.loop = SimLoop(self.stage.time)
        self.session = self.attempts = 0
        self.batches: list[list[str]] = []  # of whom each was that the store wrote
        self.troubles: deque[Exception] = deque()  # of the next attempts to write
        self.write_seconds = 0.0
        self.lost: list[BaseException] = []
        self.follows: dict[str, Callable[[], None]] = {}  # upon the first durable append of whom
        self.tidied: list[bool] = []  # whether it was told that nothing is pending
        self.clock = Watched(self.stage, self.loop)
        self.committer = Committer(
            self.port, self.clock, lambda: self.session, self._settled, self.lost.append
        )

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        self.attempts += 1
        if self.troubles:
            raise self.troubles.popleft()
        if self.write_seconds:
            await asyncio.sleep(self.write_seconds)
        done = await self.stage.store.append(session, batch)
        self.batches.append([])
        return done

    def tidy(self, idle: bool) -> None:
        self.tidied.append(idle)

    def _settled(self, instance: Instance, append: Append, result: Appended) -> None:
        assert result.ok, result
        self.batches[-1].append(instance.key)
        instance.landed(result.execution)
        self.follows.pop(instance.key, int)()

    def begins(self, key: str) -> Instance:
        """An execution whose record 0 is pending; the committer does not know of it yet."""
        inputs = {"n": PROGRAM.codecs["n"].seal(1)}
        return new_instance(PROGRAM, key, inputs, self.session, self.stage.store.now())

    def goes_on(self, instance: Instance, body: Body | None = None) -> Instance:
        """One more record of it is pending."""
        instance.record(Kind.DECIDED, NO_TRANSITION, body or Body(), instance.at)
        return instance

    async def turns(self, count: int = TURNS) -> None:
        """All that can happen without the clock."""
        now = self.now
        for _ in range(count):
            await asyncio.sleep(0)
        assert self.now == now

    @property
    def now(self) -> float:
        return self.stage.time.now / 1e6

    def play(self, act: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
        """Open the store and act; whoever waits for ever is found out."""

        async def life() -> None:
            await self.stage.store.open()
            self.session = await self.register(Identity("w", "here", "boot", "pid:[1]", 7, 8))
            async with asyncio.timeout(QUIET_SECONDS):
                await act(self)

        run(self.loop, life())


# --- at once --------------------------------------------------------------------------------------


def test_what_is_pending_is_written_at_once_and_a_batch_is_counted() -> None:
    """Whoever does not say that nobody waits for it, is waited for; a loop that has nothing else to
    do is not given time to gather more, and behind the batch nothing goes on."""

    async def act(desk: Desk) -> None:
        assert desk.committer.batches == 0
        tasks = asyncio.all_tasks()
        for number, key in enumerate("ab", 1):
            desk.committer.dirty(desk.begins(key))
            await desk.turns(FEW_TURNS)
            assert desk.committer.batches == number and asyncio.all_tasks() == tasks
        assert desk.batches == [["a"], ["b"]] and desk.clock.asked == []

    Desk().play(act)


def test_who_comes_right_behind_rides_along() -> None:
    """Executions that become pending turn after turn are one commit."""

    async def act(desk: Desk) -> None:
        for key in "abc":
            desk.committer.dirty(desk.begins(key))
            await asyncio.sleep(0)
        await desk.turns()
        assert desk.batches == [["a", "b", "c"]]

    Desk().play(act)


def test_more_records_than_a_batch_holds_are_two_and_neither_waits() -> None:
    """One is full to the last record; the rest needs no timer."""

    async def act(desk: Desk) -> None:
        for number in range(RECORDS_MAX + 1):
            desk.committer.dirty(desk.begins(f"{number}"))
        await desk.turns()
        assert [len(batch) for batch in desk.batches] == [RECORDS_MAX, 1]
        assert desk.tidied == [False, True]

    Desk().play(act)


@pytest.mark.parametrize(("over", "batches"), [(0, [["a", "b"]]), (1, [["a"], ["b"]])])
def test_more_bytes_than_a_batch_holds_are_two(over: int, batches: list[list[str]]) -> None:
    """To the last byte."""

    async def act(desk: Desk) -> None:
        both = [desk.begins(key) for key in "ab"]
        held = sum(len(record.body) for one in both for record in one.append().records)
        left = BYTES_MAX - held - len(bodies.encode(Body(why="x"))) + 1
        desk.goes_on(both[0], Body(why="x" * (left + over)))
        for each in both:
            desk.committer.dirty(each)
        await desk.turns()
        assert desk.batches == batches

    Desk().play(act)


def test_what_waits_for_the_id_of_its_execution_goes_right_behind_the_creation() -> None:
    """A large value is stored under that id: two commits, and no timer between them."""

    async def act(desk: Desk) -> None:
        large = Body(r=msgspec.Raw(b'"' + b"x" * PAYLOAD_BYTES_MIN + b'"'))
        born = desk.goes_on(desk.begins("a"), large)
        desk.committer.dirty(born)
        await desk.turns()
        assert desk.batches == [["a"], ["a"]]
        _, refers = await desk.stage.store.log(born.id)
        (digest,) = bodies.decode(refers.body).x.values()
        assert await desk.stage.store.payload(born.id, bytes.fromhex(digest)) == bytes(large.r)

    Desk().play(act)


# --- later ----------------------------------------------------------------------------------------


def test_what_nobody_waits_for_is_one_batch_after_a_moment() -> None:
    """One timer for all of it, and none when nothing is pending."""

    async def act(desk: Desk) -> None:
        for key in "ab":
            desk.committer.dirty(desk.begins(key), lazily=True)
            await desk.turns()
        assert desk.batches == []
        await asyncio.sleep(QUIET_SECONDS / 2)
        assert desk.batches == [["a", "b"]] and desk.clock.asked == [LAZY_SECONDS]

    Desk().play(act)


def test_what_nobody_waits_for_has_its_moment_whatever_was_written_before_it() -> None:
    """It became pending during a batch that somebody waited for: too late for that one."""

    async def act(desk: Desk) -> None:
        later = desk.begins("b")
        desk.follows["a"] = lambda: desk.committer.dirty(later, lazily=True)
        desk.committer.dirty(desk.begins("a"))
        await desk.turns()
        assert desk.batches == [["a"]]
        await asyncio.sleep(LAZY_SECONDS)
        await desk.turns()
        assert desk.batches == [["a"], ["b"]]

    Desk().play(act)


@pytest.mark.parametrize("how", ["held", "flying"])
def test_what_a_transactional_step_holds_is_left_out_and_holds_back_nobody(how: str) -> None:
    """It wants the append right, or has it and writes; at its end it tells the committer."""

    async def act(desk: Desk) -> None:
        mine = desk.begins("a")
        mine.held = int(how == "held")
        mine.flying = Append(0, 1, b"") if how == "flying" else None
        desk.committer.dirty(mine)
        desk.committer.dirty(desk.begins("b"))
        await desk.turns()
        assert desk.batches == [["b"]]
        mine.held, mine.flying = 0, None
        desk.committer.dirty(mine)
        await desk.turns()
        assert desk.batches == [["b"], ["a"]]

    Desk().play(act)


def test_what_has_left_memory_is_not_written_and_holds_back_nobody() -> None:
    """Lost, or ended: it is forgotten, however often one looks."""

    async def act(desk: Desk) -> None:
        gone = desk.begins("a")
        gone.alive = False
        desk.committer.dirty(gone)
        desk.committer.dirty(desk.begins("b"))
        await desk.turns()
        assert desk.batches == [["b"]] and desk.committer.drop() == []

    Desk().play(act)


def test_a_store_that_cannot_be_reached_is_asked_again_after_a_while() -> None:
    """Three times it is away; then all is written, and nobody was told of a loss."""

    async def act(desk: Desk) -> None:
        desk.troubles += [StoreUnavailable("here", "away")] * 3
        desk.committer.dirty(desk.begins("a"))
        await desk.turns()
        assert desk.attempts == 1
        await asyncio.sleep(3 * AGAIN_SECONDS)
        await desk.turns()
        assert desk.batches == [["a"]] and desk.attempts == 4 and not desk.lost

    Desk().play(act)


# --- not at all -----------------------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", [False, True])
def test_after_a_loss_nothing_is_written_before_somebody_resumes(meanwhile: bool) -> None:
    """Also when it comes while a batch is being gathered. Then nothing waits for a timer."""

    async def act(desk: Desk) -> None:
        gone = Fenced(desk.session)
        if meanwhile:
            desk.committer.dirty(desk.begins("a"))
            await asyncio.sleep(0)
        desk.committer.lose(gone)
        desk.committer.dirty(desk.begins("b"))
        await asyncio.sleep(QUIET_SECONDS / 2)
        assert desk.lost == [gone] and desk.attempts == 0
        desk.committer.resume()
        await desk.turns()
        assert desk.batches == [["a", "b"] if meanwhile else ["b"]]

    Desk().play(act)


def test_a_defect_on_the_way_is_told_and_nothing_more_is_written() -> None:
    """What the batch became is not known, so nothing may follow it."""

    async def act(desk: Desk) -> None:
        bug = RuntimeError("a bug of ours")
        desk.troubles.append(bug)
        for key in "ab":
            desk.committer.dirty(desk.begins(key))
            await desk.turns()
        assert desk.lost == [bug] and desk.attempts == 1

    Desk().play(act)


def test_a_store_that_says_too_little_of_a_batch_is_a_defect() -> None:
    """An append that nothing is said of would wait for ever."""

    class Terse(Desk):
        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            return (await super().append(session, batch))[:-1]

    async def act(desk: Desk) -> None:
        for key in "ab":
            desk.committer.dirty(desk.begins(key))
        await desk.turns()
        assert [type(gone) for gone in desk.lost] == [ValueError]

    Terse().play(act)


def test_what_is_told_of_an_append_that_flies_no_more_is_told_to_nobody() -> None:
    """A recovery has read what became of it, and another of the same execution may fly by now."""

    async def act(desk: Desk) -> None:
        born = desk.begins("a")
        flew = born.fly()
        assert flew is not None
        born.rechain(2, desk.session, keep=False)
        flies = born.fly()
        desk.committer.settle(born, flew, Appended(1, True))
        assert born.flying is flies is not None and desk.batches == []

    Desk().play(act)


# --- closing --------------------------------------------------------------------------------------


def test_a_close_waits_until_all_is_durable() -> None:
    """What is being written, and what becomes pending by it, though nobody waits for that."""

    async def act(desk: Desk) -> None:
        later = desk.begins("b")
        desk.follows["a"] = lambda: desk.committer.dirty(later, lazily=True)
        desk.write_seconds = WRITE_SECONDS
        desk.committer.dirty(desk.begins("a"), lazily=True)
        await desk.committer.close()
        assert desk.batches == [["a"], ["b"]] and desk.now == 2 * WRITE_SECONDS
        await desk.committer.close()
        assert desk.now == 2 * WRITE_SECONDS

    Desk().play(act)


def test_a_close_without_a_store_says_so() -> None:
    """It is no loss of the session, and it is asked once."""

    async def act(desk: Desk) -> None:
        away = StoreUnavailable("here", "away")
        desk.troubles += [away] * 5
        desk.committer.dirty(desk.begins("a"))
        with pytest.raises(StoreUnavailable) as told:
            await desk.committer.close()
        assert told.value is away and desk.attempts == 1 and not desk.lost

    Desk().play(act)


def test_a_close_survives_the_end_of_its_batch() -> None:
    """Whoever ends the loop cancels what is being written: nothing is left to wait for."""

    async def act(desk: Desk) -> None:
        before = asyncio.all_tasks()
        desk.write_seconds = WRITE_SECONDS
        desk.committer.dirty(desk.begins("a"))
        (writes,) = asyncio.all_tasks() - before
        closes = asyncio.get_running_loop().create_task(desk.committer.close())
        await desk.turns()
        writes.cancel()
        await closes
        assert desk.batches == [] and desk.attempts == 1

    Desk().play(act)
