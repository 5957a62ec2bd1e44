"""`list`, `show`, `log`, `effects`: look at executions beside a running worker, without user code.

Nothing is written. What a view is stands in console/view.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import click

from ...engine.store import ExecutionRow, Status, Store
from .. import view
from ..served import differs, served, unserved
from .answers import Refusal, answer, asynchronously, canonical, with_db, with_format
from .opening import opened
from .tables import answer_rows, fields, table


class Age(click.ParamType[timedelta]):
    """A length of time as people write it: 90s, 15m, 2h, 3d."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read it, or say how it is written."""
        found = re.fullmatch(r"(\d{1,9})([smhd])", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no age; write 90s, 15m, 2h or 3d", param, ctx)
        units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
        return timedelta(**{units[found[2]]: int(found[1])})


class Wanted(NamedTuple):
    """What `list` is asked for beside workflow and status; None: anything."""

    version: int | None
    place: str | None
    older: timedelta | None
    newer: timedelta | None

    @property
    def any(self) -> bool:
        """Whether something is asked for, so that all rows have to be looked at."""
        return any(each is not None for each in self)


@click.command("list")
@click.option("--workflow", metavar="NAME", help="Only executions of this workflow.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="Only of this version of it.")
@click.option("--status", type=click.Choice([s.value for s in Status]), help="Only these.")
@click.option("--place", metavar="NAME", help="Only those with a token there, as `show` names it.")
@click.option("--older-than", type=Age(), metavar="AGE", help="Only those started before: 90s, 2h.")
@click.option("--newer-than", type=Age(), metavar="AGE", help="Only those started since: 15m, 3d.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@with_db
@with_format()
def list_(
    workflow: str | None,
    version: int | None,
    status: str | None,
    place: str | None,
    older_than: timedelta | None,
    newer_than: timedelta | None,
    limit: int,
    db: str,
    format: str,
) -> None:
    """List executions, the newest first.

    \b
    perdure list --status stalled
    perdure list --workflow fulfil_order --place "in doubt charge_card" --older-than 2h
    """
    wanted = Wanted(version, place, older_than, newer_than)

    async def read() -> list[dict[str, Any]]:
        async with opened(db) as store:
            if wanted.any:
                rows = await store.list(workflow=workflow, status=status, limit=2**31)
                rows = await _chosen(store, rows, wanted, limit)
            else:
                rows = await store.list(workflow=workflow, status=status, limit=limit)
            return await _summaries(store, rows)

    rows = asynchronously(read())
    names = ("id", "workflow", "version", "status", "created", "updated")
    shown = [{**r, "status": r["status"] + (", unserved" * r["unserved"])} for r in rows]
    lines = [[row[name] for name in names] for row in shown]
    answer_rows(format, rows, names, lines, none="no such executions")


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


async def _chosen(
    store: Store, rows: Sequence[ExecutionRow], wanted: Wanted, limit: int
) -> list[ExecutionRow]:
    """The rows that are as wanted, at most `limit`; the marking is read last, being the dearest."""
    chosen: list[ExecutionRow] = []
    now = store.now()
    for row in rows:
        age = timedelta(microseconds=now - row.created)
        fits = wanted.version in (None, row.version)
        fits &= wanted.older is None or age > wanted.older
        fits &= wanted.newer is None or age < wanted.newer
        if fits and (wanted.place is None or await _stands(store, row.key, wanted.place)):
            chosen.append(row)
            if len(chosen) == limit:
                break
    return chosen


async def _stands(store: Store, key: str, place: str) -> bool:
    seen = await view.view(store, key)
    if seen.net is None or seen.state is None:
        return False
    return any(seen.net.places[p].name == place for p in seen.state.marking)


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
