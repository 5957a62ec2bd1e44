"""`list`, `show`, `log`, `effects`: look at executions beside a running worker, without user code.

Nothing is written. What a view is stands in console/view.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ...engine.store import ExecutionRow, Store
from .. import view
from ..served import differs, served, unserved
from .answers import Refusal, answer, asynchronously, canonical, note, with_db, with_format
from .filters import Wanted, chosen, with_filters
from .opening import opened
from .tables import answer_rows, fields, table


@click.command("list")
@with_filters
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@with_db
@with_format()
def list_(wanted: Wanted, limit: int, db: str, format: str) -> None:
    """List executions, the newest first.

    \b
    perdure list --status stalled
    perdure list --workflow fulfil_order --place "in doubt charge_card" --older-than 2h
    """

    async def read() -> tuple[list[dict[str, Any]], bool]:
        async with opened(db) as store:
            rows = await chosen(store, wanted, limit + 1)
            return await _summaries(store, rows[:limit]), len(rows) > limit

    rows, more = asynchronously(read())
    names = ("id", "workflow", "version", "status", "created", "updated")
    shown = [{**r, "status": r["status"] + (", unserved" * r["unserved"])} for r in rows]
    lines = [[row[name] for name in names] for row in shown]
    answer_rows(format, rows, names, lines, none="no such executions")
    if more:
        note(f"there are more than these {limit}: --limit, or a filter")


async def _summaries(store: Store, rows: Sequence[ExecutionRow]) -> list[dict[str, Any]]:
    """What is listed of each; the differences once for each net."""
    nets, known = await served(store), dict[str, list[str]]()
    found: list[dict[str, Any]] = []
    for row in rows:
        alone = unserved(row, nets)
        if alone and row.net not in known:
            known[row.net] = await differs(store, row, nets)
        told = known[row.net] if alone else []
        found.append({**view.summary(row), "unserved": alone, "differs": told})
    return found


@click.command()
@click.argument("id")
@with_db
@with_format()
def show(id: str, db: str, format: str) -> None:
    """Show where an execution stands and what it waits for.

    `marking` is its tokens: the place, and since when. `waits` is what each waits for: a message, a
    moment, a call, a person.

    \b
    perdure show order-17
    perdure show order-17 --format json | jq .waits
    """

    async def read() -> tuple[view.View, dict[str, Any]]:
        async with opened(db) as store:
            seen = await view.view(store, id)
            return seen, (await _summaries(store, [seen.row]))[0]

    seen, summary = asynchronously(read())
    document: dict[str, Any] = {
        **summary,
        "marking": view.marking(seen.net, seen.state) if seen.net and seen.state else None,
        "waits": view.waits(seen),
        "attempts": view.attempts(seen),
        "doubts": view.doubts(seen),
        "unread": dict(seen.unread),
        **view.ended(seen),
    }
    answer(format, document, _told(document))


_UNSERVED = ", unserved: no living worker has the code of this net"


def _told(d: dict[str, Any]) -> str:
    owner = f"session {d['owner']}, tenure {d['tenure']}" if d["owner"] else "nobody"
    head = fields(
        [
            ("execution", d["id"]),
            ("workflow", f"{d['workflow']} {d['version']}  (net {d['net'][:12]})"),
            ("status", d["status"] + (_UNSERVED if d["unserved"] else "")),
            ("differs", "; ".join(d["differs"]) or None),
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
    if value is None or isinstance(value, str):
        return value
    return canonical(value).decode()


@click.command()
@click.argument("id")
@click.option("--at", "at", type=int, metavar="SEQ", help="Show the marking after this record.")
@with_db
@with_format()
def log(id: str, at: int | None, db: str, format: str) -> None:
    """Show the records of an execution.

    \b
    perdure log order-17
    perdure log order-17 --at 4
    """
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
            last = len(records) - 1
            raise Refusal(f"--at {at}: {id} has records 0 to {last}", f"--at {last} is the end")
        if definition is None:
            what = f"the net of {id} is not stored here, so its marking cannot be told"
            raise Refusal(what, f"perdure audit --id {id}")
        state = await view.state_at(store, row, definition, records, at)
        shown = [view.record(net, r) for r in records if r.seq <= at]
        return shown, view.marking(definition.net, state)


@click.command()
@click.argument("id", required=False)
@with_db
@with_format()
def effects(id: str | None, db: str, format: str) -> None:
    """Show the ledger of effects with an intent: of one execution, or of all.

    Only compensatable and irreversible steps write an intent.

    \b
    perdure effects order-17
    perdure effects --format json | jq '.[] | select(.outcome == "in-doubt")'
    """
    rows = asynchronously(_effects(db, id))
    columns = ("id", "site", "effect", "outcome", "decided_by", "key", "evidence")
    lines = [[line[column] for column in columns] for line in rows]
    answer_rows(format, rows, columns, lines, none="no effects with an intent")


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
