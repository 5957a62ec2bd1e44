"""Revision 2: which session has the code of which net. Written out, and never changes."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, Integer, Text


def upgrade(op: Operations) -> None:
    """Add the table that workers tell their nets in; it fills as they register."""
    op.create_table(
        "serving",
        Column("session", Integer, primary_key=True, autoincrement=False),
        Column("net", Text, primary_key=True),
        sqlite_with_rowid=False,
    )
