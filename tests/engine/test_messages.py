"""Messages: order, deduplication, wake-ups that are not lost, what is unread (rules 40, 41, 48 to
51, 68).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from perdure import (
    Elapsed,
    Engine,
    ExecutionFinished,
    NoSuchExecution,
    Signal,
    after,
    first,
    idempotent,
    minutes,
    together,
    workflow,
)
from perdure.engine.desk import cases
from perdure.engine.errors import MessageConflict
from perdure.engine.looking import view
from perdure.engine.store import Status
from perdure.model.values import codec

from .stage import Beside, Stage, ended, outside

news, other = Signal[int]("news"), Signal[str]("other")


@idempotent
async def note(n: int) -> int:
    await outside().attempt("note", n)
    return n


@workflow
async def takes(count: int) -> list[int]:
    got: list[int] = []
    while len(got) < count:
        got.append(await news.wait())
    return got


@workflow
async def slowly(count: int) -> list[int]:
    got: list[int] = []
    for n in range(count):
        await note(n)
        match await first(news.wait(), after(minutes(1))):
            case Elapsed():
                got.append(-1)
            case m:
                got.append(m)
    return got


@workflow
async def two_readers(n: int) -> list[int]:
    a, b = await together(news.wait(), news.wait())
    return [a, b]


@workflow
async def in_time(n: int) -> str:
    match await first(news.wait(), after(timedelta(hours=1))):
        case Elapsed():
            return "overdue"
        case m:
            return f"answered {m}"


@workflow
async def breaks(n: int) -> int:
    got = await news.wait()
    if n not in FIXED:
        raise_by_accident(got)
    return got + await news.wait()


FIXED: set[int] = set()


def raise_by_accident(n: int) -> None:
    """An error that no author raised."""
    assert {}[n]


def test_messages_of_a_channel_are_taken_in_the_order_of_arrival_and_each_once() -> None:
    """A repeated id counts once, also after the end; the same id with another body is refused."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        run = await engine.start(takes(4), id="e")
        for n in (3, 1):
            await run.send(news, n)
        await stage.at("waiting for news")
        await run.send(news, 2, message_id="twice")
        await run.send(news, 2, message_id="twice")
        with pytest.raises(MessageConflict):
            await run.send(news, 9, message_id="twice")
        await stage.at("waiting for news")
        await run.send(news, 7)
        assert await run.result() == [3, 1, 2, 7]
        await run.send(news, 2, message_id="twice")
        with pytest.raises(ExecutionFinished):
            await run.send(news, 2, message_id="new")
        with pytest.raises(NoSuchExecution):
            await engine.find(takes, "nobody").send(news, 1)
        mail = await stage.mail()
        assert [m.number for m in mail] == [1, 2, 3, 4]
        assert [m.consumed_at for m in mail] == sorted(m.consumed_at or 0 for m in mail)

    stage.play(main)
    asyncio.run(stage.lawful())


def test_a_thousand_signals_that_nobody_awaits_wake_nobody() -> None:
    """They are kept and counted; the parked execution is not claimed for one of them, though the
    worker looks for work behind each (49)."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        run = await engine.start(takes(1), id="e")
        await stage.until(lambda: not engine.worker.instances)
        before = (await stage.row()).tenure
        for n in range(1000):
            await stage.store.send("e", "other", f"m{n}", b'"x"')
            engine.worker.kick()
            await asyncio.sleep(2)  # it polls every second here
        row = await stage.row()
        assert row.tenure == before and row.mail == 1000 and row.wake_at is None
        await run.send(news, 1)
        assert await run.result() == [1]
        assert (await stage.row()).tenure == before + 1
        assert (await stage.bodies())[-1].unread == 1000

    stage.play(main)
    asyncio.run(stage.lawful())


def test_a_message_that_cannot_be_read_is_set_aside_shown_and_blocks_nobody() -> None:
    """It stays unread in its row, is on the desk, and is counted at the end (rule 50)."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        run = await engine.start(takes(2), id="e")
        await stage.at("waiting for news")
        await stage.store.send("e", "news", "bad", b'"no number"')
        await run.send(news, 1)
        await stage.until(lambda: _shown(stage))
        (case,) = cases(await view(stage.store, "e"))
        assert (case.kind, case.site, case.key) == ("unreadable", "news", "bad")
        assert "int" in case.why
        before = (await stage.row()).tenure
        await asyncio.sleep(100)
        assert (await stage.row()).tenure == before, "it does not spin"
        await run.send(news, 2)
        assert await run.result() == [1, 2]
        assert [m.consumed_at is None for m in await stage.mail()] == [True, False, False]
        assert (await stage.bodies())[-1].unread == 1

    stage.play(main)
    asyncio.run(stage.lawful())


def test_two_senders_at_once_are_numbered_without_a_gap_and_both_are_read() -> None:
    """`mail` counts what was sent; numbers are the order of commits (rule 48)."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        run = await engine.start(takes(40), id="e")

        async def sender(base: int) -> None:
            for n in range(20):
                await run.send(news, base + n)

        await asyncio.gather(sender(0), sender(100))
        got = await run.result()
        assert sorted(got) == [*range(20), *range(100, 120)]
        for base in (0, 100):
            own = [n for n in got if base <= n < base + 100]
            assert own == sorted(own), "each sender's in its order"
        assert [m.number for m in await stage.mail()] == list(range(1, 41))
        assert (await stage.row()).mail == 40

    stage.play(main)
    asyncio.run(stage.lawful())


def writes_of_a_run() -> int:
    """How many batches the run without a message needs."""
    stage = Stage()

    store = Beside(stage)

    async def main(engine: Engine) -> None:
        assert await (await engine.start(slowly(2), id="e")).result() == [-1, -1]

    stage.play(main, store=store.port)
    return store.writes


@pytest.mark.parametrize("edge", ["before", "after"])
def test_a_send_at_every_commit_is_consumed_unread_or_refused_and_never_lost(edge: str) -> None:
    """Park and finish hold only if no mail came; a send that met neither wakes it (48, 51)."""
    fates: set[str] = set()
    count = writes_of_a_run()
    assert count >= 5, count
    for number in range(2 if edge == "before" else 1, count + 1):
        stage, said = Stage(), list[str]()

        async def act(stage: Stage = stage, said: list[str] = said) -> None:
            try:
                await stage.store.send("e", "news", "m", b"5")
                said.append("accepted")
            except ExecutionFinished:
                said.append("refused")

        async def main(engine: Engine) -> list[int]:
            return await (await engine.start(slowly(2), id="e")).result()

        async def at_that_write(now: str, count: int, act: Any = act, number: int = number) -> None:
            if (now, count) == (edge, number):
                await act()

        got = stage.play(main, store=Beside(stage, at_that_write).port)
        mail, told = asyncio.run(stage.mail()), asyncio.run(stage.bodies())
        unread = told[-1].unread
        consumed = [m for m in mail if m.consumed_at is not None]
        fate = said[0] if said == ["refused"] else "unread" if unread else "consumed"
        assert (got.count(5), len(consumed), unread) == {
            "refused": (0, 0, 0),
            "unread": (0, 0, 1),
            "consumed": (1, 1, 0),
        }[fate], (number, edge, got, mail)
        fates.add(fate)
        asyncio.run(stage.lawful())
    assert fates >= ({"consumed", "unread"} if edge == "before" else {"consumed", "refused"})


@pytest.mark.parametrize(
    ("answered", "back", "told"),
    [(1800, 7200, "answered 5"), (5400, 7200, "overdue"), (1800, 2000, "answered 5")],
)
def test_of_a_message_and_a_timer_the_earlier_by_database_time_wins(
    answered: int, back: int, told: str
) -> None:
    """An outage must not turn an answer in time into an overdue one, nor the other way (40)."""
    stage = Stage()

    async def begin(engine: Engine) -> None:
        await engine.start(in_time(1), id="e")
        await stage.at("first news, timer")
        await stage.until(lambda: not engine.worker.instances)

    async def send() -> None:
        await stage.store.send("e", "news", "m", b"5")

    async def go_on(engine: Engine) -> str:
        await engine.serve(in_time)
        return await engine.find(in_time, "e").result()

    stage.play_and_die(begin)
    stage.pass_time(answered)
    asyncio.run(send())
    stage.pass_time(back - answered)
    assert stage.play(go_on) == told
    asyncio.run(stage.lawful())


def test_of_two_waits_on_one_channel_the_one_that_came_first_gets_the_first() -> None:
    """By the record that put the token there, then by branch: a resume repeats it (41)."""
    stage = Stage()

    async def main(engine: Engine) -> None:
        run = await engine.start(two_readers(1), id="e")
        for n in (1, 2):
            await run.send(news, n)
        assert await run.result() == [1, 2]

    stage.play(main)
    asyncio.run(stage.lawful())


def test_a_message_for_a_stalled_execution_wakes_nobody_and_is_taken_after_its_resume() -> None:
    """Stalled waits for a person; what was sent meanwhile is kept in order."""
    stage = Stage()
    FIXED.clear()

    async def main(engine: Engine) -> None:
        run = await engine.start(breaks(1), id="e")
        await run.send(news, 1)
        assert (await ended(run))[0] == "Stalled"
        before = (await stage.row()).tenure
        await run.send(news, 20)
        await asyncio.sleep(60)
        row = await stage.row()
        assert (row.status, row.tenure) == (Status.STALLED, before)
        FIXED.add(1)
        assert await engine.resume("e")
        assert await run.result() == 21
        assert not await engine.resume("e"), "it is not stalled any more"

    stage.play(main)
    asyncio.run(stage.lawful())


def test_a_message_set_aside_is_tried_again_by_the_next_process_in_its_turn() -> None:
    """A type that was narrowed by mistake and mended: the message was never thrown away (50)."""
    stage = Stage()

    async def narrow(engine: Engine) -> None:
        (program,) = await engine.serve(takes)
        channels = cast("dict[str, Any]", program.channels)
        good = channels["news"]
        run = await engine.start(takes(2), id="e")
        await stage.at("waiting for news")
        channels["news"] = codec(str)  # a planted mistake
        try:
            await run.send(news, 1)
            await stage.until(lambda: _shown(stage))
        finally:
            channels["news"] = good

    async def mended(engine: Engine) -> None:
        run = engine.find(takes, "e")
        await engine.serve(takes)
        await run.send(news, 2)
        assert await run.result() == [1, 2]
        assert await stage.store.attempts((await stage.row()).id) == []

    stage.play(narrow)
    stage.play(mended)
    asyncio.run(stage.lawful())


async def _shown(stage: Stage) -> bool:
    return [c.kind for c in cases(await view(stage.store, "e"))] == ["unreadable"]
