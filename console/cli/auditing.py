"""`audit`: judge stored histories, say what is wrong. No judge is here: see console/audits.py."""

from __future__ import annotations

from typing import Any

import click

from ...engine.audit import Audited
from ...engine.store import ExecutionRow, Store
from .. import view
from ..audits import audit as judged
from .answers import DOES_NOT_HOLD, answer, asynchronously, finish, watched, with_db, with_format
from .opening import opened
from .tables import table

FINE = "chains whole, every firing legal, every log a run of the protocol"


@click.command()
@click.option("--id", "ids", metavar="ID", multiple=True, help="Only this execution; repeats.")
@with_db
@with_format()
def audit(ids: tuple[str, ...], db: str, format: str) -> None:
    """Verify stored histories: hash chain, legal firings of the net, messages, ledger; and each log
    as a run of the protocol that `perdure prove` proves.

    Without --id also the file itself, page by page. No user code is loaded and nothing is repaired.
    Records cut off at the end without a trace in row, messages or ledger cannot be missed.

    \b
    perdure audit
    perdure audit --id order-17 --format json
    """
    found, damage = asynchronously(_audit(db, ids))
    problems: list[dict[str, Any]] = [
        {"id": None, "kind": "file", "seq": None, "says": each} for each in damage
    ]
    problems += [
        {"id": each.key, "kind": p.kind, "seq": p.seq, "says": p.says}
        for each in found
        for p in each.problems
    ]
    document = {
        "verdict": "violated" if problems else "holds",
        "executions": len(found),
        "records": sum(each.record_count for each in found),
        "problems": problems,
    }
    columns = ("id", "kind", "seq", "says")
    histories = "1 history" if len(found) == 1 else f"{len(found)} histories"
    told = f"{histories} with {document['records']} records: "
    told += f"problems: {len(problems)}" if problems else FINE
    rows = table(columns, [[p[c] for c in columns] for p in problems])
    answer(format, document, f"{rows}\n\n{told}" if problems else told)
    if problems:
        finish(DOES_NOT_HOLD)


async def _audit(db: str, ids: tuple[str, ...]) -> tuple[list[Audited], list[str]]:
    """The judgements, and what is wrong with the file that they were read from."""
    async with opened(db) as store:
        rows = await _rows(store, ids)
        found = [await judged(store, row) for row in watched(rows, "auditing")]
        return found, [] if ids else await store.damage()


async def _rows(store: Store, ids: tuple[str, ...]) -> list[ExecutionRow]:
    if ids:
        return [await view.required(store, id) for id in ids]
    return list(reversed(await store.list(limit=2**31)))
