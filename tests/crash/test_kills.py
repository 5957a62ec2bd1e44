"""Real processes on one file, killed with SIGKILL at commits and calls: the oracle judges the rest.

Which moments is drawn from a fixed seed; which worker reaches them first is the machine's choice.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from perdure.chaos.history import TABLES
from perdure.specs.ledger import Called, Landing, Ledger, Undo
from perdure.specs.oracle import Oracle

from .killed import DECLINED, EXECUTIONS

WORKERS = 3
KILLS = 9
SCRIPT = Path(__file__).with_name("killed.py")
NEVER = ("nowhere", "never", 1)


class Plans:
    """The deadly plans, in order; a harmless one only when all of these have come.

    A worker that lives would else finish all the work while another, with a deadly plan, still
    starts. The work suffices: 12 executions take 36 calls, and what the plans count to is 26.
    """

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self._left = [
            (dice.choice(("store", "world")), dice.choice(("before", "after")), dice.randint(1, 5))
            for _ in range(KILLS)
        ]
        self.killed = 0
        self._all_killed = asyncio.Event()

    async def next(self) -> tuple[str, str, int]:
        """The plan for a process that begins now."""
        if self._left:
            return self._left.pop(0)
        await self._all_killed.wait()
        return NEVER

    def died(self) -> None:
        """A planned kill has come."""
        self.killed += 1
        if self.killed == KILLS:
            self._all_killed.set()


async def run(*arguments: object) -> int:
    """The exit code of a process of the script."""
    words = [str(argument) for argument in arguments]
    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), *words)
    return await process.wait()


async def work(database: Path, ledger: Path, plans: Plans) -> None:
    """One worker after another in the same place, until one ends by itself."""
    while True:
        plan = await plans.next()
        code = await run("work", database, ledger, *plan)
        if code != -signal.SIGKILL:
            assert code == 0, "a worker ended by an error of its own"
            assert plan == NEVER, f"a planned kill never came: {plan}"
            return
        plans.died()


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
    plans = Plans(seed=20)
    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work(database, ledger, plans))
    assert plans.killed == KILLS

    stored = {table: rows(database, table) for table in TABLES}
    told = ledger_of(ledger)
    assert Oracle().settle(stored, told) == []
    ends = {row["key"]: row["status"] for row in stored["execution"]}
    declined = {f"buy-{n}" for n in range(DECLINED, EXECUTIONS + 1, DECLINED)}
    assert {key for key, status in ends.items() if status == "failed"} == declined
    assert {key for key, status in ends.items() if status == "done"} == ends.keys() - declined
    paid = [landing.execution for landing in told.landings if landing.site == "pay"]
    assert sorted(paid) == sorted(ends.keys() - declined)
