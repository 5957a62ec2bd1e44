"""`list`, `show`, `log`, `effects`: look at executions beside a running worker, without user code.

Nothing is written. What a view is stands in console/view.py.
"""

from __future__ import annotations

from typing import Any

import click

from ...engine.store import ExecutionRow, Status, Store
from .. import view
from .answers import Refusal, answer, asynchronously, with_db, with_format
from .opening import opened
from .tables import fields, table


@click.command("list")
@click.option("--workflow", metavar="NAME", help="Only executions of this workflow.")
@click.option("--status", type=click.Choice([s.value for s in Status]), help="Only these.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@with_db
@with_format()
def list_(workflow: str | None, status: str | None, limit: int, db: str, format: str) -> None:
    """List executions, the newest first."""

    async def read() -> list[ExecutionRow]:
        async with opened(db) as store:
            return await store.list(workflow=workflow, status=status, limit=limit)

    rows = [view.summary(row) for row in asynchronously(read())]
    names = ("id", "workflow", "version", "status", "created", "updated")
    answer(format, rows, table(names, [[row[name] for name in names] for row in rows]))


@click.command()
@click.argument("id")
@with_db
@with_format()
def show(id: str, db: str, format: str) -> None:
    """Show where an execution stands and what it waits for."""

    async def read() -> view.View:
        async with opened(db) as store:
            return await view.view(store, id)

    seen = asynchronously(read())
    document: dict[str, Any] = {
        **view.summary(seen.row),
        "marking": view.marking(seen.net, seen.state) if seen.net and seen.state else None,
        "waits": view.waits(seen),
        "attempts": view.attempts(seen),
        "doubts": view.doubts(seen),
        "unread": dict(seen.unread),
        **view.ended(seen),
    }
    answer(format, document, _told(document))


def _told(d: dict[str, Any]) -> str:
    owner = f"session {d['owner']}, tenure {d['tenure']}" if d["owner"] else "nobody"
    head = fields(
        [
            ("execution", d["id"]),
            ("workflow", f"{d['workflow']} {d['version']}  (net {d['net'][:12]})"),
            ("status", d["status"]),
            ("created", d["created"]),
            ("updated", d["updated"]),
            ("owner", owner),
            ("wakes at", d["wake_at"]),
            ("recoveries", d["recoveries"] or None),
            ("value", _json(d.get("value"))),
            ("error", _json(d.get("error"))),
            ("why", d.get("why")),
            ("unread", ", ".join(f"{n} on {c}" for c, n in d["unread"].items())),
        ]
    )
    parts = [head]
    if d["marking"] is None:
        parts.append("its net is not stored here, so its marking cannot be told")
    sections = (
        ("marking", ("place", "since", "seq")),
        ("waits", ("place", "for", "since", "due")),
        ("attempts", ("site", "tries", "next", "error")),
        ("doubts", ("site", "effect", "key", "since", "why")),
    )
    for name, columns in sections:
        if d[name]:
            rows = [[line[column] for column in columns] for line in d[name]]
            parts.append(f"{name}:\n{table(columns, rows)}")
    return "\n\n".join(parts)


def _json(value: Any) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else click.format_filename(str(value))


@click.command()
@click.argument("id")
@click.option("--at", "at", type=int, metavar="SEQ", help="Show the marking after this record.")
@with_db
@with_format()
def log(id: str, at: int | None, db: str, format: str) -> None:
    """Show the records of an execution."""
    records, marking = asynchronously(_log(db, id, at))
    columns = ("seq", "at", "tenure", "word", "transition", "says")
    text = table(columns, [[line[column] for column in columns] for line in records])
    if marking is None:
        answer(format, records, text)
        return
    places = table(("place", "since", "seq"), [[m["place"], m["since"], m["seq"]] for m in marking])
    document = {"at": at, "records": records, "marking": marking}
    answer(format, document, f"{text}\n\nmarking after record {at}:\n{places}")


async def _log(
    db: str, id: str, at: int | None
) -> tuple[list[view.Document], list[view.Document] | None]:
    async with opened(db) as store:
        row = await view.required(store, id)
        definition = await view.definition_of(store, row)
        records = await store.log(row.id)
        net = None if definition is None else definition.net
        if at is None:
            return [view.record(net, r) for r in records], None
        if not 0 <= at < len(records):
            raise Refusal(f"--at {at}: {id} has records 0 to {len(records) - 1}")
        if definition is None:
            raise Refusal(f"the net of {id} is not stored here, so its marking cannot be told")
        state = view.state_at(definition, records, at)
        shown = [view.record(net, r) for r in records if r.seq <= at]
        return shown, view.marking(definition.net, state)


@click.command()
@click.argument("id", required=False)
@with_db
@with_format()
def effects(id: str | None, db: str, format: str) -> None:
    """Show the ledger of effects with an intent: of one execution, or of all."""
    rows = asynchronously(_effects(db, id))
    columns = ("id", "site", "effect", "outcome", "decided_by", "key", "evidence")
    answer(format, rows, table(columns, [[line[column] for column in columns] for line in rows]))


async def _effects(db: str, id: str | None) -> list[view.Document]:
    async with opened(db) as store:
        if id is not None:
            row = await view.required(store, id)
            return [view.effect(e, id) for e in await store.effects(row.id)]
        keys = await keys_of(store)
        return [view.effect(e, keys[e.execution]) for e in await store.effects()]


async def keys_of(store: Store) -> dict[int, str]:
    """The ids of all executions by number."""
    return {row.id: row.key for row in await store.list(limit=2**31)}
