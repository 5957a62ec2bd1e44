"""What a program uses: open an engine, start executions, wait for them, send to them, decide
doubts.

Nothing here decides what an execution does next; all goes through the store, or through the worker
that every engine carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast
from uuid import uuid4

import msgspec

from ..model.compiler import compile_workflow
from ..model.errors import (
    ExecutionCancelled,
    ExecutionConflict,
    PerdureError,
    PlacementError,
    Stalled,
)
from ..model.language.calls import taken
from ..model.language.waits import Signal
from ..model.language.workflows import Workflow
from ..model.program import Program
from ..model.values import Value, ValueRefused, codec
from . import bodies, desk, forks, kernel, looking, post
from .blocking import BlockingEngine
from .bodies import Body, Raw
from .clock import Clock, SystemClock
from .definitions import describe
from .differences import difference, input_digest
from .errors import DecisionRefused, StoreUnavailable, WeakForIntents, WorkerRetired
from .ids import checked_id
from .instance import Instance
from .leases import LEASE_SECONDS, own_identity
from .loading import whole
from .looking import View
from .records import NO_TRANSITION, Kind, genesis
from .sqlite import SqliteStore
from .store import Create, ExecutionRow, Guard, Status, Store
from .transactional import LENT
from .worker import DRAIN_SECONDS, Worker
from .world import UserWorld, World

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
LOOK_SECONDS = 0.05
"""How often a result is looked for that another process will write."""


class Run(Generic[R]):
    """An execution as its caller sees it; it may run in another process or have ended long ago."""

    def __init__(self, engine: Engine, id: str, program: Program) -> None:
        self._engine, self.id, self._program = engine, id, program

    async def result(self, *, timeout: timedelta | None = None) -> R:
        """Wait for the end and return the value, or raise what the workflow raised.

        Raises `Stalled` (not final) and `ExecutionCancelled`; `TimeoutError` after `timeout`, which
        cancels nothing.
        """
        seconds = None if timeout is None else timeout.total_seconds()
        async with asyncio.timeout(seconds):
            status, body = await self._engine.ended(self.id)
        if status is Status.DONE:
            return Value.of(self._program.codecs[kernel.VALUE], bytes(body.r)).get()
        if status is Status.FAILED:
            raise Value.of(self._program.codecs[kernel.ERROR], bytes(body.e)).get()
        if status is Status.STALLED:
            raise Stalled(self.id, body.why.strip().rsplit("\n", 1)[-1], body.why)
        raise await self._engine.cancelled(self.id)

    async def send(self, signal: Signal[T], value: T, /, *, message_id: str | None = None) -> None:
        """Put a message into its inbox; durable when this returns. As `Engine.send`."""
        await self._engine.send(self.id, signal, value, message_id=message_id)

    async def look(self) -> View:
        """Where it stands: marking with frames, waits, effects, unread messages, how it ended.

        Read from the database in this process; the worker that runs it is not asked (rule 58).
        """
        return await looking.view(self._engine.store, self.id)

    async def cancel(self, *, reason: str) -> None:
        """Wish that it ends: what is under way settles, compensation runs, then it is cancelled."""
        await self._engine.cancel(self.id, reason=reason)


class Engine:
    """Runs workflows from a database; carries a worker of its own while it is open.

    `url` is an SQLAlchemy URL (`sqlite:///shop.db`, `sqlite://` for memory). Open it with
    `async with` in the event loop whose clients your steps use; it can be opened again after it
    was closed. `drain_seconds` is how long closing waits for running steps. `lease_seconds` is how
    long a worker that is not heard of keeps its executions; give all workers of a store the same.
    At most `concurrency` executions run at once. A store it cannot use raises a `PlatformError`.
    """

    def __init__(
        self,
        url: str,
        /,
        *,
        store: Store | None = None,
        world: World | None = None,
        clock: Clock | None = None,
        concurrency: int = 1_000,
        name: str = "embedded",
        drain_seconds: float = DRAIN_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.url = url
        self.clock = clock or SystemClock()
        self.store: Store = store if store is not None else SqliteStore(url)
        self.drain_seconds = drain_seconds
        self._world, self._name = world, name
        self._concurrency, self._lease_seconds = concurrency, lease_seconds
        self._waiting: dict[str, list[asyncio.Future[tuple[Status, Body] | None]]] = {}
        self._born: dict[str, asyncio.Future[ExecutionRow | None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forked = False
        self.worker = self._new_worker()
        forks.watch(self)

    def _new_worker(self) -> Worker:
        world = self._world or UserWorld()
        identity = own_identity(self._name)
        worker = Worker(
            self.store, world, self.clock, identity, self._concurrency, self._lease_seconds
        )
        worker.finished = self._finished
        if isinstance(world, UserWorld):
            lost = f"{2 * world.threads.places} threads of steps hang and cannot be stopped"
            world.threads.exhausted = lambda: worker.retire(lost)
        return worker

    @staticmethod
    def blocking(url: str, /, **options: Any) -> BlockingEngine:
        """The same engine, with the same options, for code without an event loop: use `with`."""
        return BlockingEngine(lambda: Engine(url, **options))

    async def __aenter__(self) -> Self:
        if self._forked:
            raise forks.refusal()
        if self._loop is not None:
            raise PlacementError(
                "PD608",
                "this engine is open already",
                "",
                "it has one worker, which belongs to one event loop",
                "open it once for the whole process and hand it on, or make another Engine",
            )
        self._loop = asyncio.get_running_loop()
        self.worker = self._new_worker()
        try:
            await self.store.open()
            await self.worker.start()
        except BaseException:
            self._loop = None
            with suppress(Exception):
                await self.store.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._forked:
            return  # nothing here is ours to end
        try:
            await self.worker.stop(self.drain_seconds)
        except asyncio.CancelledError:  # the second signal: at once
            self.worker.hurry()
            await self.worker.stop()
            raise
        finally:
            self._loop = None
            for future in [f for waiting in self._waiting.values() for f in waiting]:
                _resolve(future, None)
            await self.store.close()

    def die(self) -> None:
        """In the child of a fork: worker, loop and connections are the parent's; refuse all."""
        self._forked = True

    # --- starting -----------------------------------------------------------------------------

    async def serve(self, *workflows: Workflow[..., Any]) -> list[Program]:
        """Compile workflows and take over executions of them that nobody runs."""
        self._check_loop()
        programs = [compile_workflow(w) for w in workflows]
        for program in programs:
            await self._define(program)
        return programs

    async def _define(self, program: Program) -> None:
        net = program.net
        if net.digest in self.worker.programs:
            return
        if self.store.weak and any(s.effect in _NEED_FULL for s in net.sites):
            raise WeakForIntents(self.url, net.name)
        await self.store.define(net.digest, net.name, net.version, describe(program))
        self.worker.programs[net.digest] = program
        self.worker.kick()

    async def start(self, call: Coroutine[Any, Any, R], /, *, id: str) -> Run[R]:
        """Start an execution under a key of yours, or find the one that has it; durable on return.

        The same id with the same input gives the execution that exists; with another input or
        workflow it is refused (`ExecutionConflict`), as is an id nobody could type (`UnusableId`).
        """
        try:
            self._check_loop()
        except PerdureError:
            call.close()
            raise
        target, args, kwargs = taken(call, "engine.start")
        if not isinstance(target, Workflow):
            raise PlacementError(
                "PD605",
                f"engine.start takes a call of a workflow, not of {target.name}",
                "",
                "a step runs inside a workflow, which says what happens around it",
                f"write a @workflow that awaits {target.name}(...)",
            )
        (program,) = await self.serve(cast("Workflow[..., Any]", target))
        values = target.bind(args, kwargs)
        inputs = program.sealed(values)
        existing = await self._create(program, checked_id(id), inputs)
        if existing is not None:
            await refuse_other(self.store, existing, program, inputs)
        return Run(self, id, program)

    async def run(self, call: Coroutine[Any, Any, R], /, *, id: str | None = None) -> R:
        """Start (or find) an execution and wait: its result, or what `Run.result` raises."""
        run = await self.start(call, id=id if id is not None else f"run-{uuid4()}")
        return await run.result()

    def find(self, workflow: Workflow[P, R], id: str, /) -> Run[R]:
        """A handle of an execution that exists, without looking."""
        self._check_open()
        return Run(self, id, compile_workflow(workflow))

    async def _create(
        self, program: Program, key: str, inputs: Mapping[str, Value]
    ) -> ExecutionRow | None:
        while (under_way := self._born.get(key)) is not None or key in self.worker.instances:
            if under_way is not None:
                await asyncio.wait({under_way})
            self._check_loop()
            found = await self.store.find(key)
            if found is not None:
                return found
        born: asyncio.Future[ExecutionRow | None] = asyncio.get_running_loop().create_future()
        self._born[key] = born
        instance = new_instance(program, key, inputs, self.worker.session, self.store.now())

        def created(met: ExecutionRow | Guard | None) -> None:
            if self._born.pop(key, None) is None:
                return
            if isinstance(met, Guard):
                born.set_exception(ValueError(f"{key!r} cannot be stored: {met.why}"))
            else:
                born.set_result(met)

        instance.created = created
        self.worker.run_here(instance)
        # A caller who gives up does not take back what is on its way into the log.
        return await asyncio.shield(born)

    # --- waiting ------------------------------------------------------------------------------

    async def ended(self, key: str) -> tuple[Status, Body]:
        """Wait until it is final or stalled: how, and the body that says so, values in place."""
        status, body = await self._told(key)
        if body.x and (row := await self.store.find(key)) is not None:
            body = await whole(self.store, row.id, body)
        return status, body

    async def _told(self, key: str) -> tuple[Status, Body]:
        while True:
            self._check_loop()
            future: asyncio.Future[tuple[Status, Body] | None]
            future = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key, []).append(future)
            timer = None
            if key not in self.worker.instances:
                found = await self._look(key)
                if found is not None:
                    self._unwait(key, future)
                    return found
                timer = self.clock.later(LOOK_SECONDS, lambda f=future: _resolve(f, None))
            try:
                told = await future
            finally:
                if timer is not None:
                    timer.cancel()
                self._unwait(key, future)
            if told is not None:
                return told

    def _unwait(self, key: str, future: asyncio.Future[tuple[Status, Body] | None]) -> None:
        waiting = self._waiting.get(key, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._waiting.pop(key, None)

    async def _look(self, key: str) -> tuple[Status, Body] | None:
        row = await looking.required(self.store, key)
        if row.status is Status.ACTIVE:
            return None
        # What ends or stalls it lies behind the checkpoint (instance.py).
        records = await self.store.log(row.id, row.checkpoint_seq)
        return row.status, bodies.decode(records[-1].body)

    def _finished(self, key: str, told: tuple[Status, Body] | None) -> None:
        for future in self._waiting.get(key, []):
            _resolve(future, told)
        if self.worker.ended and (born := self._born.pop(key, None)) is not None:  # never written
            why, never = self.worker.retired, "its worker has ended"
            born.set_exception(WorkerRetired(why) if why else StoreUnavailable(self.url, never))
            born.exception()  # heard, also when whoever asked has given up

    async def cancelled(self, key: str) -> ExecutionCancelled:
        """The exception that tells why an execution was cancelled, and what stands."""
        self._check_loop()
        return await looking.cancelled(self.store, key)

    # --- steering -----------------------------------------------------------------------------

    async def send(
        self, key: str, signal: Signal[T], value: T, /, *, message_id: str | None = None
    ) -> None:
        """Send a signal, durably; one `message_id` is taken once. Raises `ExecutionFinished`."""
        try:
            raw = codec(signal.payload_type).encode(value)
        except ValueRefused as refused:
            raise refused.named(signal.name) from refused
        await self._post(key, signal.name, message_id, raw)

    async def cancel(self, key: str, *, reason: str, by: str = "") -> None:
        """Wish that an execution ends; compensation is let finish. Twice is once."""
        wish = msgspec.json.encode(post.Wish(reason, by))
        await self._post(key, post.CANCEL, None, wish)

    async def decide(
        self,
        key: str,
        effect: str,
        verdict: str,
        *,
        value: bytes | None = None,
        by: str,
        reason: str = "",
        wait: timedelta = timedelta(seconds=5),
    ) -> bool:
        """Decide about an effect that waits for a person; `effect` is its key.

        Of an effect in doubt: "landed" (with the JSON of its result) or "voided"; "probe" asks the
        probe again. Of an undo that fails: "done" by hand, "stand" (it is left standing), "retry".
        True once it is taken, False when nobody took it within `wait`: it stays in the inbox.
        Raises `DecisionRefused`, with the name of whoever was first.
        """
        self._check_loop()
        store = self.store
        number = await desk.decide(store, key, effect, verdict, value=value, by=by, reason=reason)
        self.worker.kick()
        told = await desk.fate_within(store, key, number, self.clock, wait.total_seconds())
        if told is not None and told.refused:
            raise DecisionRefused(key, effect, told.refused)
        return told is not None

    async def resume(self, key: str) -> bool:
        """Let a stalled execution go on; False if it was not stalled. Raises `NoSuchExecution`."""
        self._check_loop()
        resumed = await self.store.resume(key)
        self.worker.kick()
        return resumed

    async def _post(self, key: str, channel: str, message_id: str | None, raw: bytes) -> None:
        self._check_loop()
        await self.store.send(key, channel, message_id or f"m-{uuid4()}", raw)
        self.worker.kick()

    def _check_open(self) -> None:
        if self._forked:
            raise forks.refusal()
        if self._loop is None:
            raise PlacementError(
                "PD606",
                "this engine is not open",
                "",
                "it has a worker and a database connection only while it is open",
                "use it inside `async with Engine(...)`; elsewhere use Engine.blocking(url)",
            )
        if self.worker.retired:
            raise WorkerRetired(self.worker.retired)

    def _check_loop(self) -> None:
        self._check_open()
        if LENT.get():
            raise PlacementError(
                "PD610",
                "the engine is used inside a transactional step",
                "",
                "the step holds the only writer, so it would wait for itself",
                "write through `tx` only; start and send from the workflow, or in a step behind it",
            )
        if self._loop is not asyncio.get_running_loop():
            raise PlacementError(
                "PD606",
                "this engine is open in another event loop",
                "",
                "steps use clients that belong to the loop that made them",
                "await it in the loop that opened it (from another thread with "
                "asyncio.run_coroutine_threadsafe), or use Engine.blocking(url)",
            )


_NEED_FULL = ("compensatable", "irreversible")


def _resolve(
    future: asyncio.Future[tuple[Status, Body] | None], told: tuple[Status, Body] | None
) -> None:
    if not future.done():
        future.set_result(told)


def raws(inputs: Mapping[str, Value]) -> dict[str, bytes]:
    """The inputs as bytes."""
    return {name: value.raw for name, value in inputs.items()}


async def refuse_other(
    store: Store, row: ExecutionRow, program: Program, inputs: Mapping[str, Value]
) -> None:
    """Raise `ExecutionConflict` unless the execution found under a key is the one asked for."""
    if row.workflow != program.net.name:
        raise ExecutionConflict(row.key, row.workflow, f"this is {program.net.name}")
    if row.input_digest != input_digest(raws(inputs)):
        (first, *_) = await store.log(row.id)
        old = bodies.decode(first.body).i
        raise ExecutionConflict(row.key, row.workflow, difference(bytes(old), inputs))


async def enqueue(store: Store, program: Program, key: str, inputs: Mapping[str, Value]) -> bool:
    """Create an execution for whichever worker serves its net; False: the same one exists already.

    Durable on return. Raises `ExecutionConflict` when another one has the key, and `UnusableId`.
    """
    net, now = program.net, store.now()
    await store.define(net.digest, net.name, net.version, describe(program))
    append = new_instance(program, checked_id(key), inputs, 0, now).append()
    assert append.create is not None
    create = replace(append.create, owner=None, wake_at=now)
    existing = await store.start(create, append.records[0])
    if existing is not None:
        await refuse_other(store, existing, program, inputs)
    return existing is None


def new_instance(
    program: Program, key: str, inputs: Mapping[str, Value], session: int, at: int
) -> Instance:
    """An execution that does not exist yet: record 0 is pending."""
    net = program.net
    digest = input_digest(raws(inputs))
    create = Create(key, net.name, net.version, net.digest, digest, session, None)
    instance = Instance(
        program=program,
        key=key,
        id=0,
        tenure=1,
        session=session,
        state=kernel.begin(program, inputs, at),
        seq=0,
        head=genesis(key, net.name, net.digest, digest),
        at=at,
        durable=-1,
        create=create,
    )
    started = Body(
        w=net.name,
        v=net.version,
        net=net.digest,
        key=key,
        i=Raw(msgspec.json.encode(bodies.raws(inputs), order="sorted")),
    )
    instance.record(Kind.STARTED, NO_TRANSITION, started, at)
    instance.append().create = create
    return instance
