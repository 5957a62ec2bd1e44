"""SQLAlchemy's connections over those that a store has: for the author's statements, for making the
tables and for changing them.

Loaded when the first of these is asked for. It costs more to load than all the rest of a worker,
and most processes that look into a store never need it. No connection is opened here.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool


class Cores:
    """Makes them, and keeps the statements that were compiled for them."""

    def __init__(self) -> None:
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: self._driver,
            poolclass=NullPool,
            # They begin and end in the middle of transactions, which are ours. (The driver begins
            # none by itself; to say AUTOCOMMIT here as well would make it commit.)
            skip_autocommit_rollback=True,
        )

    def over(self, driver: sqlite3.Connection) -> Connection:
        """SQLAlchemy's view of a connection, in whatever transaction that is; closing ends both."""
        self._driver = driver
        return self._engine.connect()
