"""The tables as SQLAlchemy metadata, the triggers that keep logs append-only, and their revision.

No query lives here. Columns have the names of the fields of the rows in store.py. What a trigger
does, no code path can forget (rule 64); a store reads their presence back when it opens.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

REVISION = 2
metadata = MetaData()

schema = Table("perdure_schema", metadata, Column("revision", Integer, nullable=False))

session = Table(
    "session",
    metadata,
    Column("id", Integer, primary_key=True),  # never used twice
    Column("worker", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Integer, nullable=False),
    Column("beats", Integer, nullable=False),
    Column("suspect", Integer),
    Column("registered", Integer, nullable=False),
    Column("fenced", Integer),  # when; NULL while it may append
    sqlite_autoincrement=True,
)

# What a worker has the code of: others are left alone, and listed as unserved (rule 55).
serving = Table(
    "serving",
    metadata,
    Column("session", Integer, primary_key=True, autoincrement=False),
    Column("net", Text, primary_key=True),
    sqlite_with_rowid=False,
)

execution = Table(
    "execution",
    metadata,
    Column("id", Integer, primary_key=True),  # never used twice
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
    Column("lost", Integer, nullable=False),  # 1: lost by its owner; 2: beside a named suspect
    Column("lost_head", Integer),  # last seq of progress at the last claim of a lost one
    Column("recoveries", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    sqlite_autoincrement=True,
)
_READY = text("status = 'active' AND owner IS NULL AND wake_at IS NOT NULL")
Index("execution_ready", execution.c.wake_at, sqlite_where=_READY)
# With mail: a worker asks which of its executions ever got a message.
Index(
    "execution_owned",
    execution.c.owner,
    execution.c.mail,
    sqlite_where=text("owner IS NOT NULL"),
)

log = Table(
    "log",
    metadata,
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

message = Table(
    "message",
    metadata,
    Column("execution", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("arrived", Integer, nullable=False),
    Column("consumed_at", Integer),
    sqlite_with_rowid=False,
)
Index("message_id", message.c.execution, message.c.id, unique=True)
Index(
    "message_unread",
    message.c.execution,
    message.c.number,
    sqlite_where=text("consumed_at IS NULL"),
)

effect = Table(
    "effect",
    metadata,
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
Index("effect_doubt", effect.c.execution, sqlite_where=text("outcome = 'in-doubt'"))

attempt = Table(
    "attempt",
    metadata,
    Column("execution", Integer, primary_key=True, autoincrement=False),
    Column("site", Text, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("first_at", Integer, nullable=False),
    Column("next_at", Integer, nullable=False),
    Column("error", Text, nullable=False),
    sqlite_with_rowid=False,
)

payload = Table(
    "payload",
    metadata,
    Column("execution", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

definition = Table(
    "definition",
    metadata,
    Column("net", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

_FINAL = "('done', 'failed', 'cancelled')"
_OWNED_BY_EXECUTION = ("log", "message", "effect", "attempt", "payload")

SQLITE_TRIGGERS: dict[str, str] = {
    "log_never_changes": (
        "CREATE TRIGGER log_never_changes BEFORE UPDATE ON log "
        "BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END"
    ),
    "log_goes_with_its_execution": (
        "CREATE TRIGGER log_goes_with_its_execution BEFORE DELETE ON log "
        "WHEN EXISTS (SELECT 1 FROM execution WHERE id = OLD.execution) "
        "BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END"
    ),
    "execution_goes_when_final": (
        "CREATE TRIGGER execution_goes_when_final BEFORE DELETE ON execution "
        f"WHEN OLD.status NOT IN {_FINAL} "
        "BEGIN SELECT RAISE(ABORT, 'this execution is not final'); END"
    ),
    "execution_takes_its_rows": (
        "CREATE TRIGGER execution_takes_its_rows AFTER DELETE ON execution BEGIN "
        + " ".join(f"DELETE FROM {t} WHERE execution = OLD.id;" for t in _OWNED_BY_EXECUTION)
        + " END"
    ),
    "execution_stays_itself": (
        "CREATE TRIGGER execution_stays_itself BEFORE UPDATE OF id, key, input_digest ON execution "
        "BEGIN SELECT RAISE(ABORT, 'an execution keeps its key and input'); END"
    ),
    "execution_stays_final": (
        "CREATE TRIGGER execution_stays_final BEFORE UPDATE OF status ON execution "
        f"WHEN OLD.status IN {_FINAL} AND NEW.status <> OLD.status "
        "BEGIN SELECT RAISE(ABORT, 'this execution is final'); END"
    ),
    "session_stays_fenced": (
        "CREATE TRIGGER session_stays_fenced BEFORE UPDATE OF id, fenced ON session "
        "WHEN OLD.fenced IS NOT NULL OR NEW.id <> OLD.id "
        "BEGIN SELECT RAISE(ABORT, 'a fenced session stays fenced'); END"
    ),
    "session_stays_known": (
        "CREATE TRIGGER session_stays_known BEFORE DELETE ON session WHEN OLD.fenced IS NULL "
        "BEGIN SELECT RAISE(ABORT, 'this session is not fenced'); END"
    ),
}
