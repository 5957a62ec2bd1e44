"""The store is out of reach for a moment, at every operation of a life in turn: nothing is written
then, nothing is lost by it, and every execution goes on to the same end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from perdure import ExecutionCancelled, Run, Signal, compensatable, idempotent, saga, workflow
from perdure.chaos.ports import NATURES
from perdure.engine.client import Engine
from perdure.engine.errors import StoreUnavailable
from perdure.model.values import PAYLOAD_BYTES_MIN

from .stage import Stage, ended, outside

GO = Signal[str]("go")
BEGINNING = ("open", "register")  # an engine does not begin without them
OPERATIONS_MIN = 12
LARGE = PAYLOAD_BYTES_MIN + 1  # lies beside the log
AGAIN_SECONDS = 0.25  # of a caller that asks again


@idempotent
async def tell(number: int) -> str:
    """Tell somebody."""
    return await outside().attempt("tell", number)


@compensatable
async def hold(number: int) -> str:
    """Put aside."""
    return await outside().attempt("hold", number)


@hold.undo
async def let_go(held: str | None, number: int) -> None:
    """Put back."""
    outside().note("undone", "hold", number)


@workflow
async def waits(number: int) -> str:
    """Do something, wait for a word with a large value at hand, tell."""
    async with saga():
        await hold(number)
        large = "x" * LARGE
        word = await GO.wait()
        return word + await tell(number + len(large) - LARGE)


class Unreachable:
    """The stage's store, out of reach at the operations named, by number from 1."""

    def __init__(self, stage: Stage, *at: int) -> None:
        self._store, self._at = stage.store, at
        self.names, self.met = list[str](), list[str]()

    @property
    def port(self) -> Any:
        """As a Store."""
        return self

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._store, name)
        return self._counted(name, inner) if NATURES.get(name) else inner

    def _counted(self, name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def operate(*args: Any, **kwargs: Any) -> Any:
            self.names.append(name)
            if len(self.names) in self._at:
                self.met.append(name)
                raise StoreUnavailable("of this test", name)
            return await inner(*args, **kwargs)

        return operate


Act = Callable[[], Coroutine[Any, Any, Any]]


async def patiently(act: Act) -> Any:
    """A caller that asks again: what is asked for is idempotent."""
    while True:
        try:
            return await act()
        except StoreUnavailable:
            await asyncio.sleep(AGAIN_SECONDS)


async def told(run: Run[Any]) -> tuple[str, Any]:
    """How it ends."""
    while (end := await ended(run))[0] == StoreUnavailable.__name__:
        await asyncio.sleep(AGAIN_SECONDS)
    return end


async def goes_on(engine: Engine, stage: Stage) -> tuple[str, Any]:
    """It waits for its word, gets it, and ends."""
    run = await patiently(lambda: engine.start(waits(1), id="e"))
    await stage.at("waiting for go", "in saga", key="e")
    await patiently(lambda: run.send(GO, "so ", message_id="m"))
    return await told(run)


async def is_cancelled(engine: Engine, stage: Stage) -> tuple[str, Any]:
    """A cancel comes while it is about to be let go: its release meets mail."""
    run = await patiently(lambda: engine.start(waits(1), id="e"))
    await stage.until(lambda: "e" in engine.worker.instances)
    await patiently(lambda: run.cancel(reason="enough"))
    return (await told(run))[0], None


async def begins(engine: Engine, stage: Stage) -> None:
    """A process that dies while the execution holds a large value, and waits."""
    await engine.start(waits(1), id="e")
    await stage.at("waiting for go", "in saga", key="e")


async def is_found(engine: Engine, stage: Stage) -> tuple[str, Any]:
    """Another process finds what a dead one left."""
    await patiently(lambda: engine.serve(waits))
    run = engine.find(waits, "e")
    await patiently(lambda: run.send(GO, "so ", message_id="m"))
    return await told(run)


Main = Callable[[Engine, Stage], Coroutine[Any, Any, tuple[str, Any]]]
ENDS: dict[Main, tuple[str, Any]] = {
    is_found: ("done", "so tell 1"),
    goes_on: ("done", "so tell 1"),
    is_cancelled: (ExecutionCancelled.__name__, None),
}


def lived(main: Main, *at: int) -> tuple[Unreachable, tuple[str, Any]]:
    """One life with the store out of reach at these operations."""
    stage = Stage()
    store = Unreachable(stage, *at)
    if main is is_found:
        stage.play_and_die(lambda engine: begins(engine, stage))

    async def life(engine: Engine) -> tuple[str, Any]:
        end = await main(engine, stage)
        await stage.lawful()
        assert stage.out.stands("hold", 1) == (end[0] == "done")
        return end

    return store, stage.play(life, store=store.port)


@pytest.mark.parametrize("main", ENDS, ids=lambda m: m.__name__)
def test_a_moment_without_the_store_costs_nothing(main: Main) -> None:
    """Whichever operation it hits, and the one after it too: the end is the same."""
    calm, end = lived(main)
    assert end == ENDS[main] and len(calm.names) >= OPERATIONS_MIN
    met = set[str]()
    for number, name in enumerate(calm.names, 1):
        for at in ((number,), (number, number + 1)) if name not in BEGINNING else ():
            store, end = lived(main, *at)
            assert end == ENDS[main], (at, store.met)
            met |= set(store.met)
    assert {"append", "claim", "mail"} <= met
