"""A session that is lost while a suspect waits to be named alone (rules 10 and 33): whoever waited
goes on in the session after it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from perdure import idempotent, workflow
from perdure.engine.client import Engine
from perdure.engine.store import Ambiguous

from .stage import Stage

LIVES: list[str] = []
ENDLESS = "Eve"


@idempotent
async def work(name: str) -> str:
    """Dies with its process, three times; one name takes for ever once more."""
    LIVES.append(name)
    if len(LIVES) <= (4 if name == ENDLESS else 3):
        await asyncio.sleep(10.0**6)
    return name


@workflow(version=1)
async def suspected(name: str) -> str:
    """One call."""
    return await work(name)


class Doubtful:
    """The stage's store; the first naming of a suspect is ambiguous, before or after it holds."""

    def __init__(self, stage: Stage, holds: bool) -> None:
        self._stage, self._holds = stage, holds
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage.store, name)

    async def suspect(self, session: int, execution: int | None) -> None:
        """Name it, and the first time nobody knows whether it holds."""
        self.asked += execution is not None
        if execution is None or self.asked > 1:
            await self._stage.store.suspect(session, execution)
            return
        if self._holds:
            await self._stage.store.suspect(session, execution)
        raise Ambiguous("the connection died")


class Slow:
    """The stage's store; the first naming of a suspect takes until its session was fenced, and the
    suspect was claimed once more under the next."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.engines: list[Engine] = []
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage.store, name)

    async def suspect(self, session: int, execution: int | None) -> None:
        """Name it, much later."""
        self.asked += execution is not None
        if execution is not None and self.asked == 1:
            worker = self.engines[0].worker
            await self._stage.store.fence(session)
            known = worker.instances["e"]
            await self._stage.until(lambda: worker.instances.get("e", known) is not known)
        await self._stage.store.suspect(session, execution)


class Parting:
    """The stage's store; a suspect that left with its session is let go only when it was claimed
    once more under the next."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.engines: list[Engine] = []
        self.let_go = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage.store, name)

    async def suspect(self, session: int, execution: int | None) -> None:
        """Name it at once; say late that nobody is any more."""
        self.let_go += execution is None
        if execution is None and self.let_go == 1:
            await self._stage.until(lambda: "e" in self.engines[0].worker.instances)
        await self._stage.store.suspect(session, execution)


@pytest.mark.parametrize("holds", [False, True])
def test_a_suspect_goes_on_in_the_session_after_the_one_that_was_lost(holds: bool) -> None:
    """Neither it nor what was claimed with it is owned for ever by a worker that lets it lie."""
    stage = thrice_killed()
    store: Any = Doubtful(stage, holds)

    async def last(engine: Engine) -> str:
        return await engine.run(suspected("Ann"), id="e")

    assert stage.play(last, store=store) == "Ann"
    assert store.asked > 1, "it was a suspect, and the doubt was met"


def test_a_late_answer_of_an_old_session_lets_no_suspect_of_the_new_one_lie() -> None:
    """It was claimed again meanwhile: the fence of the old session is no news of it."""
    stage = thrice_killed()
    store: Any = Slow(stage)

    async def last(engine: Engine) -> str:
        store.engines.append(engine)
        return await engine.run(suspected("Ann"), id="e")

    assert stage.play(last, store=store) == "Ann"
    assert store.asked > 1, "it was a suspect, and named again"


def test_a_suspect_that_is_claimed_again_while_it_is_let_go_does_not_lie() -> None:
    """Its session is fenced during its call; in the next one it is a suspect once more."""
    stage = thrice_killed(ENDLESS)
    store: Any = Parting(stage)

    async def last(engine: Engine) -> str:
        store.engines.append(engine)
        run = await engine.start(suspected(ENDLESS), id="e")
        await stage.until(lambda: len(LIVES) == 4)
        await stage.store.fence(engine.worker.session)
        return await run.result()

    assert stage.play(last, store=store) == ENDLESS
    assert store.let_go > 1, "it was a suspect, and let go twice"


def thrice_killed(name: str = "Ann") -> Stage:
    """A stage on which three processes have died of the same execution."""
    LIVES.clear()
    stage = Stage()

    async def begin(engine: Engine) -> None:
        await engine.start(suspected(name), id="e")
        await stage.until(lambda: len(LIVES) == 1)

    def claimed(count: int) -> Any:
        async def life(engine: Engine) -> None:
            await engine.serve(suspected)
            await stage.until(lambda: len(LIVES) == count)

        return life

    stage.play_and_die(begin)
    stage.play_and_die(claimed(2))
    stage.play_and_die(claimed(3))
    return stage
