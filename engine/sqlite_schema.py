"""Making the tables in an empty SQLite database, and reading back that they are whole.

Nothing is upgraded here: another revision is refused (rule 75), a missing trigger too (rule 64).
An older store is led to this revision by revisions/, when `perdure db upgrade` is asked to.
"""

from __future__ import annotations

from .errors import SchemaMismatch
from .schema import REVISION, SQLITE_TRIGGERS, TABLES
from .sqlite_link import Link


def create(link: Link, path: str) -> None:
    """Create tables and triggers inside the open transaction unless another process just did."""
    names = {name for (name,) in link.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "perdure_schema" in names:
        return
    taken = sorted(names & TABLES)
    if taken:
        raise SchemaMismatch(path, f"a table {taken[0]} of someone else", "a file without it")
    from .tables import sqlite_statements  # loads SQLAlchemy

    for statement in (*sqlite_statements(), *SQLITE_TRIGGERS.values()):
        link.run(statement)
    link.run("INSERT INTO perdure_schema (revision) VALUES (?)", (REVISION,))


def is_empty(link: Link) -> bool:
    """No schema of ours has been made here yet."""
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'perdure_schema'"
    return not link.rows(sql)


def revision(link: Link) -> int:
    """The revision that the tables say they have; 0: none of ours, or they do not say."""
    if is_empty(link):
        return 0
    rows = link.rows("SELECT revision FROM perdure_schema")
    return rows[0][0] if len(rows) == 1 else 0


def check(link: Link, path: str) -> None:
    """Raise SchemaMismatch unless revision, tables and triggers are those of this code."""
    revisions = [revision for (revision,) in link.rows("SELECT revision FROM perdure_schema")]
    if revisions != [REVISION]:
        found = f"schema revision {', '.join(map(str, revisions)) or 'none'}"
        if max(revisions, default=0) > REVISION:
            found += ", which is newer"
        raise SchemaMismatch(path, found, f"revision {REVISION}")
    stored = dict(link.rows("SELECT name, sql FROM sqlite_master"))
    for table in sorted(TABLES):
        if table not in stored:
            raise SchemaMismatch(path, f"no table {table}", f"revision {REVISION}, whole")
    for name, sql in SQLITE_TRIGGERS.items():
        if stored.get(name) != sql:
            how = "another" if name in stored else "no"
            raise SchemaMismatch(path, f"{how} trigger {name}", f"revision {REVISION}, whole")
