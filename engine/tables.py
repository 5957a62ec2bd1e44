"""The tables as SQLAlchemy metadata: loaded where they are made, and nowhere else.

No query lives here. Columns have the names of the fields of the rows in store.py. What a store of
this revision holds besides is in schema.py.
"""

from __future__ import annotations

import functools

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

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


@functools.cache
def sqlite_statements() -> tuple[str, ...]:
    """What makes all tables with their indexes in an SQLite database."""
    made = [
        step
        for table in metadata.sorted_tables
        for step in (CreateTable(table), *map(CreateIndex, sorted(table.indexes, key=_name)))
    ]
    return tuple(str(step.compile(dialect=sqlite.dialect())) for step in made)


def _name(index: Index) -> str:
    return str(index.name)
