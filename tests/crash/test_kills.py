"""Real processes on one file, killed with SIGKILL at commits and calls: the oracle judges the rest.

Which moments is drawn from a fixed seed; which worker reaches them first is the machine's choice.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perdure.chaos.history import TABLES
from perdure.specs.ledger import Called, Landing, Ledger, Undo
from perdure.specs.oracle import Oracle

from .killed import DECLINED, EXECUTIONS

WORKERS = 3
KILLS = 9
SCRIPT = Path(__file__).with_name("killed.py")
NEVER = ("nowhere", "never", "1")


def plans(seed: int) -> Iterator[tuple[str, str, str]]:
    """So many deadly plans, then harmless ones."""
    dice = random.Random(seed)
    for _ in range(KILLS):
        yield (
            dice.choice(("store", "world")),
            dice.choice(("before", "after")),
            str(dice.randint(1, 5)),
        )
    while True:
        yield NEVER


async def run(*arguments: object) -> int:
    """The exit code of a process of the script."""
    words = [str(argument) for argument in arguments]
    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), *words)
    return await process.wait()


async def work(database: Path, ledger: Path, left: Iterator[tuple[str, str, str]]) -> int:
    """One worker after another in the same place, until one ends by itself; how many died."""
    kills = 0
    while (code := await run("work", database, ledger, *next(left))) == -signal.SIGKILL:
        kills += 1
    assert code == 0, "a worker ended by an error of its own"
    return kills


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return found


def ledger_of(path: Path) -> Ledger:
    """What the receivers wrote down, as the oracle reads it."""
    return Ledger(
        [Called(**row) for row in rows(path, "called")],
        [Landing(**row) for row in rows(path, "landing")],
        [Undo(**row) for row in rows(path, "undone")],
    )


async def test_workers_killed_at_random_moments_lose_nothing_and_do_nothing_twice(
    folder: Path,
) -> None:
    """Three processes on one file, nine SIGKILLs: every execution ends, every effect landed once or
    was undone once, and no rule of the oracle is broken."""
    database, ledger = folder / "killed.db", folder / "ledger.db"
    assert await run("start", database, ledger) == 0
    left = plans(seed=20)
    killed = sum(await asyncio.gather(*(work(database, ledger, left) for _ in range(WORKERS))))
    assert killed == KILLS, "a planned kill never came"

    stored = {table: rows(database, table) for table in TABLES}
    told = ledger_of(ledger)
    assert Oracle().settle(stored, told) == []
    ends = {row["key"]: row["status"] for row in stored["execution"]}
    declined = {f"buy-{n}" for n in range(DECLINED, EXECUTIONS + 1, DECLINED)}
    assert {key for key, status in ends.items() if status == "failed"} == declined
    assert {key for key, status in ends.items() if status == "done"} == ends.keys() - declined
    paid = [landing.execution for landing in told.landings if landing.site == "pay"]
    assert sorted(paid) == sorted(ends.keys() - declined)
