"""`db`, `doctor`, `explain`: the store's own tables, what is installed, what a code means.

No execution is looked at or touched.
"""

from __future__ import annotations

import platform
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import click

from ..codes import CODES
from ..explaining import documented, explained
from .answers import (
    EXTRAS,
    NO_STORE,
    Refusal,
    answer,
    asynchronously,
    finish,
    installed_version,
    with_db,
    with_format,
)
from .tables import fields

_USES = {
    "rich": "tables in colour",
    "networkx": "structural checks",
    "alembic": "schema migrations",
    "z3": "protocol proofs",
    "hypothesis": "test harness",
}
_NEEDED = ("sqlalchemy", "msgspec", "click")


@click.group()
def db() -> None:
    """Make or check the tables of a store."""


@db.command()
@with_db
@with_format()
def upgrade(db: str, format: str) -> None:
    """Make the tables, or bring them to the revision of this perdure.

    Stop the workers first. One transaction: a step that fails leaves the store as it was.

    \b
    perdure db upgrade --db sqlite:///shop.db
    """
    from ...engine.schema import REVISION
    from .opening import upgraded

    path, made = asynchronously(upgraded(db))
    document = {"path": path, "revision": REVISION, "steps": made}
    how = f", by steps {', '.join(map(str, made))}" if made else ""
    answer(format, document, f"{path} has revision {REVISION}{how}")


@db.command()
@with_db
@with_format()
def current(db: str, format: str) -> None:
    """Say which revision the tables have; exit 4 unless it is the one of this perdure.

    \b
    perdure db current --db sqlite:///shop.db
    """
    from ...engine.schema import REVISION
    from .opening import opened

    async def look() -> str:
        async with opened(db) as store:
            return store.path

    path = asynchronously(look())
    answer(format, {"path": path, "revision": REVISION}, f"{path} has revision {REVISION}")


@click.command()
@with_db
@with_format()
def doctor(db: str, format: str) -> None:
    """Say what is installed and what the store is like; exit 4 if it cannot be used.

    \b
    perdure doctor --db sqlite:///shop.db
    """
    document: dict[str, Any] = {
        "perdure": installed_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: _version(name) for name in _NEEDED},
        "extras": {name: _version(name) if find_spec(name) else None for name in _USES},
        "store": _store(db),
    }
    store = document["store"]
    lines: list[tuple[str, object]] = [
        ("perdure", document["perdure"]),
        ("python", f"{document['python']} ({sys.executable})"),
        ("platform", document["platform"]),
        ("sqlite", document["sqlite"]),
        *document["libraries"].items(),
        *(
            (n, v or f"absent ({_USES[n]}: pip install 'perdure[{EXTRAS[n]}]')")
            for n, v in document["extras"].items()
        ),
        *((f"store {name}", value) for name, value in store.items()),
    ]
    answer(format, document, fields(lines))
    if store["problem"]:
        finish(NO_STORE)


def _version(name: str) -> str:
    try:
        return version({"z3": "z3-solver"}.get(name, name))
    except PackageNotFoundError:
        return "unknown"


def _store(db: str) -> dict[str, Any]:
    """The settings the store really has, and what is wrong with it; a missing one is no problem."""
    from ...engine.errors import NoStore
    from ...model.errors import PlatformError
    from ..served import told
    from .opening import opened

    async def look() -> dict[str, Any]:
        async with opened(db) as store:
            link = store.links.link("reader")
            settings = {
                name: link.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous")
            }
            counts = dict(link.rows("SELECT status, count(*) FROM execution GROUP BY status"))
            sessions = [f"{s.id} ({s.identity.worker})" for s in await store.sessions()]
            return {
                "path": store.path,
                "journal_mode": settings["journal_mode"],
                "synchronous": {1: "NORMAL", 2: "FULL", 3: "EXTRA"}.get(settings["synchronous"]),
                "weak": store.weak,
                "sessions": ", ".join(sessions),
                "executions": ", ".join(f"{n} {status}" for status, n in sorted(counts.items())),
                "unserved": await told(store),
                "problem": "; ".join(await store.damage()),
            }

    try:
        return asynchronously(look())
    except NoStore as error:
        return {"path": error.path, "says": f"none yet: {error.why}", "problem": ""}
    except (PlatformError, sqlite3.Error) as error:
        return {"path": db, "problem": str(error)}


@click.command()
@click.argument("code", required=False)
@with_format()
def explain(code: str | None, format: str) -> None:
    """Explain an error code; without one, list them all.

    \b
    perdure explain PD301
    """
    if code is None:
        listing = {name: page.says for name, page in CODES.items()}
        answer(format, listing, fields(list(listing.items())))
        return
    name = f"PD{code}" if code.isdecimal() else code.upper()
    if name not in CODES:
        raise Refusal(f"there is no code {code}", "`perdure explain` lists them")
    answer(format, documented(name), explained(name))
