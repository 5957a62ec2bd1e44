"""A worker: one session after another, claiming executions, delivering mail, fencing the dead.

Clocks and polls only decide when something is looked at; whether it may be written is the store's
to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ..model.program import Program
from . import bodies, kernel, loading
from .bodies import Body
from .calls import Caller
from .clock import Clock
from .committer import Committer
from .driver import Driver
from .instance import Instance
from .leases import BEAT_SECONDS, Lease, Watch, provably_gone
from .store import (
    Ambiguous,
    Append,
    Appended,
    Claimed,
    Fenced,
    Identity,
    RowChange,
    Status,
    Store,
)
from .world import World

POLL_SECONDS = 0.01
SWEEP_SECONDS = 1.0
RECOVERIES_MAX = 5
DRAIN_SECONDS = 25.0
_LOG = logging.getLogger("perdure")


class Worker:
    """Serves the programs it was given from one store, in the running event loop."""

    def __init__(
        self,
        store: Store,
        world: World,
        clock: Clock,
        identity: Identity,
        concurrency: int = 1_000,
    ) -> None:
        self.store, self.clock, self.identity, self.concurrency = (
            store,
            clock,
            identity,
            concurrency,
        )
        self.programs: dict[str, Program] = {}
        self.instances: dict[str, Instance] = {}
        self.session = 0
        self.lease = Lease(clock.monotonic())
        self.watch = Watch()
        self.committer = Committer(
            store, clock, lambda: self.session, self._settled, self._lost_session
        )
        self.driver = Driver(store, clock, self.committer)
        self.driver.may_intend = self._may_intend
        self.caller = Caller(self.driver, store, world, clock, self.lease)
        self.finished: Callable[[str, tuple[Status, Body] | None], None] = _ignore
        self._wake = asyncio.Event()
        self._look_for_work = self._look_for_mail = True
        self._stopping = False
        self._seen = -1
        self._next_wake: int | None = None
        self._next_sweep = 0.0
        self._task: asyncio.Task[None] | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._stop_beat: Callable[[], None] = _nothing

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Register a session and begin to serve."""
        await self._register()
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _register(self) -> None:
        sent = self.clock.monotonic()
        self.session = await self.store.register(self.identity)
        self.lease.acknowledged(sent)
        self._begin_beating()

    def _begin_beating(self) -> None:
        self._stop_beat()
        session = self.session

        def beat() -> bool:
            sent = self.clock.monotonic()
            if not self.store.beat(session):
                return False  # fenced: the next append finds out
            self.lease.acknowledged(sent)
            return True

        self._stop_beat = self.clock.every(BEAT_SECONDS, beat)

    async def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Stop claiming, let running calls end, release what is left, end the session.

        Calls with an intent that outlast `drain_seconds` come back as doubts.
        """
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._drain(drain_seconds)
        await self.committer.close()
        self._stop_beat()
        for instance in self.instances.values():
            instance.alive = False
            for running in instance.running.values():
                running.cancel()
        if self.caller.tasks:
            await asyncio.gather(*self.caller.tasks, return_exceptions=True)
        await self.store.fence(self.session)

    async def _drain(self, seconds: float) -> None:
        """Wait for calls with an intent; give up what only runs pure to transactional ones."""
        end = self.clock.monotonic() + seconds
        for instance in list(self.instances.values()):
            if not any(r.settling for r in instance.running.values()) and not instance.leaving:
                for running in instance.running.values():
                    running.cancel()
                instance.running.clear()
                self.driver.release(instance, self.store.now(), "*")
        while self.clock.monotonic() < end and any(
            r.settling for i in self.instances.values() for r in i.running.values()
        ):
            await self.clock.sleep(POLL_SECONDS)

    # --- serving ------------------------------------------------------------------------------

    def kick(self, *, work: bool = True, mail: bool = True) -> None:
        """Something was committed by this process that the loop should look at."""
        self._look_for_work |= work
        self._look_for_mail |= mail
        self._wake.set()

    async def _serve(self) -> None:
        while True:
            if self._recovering is not None:
                await asyncio.wait({self._recovering})
            try:
                await self._look()
            except (Fenced, Ambiguous) as gone:
                self.committer.paused = True
                self._lost_session(gone, [])
                continue
            timer = self.clock.later(POLL_SECONDS, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()

    async def _look(self) -> None:
        changes = self.store.changes()
        if changes != self._seen:
            self._seen = changes
            self._look_for_work = self._look_for_mail = True
        now = self.clock.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            await self._sweep()
        if self._next_wake is not None and self.store.now() >= self._next_wake:
            self._look_for_work = True
        if self._look_for_work:
            self._look_for_work = False
            await self._claim()
        if self._look_for_mail:
            self._look_for_mail = False
            await self._deliver()

    async def _sweep(self) -> None:
        """Fence sessions that are provably gone, or whose beat stood still for a lease."""
        others = [row for row in await self.store.sessions() if row.id != self.session]
        expired = self.watch.expired(others, self.clock.monotonic())
        for row in others:
            if row.id in expired or provably_gone(row.identity, self.identity):
                await self.store.fence(row.id)
                self._look_for_work = True
                _LOG.info("session %s of %s is fenced", row.id, row.identity.worker)

    async def _claim(self) -> None:
        free = self.concurrency - len(self.instances)
        if free > 0 and self.programs and not self._stopping:
            claimed = await self.store.claim(self.session, list(self.programs), free)
            for each in claimed:
                self._load(each)
            if len(claimed) == free:
                self._look_for_work = True
        self._next_wake = await self.store.next_wake()

    def _load(self, claimed: Claimed) -> None:
        row = claimed.row
        instance = loading.load(self.programs[row.net], claimed, self.session)
        self.instances[row.key] = instance
        if row.recoveries >= RECOVERIES_MAX:
            self.driver.stall(instance, f"recovered {row.recoveries} times without progress")
            return
        for transition in kernel.lost(instance.wiring, instance.state):
            why = f"the session before tenure {row.tenure} ended during the call"
            self.driver.fire(instance, transition, said={"why": why})
        self.driver.pump(instance)

    async def _deliver(self) -> None:
        """Hand new messages to the executions that are in memory here."""
        if not self.instances:
            return
        counters = await self.store.mail(self.session)
        for instance in list(self.instances.values()):
            if counters.get(instance.id, 0) > instance.mail_seen:
                await self.fetch(instance)
                self.driver.pump(instance)

    async def fetch(self, instance: Instance) -> None:
        """Read the messages that arrived since the last look."""
        for message in await self.store.messages(instance.id, instance.mail_seen):
            if message.consumed_at is None and message.number > instance.mail_seen:
                instance.mail.append(message)
            instance.mail_seen = max(instance.mail_seen, message.number)

    # --- starting here ------------------------------------------------------------------------

    def run_here(self, instance: Instance) -> None:
        """Take an execution that this process creates: its record 0 rides in the next batch."""
        self.instances[instance.key] = instance
        self.committer.dirty(instance)
        self.driver.pump(instance)

    # --- what the committer tells ---------------------------------------------------------------

    def _settled(self, instance: Instance, append: Append, result: Appended) -> None:
        if result.existing is not None or result.guard is not None:
            self._forget(instance)
            if result.guard is not None:
                _LOG.warning("%s is loaded again: %s", instance.key, result.guard.why)
                self._give_back(instance)
            elif instance.created is not None:
                instance.created(result.existing)
            self.finished(instance.key, None)
        elif result.mail:
            self._met_mail(instance, append)
        else:
            change = append.change
            instance.landed(result.execution)
            if change is not None and (change.release or change.status is not None):
                self._forget(instance)
                self._next_wake = (
                    None
                    if change.wake_at is None
                    else min(change.wake_at, self._next_wake or change.wake_at)
                )
                ended = None
                if change.status is not None:
                    ended = change.status, bodies.decode(append.records[-1].body)
                self.finished(instance.key, ended)

    def _met_mail(self, instance: Instance, append: Append) -> None:
        """A release or finish met new mail: nothing was written; decide again with the mail."""
        instance.flying = None
        loading.take_back(instance, append)

        async def again() -> None:
            await self.fetch(instance)
            instance.leaving = False
            if instance.pending is not None and instance.pending.records:
                self.committer.dirty(instance)
            self.driver.pump(instance)

        task = asyncio.get_running_loop().create_task(again())
        self.caller.tasks.add(task)
        task.add_done_callback(self.caller.tasks.discard)

    def _forget(self, instance: Instance) -> None:
        instance.alive = False
        for running in instance.running.values():
            if not running.settling:
                running.cancel()
        if instance.alarm is not None:
            instance.alarm.cancel()
        if self.instances.get(instance.key) is instance:
            del self.instances[instance.key]

    def _give_back(self, instance: Instance) -> None:
        """Another writer, or a bug of ours: the session ends, so that the log is read again."""
        self.committer.lose(Ambiguous(), instance)

    def _lost_session(self, gone: BaseException, flying: list[Instance]) -> None:
        if self._recovering is None or self._recovering.done():
            loop = asyncio.get_running_loop()
            self._recovering = loop.create_task(self._recover(gone, flying))

    async def _recover(self, gone: BaseException, flying: list[Instance]) -> None:
        self._stop_beat()
        if isinstance(gone, Ambiguous):
            await self._hand_over()
        else:
            unborn = [i for i in self.instances.values() if i.id == 0]
            for instance in list(self.instances.values()):
                if instance not in unborn:
                    self._forget(instance)
            self.committer.drop()
            await self._register()
            for instance in unborn:
                self._bear(instance)
        self._look_for_work = self._look_for_mail = True
        self.committer.resume()
        self._wake.set()

    async def _hand_over(self) -> None:
        """Rule 10: a new session takes the executions over, then reads what the commit became."""
        sent = self.clock.monotonic()
        self.session, tenures = await self.store.handover(self.session, self.identity)
        self.lease.acknowledged(sent)
        self._begin_beating()
        for instance in list(self.instances.values()):
            if instance.id == 0:
                row = await self.store.find(instance.key)
                instance.id = row.id if row is not None and row.id in tenures else 0
            if instance.id == 0:
                self._bear(instance)
            elif instance.id not in tenures:
                self._forget(instance)
            else:
                await self._reconcile(instance, tenures.pop(instance.id))
                self.committer.dirty(instance)
                self.driver.pump(instance)
        await self._let_go(tenures)

    def _bear(self, instance: Instance) -> None:
        """Nothing of it is durable: create it in the new session, or find what has its key."""
        instance.rechain(1, self.session, keep=False)
        instance.own_creation(self.session)
        self.committer.dirty(instance)
        self.driver.pump(instance)

    async def _let_go(self, tenures: dict[int, int]) -> None:
        """Release what an ambiguous claim took and nobody here has loaded; it is claimed again."""
        if not tenures:
            return
        mail = await self.store.mail(self.session)
        strangers: list[Append] = []
        for id, tenure in sorted(tenures.items()):
            change = RowChange(release=True, wake_at=self.store.now(), waits="*")
            change.mail_seen = mail.get(id, 0)
            strangers.append(Append(id, tenure, b"", change=change))
        results = await self.store.append(self.session, strangers)
        await self._let_go({r.execution: tenures[r.execution] for r in results if r.mail})

    async def _reconcile(self, instance: Instance, tenure: int) -> None:
        records = await self.store.log(instance.id, instance.durable)
        flying = instance.flying.records if instance.flying is not None else []
        keep = bool(flying) and [r.hash for r in records] == [r.hash for r in flying]
        change = instance.flying.change if instance.flying is not None else None
        if keep and change is not None and (change.release or change.status is not None):
            self._forget(instance)
            self.finished(instance.key, None)
            return
        instance.rechain(tenure, self.session, keep)

    def _may_intend(self, instance: Instance) -> bool:
        return self.lease.may_call(self.clock.monotonic())


def _ignore(key: str, ended: tuple[Status, Body] | None) -> None:
    return None


def _nothing() -> None:
    return None
