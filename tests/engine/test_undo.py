"""Undo that fails: tried without end, shown after five failures, ended by a person (rule 44)."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from perdure import (
    Engine,
    Signal,
    compensatable,
    effect_key,
    saga,
    seconds,
    together,
    workflow,
)
from perdure.engine.errors import DecisionRefused

from .stage import FOREVER, Refused, Stage, ended, one, outside, play, waiting

go = Signal[str]("go")


@compensatable
async def hold(n: int) -> str:
    return await outside().attempt("hold", n)


@hold.undo
async def release(got: str | None, n: int) -> None:
    out = outside()
    left = out.script.get(f"release {n}") or out.script.get("release")
    if left and left[0] != "works":
        out.note("tried", "release", n)
        if left[0] == "fails":
            raise OSError("no connection")
        left.popleft()
        raise OSError("no connection")
    out.closed.add(effect_key())
    out.note("undone", "hold", n)


@compensatable(timeout=seconds(5))
async def hold_timed(n: int) -> str:
    return await outside().attempt("hold_timed", n)


@hold_timed.undo
async def release_timed(got: str | None, n: int) -> None:
    out = outside()
    out.note("tried", "release_timed", n)
    if out.script.get("release_timed"):
        out.script["release_timed"].popleft()
        await asyncio.sleep(FOREVER)
    out.note("undone", "hold_timed", n)


@workflow
async def timed(n: int) -> str:
    try:
        async with saga():
            await hold_timed(n)
            await go.wait()
            raise Refused("after all")
    except Refused:
        return "undone"


@workflow
async def three(n: int) -> str:
    try:
        async with saga():
            for i in range(3):
                await hold(i)
            await go.wait()
            raise Refused("after all")
    except Refused:
        return "undone"


@workflow
async def pair(n: int) -> str:
    async with saga():
        await together(hold(0), hold(1))
        await go.wait()
        raise Refused("after all")


def test_an_undo_is_tried_without_end_shown_after_five_and_earlier_ones_wait() -> None:
    """Reverse causal order: hold 1 and hold 0 are not undone before hold 2 is."""
    stage = Stage()
    stage.out.script["release"] = deque(["fails once"] * 12)

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(three(0), id="e")
        await run.send(go, "on")
        await stage.until(lambda: stage.out.count("tried") == 4)
        assert await waiting(stage) == []
        case = await one(stage, "undo")
        assert case.tries >= 5 and "OSError: no connection" in case.why
        assert case.verdicts == ("retry", "done", "stand")
        await stage.until(lambda: stage.out.count("tried") == 12, seconds=4_000)
        assert stage.out.told("tried", "undone") == ["tried release 2"] * 12
        assert await run.result() == "undone"
        assert stage.out.told("undone") == ["undone hold 2", "undone hold 1", "undone hold 0"]
        counted = [b.n for b in await stage.bodies() if b.n]
        assert counted == [13], "the record says how many attempts it took"
        assert await stage.store.attempts((await stage.row()).id) == []

    play(stage, act)


@pytest.mark.parametrize("verdict", ["retry", "done", "stand"])
def test_of_three_the_second_is_stuck_and_the_first_waits_for_the_decision(verdict: str) -> None:
    """The last one is undone, the second fails and is shown; the first is not even tried before a
    person has decided, however long that takes, nor by another process."""
    stage = Stage()
    stage.out.script["release 1"] = deque(["fails"])

    async def begin(engine: Engine) -> None:
        run = await engine.start(three(0), id="e")
        await run.send(go, "on")
        await one(stage, "undo")

    async def go_on(engine: Engine, stage: Stage) -> None:
        await engine.serve(three)
        before = stage.out.count("tried")
        await stage.until(lambda: stage.out.count("tried") >= before + 3, seconds=2_000)
        assert stage.out.told("undone") == ["undone hold 2"]
        assert set(stage.out.told("tried")) == {"tried release 1"}
        case = await one(stage, "undo")
        stage.out.script["release 1"] = deque(["works"])
        if verdict == "retry":
            stage.out.script["release 1"].clear()
        assert await engine.decide("e", case.key, verdict, by="ada", reason="ticket 18")
        assert await engine.find(three, "e").result() == "undone"
        second = ["undone hold 1"] if verdict == "retry" else []
        assert stage.out.told("undone") == ["undone hold 2", *second, "undone hold 0"]
        outcomes = [e.outcome for e in await stage.effects()]
        assert outcomes == ["undone", "stands" if verdict == "stand" else "undone", "undone"]

    stage.play_and_die(begin)
    play(stage, go_on)


@pytest.mark.parametrize("verdict", ["done", "stand"])
def test_a_person_ends_an_undo_that_fails_and_the_earlier_ones_run(verdict: str) -> None:
    """Done by hand with evidence, or left standing with a reason: recorded with who and why."""
    stage = Stage()
    stage.out.script["release"] = deque(["fails"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(three(0), id="e")
        await run.send(go, "on")
        case = await one(stage, "undo")
        with pytest.raises(DecisionRefused, match="needs a reason"):
            await engine.decide("e", case.key, verdict, by="ada", reason=" ")
        stage.out.script["release"] = deque(["works"])
        assert await engine.decide("e", case.key, verdict, by="ada", reason="ticket 17")
        assert await run.result() == "undone"
        assert stage.out.told("undone") == ["undone hold 1", "undone hold 0"]
        outcome = {"done": "undone", "stand": "stands"}[verdict]
        effects = await stage.effects()
        assert [e.outcome for e in effects] == ["undone", "undone", outcome]
        assert (effects[2].decided_by, effects[2].evidence) == ("desk:ada", "ticket 17")
        (said,) = [b for b in await stage.bodies() if b.by == "desk:ada"]
        assert (said.why, said.k, said.stands) == ("ticket 17", case.key, verdict == "stand")
        words = await stage.words()
        assert words.count("undone") == (3 if verdict == "done" else 2), "standing is not undone"

    play(stage, act)


def test_retry_tries_an_undo_at_once_with_its_counter_anew() -> None:
    """A person mended the receiver and does not wait for the next attempt in five minutes."""
    stage = Stage()
    stage.out.script["release"] = deque(["fails"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(three(0), id="e")
        await run.send(go, "on")
        await stage.until(lambda: stage.out.count("tried") == 9)
        case = await one(stage, "undo")
        stage.out.script["release"] = deque(["works"])
        before = stage.time.now
        assert await engine.decide("e", case.key, "retry", by="ada", reason="mended")
        assert await run.result() == "undone"
        assert stage.time.now - before < 20e6
        assert "the undo is tried again: mended" in [b.why for b in await stage.bodies()]

    play(stage, act)


def test_an_effect_left_standing_is_named_by_the_cancelled_execution() -> None:
    """`result()` says what stands nevertheless."""
    stage = Stage()
    stage.out.script["release"] = deque(["fails"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(pair(0), id="e")
        await stage.at("waiting for go")
        await run.cancel(reason="enough")
        case = await one(stage, "undo")
        stage.out.script["release"] = deque(["works"])
        await engine.decide("e", case.key, "stand", by="ada", reason="cheap")
        end, error = await ended(run)
        assert (end, error.landed) == ("ExecutionCancelled", (case.site,))

    play(stage, act)


def test_an_undo_between_attempts_is_parked_and_goes_on_after_a_crash() -> None:
    """Its counter survives; no worker has to hold it in memory for five minutes."""
    stage = Stage()
    stage.out.script["release"] = deque(["fails"])

    async def begin(engine: Engine) -> None:
        run = await engine.start(three(0), id="e")
        await run.send(go, "on")
        await stage.until(lambda: stage.out.count("tried") == 6)
        await stage.until(lambda: not engine.worker.instances)
        row = await stage.row()
        assert row.owner is None and row.wake_at is not None

    async def go_on(engine: Engine) -> None:
        await engine.serve(three)
        await stage.until(lambda: stage.out.count("tried") == 8)
        case = await one(stage, "undo")
        assert case.tries == 8
        stage.out.script["release"] = deque(["works"])
        assert await engine.find(three, "e").result() == "undone"

    stage.play_and_die(begin)
    stage.play(go_on)
    asyncio.run(stage.lawful())


def test_an_undo_that_hangs_is_cut_by_its_steps_timeout_and_tried_again() -> None:
    """An undo ends by a timeout of its own too: a hung one would wait without anybody knowing."""
    stage = Stage()
    stage.out.script["release_timed"] = deque(["hangs"] * 5)

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(timed(1), id="e")
        await run.send(go, "on")
        case = await one(stage, "undo")
        assert case.tries == 5 and "TimeoutError" in case.why
        assert await run.result() == "undone"
        assert stage.out.count("tried") == 6

    play(stage, act)
