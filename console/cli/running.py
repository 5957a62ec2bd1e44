"""`run`, `worker`, `start`: the verbs that load the user's workflows to start or serve executions.

How an execution runs is the engine's; nothing is decided here.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any, cast
from uuid import uuid4

import click
import msgspec

from ...engine.bodies import Body
from ...engine.client import Engine, enqueue
from ...engine.errors import WorkerRetired
from ...engine.leases import LEASE_SECONDS
from ...engine.store import Status
from ...engine.stored import Stored
from ...engine.worker import DRAIN_SECONDS
from ...model.compiler import compile_workflow
from ...model.language import bodies
from ...model.program import Program
from ...model.values import Value, ValueRefused
from .answers import (
    DEFAULT_DB,
    DOES_NOT_HOLD,
    Refusal,
    answer,
    asynchronously,
    canonical,
    finish,
    note,
    read_json,
    until_terminated,
    with_db,
    with_format,
)
from .opening import checked_url, opened
from .targets import one_workflow, programs

PATIENCE_SECONDS = 2.0
_INPUT = "The parameters as a JSON object; @FILE or - reads it."


@click.command()
@click.argument("target")
@click.option("--input", "input", default="{}", metavar="JSON", help=_INPUT)
@click.option("--id", "id", metavar="ID", help="The same id is the same execution.")
@with_db
@with_format()
def run(target: str, input: str, id: str | None, db: str, format: str) -> None:
    """Start (or find) an execution in a worker of its own, wait, print its result.

    With an id that exists its result is printed and nothing is called again.

    \b
    perdure run hello.py --input '{"name": "World"}' --id hello-1
    perdure run shop/orders.py:fulfil_order --input @order.json
    """
    program = compile_workflow(one_workflow(target))
    inputs = checked_inputs(program, input)
    with redirect_stdout(sys.stderr):  # what steps print is no answer of ours
        running = _run(db, program, inputs, id or f"run-{uuid4()}")
        document = asynchronously(until_terminated(running))
    text = canonical(document.get("value")).decode()
    if document["status"] != "done":
        told = document.get("why") or canonical(document.get("error")).decode()
        text = ""
        note(f"{document['id']} {document['status']}: {told}")
    answer(format, document, text)
    if document["status"] != "done":
        finish(DOES_NOT_HOLD)


async def _run(db: str, program: Program, inputs: Mapping[str, Value], id: str) -> dict[str, Any]:
    values = tuple(inputs[name].get() for name in program.inputs)
    args, kwargs = bodies.spread(program.workflow.signature, values)
    async with Engine(checked_url(db)) as engine:
        await engine.start(program.workflow(*args, **kwargs), id=id)
        status, body = await _told(engine, id, db)
        document: dict[str, Any] = {"id": id, "status": status.value}
        if status is Status.DONE:
            document["value"] = Stored(bytes(body.r)).json()
        elif status is Status.FAILED:
            document["error"] = Stored(bytes(body.e)).json()
        elif status is Status.CANCELLED:
            cancelled = await engine.cancelled(id)
            document |= {"why": cancelled.reason, "landed": list(cancelled.landed)}
        else:
            document["why"] = body.why
        return document


async def _told(engine: Engine, id: str, db: str) -> tuple[Status, Body]:
    """The end; whoever sits before a run that takes long is told once how to look and to leave."""
    ended = asyncio.ensure_future(engine.ended(id))
    done, _ = await asyncio.wait({ended}, timeout=PATIENCE_SECONDS)
    if not done:
        where = "" if db == DEFAULT_DB else f" --db {db}"
        note(f"{id} is still active; look from another terminal: perdure show {id}{where}")
        note("Ctrl-C leaves it where it is, and the same command goes on with it")
    return await ended


@click.command()
@click.argument("target")
@click.option("--input", "input", default="{}", metavar="JSON", help=_INPUT)
@click.option("--id", "id", required=True, metavar="ID", help="The same id is the same execution.")
@with_db
@with_format()
def start(target: str, input: str, id: str, db: str, format: str) -> None:
    """Start (or find) an execution; a worker runs it.

    \b
    perdure start hello.py --input '{"name": "World"}' --id hello-1
    perdure wait hello-1
    """
    program = compile_workflow(one_workflow(target))
    inputs = checked_inputs(program, input)

    async def create() -> bool:
        async with opened(db, create=True) as store:
            return await enqueue(store, program, id, inputs)

    created = asynchronously(create())
    document = {"id": id, "workflow": program.net.name, "created": created}
    answer(format, document, f"{id} {'is started' if created else 'exists already'}")


def checked_inputs(program: Program, text: str) -> dict[str, Value]:
    """The parameters in `--input`, sealed; defaults fill what is absent."""
    given = read_json(text, "--input")
    if not isinstance(given, dict):
        raise Refusal("--input is no JSON object", f"name the parameters: {_example(program)}")
    values = cast("dict[str, Any]", given)
    parameters = program.workflow.signature.parameters
    strangers = sorted(set(values) - set(parameters))
    if strangers:
        raise Refusal(
            f"--input: {program.net.name} has no parameter {strangers[0]!r}",
            f"its parameters: {', '.join(parameters) or 'none'}",
        )
    return {name: _sealed(program, name, values) for name in parameters}


def _sealed(program: Program, name: str, values: Mapping[str, Any]) -> Value:
    parameter = program.workflow.signature.parameters[name]
    codec = program.codecs[name]
    try:
        if name in values:
            return codec.seal(codec.decode(canonical(values[name])))
        if parameter.default is not parameter.empty:
            return codec.seal(parameter.default)
    except (msgspec.MsgspecError, ValueRefused, ValueError, TypeError) as error:
        fix = f"it is a {codec.text}: {_example(program)}"
        raise Refusal(f"--input: {name} is no {codec.text}: {error}", fix) from error
    fix = f"it is a {codec.text}: {_example(program)}"
    raise Refusal(f"--input: {program.net.name} needs {name!r}", fix)


def _example(program: Program) -> str:
    parts = ", ".join(f'"{name}": ...' for name in program.inputs)
    return "--input '{" + parts + "}'"


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option("--concurrency", type=click.IntRange(1), default=1_000, show_default=True)
@click.option("--name", default="worker", show_default=True, help="How sessions are called.")
@click.option(
    "--drain",
    type=click.FloatRange(0),
    default=DRAIN_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long running steps are awaited at the end.",
)
@click.option(
    "--lease",
    type=click.FloatRange(0, min_open=True),
    default=LEASE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long a silent worker keeps its executions; the same for all workers.",
)
@with_db
def worker(
    targets: tuple[str, ...], concurrency: int, name: str, drain: float, lease: float, db: str
) -> None:
    """Serve executions until SIGTERM.

    Running steps are let end, everything else is released at once; a second signal waits for
    nothing. A call that may not be repeated and did not end comes back as a doubt. Several
    workers may share one store.

    \b
    perdure worker shop/orders.py
    perdure worker shop.orders shop.returns --db sqlite:////var/lib/shop.db
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    served = programs(targets)
    engine = Engine(
        checked_url(db),
        concurrency=concurrency,
        name=name,
        drain_seconds=drain,
        lease_seconds=lease,
    )
    asynchronously(_serve(engine, served, db))


async def _serve(engine: Engine, served: list[Program], db: str) -> None:
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            engine.worker.hurry()
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with engine:
        await engine.serve(*(program.workflow for program in served))
        names = ", ".join(f"{p.net.name} {p.net.version} ({p.net.digest[:12]})" for p in served)
        told = 0
        while not stopped.is_set() and not engine.worker.retired:
            if engine.worker.session != told:
                told = engine.worker.session
                note(f"session {told} serves {names} from {db}")
            try:
                await asyncio.wait_for(stopped.wait(), 0.2)
            except TimeoutError:
                continue
        note(f"session {engine.worker.session} drains")
    if engine.worker.retired:
        raise WorkerRetired(engine.worker.retired)
    note("stopped")
