"""How long it takes to go on with an execution of 10,000 steps whose worker was lost.

Prints one JSON document: what is read, and the milliseconds to claim and load it, beside those of
a short one. The engine is imported before; nothing is asserted here.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from perdure import Engine, Signal, idempotent, workflow
from perdure.engine import loading
from perdure.engine.sqlite import SqliteStore
from perdure.model.compiler import compile_workflow

go = Signal[int]("go")


STOP: dict[int, asyncio.Event] = {}
"""The step at which the worker is lost, and that it was reached."""


@idempotent
async def step(number: int) -> int:
    """Do nothing, durably; at the end of a life, never come back."""
    if number in STOP:
        STOP.pop(number).set()
        await asyncio.Event().wait()
    return number


@workflow
async def long(count: int) -> int:
    """So many steps, one after the other, and a wait."""
    number = 0
    while number < count:
        number = 1 + await step(number)
    return number + await go.wait()


async def ran(path: Path, steps: int) -> None:
    """An execution whose session is fenced in the middle of its last step."""
    reached = STOP[steps - 1] = asyncio.Event()
    async with Engine(f"sqlite:///{path}") as engine:
        await engine.start(long(steps), id="x")
        await reached.wait()
        await engine.store.fence(engine.worker.session)


async def resumed(path: Path) -> dict[str, float]:
    """Claim and load it as a worker does; to its end through an engine afterwards."""
    store, program = SqliteStore(path), compile_workflow(long)
    await store.open()
    session = await store.register(Engine("sqlite://").worker.identity)
    begin = time.perf_counter()
    [claimed] = await store.claim(session, [program.net.digest], 1)
    instance = loading.load(program, claimed, session)
    value = loading.values_of(program)
    await loading.resolve(store, instance.id, instance.state, value)
    took = time.perf_counter() - begin
    await store.fence(session)
    await store.close()
    begin = time.perf_counter()
    async with Engine(f"sqlite:///{path}") as engine:
        await engine.serve(long)
        run = engine.find(long, "x")
        await run.send(go, 1)
        await run.result()
        whole = time.perf_counter() - begin
    return {
        "records_read": len(claimed.records),
        "checkpoint_bytes": len(claimed.row.checkpoint or b""),
        "claim_and_load_ms": round(took * 1000, 2),
        "open_signal_and_end_ms": round(whole * 1000, 2),
    }


async def measure(steps: int) -> dict[str, float]:
    """One of so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        await ran(Path(folder) / "resume.db", steps)
        return await resumed(Path(folder) / "resume.db")


async def main(steps: int) -> dict[str, dict[str, float]]:
    """A short one first, so that nothing is measured that happens once in a process."""
    return {f"{count} steps": await measure(count) for count in (10, 450, steps)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))))
