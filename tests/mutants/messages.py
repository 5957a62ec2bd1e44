"""Mutants 17 to 20, 24 and 25: messages that come and events that go. No test lives here."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.chaos import ports
from perdure.engine import sqlite_append, sqlite_inbox
from perdure.engine.committer import Committer
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append

from .mutant import Direct, Mutant, waiting
from .patching import Patches


async def _take(self: SqliteStore, batch: Sequence[Append]) -> None:
    """Mark the messages of a batch as taken, in a transaction of its own."""
    async with self.links.write() as link:
        for append in batch:
            for number, seq in append.consumed:
                sql = "UPDATE message SET consumed_at = ? WHERE execution = ? AND number = ?"
                link.run(sql, (seq, append.execution, number))


def _apart(patches: Patches) -> None:
    patches.item(vars(ports)["NATURES"], "take", "write")
    patches.add(SqliteStore, "take", _take)
    every = "[(seq, m.id, number) for m in members for number, seq in m.append.consumed]"
    patches.code(
        sqlite_append, "_write_others", (f"consumed = {every}", "consumed: list[Any] = []")
    )


_APPENDS = "self._store.append(self._still(session), batch)"
_WRITES = f"    return await self._patiently(lambda: {_APPENDS})"
_TAKES = "    if any(append.consumed for append in batch):\n        await self._store.take(batch)\n"


def taken_before(patches: Patches) -> None:
    """A message is marked as taken in one commit, and its record follows in the next."""
    _apart(patches)
    patches.code(Committer, "_append", (_WRITES, _TAKES + _WRITES))


def taken_after(patches: Patches) -> None:
    """The record that takes a message is committed, and its mark follows in the next commit."""
    _apart(patches)
    kept = _WRITES.replace("return", "done =")
    patches.code(Committer, "_append", (_WRITES, f"{kept}\n{_TAKES}    return done"))


def row_count_ignored(patches: Patches) -> None:
    """How many messages an append has really taken is not looked at."""
    counted = "if consumed and link.many(_CONSUME, consumed) != len(consumed):"
    patches.code(
        sqlite_append,
        "_write_others",
        (counted, "if consumed and link.many(_CONSUME, consumed) < 0:"),
    )


def id_forgotten(patches: Patches) -> None:
    """A message that was taken is not known any more when it is sent again."""
    known = 'WHERE execution = ? AND id = ?"'
    patches.code(
        sqlite_inbox, "send", (known, 'WHERE execution = ? AND id = ? AND consumed_at IS NULL"')
    )


MUTANTS = [
    Mutant(
        17,
        "message deleted before the append",
        "a message is marked as taken one commit before the record that takes it",
        taken_before,
    ),
    Mutant(
        18,
        "message deleted after the append",
        "a message is marked as taken one commit after the record that takes it",
        taken_after,
    ),
    Mutant(
        19,
        "delete row count ignored",
        "an append does not look how many messages it has really taken",
        row_count_ignored,
        Direct("stores.test_conformance_append", "test_a_message_is_consumed_exactly_once"),
    ),
    Mutant(
        20,
        "dedup id forgotten on consume",
        "the id of a message that was taken is new again",
        id_forgotten,
        Direct(
            "stores.test_conformance_inbox",
            "test_a_message_that_was_taken_is_not_taken_again_when_it_is_sent_again",
        ),
    ),
    waiting(
        24,
        "outbox row after the commit",
        "an event is written one commit after the firing that emitted it",
        "the outbox and its relay",
    ),
    waiting(
        25,
        "outbox marked sent before the send",
        "an event is marked as delivered before the receiver has it",
        "the outbox and its relay",
    ),
]
