"""An end that met mail is written anew, and says again what the first record of a tenure says:
the name of its session (rule 1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from perdure import Engine, Tx, transactional, workflow
from perdure.engine.store import Append, Appended

from .stage import FOREVER, Stage


@transactional
async def book(tx: Tx, n: int) -> int:
    return n


@workflow
async def books(n: int) -> int:
    return await book(n)


class Ends:
    """The stage's store; something happens right before the append that ends an execution."""

    def __init__(self, stage: Stage, *, mail: bool) -> None:
        self._store, self._mail = stage.store, mail
        self.met = 0

    @property
    def port(self) -> Any:
        """As a Store."""
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """The write; before the first end either mail comes, or its process stands still."""
        if any(each.change is not None and each.change.status for each in batch):
            self.met += 1
            if not self._mail:
                await asyncio.sleep(FOREVER)
            elif self.met == 1:
                await self._store.send("e", "go", "m-1", b'"go"')
        return await self._store.append(session, batch)


def test_an_end_that_is_the_first_record_of_its_tenure_names_its_session_again() -> None:
    """The step commits, its process dies before the end does; in the next life mail comes first."""
    stage = Stage()
    stopped, met = Ends(stage, mail=False), Ends(stage, mail=True)

    async def first(engine: Engine) -> None:
        await engine.start(books(7), id="e")
        await stage.until(lambda: stopped.met)

    async def second(engine: Engine) -> int:
        await engine.serve(books)
        await stage.until(lambda: met.met == 2)
        run = await engine.start(books(7), id="e")
        return await run.result()

    stage.play_and_die(first, store=stopped.port)
    assert stage.play(second, store=met.port) == 7
    told = asyncio.run(stage.bodies())
    records = asyncio.run(stage.store.log(asyncio.run(stage.row()).id))
    assert [body.s for body in told] == [1, 0, 0, 2] and records[-1].tenure == 2
    asyncio.run(stage.lawful())
