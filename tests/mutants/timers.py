"""Mutants 21 to 23: moments that are waited for. No test lives here."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.chaos import ports
from perdure.engine import sqlite_sessions
from perdure.engine.committer import Committer
from perdure.engine.driver import Driver
from perdure.engine.sqlite import SqliteStore

from .mutant import Mutant
from .patching import Patches

SKEW_SECONDS = 2


def deleted_on_claim(patches: Patches) -> None:
    """A claim takes the wake-up out of the row, and the fence puts none back."""
    kept = "wake_at = min(coalesce(wake_at, ?1), ?1), updated = ?1"
    patches.text(sqlite_sessions, "_RELEASE", kept, "updated = ?1")


def skewed_clock(patches: Patches) -> None:
    """A timer is held against the worker's own clock, which is ahead of the database's."""
    now = "if wait.due <= self.store.now() else"
    ahead = f"if wait.due <= self.store.now() + {SKEW_SECONDS * 1_000_000} else"
    patches.code(Driver, "_ready", (now, ahead))
    seconds = "seconds = (due - now) / 1e6"
    patches.code(Driver, "_alarm", (seconds, f"{seconds} - {SKEW_SECONDS}"))


async def _arm(self: SqliteStore, due: Mapping[int, int]) -> None:
    """Write wake-ups in a transaction of its own."""
    async with self.links.write() as link:
        for execution, wake_at in due.items():
            sql = "UPDATE execution SET wake_at = ? WHERE id = ? AND owner IS NULL"
            link.run(sql, (wake_at, execution))


def armed_afterwards(patches: Patches) -> None:
    """An execution parks in one commit, and its timer is armed in the next."""
    patches.item(vars(ports)["NATURES"], "arm", "write")
    patches.add(SqliteStore, "arm", _arm)
    appends = "self._store.append(self._still(session), batch)"
    writes = f"    return await self._patiently(lambda: {appends})"
    apart = f"""\
    due = {{}}
    for append in batch:
        if append.change is not None and append.change.release and append.change.wake_at:
            due[append.execution], append.change.wake_at = append.change.wake_at, None
    done = await self._patiently(lambda: {appends})
    if due:
        await self._store.arm(due)
    return done"""
    patches.code(Committer, "_append", (writes, apart))


MUTANTS = [
    Mutant(
        21,
        "timer row deleted on claim",
        "a claim takes the wake-up away, and a fence does not put one back",
        deleted_on_claim,
    ),
    Mutant(
        22,
        "timer compared with a skewed worker clock",
        f"a worker's clock that is {SKEW_SECONDS} s ahead decides that a moment has come",
        skewed_clock,
    ),
    Mutant(
        23,
        "timer armed after its record's transaction",
        "an execution parks in one commit, and its timer is armed in the next",
        armed_afterwards,
    ),
]
