"""A worker process that kills itself with SIGKILL at a planned moment. Run by test_kills.py.

    killed.py start DATABASE LEDGER            create the executions, for whoever works
    killed.py work DATABASE LEDGER PORT EDGE N    serve them; die at the N-th commit or call

The receivers are one more SQLite file, the ledger: it deduplicates nothing but a tombstoned key.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from perdure import (
    Engine,
    InDoubt,
    Landed,
    Voided,
    compensatable,
    effect_key,
    effect_order,
    idempotent,
    irreversible,
    saga,
    workflow,
)
from perdure.engine.client import enqueue
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended
from perdure.engine.world import Invocation, UserWorld
from perdure.model.compiler import compile_workflow
from perdure.model.values import codec

LEDGER = Path(sys.argv[3]) if len(sys.argv) > 3 else Path()
EXECUTIONS = 12
AT_ONCE = 2  # executions that one worker holds, so that all have some
DECLINED = 3  # every third is refused: its saga is undone
TABLES = """
CREATE TABLE called (execution TEXT, role TEXT, site TEXT, key TEXT, occurrence TEXT);
CREATE TABLE landing (execution TEXT, site TEXT, key TEXT, occurrence TEXT, result TEXT);
CREATE TABLE undone (execution TEXT, site TEXT, key TEXT);
CREATE TABLE closed (key TEXT PRIMARY KEY);
"""


class Declined(Exception):
    """The receiver refuses."""


def act(role: str, site: str, occurrence: str, change: Callable[[sqlite3.Connection], Any]) -> Any:
    """One request: it is noted, and what it changes is changed, in one commit."""
    connection = sqlite3.connect(LEDGER, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        told = (effect_order()[0], role, site, effect_key(), occurrence)
        connection.execute("INSERT INTO called VALUES (?, ?, ?, ?, ?)", told)
        result = change(connection)
        connection.execute("COMMIT")
        return result
    finally:
        connection.close()


def lands(site: str, occurrence: str, result: str, once: bool) -> str:
    """Let an effect happen, unless its key is closed, or known to a receiver that knows keys."""

    def change(connection: sqlite3.Connection) -> bool:
        key = (effect_key(),)
        if connection.execute("SELECT 1 FROM closed WHERE key = ?", key).fetchone():
            return False
        known = connection.execute("SELECT 1 FROM landing WHERE key = ?", key).fetchone()
        if not (once and known):
            row = (effect_order()[0], site, effect_key(), occurrence, f'"{result}"')
            connection.execute("INSERT INTO landing VALUES (?, ?, ?, ?, ?)", row)
        return True

    if not act("step", site, occurrence, change):
        raise ConnectionError("this key is closed")
    return result


@compensatable
def hold(item: str) -> str:
    """Put aside."""
    return lands("hold", item, f"held {item}", once=False)


@hold.undo
def let_go(held: str | None, item: str) -> None:
    """Put back by the key, and close it."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR IGNORE INTO closed VALUES (?)", (effect_key(),))
        connection.execute(
            "INSERT INTO undone SELECT DISTINCT execution, site, key FROM landing WHERE key = ?1"
            " AND NOT EXISTS (SELECT 1 FROM undone WHERE key = ?1)",
            (effect_key(),),
        )

    act("undo", "hold", item, change)


@irreversible(refused=(Declined,))
def pay(item: str, number: int) -> str:
    """Take the money."""
    if number % DECLINED == 0:
        raise Declined(item)
    return lands("pay", item, f"paid {item}", once=False)


@pay.probe
def look_for_payment(item: str, number: int) -> Landed[str] | Voided | InDoubt:
    """Close the key, then look."""

    def change(connection: sqlite3.Connection) -> bool:
        connection.execute("INSERT OR IGNORE INTO closed VALUES (?)", (effect_key(),))
        found = connection.execute("SELECT 1 FROM landing WHERE key = ?", (effect_key(),))
        return found.fetchone() is not None

    return Landed(f"paid {item}") if act("probe", "pay", item, change) else Voided()


@idempotent
def tell(item: str) -> str:
    """Send a letter; the post knows the key."""
    return lands("tell", item, f"told {item}", once=True)


@workflow(version=1)
async def buy(item: str, number: int) -> str:
    """Hold, pay, tell: all of it once, or all of it undone."""
    async with saga():
        await hold(item)
        await pay(item, number)
    return await tell(item)


class Plan:
    """At which commit or call this process dies, and on which side of it."""

    def __init__(self, port: str, edge: str, number: int) -> None:
        self.port, self.edge, self.left = port, edge, number

    def meet(self, port: str, edge: str) -> None:
        """Die here, if this is the moment."""
        if (port, edge) == (self.port, self.edge):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class DeadlyStore(SqliteStore):
    """A store around whose batches the process may die."""

    plan: Plan

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """Append as always, if the process lives to do so."""
        self.plan.meet("store", "before")
        results = await super().append(session, batch)
        self.plan.meet("store", "after")
        return results


class DeadlyWorld(UserWorld):
    """A world around whose calls the process may die."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    async def call(self, invocation: Invocation) -> Any:
        """Call as always, if the process lives to do so."""
        self._plan.meet("world", "before")
        result = await super().call(invocation)
        self._plan.meet("world", "after")
        return result


async def start(database: str) -> None:
    """Create ledger and executions."""
    ledger = sqlite3.connect(LEDGER)
    ledger.executescript(f"PRAGMA journal_mode = WAL; {TABLES}")
    ledger.close()
    store = SqliteStore(database)
    await store.open()
    program = compile_workflow(buy)
    for number in range(1, EXECUTIONS + 1):
        inputs = {
            "item": codec(str).seal(f"item {number}"),
            "number": codec(int).seal(number),
        }
        assert await enqueue(store, program, f"buy-{number}", inputs)
    await store.close()


async def work(database: str, plan: Plan) -> None:
    """Serve until every execution is final."""
    store = DeadlyStore(database)
    store.plan = plan
    async with Engine(
        database, store=store, world=DeadlyWorld(plan), concurrency=AT_ONCE
    ) as engine:
        await engine.serve(buy)
        while await store.list(status="active"):
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    if sys.argv[1] == "start":
        asyncio.run(start(sys.argv[2]))
    else:
        port, edge, number = sys.argv[4:7]
        asyncio.run(work(sys.argv[2], Plan(port, edge, int(number))))
