"""Plain reads on SQLite; each is one query and sees one snapshot. Nothing is written here."""

from __future__ import annotations

from sqlalchemy import Select, select

from . import tables
from .records import Record
from .sqlite_link import Link
from .sqlite_rows import SESSION, execution_row, record, session_row
from .store import AttemptRow, EffectRow, ExecutionRow, MessageRow, SessionRow

_execution, _log, _message = tables.execution.c, tables.log.c, tables.message.c
_EXECUTION_COLUMNS = [_execution[name] for name in ExecutionRow._fields]
_RECORD_COLUMNS = [_log[name] for name in Record._fields]
_MESSAGE_COLUMNS = [_message[name] for name in MessageRow._fields]
_EFFECT_COLUMNS = [tables.effect.c[name] for name in EffectRow._fields]
_ATTEMPT_COLUMNS = [tables.attempt.c[name] for name in AttemptRow._fields]


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
    rows = link.core.execute(select(*_EXECUTION_COLUMNS).where(_execution.key == key)).fetchall()
    return execution_row(tuple(rows[0])) if rows else None


def listing(link: Link, workflow: str | None, status: str | None, limit: int) -> list[ExecutionRow]:
    """The newest executions first."""
    query: Select[tuple[object, ...]] = select(*_EXECUTION_COLUMNS)
    if workflow is not None:
        query = query.where(_execution.workflow == workflow)
    if status is not None:
        query = query.where(_execution.status == status)
    rows = link.core.execute(query.order_by(_execution.id.desc()).limit(limit)).fetchall()
    return [execution_row(tuple(row)) for row in rows]


def log(link: Link, execution: int, after: int, limit: int) -> list[Record]:
    """The first records beyond `after`."""
    query = select(*_RECORD_COLUMNS).where(_log.execution == execution, _log.seq > after)
    rows = link.core.execute(query.order_by(_log.seq).limit(limit)).fetchall()
    return [record(tuple(row)) for row in rows]


def messages(link: Link, execution: int, after: int) -> list[MessageRow]:
    """The messages beyond number `after`, consumed or not."""
    query = select(*_MESSAGE_COLUMNS).where(
        _message.execution == execution, _message.number > after
    )
    rows = link.core.execute(query.order_by(_message.number)).fetchall()
    return [MessageRow(*row) for row in rows]


def unread(link: Link, channel: str) -> list[str]:
    """Keys of executions with an unread message on this channel, in order of creation."""
    sql = (
        "SELECT key FROM execution WHERE id IN (SELECT execution FROM message "
        "WHERE consumed_at IS NULL AND channel = ?) ORDER BY id"
    )
    return [key for (key,) in link.rows(sql, (channel,))]


def effects(link: Link, execution: int | None) -> list[EffectRow]:
    """The ledger of one execution, or of all, in the order of their intents."""
    query = select(*_EFFECT_COLUMNS)
    if execution is not None:
        query = query.where(tables.effect.c.execution == execution)
    ordered = query.order_by(tables.effect.c.execution, tables.effect.c.intent_seq)
    return [EffectRow(*row) for row in link.core.execute(ordered).fetchall()]


def attempts(link: Link, execution: int) -> list[AttemptRow]:
    """The retry counters of an execution."""
    query = select(*_ATTEMPT_COLUMNS).where(tables.attempt.c.execution == execution)
    return [AttemptRow(*row) for row in link.core.execute(query).fetchall()]


def definition(link: Link, net: str) -> bytes | None:
    """The stored net of this digest."""
    query = select(tables.definition.c.body).where(tables.definition.c.net == net)
    return link.core.execute(query).scalar()


def payload(link: Link, execution: int, digest: bytes) -> bytes | None:
    """A large value of an execution."""
    columns = tables.payload.c
    query = select(columns.body).where(columns.execution == execution, columns.digest == digest)
    return link.core.execute(query).scalar()


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
