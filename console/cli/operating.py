"""`signal`, `cancel`, `resume`, `wait`: operate one execution beside the worker that runs it.

What is sent is a message in its inbox; only its owner writes its log. No user code is loaded: the
payload is checked against the schema stored with the definition.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import time
from typing import Any
from uuid import uuid4

import click
import msgspec

from ...engine.post import CANCEL, Wish
from ...engine.store import Status
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
    with_db,
    with_format,
)
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


@click.command()
@click.argument("id")
@click.option("--reason", required=True, metavar="TEXT", help="Kept in the log.")
@click.option("--by", metavar="NAME", help="Who wishes it; the user of this terminal if absent.")
@with_db
@with_format()
def cancel(id: str, reason: str, by: str | None, db: str, format: str) -> None:
    """Wish that an execution ends; compensation runs.

    What is under way settles first. What landed and cannot be undone stands.

    \b
    perdure cancel order-17 --reason 'the customer called'
    """
    wish = msgspec.json.encode(Wish(reason, by or user()))

    async def send() -> int:
        async with opened(db) as store:
            return await store.send(id, CANCEL, f"m-{uuid4()}", wish)

    number = asynchronously(send())
    text = f"message {number} is in the inbox of {id}; `perdure wait {id}` tells how it ends"
    answer(format, {"id": id, "message": number}, text)


@click.command()
@click.argument("id")
@with_db
@with_format()
def resume(id: str, db: str, format: str) -> None:
    """Let a stalled execution go on.

    Nothing was undone when it stalled, and nothing is repeated that has an outcome.

    \b
    perdure list --status stalled
    perdure resume order-17
    """

    async def again() -> bool:
        async with opened(db) as store:
            return await store.resume(id)

    resumed = asynchronously(again())
    text = f"{id} goes on when a worker serves it" if resumed else f"{id} is not stalled"
    answer(format, {"id": id, "resumed": resumed}, text)
    if not resumed:
        finish(DOES_NOT_HOLD)


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
