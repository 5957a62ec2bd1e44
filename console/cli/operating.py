"""`signal`, `cancel`, `resume`, `wait`: operate executions beside the workers that run them.

What is sent is a message in its inbox; only its owner writes its log. No user code is loaded: the
payload is checked against the schema stored with the definition.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from uuid import uuid4

import click
import msgspec

from ...engine.post import CANCEL, Wish
from ...engine.store import Status, Store
from ...model.errors import ExecutionFinished
from ...model.values.schema import misfit
from .. import view
from .answers import (
    DOES_NOT_HOLD,
    INCONCLUSIVE,
    Refusal,
    answer,
    asynchronously,
    canonical,
    finish,
    note,
    read_json,
    watched,
    with_db,
    with_format,
)
from .filters import Wanted, chosen, with_filters
from .layout import visible
from .opening import opened

POLL_SECONDS = 0.05


def user() -> str:
    """Who sits at this terminal, as far as the system says."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def shown(schema: object) -> str:
    """A schema for a message: short enough to read."""
    text = json.dumps(schema, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:299]}…"


@click.command()
@click.argument("id")
@click.argument("channel")
@click.option("--value", default="null", metavar="JSON", help="The payload; @FILE or - reads it.")
@click.option("--message-id", metavar="ID", help="A repeated send with the same id counts once.")
@with_db
@with_format()
def signal(id: str, channel: str, value: str, message_id: str | None, db: str, format: str) -> None:
    """Send a message to an execution.

    The payload is checked against the type that the workflow's signal has.

    \b
    perdure signal leave-7 answer --value '{"approved": true, "by": "Eve"}'
    perdure signal leave-7 answer --value @answer.json --message-id mail-4711
    """
    payload = read_json(value, "--value")
    number = asynchronously(_send(db, id, channel, message_id or f"m-{uuid4()}", payload))
    document = {"id": id, "channel": channel, "message": number}
    answer(format, document, f"message {number} is in the inbox of {id}")


async def _send(db: str, id: str, channel: str, message_id: str, payload: Any) -> int:
    async with opened(db) as store:
        row = await view.required(store, id)
        definition = await view.definition_of(store, row)
        if definition is not None:
            known = definition.channels
            if channel not in known:
                fix = f"its signals: {', '.join(known) or 'none'}"
                raise Refusal(f"{row.workflow} has no signal {channel!r}", fix)
            wrong = misfit(known[channel], payload)
            if wrong is not None:
                fix = f"what it carries has the schema {shown(known[channel])}"
                raise Refusal(f"--value does not fit signal {channel!r}: {wrong}", fix)
        return await store.send(id, channel, message_id, canonical(payload))


class Told(click.ParamType[str]):
    """A text that says something: a reason is read by somebody later."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, if there is one."""
        if not str(value).strip():
            self.fail("a reason says something: the log keeps it", param, ctx)
        return str(value)


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@with_filters
@click.option("--reason", required=True, type=Told(), metavar="TEXT", help="Kept in the log.")
@click.option("--by", metavar="NAME", help="Who wishes it; the user of this terminal if absent.")
@with_db
@with_format()
def cancel(
    ids: tuple[str, ...], wanted: Wanted, reason: str, by: str | None, db: str, format: str
) -> None:
    """Wish that executions end; compensation runs.

    What is under way settles first. What landed and cannot be undone stands. With filters instead
    of ids it is about all of these that have not ended: `perdure list` takes the same filters.

    \b
    perdure cancel order-17 --reason 'the customer called'
    perdure cancel --workflow fulfil_order --older-than 2h --reason 'the shop is closed'
    """
    wish = msgspec.json.encode(Wish(reason, by or user()))

    async def send(store: Store, id: str) -> view.Document:
        return {"id": id, "message": await store.send(id, CANCEL, f"m-{uuid4()}", wish)}

    _each(_About(ids, wanted, ("active", "stalled")), send, db, format)


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@with_filters
@with_db
@with_format()
def resume(ids: tuple[str, ...], wanted: Wanted, db: str, format: str) -> None:
    """Let stalled executions go on.

    Nothing was undone when they stalled, and nothing is repeated that has an outcome. With filters
    instead of ids it is about all of these that are stalled.

    \b
    perdure list --status stalled
    perdure resume order-17
    perdure resume --workflow fulfil_order
    """

    async def again(store: Store, id: str) -> view.Document:
        return {"id": id, "resumed": await store.resume(id)}

    _each(_About(ids, wanted, ("stalled",)), again, db, format)


class _About(NamedTuple):
    """Which executions: these, or all that are as wanted and have one of the statuses."""

    ids: tuple[str, ...]
    wanted: Wanted
    statuses: tuple[str, ...]

    async def keys(self, store: Store) -> list[str]:
        """Their ids, the oldest first."""
        if self.ids:
            return list(dict.fromkeys(self.ids))
        rows = await chosen(store, self.wanted)
        return [row.key for row in reversed(rows) if row.status.value in self.statuses]


def _each(
    about: _About,
    act: Callable[[Store, str], Coroutine[Any, Any, view.Document]],
    db: str,
    format: str,
) -> None:
    """Do it to each; for one id the answer is about that one, else a row each.

    Of several, one that has just ended keeps nobody from the others.
    """
    if bool(about.ids) == about.wanted.any:
        what = "ids and filters exclude each other" if about.ids else "no id, and no filter"
        raise Refusal(what, "name ids, or say which with --workflow, --status, --older-than ...")

    async def all_of_them() -> list[view.Document]:
        async with opened(db) as store:
            keys = await about.keys(store)
            if len(about.ids) == 1:
                return [await act(store, about.ids[0])]
            for key in about.ids:
                await view.required(store, key)  # a slip in one id: nothing is done to any
            return [await _told_of(act, store, key) for key in watched(keys, "sending")]

    done = asynchronously(all_of_them())
    if len(about.ids) == 1:
        answer(format, done[0], _said(done[0]))
    elif done or format != "text":
        answer(format, done, "\n".join(map(_said, done)))
    else:
        note("no such executions")
    if any("problem" in each or each.get("resumed") is False for each in done):
        finish(DOES_NOT_HOLD)


async def _told_of(
    act: Callable[[Store, str], Coroutine[Any, Any, view.Document]], store: Store, id: str
) -> view.Document:
    try:
        return await act(store, id)
    except ExecutionFinished as error:
        return {"id": id, "problem": str(error)}


def _said(document: view.Document) -> str:
    id = visible(document["id"])
    if "problem" in document:
        return document["problem"]
    if "resumed" in document:
        how = "goes on when a worker serves it" if document["resumed"] else "is not stalled"
        return f"{id} {how}"
    number = document["message"]
    return f"message {number} is in the inbox of {id}; `perdure wait {id}` tells how it ends"


@click.command()
@click.argument("id")
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Then exit 3.")
@with_db
@with_format()
def wait(id: str, timeout: float | None, db: str, format: str) -> None:
    """Wait until an execution has ended or stalls; exit 0 only when it is done.

    Its result is on stdout, as JSON.

    \b
    perdure wait order-17
    perdure wait order-17 --timeout 60 || echo not done
    """
    seen = asynchronously(_ended(db, id, timeout))
    document = {"id": id, "status": seen.row.status.value, **view.ended(seen)}
    if seen.row.status is Status.DONE:
        answer(format, document, canonical(document.get("value")).decode())
        return
    answer(format, document, "")
    if seen.row.status is Status.ACTIVE:
        note(f"{id} is still active after {timeout:g} s")
        finish(INCONCLUSIVE)
    told = document.get("why") or canonical(document.get("error")).decode()
    note(f"{id} {document['status']}: {told}")
    finish(DOES_NOT_HOLD)


async def _ended(db: str, id: str, timeout: float | None) -> view.View:
    end = None if timeout is None else time.monotonic() + timeout
    async with opened(db) as store:
        while True:
            row = await view.required(store, id)
            late = end is not None and time.monotonic() >= end
            if row.status is not Status.ACTIVE or late:
                return await view.view(store, id)
            await asyncio.sleep(POLL_SECONDS)
