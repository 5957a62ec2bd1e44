"""Rule 29: what a request of a dead worker may still do when it lands late, and how a receiver that
compares `effect_order()` refuses it. Rules 23 and 24: glue runs once, whoever folds the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Engine,
    compensatable,
    effect_key,
    effect_order,
    idempotent,
    saga,
    workflow,
)
from perdure.engine.client import enqueue
from perdure.model.compiler import compile_workflow

from .stage import FOREVER, Stage

Order = tuple[str, int, int]


@dataclass
class Shelf:
    """A receiver that keeps the last value it was told; `compares`: never that of an older call."""

    stage: Stage
    compares: bool
    delays: list[float]  # how long the next requests are on their way
    value: int = 0
    newest: dict[str, Order] = field(default_factory=dict[str, Order])
    came: list[int] = field(default_factory=list[int])
    held: set[str] = field(default_factory=set[str])

    async def request(self, what: str, value: int, key: str = "") -> None:
        """It arrives, whoever is alive then."""
        order, seconds = effect_order(), self.delays.pop(0) if self.delays else 1.0
        self.stage.out.note("called", what, value)
        self.stage.time.happen(seconds, lambda: self.arrive(what, value, order, key))
        await asyncio.sleep(seconds + 0.1)

    def arrive(self, what: str, value: int, order: Order, key: str) -> None:
        """Do it, unless something newer of the same execution was done."""
        self.came.append(value)
        if self.compares and order < self.newest.get(order[0], order):
            return
        self.newest[order[0]] = order
        if what == "write":
            self.value = value
        elif what == "hold":
            self.held.add(key)
        else:
            self.held.discard(key)


SHELF: list[Shelf] = []


@idempotent
async def write(value: int) -> int:
    await SHELF[-1].request("write", value)
    return value


@compensatable
async def hold(item: int) -> int:
    await SHELF[-1].request("hold", item, effect_key())
    return item


@hold.undo
async def let_go(got: int | None, item: int) -> None:
    await SHELF[-1].request("undo", item, effect_key())


@workflow
async def writes(n: int) -> int:
    await write(1)
    return await write(2)


@workflow
async def gives_up(n: int) -> str:
    try:
        async with saga():
            await hold(7)
            raise ValueError("after all")
    except ValueError:
        return "undone"


def late(flow: Any, compares: bool, result: Any) -> Shelf:
    """The first request is on its way when its process dies; it lands when all is over."""
    stage = Stage()
    shelf = Shelf(stage, compares, [100.0])
    SHELF[:] = [shelf]

    async def dies(engine: Engine) -> None:
        await engine.start(flow(1), id="e")
        await stage.until(lambda: stage.out.count("called") == 1)

    async def heir(engine: Engine) -> None:
        await engine.serve(flow)
        assert await engine.find(flow, "e").result() == result

    stage.play_and_die(dies)
    asyncio.run(_fenced(stage))
    stage.play(heir)
    asyncio.run(stage.lawful())
    before = len(shelf.came)
    stage.pass_time(200)
    assert len(shelf.came) == before + 1, "the late one came when all was over"
    return shelf


async def _fenced(stage: Stage) -> None:
    for session in await stage.store.sessions():
        await stage.store.fence(session.id)


def test_a_late_write_overwrites_a_newer_one_unless_the_receiver_compares() -> None:
    """1 was written, then 2; then the first request for 1 lands: doing it twice is doing it once
    only if nothing happened in between. Its order is lower than that of the second tenure."""
    assert late(writes, False, 2).value == 1, "the overwrite that is printed with every proof"
    assert late(writes, True, 2).value == 2


def test_a_late_hold_stands_after_its_undo_unless_the_receiver_compares() -> None:
    """Undone without having landed, called again, undone: the first request finds nobody who would
    undo it any more. A receiver that closes keys or compares orders refuses it."""
    assert len(late(gives_up, False, "undone").held) == 1
    assert late(gives_up, True, "undone").held == set()


# --- glue runs once -------------------------------------------------------------------------------

TOLD: list[tuple[int, str]] = []


@idempotent
async def tell(number: int, text: str) -> int:
    TOLD.append((number, text))
    return await asyncio.sleep(FOREVER if len(TOLD) == 1 else 1, number)


@workflow
async def rolls(n: int) -> int:
    number: int = random.randint(1, 10**12) + n  # perdure: ignore[PD220]
    text: str = ",".join({"a", "b", "c", str(number)})
    return await tell(number, text)


@pytest.mark.parametrize("here", [True, False], ids=["started here", "claimed"])
def test_dice_in_glue_before_the_first_call_are_cast_once(here: bool) -> None:
    """The process dies in the middle of its first call; the next one calls with the same arguments
    and gives them as the result, whichever way the execution was started."""
    stage = Stage()
    TOLD.clear()

    async def dies(engine: Engine) -> None:
        if here:
            await engine.start(rolls(1), id="e")
        else:
            program = compile_workflow(rolls)
            await engine.serve(rolls)
            await enqueue(stage.store, program, "e", {"n": program.codecs["n"].seal(1)})
            engine.worker.kick()
        await stage.until(lambda: len(TOLD) == 1)

    async def heir(engine: Engine) -> int:
        await engine.serve(rolls)
        return await engine.find(rolls, "e").result()

    stage.play_and_die(dies)
    asyncio.run(_fenced(stage))
    result = stage.play(heir)
    assert TOLD[0] == TOLD[1] and len(TOLD) == 2 and result == TOLD[0][0]
    asyncio.run(stage.lawful())


FLOW = """
import asyncio, random, sys
from perdure import Engine, Signal, idempotent, pure, workflow

go = Signal[str]("go")

@pure
async def think(text: str) -> str:
    return text + "!"

@idempotent
async def tell(text: str) -> str:
    print("told", text, flush=True)
    return text

@workflow
async def shuffled(n: int) -> str:
    words: list[str] = list({f"word {k}" for k in range(20)})  # perdure: ignore[PD220]
    dice: float = random.random()  # perdure: ignore[PD220]
    first = await think(words[0])
    if dice < 0.5:
        first = first + "low"
    heard = await go.wait()
    named = {word: len(word) for word in words}
    return await tell(first + heard + ",".join(named) + str(dice))

async def main(url, end):
    async with Engine(url) as engine:
        run = await engine.start(shuffled(1), id="e")
        if end:
            await run.send(go, "on", message_id="m")
            print(await run.result())
        else:
            while (await engine.store.find("e")).owner is not None:
                await asyncio.sleep(0.01)

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] == "end"))
"""


def _python(seed: int, *arguments: str, cwd: Path) -> str:
    env = {**os.environ, "PYTHONHASHSEED": str(seed)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _cli(seed: int, *words: str, cwd: Path) -> str:
    return _python(seed, "-m", "perdure", *words, "--format", "json", cwd=cwd)


def test_a_log_says_the_same_in_processes_of_any_hash_seed_without_the_users_code(
    tmp_path: Path,
) -> None:
    """Sets, dictionaries and dice in glue: parked under one seed, gone on under another; in between
    and afterwards, marking, variables and verdict are the same for every seed, in a folder from
    which the user's module cannot be imported."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    (home / "shuffled.py").write_text(FLOW)
    url = f"sqlite:///{tmp_path}/s.db"

    def seen() -> list[Any]:
        verbs = (("show", "e"), ("log", "e"), ("audit",))
        told = [[_cli(seed, *verb, "--db", url, cwd=away) for verb in verbs] for seed in (0, 99)]
        assert told[0] == told[1]
        assert json.loads(told[0][2])["verdict"] == "holds"
        return told[0]

    _python(1, "shuffled.py", url, "wait", cwd=home)
    parked = seen()
    told, result = _python(2, "shuffled.py", url, "end", cwd=home).splitlines()
    assert told == f"told {result}"
    assert "word 7" in parked[0], "its variables are shown while it is parked"
    assert result in seen()[0], "the end says what the log says"
    for word in range(20):
        assert f"word {word}" in result
