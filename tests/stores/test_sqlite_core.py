"""SQLAlchemy's connection over ours: one connection, two ways to it, one transaction."""

from __future__ import annotations

from pathlib import Path

import pytest
from perdure.engine.sqlite import SqliteStore
from sqlalchemy import text


@pytest.mark.parametrize("first", [True, False])
async def test_sqlalchemy_over_our_connection_neither_begins_nor_ends_a_transaction(
    tmp_path: Path, first: bool
) -> None:
    """Its connection is made when somebody asks for it, here in the middle of ours; what it wrote
    is committed or rolled back with what we wrote, also where all connections are closed."""
    store = SqliteStore(tmp_path / "core.db")
    await store.open()
    if first:  # by now it has looked at the database
        store.links.link("writer").core.execute(text("SELECT 1"))
    with pytest.raises(ZeroDivisionError):
        async with store.links.write() as link:
            link.run("CREATE TABLE mine (a INTEGER)")
            link.core.execute(text("INSERT INTO mine VALUES (1)"))
            assert link.driver.in_transaction
            raise ZeroDivisionError
    async with store.links.write() as link:
        assert link.rows("SELECT count(*) FROM sqlite_master WHERE name = 'mine'") == [(0,)]
        link.run("CREATE TABLE mine (a INTEGER)")
        link.core.execute(text("INSERT INTO mine VALUES (1)"))
    store.links.link("writer").run("BEGIN IMMEDIATE")
    store.links.link("writer").core.execute(text("INSERT INTO mine VALUES (2)"))
    store.links.close()
    assert store.links.link("writer").core.scalar(text("SELECT sum(a) FROM mine")) == 1
    await store.close()
