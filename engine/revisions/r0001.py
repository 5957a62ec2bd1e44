"""Revision 1: the first tables. Written out, for tables.py moves on and this never changes."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, Integer, LargeBinary, Text, text


def upgrade(op: Operations) -> None:
    """Make every table, index and trigger in an empty database."""
    _sessions(op)
    _executions(op)
    _log(op)
    _messages(op)
    _effects_and_attempts(op)
    _values_and_nets(op)
    for trigger in _TRIGGERS:
        op.execute(trigger)


def _sessions(op: Operations) -> None:
    op.create_table("perdure_schema", Column("revision", Integer, nullable=False))
    op.create_table(
        "session",
        Column("id", Integer, primary_key=True),
        Column("worker", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("boot", Text, nullable=False),
        Column("namespace", Text, nullable=False),
        Column("pid", Integer, nullable=False),
        Column("started", Integer, nullable=False),
        Column("beats", Integer, nullable=False),
        Column("suspect", Integer),
        Column("registered", Integer, nullable=False),
        Column("fenced", Integer),
        sqlite_autoincrement=True,
    )


def _executions(op: Operations) -> None:
    op.create_table(
        "execution",
        Column("id", Integer, primary_key=True),
        Column("key", Text, nullable=False, unique=True),
        Column("workflow", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("net", Text, nullable=False),
        Column("input_digest", LargeBinary, nullable=False),
        Column("status", Text, nullable=False),
        Column("owner", Integer),
        Column("tenure", Integer, nullable=False),
        Column("mail", Integer, nullable=False),
        Column("waits", Text),
        Column("wake_at", Integer),
        Column("checkpoint", LargeBinary),
        Column("checkpoint_seq", Integer, nullable=False),
        Column("lost", Integer, nullable=False),
        Column("lost_head", Integer),
        Column("recoveries", Integer, nullable=False),
        Column("created", Integer, nullable=False),
        Column("updated", Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "execution_ready",
        "execution",
        ["wake_at"],
        sqlite_where=text("status = 'active' AND owner IS NULL AND wake_at IS NOT NULL"),
    )
    op.create_index(
        "execution_owned", "execution", ["owner", "mail"], sqlite_where=text("owner IS NOT NULL")
    )


def _log(op: Operations) -> None:
    op.create_table(
        "log",
        Column("execution", Integer, primary_key=True, autoincrement=False),
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column("tenure", Integer, nullable=False),
        Column("kind", Integer, nullable=False),
        Column("transition", Integer, nullable=False),
        Column("at", Integer, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("hash", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def _messages(op: Operations) -> None:
    op.create_table(
        "message",
        Column("execution", Integer, primary_key=True, autoincrement=False),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("id", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("arrived", Integer, nullable=False),
        Column("consumed_at", Integer),
        sqlite_with_rowid=False,
    )
    op.create_index("message_id", "message", ["execution", "id"], unique=True)
    unread = text("consumed_at IS NULL")
    op.create_index("message_unread", "message", ["execution", "number"], sqlite_where=unread)


def _effects_and_attempts(op: Operations) -> None:
    op.create_table(
        "effect",
        Column("execution", Integer, primary_key=True, autoincrement=False),
        Column("key", Text, primary_key=True),
        Column("site", Text, nullable=False),
        Column("effect", Text, nullable=False),
        Column("intent_seq", Integer, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("outcome_seq", Integer),
        Column("decided_by", Text, nullable=False),
        Column("evidence", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "effect_doubt", "effect", ["execution"], sqlite_where=text("outcome = 'in-doubt'")
    )
    op.create_table(
        "attempt",
        Column("execution", Integer, primary_key=True, autoincrement=False),
        Column("site", Text, primary_key=True),
        Column("tries", Integer, nullable=False),
        Column("first_at", Integer, nullable=False),
        Column("next_at", Integer, nullable=False),
        Column("error", Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _values_and_nets(op: Operations) -> None:
    op.create_table(
        "payload",
        Column("execution", Integer, primary_key=True, autoincrement=False),
        Column("digest", LargeBinary, primary_key=True),
        Column("body", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "definition",
        Column("net", Text, primary_key=True),
        Column("workflow", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )


_TRIGGERS = (
    (
        "CREATE TRIGGER log_never_changes BEFORE UPDATE ON log "
        "BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END"
    ),
    (
        "CREATE TRIGGER log_goes_with_its_execution BEFORE DELETE ON log "
        "WHEN EXISTS (SELECT 1 FROM execution WHERE id = OLD.execution) "
        "BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END"
    ),
    (
        "CREATE TRIGGER execution_goes_when_final BEFORE DELETE ON execution "
        "WHEN OLD.status NOT IN ('done', 'failed', 'cancelled') "
        "BEGIN SELECT RAISE(ABORT, 'this execution is not final'); END"
    ),
    (
        "CREATE TRIGGER execution_takes_its_rows AFTER DELETE ON execution BEGIN "
        "DELETE FROM log WHERE execution = OLD.id; "
        "DELETE FROM message WHERE execution = OLD.id; "
        "DELETE FROM effect WHERE execution = OLD.id; "
        "DELETE FROM attempt WHERE execution = OLD.id; "
        "DELETE FROM payload WHERE execution = OLD.id; END"
    ),
    (
        "CREATE TRIGGER execution_stays_itself BEFORE "
        "UPDATE OF id, key, input_digest ON execution "
        "BEGIN SELECT RAISE(ABORT, 'an execution keeps its key and input'); END"
    ),
    (
        "CREATE TRIGGER execution_stays_final BEFORE UPDATE OF status ON execution "
        "WHEN OLD.status IN ('done', 'failed', 'cancelled') AND NEW.status <> OLD.status "
        "BEGIN SELECT RAISE(ABORT, 'this execution is final'); END"
    ),
    (
        "CREATE TRIGGER session_stays_fenced BEFORE UPDATE OF id, fenced ON session "
        "WHEN OLD.fenced IS NOT NULL OR NEW.id <> OLD.id "
        "BEGIN SELECT RAISE(ABORT, 'a fenced session stays fenced'); END"
    ),
    (
        "CREATE TRIGGER session_stays_known BEFORE DELETE ON session "
        "WHEN OLD.fenced IS NULL "
        "BEGIN SELECT RAISE(ABORT, 'this session is not fenced'); END"
    ),
)
