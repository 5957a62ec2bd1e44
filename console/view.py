"""Where an execution stands, read from the store alone: marking, waits, attempts, doubts.

The stored net and the records say it; no user code is loaded, nothing is written, and a worker
that runs the execution is not asked. How it is shown stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from ..engine import bodies, kernel
from ..engine.bodies import Body
from ..engine.definitions import Definition
from ..engine.kernel import State, Wait
from ..engine.loading import fold, resolve
from ..engine.looking import View, definition_of, required, view
from ..engine.records import NO_TRANSITION, Kind, Record
from ..engine.store import EffectRow, ExecutionRow, Store
from ..engine.stored import Stored, stored
from ..model.marking import Entry, Token
from ..model.net import Net, PlaceKind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_WORK = {
    PlaceKind.BEFORE: "its call, which may be running",
    PlaceKind.DURING: "the outcome of its call",
    PlaceKind.AFTER: "its outcome to be durable",
    PlaceKind.UNDOING: "an undo",
    PlaceKind.START: "a worker",
}

Document = dict[str, Any]


async def state_at(
    store: Store, row: ExecutionRow, definition: Definition, records: Sequence[Record], seq: int
) -> State:
    """The state after record `seq`."""
    state = fold(definition, None, [r for r in records if r.seq <= seq], stored)
    return await resolve(store, row.id, state, stored)


# --- as documents -------------------------------------------------------------------------------


def when(at: int | None) -> str | None:
    """A time of the store as ISO 8601 in UTC."""
    if at is None:
        return None
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="milliseconds")[:-6] + "Z"


def summary(row: ExecutionRow) -> Document:
    """What the row says."""
    return {
        "id": row.key,
        "workflow": row.workflow,
        "version": row.version,
        "net": row.net,
        "status": row.status.value,
        "created": when(row.created),
        "updated": when(row.updated),
        "owner": row.owner,
        "tenure": row.tenure,
        "recoveries": row.recoveries,
        "wake_at": when(row.wake_at),
    }


def marking(net: Net, state: State) -> list[Document]:
    """Each token: its place, since when, and its variables as JSON."""
    found = sorted(state.marking.items(), key=lambda item: (item[1].seq, item[0]))
    return [_token(net, place, token) for place, token in found]


def _token(net: Net, place: int, token: Token) -> Document:
    told = net.places[place]
    frame: Document = {}
    for name, value in token.frame.items():
        frame[name] = (
            [_entry(e) for e in cast("tuple[Any, ...]", value)]
            if isinstance(value, tuple)
            else _json(value)
        )
    return {
        "place": told.name,
        "kind": told.kind.value,
        "since": when(token.at),
        "seq": token.seq,
        "frame": frame,
    }


def _entry(entry: Entry) -> Document:
    result = None if entry.result is None else _json(entry.result)
    return {"undo": entry.site, "key": entry.key, "seq": entry.seq, "result": result}


def _json(value: Stored) -> Any:
    return value.json()


def waits(seen: View) -> list[Document]:
    """What each token waits for and since when: messages, moments, calls, people."""
    if seen.definition is None or seen.state is None or seen.row.status.final:
        return []
    net = seen.definition.net
    found: list[Document] = []
    for want in kernel.wants(seen.definition, seen.state, seen.row.key):
        if isinstance(want, Wait):
            token = seen.state.marking[want.place]
            what = f"signal {want.channel}" if want.channel else f"timer {want.site.target}"
            due = when(want.due) if want.due else None
            place = net.places[want.place].name
            found.append({"for": what, "place": place, "since": when(token.at), "due": due})
    for place, token in sorted(seen.state.marking.items()):
        told = net.places[place]
        if told.kind in _AT_WORK:
            found.append(_wait(_AT_WORK[told.kind], told.name, token))
        elif told.kind is PlaceKind.DOUBT:
            asked = "its probe, else " if net.site[told.site].probe else ""
            found.append(_wait(f"{asked}a person (perdure desk)", told.name, token))
    return found


def _wait(what: str, place: str, token: Token) -> Document:
    return {"for": what, "place": place, "since": when(token.at), "due": None}


def doubts(seen: View) -> list[Document]:
    """The effects in doubt: which, since when, why, and what may be said about them."""
    if seen.definition is None or seen.state is None:
        return []
    since = {e.key: seen.state.intents.get(e.site) for e in seen.effects}
    found: list[Document] = []
    for effect in seen.effects:
        if effect.outcome == "in-doubt":
            opened = since[effect.key]
            found.append(
                {
                    "id": seen.row.key,
                    "workflow": seen.row.workflow,
                    "site": effect.site,
                    "effect": effect.effect,
                    "key": effect.key,
                    "since": when(opened.at) if opened else None,
                    "why": effect.evidence,
                    "probe": seen.definition.net.site[effect.site].probe,
                }
            )
    return found


def attempts(seen: View) -> list[Document]:
    """The retry counters."""
    return [
        {
            "site": a.site,
            "tries": a.tries,
            "first": when(a.first_at),
            "next": when(a.next_at),
            "error": a.error,
        }
        for a in seen.attempts
    ]


def effect(row: EffectRow, key: str) -> Document:
    """A line of the ledger."""
    return {
        "id": key,
        "site": row.site,
        "effect": row.effect,
        "key": row.key,
        "intent_seq": row.intent_seq,
        "outcome": row.outcome,
        "outcome_seq": row.outcome_seq,
        "decided_by": row.decided_by,
        "evidence": row.evidence,
    }


def record(net: Net | None, made: Record) -> Document:
    """A record in the words of the log; `body` is what is stored, absent fields left out."""
    body = bodies.decode(made.body)
    transition = None
    if made.transition != NO_TRANSITION:
        known = net is not None and made.transition < len(net.transitions)
        transition = net.transitions[made.transition].name if net and known else made.transition
    return {
        "seq": made.seq,
        "at": when(made.at),
        "tenure": made.tenure,
        "word": made.kind.word,
        "transition": transition,
        "says": says(body),
        "body": Stored(made.body).json(),
        "hash": made.hash.hex(),
    }


def says(body: Body) -> str:
    """The fields that people ask for, in one line."""
    parts = [
        f"workflow {body.w} {body.v}" if body.w else "",
        f"session {body.s}" if body.s else "",
        f"message {body.m}" if body.m else "",
        f"attempts {body.n}" if body.n else "",
        f"key {body.k[:8]}" if body.k else "",
        f"by {body.by}" if body.by else "",
        body.status,
        f"value {_short(body.r)}" if bytes(body.r) else "",
        f"error {_short(body.e)}" if bytes(body.e) else "",
        *(f"{field} in payload {digest[:8]}" for field, digest in body.x.items()),
        body.why.strip().rsplit("\n", 1)[-1],
    ]
    return ", ".join(part for part in parts if part)


def ended(seen: View) -> Document:
    """How it ended: value, error or reason of the last record that says so."""
    if seen.last is None or seen.last.kind not in (Kind.FINISHED, Kind.STALLED):
        return {}
    body = seen.told
    found: Document = {}
    if bytes(body.r):
        found["value"] = Stored(bytes(body.r)).json()
    if bytes(body.e):
        found["error"] = Stored(bytes(body.e)).json()
    if body.why:
        found["why"] = body.why
    return found


def _short(raw: bytes) -> str:
    text = bytes(raw).decode()
    return text if len(text) <= 60 else text[:59] + "…"


__all__ = [
    "Document",
    "View",
    "attempts",
    "definition_of",
    "doubts",
    "effect",
    "ended",
    "marking",
    "record",
    "required",
    "says",
    "state_at",
    "summary",
    "view",
    "waits",
    "when",
]
