"""Workflows for tests with several processes, each of which imports this file. No test lives here.

Steps leave a line in the file they are given, so that calls can be counted from outside.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from perdure import (
    Landed,
    Signal,
    Tx,
    compensatable,
    effect_key,
    idempotent,
    irreversible,
    observe,
    pure,
    transactional,
    workflow,
)
from sqlalchemy import text

go = Signal[str]("go")


def leave(path: str, line: object) -> None:
    """Append a line, in one write."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@idempotent
async def trace(path: str, line: int) -> str:
    leave(path, line)
    return f"traced {line}"


@workflow
async def traced(path: str, line: int) -> str:
    return await trace(path, line)


@workflow
async def patient(path: str) -> str:
    return await go.wait()


@idempotent
async def hang(path: str) -> str:
    """Run until it is cancelled."""
    leave(path, "runs")
    await asyncio.Event().wait()
    return "never"


@workflow
async def endless(path: str) -> str:
    return await hang(path)


# --- one step of each class that begins, waits for its gate and ends; then one more ---------------


async def through(path: str, name: str) -> str:
    """Leave a line, wait until there is a file of the gate's name."""
    leave(path, f"begun {name}")
    while not Path(f"{path}.{name}").exists():
        await asyncio.sleep(0.002)
    return name


@pure
async def pure_step(path: str, name: str) -> str:
    return await through(path, name)


@observe
async def observe_step(path: str, name: str) -> str:
    return await through(path, name)


@idempotent
async def idempotent_step(path: str, name: str) -> str:
    return await through(path, name)


@idempotent
def thread_step(path: str, name: str) -> str:
    leave(path, f"begun {name}")
    while not Path(f"{path}.{name}").exists():
        time.sleep(0.002)
    return name


@transactional
async def transactional_step(tx: Tx, path: str, name: str) -> str:
    await tx.execute(text("create table if not exists written (name text)"))
    await tx.execute(text("insert into written values (:name)"), {"name": name})
    return await through(path, name)


@compensatable
async def compensatable_step(path: str, name: str) -> str:
    return await through(path, name)


@compensatable_step.undo
async def _undo(got: str) -> None: ...


@irreversible
async def irreversible_step(path: str, name: str) -> str:
    return await through(path, name)


@workflow
async def w_pure(path: str, name: str) -> str:
    got = await pure_step(path, name)
    return await after(path, got)


@workflow
async def w_observe(path: str, name: str) -> str:
    got = await observe_step(path, name)
    return await after(path, got)


@workflow
async def w_idempotent(path: str, name: str) -> str:
    got = await idempotent_step(path, name)
    return await after(path, got)


@workflow
async def w_thread(path: str, name: str) -> str:
    got = await thread_step(path, name)
    return await after(path, got)


@workflow
async def w_transactional(path: str, name: str) -> str:
    got = await transactional_step(path, name)
    return await after(path, got)


@workflow
async def w_compensatable(path: str, name: str) -> str:
    got = await compensatable_step(path, name)
    return await after(path, got)


@workflow
async def w_irreversible(path: str, name: str) -> str:
    got = await irreversible_step(path, name)
    return await after(path, got)


@idempotent
async def after(path: str, name: str) -> str:
    leave(path, f"after {name}")
    return f"done {name}"


# --- a charge whose worker is stopped in the middle -----------------------------------------------


@irreversible
async def charge(path: str, name: str) -> str:
    leave(path, f"charged {name} {effect_key()}")
    while not Path(f"{path}.answer").exists():
        await asyncio.sleep(0.002)
    return f"receipt {name}"


@workflow
async def buy(path: str, name: str) -> str:
    got = await charge(path, name)
    return await after(path, got)


@irreversible
async def probed_charge(path: str, name: str) -> str:
    return await through(path, name)


@probed_charge.probe
async def _probe(path: str, name: str) -> Landed[str]:
    leave(path, f"probed {name}")
    return Landed(f"probed {name}")


@workflow
async def buy_probed(path: str, name: str) -> str:
    got = await probed_charge(path, name)
    return await after(path, got)


# --- words from many terminals --------------------------------------------------------------------


@idempotent
async def keep(path: str, word: str) -> None:
    leave(path, word)


@workflow
async def ten_words(path: str, name: str) -> str:
    count = 0
    while count < 10:
        word = await go.wait()
        await keep(path, word)
        count += 1
    return name
