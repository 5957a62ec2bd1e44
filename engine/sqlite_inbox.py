"""What others than the owner may write on SQLite: new executions, messages, a resume (rule 2).

Every function runs inside an open transaction and may be repeated after an ambiguous commit: the
key and the message id make the second time find what the first one left.
Nothing is consumed here.
"""

from __future__ import annotations

from dataclasses import replace

from ..model.errors import ExecutionFinished, NoSuchExecution
from .errors import MessageConflict
from .records import Record
from .sqlite_append import write_start
from .sqlite_link import Link
from .sqlite_rows import EXECUTION, execution_row
from .store import Append, Create, ExecutionRow, Status

# Channels that wake an execution whatever it waits for.
ALWAYS_HEARD = ("$cancel", "$desk", "$evidence")
# What a caller says of its own call is kept after the end too: it may contradict what was decided
# meanwhile, and is an alarm then (rule 17).
AFTER_THE_END = "$evidence"
_FIND = f"SELECT {EXECUTION} FROM execution WHERE key = ?"
_INSERT_MESSAGE = (
    "INSERT INTO message (execution, number, id, channel, body, arrived) VALUES (?, ?, ?, ?, ?, ?)"
)


def start(link: Link, create: Create, record: Record, now: int) -> ExecutionRow | None:
    """Create without owning; the row found under the key instead, or None if created (rule 57)."""
    append = Append(0, record.tenure, b"", [record], replace(create, owner=None))
    made = write_start(link, append, now)
    if made.guard:
        raise ValueError(made.guard.why)
    return made.existing


def find(link: Link, key: str) -> ExecutionRow | None:
    """The execution of this key."""
    rows = link.rows(_FIND, (key,))
    return execution_row(rows[0]) if rows else None


def require(link: Link, key: str) -> ExecutionRow:
    """The execution of this key, or NoSuchExecution."""
    row = find(link, key)
    if row is None:
        raise NoSuchExecution(key)
    return row


def hears(waits: str | None, channel: str) -> bool:
    """A message on this channel is a reason to wake the execution (rule 49)."""
    if channel in ALWAYS_HEARD or waits == "*":
        return True
    return waits is not None and channel in waits.split(",")


def send(link: Link, key: str, channel: str, id: str, body: bytes, now: int) -> int:
    """Put a message into the inbox; its number in order of arrival (rules 48, 49, 51, 68)."""
    row = require(link, key)
    sql = "SELECT number, channel, body FROM message WHERE execution = ? AND id = ?"
    for number, known_channel, known_body in link.rows(sql, (row.id, id)):
        if (known_channel, known_body) != (channel, body):
            raise MessageConflict(key, id)
        return number
    if row.status.final and channel != AFTER_THE_END:
        raise ExecutionFinished(key, row.status.value)
    number = row.mail + 1
    if hears(row.waits, channel) and not row.status.final:
        wake = "UPDATE execution SET mail = ?, wake_at = min(coalesce(wake_at, ?), ?) WHERE id = ?"
        link.run(wake, (number, now, now, row.id))
    else:
        link.run("UPDATE execution SET mail = ? WHERE id = ?", (number, row.id))
    link.run(_INSERT_MESSAGE, (row.id, number, id, channel, body, now))
    return number


def resume(link: Link, key: str, now: int) -> bool:
    """Make a stalled execution claimable; False: it is not stalled."""
    row = require(link, key)
    if row.status is not Status.STALLED:
        return False
    sql = "UPDATE execution SET status = 'active', wake_at = ?, recoveries = 0, updated = ?"
    link.run(f"{sql} WHERE id = ?", (now, now, row.id))
    return True
