"""`desk`: what waits for a human, and the verb by which one decides.

A decision is a message; the owner of the execution writes it into the log with who decided. No
doubt is settled here.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import click
import msgspec

from ...engine import kernel
from ...engine.bodies import NOTHING, Raw
from ...engine.definitions import Definition
from ...engine.kernel import Call, Doubt
from ...engine.post import DESK, Decision
from ...engine.store import Store
from ...model.marking import wire
from ...model.net import TransitionKind
from ...model.values.schema import misfit
from .. import view
from .answers import Refusal, answer, asynchronously, canonical, read_json, with_db, with_format
from .looking import keys_of
from .opening import opened
from .operating import shown, user
from .tables import answer_rows

VERDICTS = {
    "landed": TransitionKind.SETTLED,
    "voided": TransitionKind.VOIDED,
    "undone": TransitionKind.UNDO,
}


@click.group(invoke_without_command=True)
@with_db
@with_format()
@click.pass_context
def desk(ctx: click.Context, db: str, format: str) -> None:
    """List and decide what waits for a human: effects in doubt, stalled executions.

    \b
    perdure desk
    perdure desk decide order-17 landed --value '{"id": "ch_9"}' --reason 'seen at the bank'
    """
    if ctx.invoked_subcommand is not None:
        return
    items = asynchronously(_items(db))
    columns = ("id", "workflow", "kind", "site", "since", "key", "why")
    lines = [[line.get(c) for c in columns] for line in items]
    answer_rows(format, items, columns, lines, none="nothing waits for a person")


async def _items(db: str) -> list[view.Document]:
    async with opened(db) as store:
        keys = await keys_of(store)
        doubted = {e.execution for e in await store.effects() if e.outcome == "in-doubt"}
        found: list[view.Document] = []
        for execution in sorted(doubted):
            seen = await view.view(store, keys[execution])
            if not seen.row.status.final:
                found += [{"kind": "in-doubt", **line} for line in view.doubts(seen)]
        for row in await store.list(status="stalled", limit=2**31):
            found.append(await _stalled(store, row.key))
        return found


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
@click.argument("verdict", type=click.Choice([*VERDICTS, "probe"]))
@click.option("--effect", metavar="SITE_OR_KEY", help="Which effect, where several are open.")
@click.option("--value", metavar="JSON", help="With landed: what the step would have returned.")
@click.option("--by", metavar="NAME", help="Who decides; the user of this terminal if absent.")
@click.option("--reason", required=True, metavar="TEXT", help="Kept in the log.")
@with_db
@with_format()
def decide(
    id: str,
    verdict: str,
    effect: str | None,
    value: str | None,
    by: str | None,
    reason: str,
    db: str,
    format: str,
) -> None:
    """Decide an effect: landed, voided, undone by hand, or ask the probe again.

    Say voided only when the receiver refuses the old attempt from now on: a request that is still
    under way would otherwise land beside the new one.

    \b
    perdure desk decide order-17 voided --reason 'the bank has closed the key'
    perdure desk decide order-17 probe --effect charge_card --reason 'the bank is back'
    """
    payload = None if value is None else read_json(value, "--value")
    given = value is not None
    document = asynchronously(
        _decide(db, id, verdict, effect, (given, payload), by or user(), reason)
    )
    text = f"{document['site']} of {id} is told {verdict}: message {document['message']}"
    answer(format, document, text)


async def _decide(
    db: str,
    id: str,
    verdict: str,
    effect: str | None,
    value: tuple[bool, Any],
    by: str,
    reason: str,
) -> view.Document:
    async with opened(db) as store:
        seen = await view.view(store, id)
        if seen.definition is None or seen.state is None:
            raise Refusal(f"the net of {id} is not stored here", f"perdure audit --id {id}")
        want = _chosen(id, _open(seen, verdict), verdict, effect)
        raw = _value(seen.definition, want, verdict, *value)
        decision = Decision(want.key, verdict, Raw(raw) if raw else NOTHING, by, reason)
        number = await store.send(id, DESK, f"m-{uuid4()}", msgspec.json.encode(decision))
        return {
            "id": id,
            "site": want.site.name,
            "key": want.key,
            "verdict": verdict,
            "by": by,
            "message": number,
        }


def _open(seen: view.View, verdict: str) -> list[Call | Doubt]:
    """What this verdict can be about now."""
    assert seen.definition is not None and seen.state is not None
    wiring = wire(seen.definition.net)
    found: list[Call | Doubt] = []
    for want in kernel.wants(seen.definition, seen.state, seen.row.key):
        if not isinstance(want, (Call, Doubt)) or getattr(want, "role", "") == "step":
            continue
        if verdict == "probe":
            fits = isinstance(want, Call) and want.role == "probe"
        else:
            transitions = wiring.by_kind.get((want.place, VERDICTS[verdict]), ())
            fits = any(wiring.net.transitions[t].site == want.site.name for t in transitions)
        if fits:
            found.append(want)
    return found


def _chosen(id: str, found: list[Call | Doubt], verdict: str, effect: str | None) -> Call | Doubt:
    chosen = [w for w in found if effect in (None, w.site.name, w.key)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"{w.site.name} ({w.key})" for w in found) or "none"
    about = f"{effect!r} of {id}" if effect else f"an effect of {id}"
    if not chosen:
        raise Refusal(f"{verdict!r} cannot be said of {about} now", f"open are: {names}")
    raise Refusal(
        f"{verdict!r} could be about several effects of {id}", f"--effect one of: {names}"
    )


def _value(
    definition: Definition, want: Call | Doubt, verdict: str, given: bool, payload: Any
) -> bytes:
    if verdict != "landed":
        if given:
            raise Refusal(f"--value belongs to landed, not to {verdict}", "leave it out")
        return b""
    schema = definition.results.get(want.site.name, {})
    wrong = misfit(schema, payload)
    if not given and wrong is not None:
        fix = f"--value with what {want.site.name} would have returned, as JSON"
        raise Refusal("landed needs the result of the call", fix)
    if wrong is not None:
        what = f"--value does not fit the result of {want.site.name}: {wrong}"
        raise Refusal(what, f"what it returns has the schema {shown(schema)}")
    return canonical(payload)
