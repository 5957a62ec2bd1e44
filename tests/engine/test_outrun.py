"""A start that is outrun: while its first commit is under way, this worker claims the execution of
the same key that another process made (rules 10 and 57)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from perdure import Signal, workflow
from perdure.engine.client import Engine, enqueue
from perdure.engine.store import Ambiguous
from perdure.model.compiler import compile_workflow
from perdure.model.errors import ExecutionConflict
from perdure.model.values import codec

from .stage import Beside, Stage

GO = Signal[str]("go")
Trouble = Callable[[Stage, int], Awaitable[None]]


@workflow(version=1)
async def waits(name: str) -> str:
    """Wait for a word."""
    return name + await GO.wait()


async def ambiguous(stage: Stage, session: int) -> None:
    """The commit of the start is sent, and nobody knows what became of it."""
    raise Ambiguous("the connection died")


async def fenced(stage: Stage, session: int) -> None:
    """Another process takes this one for dead."""
    await stage.store.fence(session)


async def _outrun(stage: Stage, engine: Engine, trouble: Trouble) -> None:
    """Before the first write: another makes the execution, we claim it, and then comes trouble."""
    inputs = {"name": codec(str).seal("Ann")}
    assert await enqueue(stage.store, compile_workflow(waits), "e", inputs)
    engine.worker.kick()
    await stage.until(lambda: engine.worker.instances["e"].id != 0)
    await trouble(stage, engine.worker.session)


def played(trouble: Trouble, name: str) -> str:
    """Start `name` under a key that is made and claimed meanwhile for Ann; its result."""
    stage = Stage()
    engines: list[Engine] = []

    async def beside(edge: str, number: int) -> None:
        if (edge, number) == ("before", 1):
            await _outrun(stage, engines[0], trouble)

    async def main(engine: Engine) -> str:
        engines.append(engine)
        run = await engine.start(waits(name), id="e")
        await run.send(GO, "!")
        result = await run.result()
        await stage.lawful()
        return result

    return stage.play(main, store=Beside(stage, beside).port)


@pytest.mark.parametrize("trouble", [ambiguous, fenced])
def test_a_start_that_is_outrun_is_answered(trouble: Trouble) -> None:
    """The execution found is the one asked for: the start returns it, and it ends well."""
    assert played(trouble, "Ann") == "Ann!"


@pytest.mark.parametrize("trouble", [ambiguous, fenced])
def test_a_start_that_is_outrun_by_another_input_is_refused(trouble: Trouble) -> None:
    """The execution found has another input, and the caller is told so."""
    with pytest.raises(ExecutionConflict):
        played(trouble, "Bob")
