"""A session that is lost while a suspect waits to be named alone (rules 10 and 33): whoever waited
goes on in the session after it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from perdure import idempotent, workflow
from perdure.engine.client import Engine, enqueue
from perdure.engine.store import Ambiguous, Identity

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


class Naming:
    """The stage's store; a look that had begun before a handover goes on while the suspect is named
    to the next session, which takes its time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.engines: list[Engine] = []
        self.looks = self.handovers = 0
        self.naming = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage.store, name)

    async def sessions(self) -> Any:
        """Asked for once the suspect runs, it is told late."""
        self.looks += len(LIVES) == 4
        if self.looks == 1:
            await self._stage.until(lambda: self.naming)
            self.engines[0].worker.kick()
        return await self._stage.store.sessions()

    async def handover(self, session: int, identity: Identity) -> Any:
        """The store's."""
        self.handovers += 1
        return await self._stage.store.handover(session, identity)

    async def suspect(self, session: int, execution: int | None) -> None:
        """Name it, slowly after a handover."""
        if self.handovers:
            self.naming = True
            await asyncio.sleep(2)
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


def test_what_is_claimed_while_a_suspect_is_named_anew_does_not_lie() -> None:
    """It was not handed over, and is the new session's all the same."""
    stage = thrice_killed(ENDLESS)
    store: Any = Naming(stage)

    async def last(engine: Engine) -> str:
        store.engines.append(engine)
        await engine.start(suspected(ENDLESS), id="e")
        await stage.until(lambda: len(LIVES) == 4)
        await stage.until(lambda: store.looks)
        (program,) = engine.worker.programs.values()
        await enqueue(stage.store, program, "q", program.sealed(suspected.bind(("Bob",), {})))
        engine.worker.committer.lose(Ambiguous("no answer"))
        told = await engine.find(suspected, "q").result()
        assert (await stage.row("q")).tenure == 2
        return told

    assert stage.play(last, store=store) == "Bob"
    assert store.handovers == 1 and store.naming


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
