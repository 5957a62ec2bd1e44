"""The desk: what waits for a person, read from the store; a decision is sent, and its fate told.

Whoever decides needs neither the user's code nor the worker that runs the execution. Nothing is
settled here: the owner takes the message, or refuses it (rule 31).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from ..model.marking import wire
from ..model.values.schema import misfit
from . import bodies, kernel
from .bodies import NOTHING, Raw
from .clock import Clock
from .decisions import UNDOS_SHOWN, Decision, verdicts
from .errors import DecisionRefused
from .kernel import Call, Doubt, counter
from .looking import View, view
from .post import DESK, EVIDENCE, mail_counter
from .records import NO_TRANSITION
from .store import MessageRow, Store

LOOK_SECONDS = 0.05
"""How often it is looked whether a decision was taken."""


class Case(NamedTuple):
    """One thing that a person can decide or should know of.

    `kind`: "in-doubt" (an effect of unknown outcome), "undo" (an undo that fails), "unreadable" (a
    message that its receiver cannot read), "alarm" (a call landed after it was settled otherwise).
    """

    kind: str
    site: str  # call site, or channel of a message
    key: str  # effect key, or id of a message
    seq: int  # the record after which it waits
    since: int  # microseconds
    tries: int  # of its probe or undo that settled nothing
    why: str
    verdicts: tuple[str, ...]


class Fate(NamedTuple):
    """What became of a decision: the record that took it, and why it was refused, if it was."""

    seq: int
    refused: str


def cases(seen: View) -> list[Case]:
    """What of an execution waits for a person now; after its end only alarms do."""
    if seen.row.status.final:
        return list(_alarms(seen))
    if seen.definition is None or seen.state is None:
        return []
    return [*_effects(seen), *_unreadable(seen), *_alarms(seen)]


def _effects(seen: View) -> Iterator[Case]:
    assert seen.definition is not None and seen.state is not None
    wiring = wire(seen.definition.net)
    ledger = {e.key: e for e in seen.effects}
    counted = {a.site: a for a in seen.attempts}
    for want in kernel.wants(seen.definition, seen.state, seen.row.key):
        may = verdicts(wiring, want)
        if not may or not isinstance(want, (Call, Doubt)):
            continue
        row = counted.get(counter(want)) if isinstance(want, Call) else None
        tries = row.tries if row else 0
        standing = isinstance(want, Call) and want.entry is not None
        if standing and tries < UNDOS_SHOWN:
            continue  # an undo at its usual work
        known = ledger.get(want.key)
        why = known.evidence if known is not None and not standing else ""
        if row is not None:
            role = "undo" if standing else "probe or undo"
            why = f"{why}; " * bool(why) + f"its {role} failed: {row.error}"
        since = seen.state.marking[want.place].at
        kind = "undo" if standing else "in-doubt"
        yield Case(kind, want.site.name, want.key, want.since, since, tries, why, may)


def _unreadable(seen: View) -> Iterator[Case]:
    counted = {a.site: a for a in seen.attempts}
    for message in seen.mail:
        row = counted.get(mail_counter(message.number))
        if row is not None:
            yield Case("unreadable", message.channel, message.id, 0, message.arrived, row.tries,
                       row.error, ())  # fmt: skip


def _alarms(seen: View) -> Iterator[Case]:
    """Late answers that contradict what was decided: the money may have moved twice (rule 17)."""
    ledger = {e.key: e for e in seen.effects}
    for message in seen.mail:
        said = _said(message) if message.channel == EVIDENCE else None
        effect = ledger.get(said.k) if said is not None else None
        if effect is not None and effect.outcome in ("voided", "undone"):
            why = f"the caller says it landed, after it was {effect.outcome} by {effect.decided_by}"
            yield Case("alarm", effect.site, effect.key, effect.outcome_seq or 0, message.arrived,
                       0, why, ())  # fmt: skip


def _said(message: MessageRow) -> Decision | None:
    try:
        return msgspec.json.decode(message.body, type=Decision)
    except msgspec.MsgspecError:  # some foreign sender's: it says nothing
        return None


async def decide(
    store: Store,
    key: str,
    effect: str,
    verdict: str,
    *,
    value: bytes | None = None,
    by: str,
    reason: str = "",
) -> int:
    """Send a decision about the effect with this key; the number of the message, durable on return.

    Raises `DecisionRefused` for what cannot be said now: another verdict, a value that does not fit
    the step's result, an effect that somebody settled already (with who it was).
    """
    seen = await view(store, key)
    case = next((c for c in cases(seen) if c.key == effect and c.verdicts), None)
    if case is None:
        raise DecisionRefused(key, effect, _settled(seen, effect))
    if verdict not in case.verdicts:
        why = f"{verdict!r} cannot be said of {case.site} now"
        raise DecisionRefused(key, effect, why, f"one of: {', '.join(case.verdicts)}")
    if verdict in ("done", "stand") and not reason.strip():
        raise DecisionRefused(
            key, effect, f"{verdict!r} needs a reason", "say what was done, or why"
        )
    raw = _result(seen, case, key, verdict, value)
    decision = Decision(effect, verdict, Raw(raw) if raw else NOTHING, by, reason, case.seq)
    return await store.send(key, DESK, f"m-{uuid4()}", msgspec.json.encode(decision))


def _result(seen: View, case: Case, key: str, verdict: str, value: bytes | None) -> bytes:
    if verdict != "landed":
        if value is not None:
            raise DecisionRefused(key, case.key, f"a value belongs to 'landed', not to {verdict!r}")
        return b""
    assert seen.definition is not None
    schema = seen.definition.results.get(case.site, {})
    fix = f"give what {case.site} would have returned, as JSON"
    try:
        payload: Any = msgspec.json.decode(value if value is not None else b"null")
    except msgspec.DecodeError as error:
        raise DecisionRefused(key, case.key, f"the value is no JSON: {error}", fix) from error
    wrong = misfit(schema, payload)
    if wrong is not None and value is None:
        raise DecisionRefused(key, case.key, "'landed' needs the result of the call", fix)
    if wrong is not None:
        why = f"the value does not fit the result of {case.site}: {wrong}"
        raise DecisionRefused(key, case.key, why, fix)
    return value if value is not None else b"null"


def _settled(seen: View, effect: str) -> str:
    """Why nothing can be said about an effect: who said it first, or that it is not in doubt."""
    row = next((e for e in seen.effects if e.key == effect), None)
    if row is None:
        return "it has no effect with this key"
    if row.decided_by in ("", "call"):
        return f"{row.site} is not in doubt: {row.outcome}"
    return f"{row.site} was settled before by {row.decided_by}: {row.outcome}"


async def fate(store: Store, key: str, number: int) -> Fate | None:
    """What became of a decision; None while nobody has taken it."""
    seen = await view(store, key)
    message = next((m for m in await store.messages(seen.row.id, number - 1)), None)
    if message is None or message.consumed_at is None:
        return None
    (record, *_) = await store.log(seen.row.id, message.consumed_at - 1)
    body = bodies.decode(record.body)
    if record.transition != NO_TRANSITION or body.by:
        return Fate(record.seq, "")
    return Fate(record.seq, f"{body.why}; {_settled(seen, body.k)}")


async def fate_within(
    store: Store, key: str, number: int, clock: Clock, seconds: float
) -> Fate | None:
    """What became of a decision, as soon as somebody took it; None after so many seconds."""
    end = clock.monotonic() + seconds
    while (told := await fate(store, key, number)) is None and clock.monotonic() < end:
        await clock.sleep(LOOK_SECONDS)
    return told
