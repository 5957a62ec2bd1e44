"""`desk`: what waits for a human, and the verb by which one decides.

A decision is a message; the owner of the execution writes it into the log with who decided. No
doubt is settled here.
"""

from __future__ import annotations

from typing import cast

import click

from ...engine.clock import SystemClock
from ...engine.decisions import VERDICTS
from ...engine.desk import Case, cases, fate_within
from ...engine.desk import decide as send
from ...engine.errors import DecisionRefused
from ...engine.post import EVIDENCE
from ...engine.store import Store
from .. import view
from .answers import (
    DOES_NOT_HOLD,
    Refusal,
    answer,
    asynchronously,
    canonical,
    read_json,
    with_db,
    with_format,
)
from .opening import opened
from .operating import Told, user
from .tables import answer_rows


@click.group(invoke_without_command=True)
@with_db
@with_format()
@click.pass_context
def desk(ctx: click.Context, db: str, format: str) -> None:
    """List and decide what waits for a human.

    Effects in doubt, undos that fail, stalled executions, messages that cannot be read, and alarms:
    calls that landed after it was decided that they had not.

    \b
    perdure desk
    perdure desk decide order-17 landed --value '{"id": "ch_9"}' --reason 'seen at the bank'
    """
    if ctx.invoked_subcommand is not None:
        return
    items = asynchronously(_items(db))
    columns = ("id", "workflow", "kind", "site", "since", "key", "why", "verdicts")
    lines = [[_cell(line.get(c)) for c in columns] for line in items]
    answer_rows(format, items, columns, lines, none="nothing waits for a person")


def _cell(value: object) -> object:
    return ", ".join(cast("list[str]", value)) if isinstance(value, list) else value


async def _items(db: str) -> list[view.Document]:
    async with opened(db) as store:
        doubted = {e.execution for e in await store.effects() if e.outcome == "in-doubt"}
        found: list[view.Document] = []
        for row in await store.list(status="active", limit=2**31):
            # Folding a log is dear: only where something can be waiting for a person.
            if row.id in doubted or row.mail or await store.attempts(row.id):
                found += await _of(store, row.key)
        for row in await store.list(status="stalled", limit=2**31):
            found += [await _stalled(store, row.key), *await _of(store, row.key)]
        for key in await store.unread(EVIDENCE):
            row = await store.find(key)
            if row is not None and row.status.final:  # ended, and a late answer contradicts it
                found += await _of(store, key)
        return found


async def _of(store: Store, key: str) -> list[view.Document]:
    seen = await view.view(store, key)
    return [
        {
            "kind": case.kind,
            "id": key,
            "workflow": seen.row.workflow,
            "site": case.site,
            "key": case.key,
            "since": view.when(case.since),
            "seq": case.seq,
            "tries": case.tries,
            "why": case.why,
            "verdicts": list(case.verdicts),
        }
        for case in cases(seen)
    ]


async def _stalled(store: Store, key: str) -> view.Document:
    seen = await view.view(store, key)
    why = str(view.ended(seen).get("why", "")).strip().rsplit("\n", 1)[-1]
    return {
        "kind": "stalled",
        "id": key,
        "workflow": seen.row.workflow,
        "since": view.when(seen.row.updated),
        "why": why,
    }


@desk.command()
@click.argument("id")
@click.argument("verdict", type=click.Choice(VERDICTS))
@click.option("--effect", metavar="SITE_OR_KEY", help="Which effect, where several are open.")
@click.option("--value", metavar="JSON", help="With landed: what the step would have returned.")
@click.option("--by", metavar="NAME", help="Who decides; the user of this terminal if absent.")
@click.option(
    "--reason", required=True, type=Told(), metavar="TEXT", help="Evidence or reason, for the log."
)
@click.option(
    "--wait",
    default=2.0,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long to wait until a worker takes it.",
    show_default=True,
)
@with_db
@with_format()
def decide(
    id: str,
    verdict: str,
    effect: str | None,
    value: str | None,
    by: str | None,
    reason: str,
    wait: float,
    db: str,
    format: str,
) -> None:
    """Decide what waits for a human.

    An effect in doubt: landed (with --value) or voided; probe asks the probe again. Say voided only
    when the receiver refuses the old attempt from now on: a request that is still under way would
    otherwise land beside the new one. An undo that fails: done (by hand; the reason is the
    evidence), stand (it is left standing), retry. The first decision counts; exit 1 when another
    was first.

    \b
    perdure desk decide order-17 voided --reason 'the bank has closed the key'
    perdure desk decide order-17 probe --effect charge_card --reason 'the bank is back'
    """
    raw = None if value is None else canonical(read_json(value, "--value"))
    document = asynchronously(_decide(db, id, verdict, effect, raw, by or user(), reason, wait))
    text = f"{document['site']} of {id} is told {verdict}: message {document['message']}"
    if not document["taken"]:
        text += ", which a worker has not taken yet"
    answer(format, document, text)


async def _decide(
    db: str,
    id: str,
    verdict: str,
    effect: str | None,
    value: bytes | None,
    by: str,
    reason: str,
    wait: float,
) -> view.Document:
    async with opened(db) as store:
        seen = await view.view(store, id)
        if seen.definition is None or seen.state is None:
            raise Refusal(f"the net of {id} is not stored here", f"perdure audit --id {id}")
        case = _chosen(seen, verdict, effect)
        number = await send(store, id, case.key, verdict, value=value, by=by, reason=reason)
        told = await fate_within(store, id, number, SystemClock(), wait)
        if told is not None and told.refused:
            raise _late(id, case.key, told.refused)
        return {
            "id": id,
            "site": case.site,
            "key": case.key,
            "verdict": verdict,
            "by": by,
            "message": number,
            "taken": told is not None,
        }


def _chosen(seen: view.View, verdict: str, effect: str | None) -> Case:
    """The one effect that the verdict can be about."""
    id, found = seen.row.key, [c for c in cases(seen) if verdict in c.verdicts]
    chosen = [c for c in found if effect in (None, c.site, c.key)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"{c.site} ({c.key})" for c in found) or "none"
    if chosen:
        said = f"{verdict!r} could be about several effects of {id}"
        raise Refusal(said, f"--effect one of: {names}")
    settled = next((e for e in seen.effects if effect in (e.site, e.key) and e.decided_by), None)
    if settled is not None:
        said = f"{settled.site} was settled by {settled.decided_by}: {settled.outcome}"
        raise _late(id, settled.key, said)
    about = f"{effect!r} of {id}" if effect else f"an effect of {id}"
    raise Refusal(f"{verdict!r} cannot be said of {about} now", f"open are: {names}")


def _late(id: str, key: str, why: str) -> Refusal:
    """Another was first: what was asked for does not hold."""
    refused = DecisionRefused(id, key, why)
    return Refusal(str(refused), "", code=refused.code, exit=DOES_NOT_HOLD)
