"""Plain reads on SQLite; each is one query and sees one snapshot. Nothing is written here."""

from __future__ import annotations

from .records import Record
from .sqlite_link import Link
from .sqlite_rows import (
    ATTEMPT,
    EFFECT,
    EXECUTION,
    MESSAGE,
    RECORD,
    SESSION,
    execution_row,
    record,
    session_row,
)
from .store import AttemptRow, EffectRow, ExecutionRow, MessageRow, SessionRow


def sessions(link: Link) -> list[SessionRow]:
    """All that are not fenced."""
    sql = f"SELECT {SESSION} FROM session WHERE fenced IS NULL ORDER BY id"
    return [session_row(row) for row in link.rows(sql)]


def next_wake(link: Link) -> int | None:
    """The earliest wake-up, by the index of ready rows alone."""
    sql = (
        "SELECT min(wake_at) FROM execution "
        "WHERE status = 'active' AND owner IS NULL AND wake_at IS NOT NULL"
    )
    return link.rows(sql)[0][0]


def mail(link: Link, session: int) -> dict[int, int]:
    """Mail counters of the session's executions that ever got a message."""
    return dict(
        link.rows("SELECT id, mail FROM execution WHERE owner = ? AND mail > 0", (session,))
    )


def find(link: Link, key: str) -> ExecutionRow | None:
    """The execution of this key."""
    rows = link.rows(f"SELECT {EXECUTION} FROM execution WHERE key = ?", (key,))
    return execution_row(rows[0]) if rows else None


def listing(link: Link, workflow: str | None, status: str | None, limit: int) -> list[ExecutionRow]:
    """The newest executions first."""
    asked = {"workflow = ?": workflow, "status = ?": status}
    tests = [test for test, value in asked.items() if value is not None]
    where = f"WHERE {' AND '.join(tests)} " if tests else ""
    sql = f"SELECT {EXECUTION} FROM execution {where}ORDER BY id DESC LIMIT ?"
    return [execution_row(row) for row in link.rows(sql, (*(asked[t] for t in tests), limit))]


def log(link: Link, execution: int, after: int, limit: int) -> list[Record]:
    """The first records beyond `after`."""
    sql = f"SELECT {RECORD} FROM log WHERE execution = ? AND seq > ? ORDER BY seq LIMIT ?"
    return [record(row) for row in link.rows(sql, (execution, after, limit))]


def messages(link: Link, execution: int, after: int) -> list[MessageRow]:
    """The messages beyond number `after`, consumed or not."""
    sql = f"SELECT {MESSAGE} FROM message WHERE execution = ? AND number > ? ORDER BY number"
    return [MessageRow(*row) for row in link.rows(sql, (execution, after))]


def unread(link: Link, channel: str) -> list[str]:
    """Keys of executions with an unread message on this channel, in order of creation."""
    sql = (
        "SELECT key FROM execution WHERE id IN (SELECT execution FROM message "
        "WHERE consumed_at IS NULL AND channel = ?) ORDER BY id"
    )
    return [key for (key,) in link.rows(sql, (channel,))]


def effects(link: Link, execution: int | None) -> list[EffectRow]:
    """The ledger of one execution, or of all, in the order of their intents."""
    where, given = ("", ()) if execution is None else ("WHERE execution = ? ", (execution,))
    sql = f"SELECT {EFFECT} FROM effect {where}ORDER BY execution, intent_seq"
    return [EffectRow(*row) for row in link.rows(sql, given)]


def attempts(link: Link, execution: int) -> list[AttemptRow]:
    """The retry counters of an execution."""
    rows = link.rows(f"SELECT {ATTEMPT} FROM attempt WHERE execution = ?", (execution,))
    return [AttemptRow(*row) for row in rows]


def definition(link: Link, net: str) -> bytes | None:
    """The stored net of this digest."""
    rows = link.rows("SELECT body FROM definition WHERE net = ?", (net,))
    return rows[0][0] if rows else None


def payload(link: Link, execution: int, digest: bytes) -> bytes | None:
    """A large value of an execution."""
    sql = "SELECT body FROM payload WHERE execution = ? AND digest = ?"
    rows = link.rows(sql, (execution, digest))
    return rows[0][0] if rows else None


def served(link: Link) -> list[tuple[int, str]]:
    """Sessions that are not fenced, with each net they serve."""
    return link.rows(
        "SELECT session, net FROM serving JOIN session ON session.id = serving.session "
        "WHERE fenced IS NULL ORDER BY session, net"
    )


def damage(link: Link) -> list[str]:
    """What SQLite finds wrong with the file itself: pages, indexes, constraints; at most twenty."""
    found = [str(line) for (line,) in link.rows("PRAGMA integrity_check(20)")]
    return [] if found == ["ok"] else found
