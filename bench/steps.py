"""Steps per second and CPU on SQLite FULL: n workflows of ten idempotent steps, some at once.

Prints one JSON document; times are never asserted in a test. Nothing is compared here.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time

from perdure import Engine, idempotent, workflow


@idempotent
async def step(number: int) -> int:
    """Do nothing, durably."""
    return number


@workflow
async def ten(count: int) -> int:
    """Ten steps, one after the other."""
    for number in range(count):
        await step(number)
    return count


async def measure(workflows: int, at_once: int) -> dict[str, float]:
    """Run them and count."""
    with tempfile.TemporaryDirectory() as folder:
        async with Engine(f"sqlite:///{folder}/bench.db") as engine:
            await engine.run(ten(10), id="alone")
            batches = engine.worker.committer.batches
            await engine.run(ten(10), id="alone again")
            alone = engine.worker.committer.batches - batches
            gate = asyncio.Semaphore(at_once)

            async def one(number: int) -> None:
                async with gate:
                    await engine.run(ten(10), id=f"w{number}")

            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(one(n) for n in range(workflows)))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    steps = workflows * 10
    return {
        "steps_per_second": round(steps / wall),
        "cpu_seconds_per_1000_steps": round(cpu / steps * 1000, 4),
        "commits_of_one_workflow_alone": alone,
    }


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print(json.dumps(asyncio.run(measure(count, 200))))
