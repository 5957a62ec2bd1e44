"""Opening the store of `--db` for one verb, and closing it. Reading rows is not done here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ...engine import schema, sqlite_schema
from ...engine.errors import SchemaMismatch
from ...engine.sqlite import SqliteStore
from .answers import Refusal


def checked_url(db: str) -> str:
    """The URL if it is one this version can use."""
    scheme, found, _ = db.partition(":")
    if found and scheme != "sqlite" and len(scheme) > 1:
        raise Refusal(f"--db {db}: only SQLite stores can be used", "--db sqlite:///FILE")
    return db


@asynccontextmanager
async def opened(db: str, *, create: bool = False) -> AsyncGenerator[SqliteStore]:
    """The store, open; without `create` a missing one is refused (exit 4) and not made."""
    store = SqliteStore(checked_url(db), create=create)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def upgraded(db: str) -> tuple[str, list[int]]:
    """Make the tables where there are none, lead older ones to this revision; path and steps."""
    store = SqliteStore(checked_url(db), create=True)
    try:
        try:
            await store.open()
            return store.path, []
        except SchemaMismatch:
            found = await store.links.read(sqlite_schema.revision)
            if not 0 < found < schema.REVISION:
                raise
        from ...engine.revisions import apply  # loads Alembic, an extra

        async with store.links.write() as link:
            made = apply(link, store.path, found)
        await store.open()
        return store.path, made
    finally:
        await store.close()
