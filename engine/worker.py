"""A worker: one session after another, claiming executions, delivering mail, fencing the dead.

Clocks and polls only decide when something is looked at; whether it may be written is the store's
to say.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from ..model.program import Program
from . import bodies, containment, kernel, loading
from .bodies import Body
from .calls import Caller
from .clock import Clock
from .committer import AGAIN_SECONDS, Committer
from .draining import Drain
from .driver import Driver
from .errors import StoreUnavailable
from .glances import Glances
from .heart import Heart
from .instance import Instance
from .leases import LEASE_SECONDS, Lease, Watch
from .quarantine import Quarantine
from .recovery import Recovery
from .refused import Act, Refused
from .store import (
    SUSPECT_RECOVERIES,
    Ambiguous,
    Append,
    Appended,
    Claimed,
    ExecutionRow,
    Fenced,
    Guard,
    Identity,
    Status,
    Store,
)
from .world import World

SWEEP_SECONDS = 1.0
RECOVERIES_MAX = 5
DRAIN_SECONDS = 25.0
LINGER_SECONDS = 1.0  # for cancelled steps to clean up behind them
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
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.store, self.clock = store, clock
        self.identity, self.concurrency = identity, concurrency
        self.programs: dict[str, Program] = {}
        self.instances: dict[str, Instance] = {}
        self.session = 0
        self.lease = Lease(clock.monotonic(), lease_seconds)
        self.watch = Watch(lease_seconds)
        self.recovery = Recovery(self)
        self.committer = Committer(
            store, clock, lambda: self.session, self._settled, self.recovery.lost
        )
        self.driver = Driver(store, clock, self.committer)
        self.driver.may_intend = self._may_intend
        self.caller = Caller(self.driver, store, world, clock, self.lease)
        self.caller.ending = self._ending
        self.caller.told = self.kick
        self.retired = ""  # why it drained itself
        self.finished: Callable[[str, tuple[Status, Body] | None], None] = lambda key, ended: None
        self.quarantine = Quarantine(store, clock, lambda: self.session, self._begin, self._beside)
        self.refused = Refused(store, lambda: self.session, self._told, self.kick)
        self._glances = Glances(clock, self._anything)
        self._look_for_work = self._look_for_mail = True
        self.stopping = self.ended = self._hurried = False
        self._seen = -1
        self._next_wake: int | None = None
        self._next_sweep = 0.0
        self._task: asyncio.Task[None] | None = None
        self._heart: Heart | None = None
        self._serves = (0, 0)  # for which session, and of how many programs, the store was told
        self._end: asyncio.Task[None] | None = None
        self._hearing: set[asyncio.Task[None]] = set()  # read the mail that met a release
        self._unplaced: set[int] = set()  # have mail, and were nobody's in memory

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Register a session and begin to serve."""
        await self.register()
        containment.begin(asyncio.get_running_loop())
        self._task = asyncio.get_running_loop().create_task(self._watched(self._serve()))

    async def register(self) -> None:
        """Have a new session, and beat for it."""
        sent = self.clock.monotonic()
        self.session = await self.store.register(self.identity)
        self.begin_beating(sent)

    def begin_beating(self, sent: float) -> None:
        """Beat for the session in force, which was asked for at this moment."""
        self.lease.acknowledged(sent)
        self.stop_beating()
        self._heart = Heart(self.clock, self.lease, lambda s=self.session: self.store.beat(s))

    def stop_beating(self) -> None:
        """Beat no more."""
        if self._heart is not None:
            self._heart.stop()

    async def stop(self, drain_seconds: float = DRAIN_SECONDS, hard_seconds: float = 0.0) -> None:
        """Stop claiming, let running calls end, release what is left, end the session (rule 47).

        Calls that outlast `drain_seconds` are given up; those with an intent are awaited for
        `hard_seconds` more and then come back as doubts. Twice is once; see `hurry`.
        """
        if self._end is None:
            work = self._wind_up(drain_seconds, hard_seconds)
            self._end = asyncio.get_running_loop().create_task(work)
        await asyncio.shield(self._end)

    def hurry(self) -> None:
        """Wait for no call any more while stopping."""
        self._hurried = True

    def retire(self, why: str, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Drain and end by itself, since nothing good can come of going on."""
        if self._end is None:
            self.retired = why
            _LOG.error("this worker drains itself: %s", why)
            work = self._wind_up(drain_seconds, 0.0)
            self._end = asyncio.get_running_loop().create_task(work)

    def fail(self, defect: BaseException, drain_seconds: float = DRAIN_SECONDS) -> None:
        """End the worker because of a defect of ours, so that others take over what it holds."""
        _LOG.error("a defect ends this worker", exc_info=defect)
        # Whoever watches the loop hears of it, as of any task that dies.
        context = {"message": "a defect ends a worker of perdure", "exception": defect}
        asyncio.get_running_loop().call_exception_handler(context)
        self.retire(f"a defect: {defect!r}", drain_seconds)

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """Nothing that serves ends in silence, while the heart beats on for what nobody drives."""
        try:
            await work
        except Exception as defect:
            self.fail(defect)

    async def _wind_up(self, drain_seconds: float, hard_seconds: float) -> None:
        try:
            await self._drain(drain_seconds, hard_seconds)
        except Exception:
            _LOG.exception("what waits to be written is left to others")
        self.ended = True
        self.stop_beating()
        for instance in list(self.instances.values()):
            self.forget(instance)
            for running in instance.running.values():
                running.cancel()
            self.finished(instance.key, None)
        others = self.caller.tasks - {asyncio.current_task()}
        if others:  # one that swallows its cancellation does not keep us
            await asyncio.wait(others, timeout=LINGER_SECONDS)
        containment.end(asyncio.get_running_loop())
        try:
            await self.store.fence(self.session)
        except (StoreUnavailable, Ambiguous, Fenced):
            pass
        except Exception:
            _LOG.exception("session %s ends with its lease", self.session)

    async def _drain(self, drain_seconds: float, hard_seconds: float) -> None:
        self.stopping = self.driver.draining = True
        self._glances.wake()
        await self._until_idle()
        drain = Drain(self.driver, self.instances, self.clock, lambda: self._hurried)
        await drain.run(drain_seconds, hard_seconds)
        await self._until_idle()
        await self._write_out()

    async def _write_out(self) -> None:
        """Wait until all is written, also what waited while a last write cost the session, or met
        mail: what becomes of its executions is seen to the end before the session in force is."""
        while True:
            with suppress(StoreUnavailable):
                await self.committer.close()
            if self.recovery.under_way:
                await self._until_idle()
            elif self._hearing:
                await asyncio.wait(self._hearing)
            else:
                return

    async def _until_idle(self) -> None:
        """Wait for the serving and the recovering that are under way."""
        tasks = {t for t in (self._task, self.recovery.task) if t is not None}
        if self._hurried:
            for task in tasks:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ending(self) -> bool:
        """Calls are being cancelled by whoever ends the worker, or its loop."""
        return any(t.cancelling() for t in (self._task, self._end) if t is not None)

    # --- serving ------------------------------------------------------------------------------

    def kick(self, *, work: bool = True, mail: bool = True) -> None:
        """Something was committed by this process that the loop should look at."""
        self._look_for_work |= work
        self._look_for_mail |= mail
        self._glances.wake()

    async def _serve(self) -> None:
        while not self.stopping:
            if self.recovery.task is not None:
                await asyncio.wait({self.recovery.task})
            try:
                await self._look()
            except (Fenced, Ambiguous) as gone:
                self.committer.lose(gone)
                continue
            except StoreUnavailable as trouble:
                _LOG.warning("nothing is claimed: %s", trouble)
                self._look_for_work = self._look_for_mail = True
                await self.clock.sleep(AGAIN_SECONDS)
                continue
            await self._glances.something()

    def _anything(self) -> bool:
        """Whether a look would do anything."""
        return (
            self._look_for_work
            or self._look_for_mail
            or self.store.changes() != self._seen
            or self.clock.monotonic() >= self._next_sweep
            or (self._next_wake is not None and self.store.now() >= self._next_wake)
            or (self._heart is not None and self._heart.fenced)
            or self._serves != (self.session, len(self.programs))
        )

    async def _look(self) -> None:
        if self._heart is not None and self._heart.fenced:
            raise Fenced(self.session)
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
        if self._serves != (self.session, len(self.programs)):
            serves = self.session, len(self.programs)
            await self.store.serves(self.session, list(self.programs))
            self._serves = serves
        if self._look_for_work:
            self._look_for_work = False
            await self._claim()
        if self._look_for_mail:
            self._look_for_mail = False
            await self._deliver()

    async def _sweep(self) -> None:
        """Fence sessions that are provably gone, or whose beat stood still for a lease."""
        others = [row for row in await self.store.sessions() if row.id != self.session]
        for row in self.watch.over(others, self.identity, self.clock.monotonic()):
            await self.store.fence(row.id)
            self._look_for_work = True
            _LOG.info("session %s of %s is fenced", row.id, row.identity.worker)

    async def _claim(self) -> None:
        free = self.concurrency - len(self.instances)
        if free > 0 and self.programs and not self.stopping:
            claimed = await self.store.claim(self.session, list(self.programs), free)
            # Suspects first: what was claimed with them waits.
            for each in sorted(claimed, key=_is_innocent):
                await self._patiently(lambda each=each: self._take(each))
            if len(claimed) == free:
                self._look_for_work = True
        self._next_wake = None  # who is parked from now on is perhaps not in the answer
        self._wake_by(await self.store.next_wake())

    def _wake_by(self, moment: int | None) -> None:
        """Look for work at this moment at the latest."""
        if moment is not None and (self._next_wake is None or moment < self._next_wake):
            self._next_wake = moment

    async def _take(self, claimed: Claimed) -> None:
        """Load what was claimed; a log that cannot be folded stalls its execution, no other."""
        try:
            await self._load(claimed)
        except StoreUnavailable:
            raise
        except Exception as defect:
            told = "".join(traceback.format_exception(defect))
            self._make_room(claimed.row)
            await self.refused.stall(claimed.row.key, claimed.row.tenure, told)

    def _beside(self, act: Act) -> asyncio.Task[None]:
        return self.caller.spawn(self._watched(self._patiently(act)))

    async def _patiently(self, act: Act) -> None:
        """Something about an execution that is ours, beside the committer: what cannot be reached
        is tried again, or it would stay ours and lie there; a lost session ends as everywhere.
        """
        while True:
            try:
                return await act()
            except (Fenced, Ambiguous) as gone:
                return self.committer.lose(gone)
            except StoreUnavailable as trouble:
                _LOG.warning("it is tried again: %s", trouble)
                if self.stopping:
                    return None
            await self.clock.sleep(AGAIN_SECONDS)

    async def _load(self, claimed: Claimed) -> None:
        row, program = claimed.row, self.programs[claimed.row.net]
        instance = loading.load(program, claimed, self.session)
        value = loading.values_of(program)
        instance.state = await loading.resolve(self.store, row.id, instance.state, value)
        if row.owner != self.session:
            return  # handed over since it was claimed, and released: it is claimed again
        self._make_room(row)
        self.instances[row.key] = instance
        if row.recoveries >= RECOVERIES_MAX:
            self.driver.stall(instance, f"recovered {row.recoveries} times without progress")
        elif self.quarantine.admit(instance, not _is_innocent(claimed)):
            self._begin(instance)

    def _make_room(self, row: ExecutionRow) -> None:
        """Let out of memory who is there under the key of what was claimed: a start that finds it
        taken, or one whose release was not answered yet."""
        known = self.instances.get(row.key)
        if known is not None and known.create is not None:
            self._exists(known, row)
        elif known is not None:
            self.forget(known)

    def _begin(self, instance: Instance) -> None:
        """Let a claimed execution go on: what was called when it was lost is in doubt."""
        for transition in kernel.lost(instance.wiring, instance.state):
            why = f"the session before tenure {instance.tenure} ended during the call"
            self.driver.fire(instance, transition, said={"why": why})
        self.driver.pump(instance)

    async def _deliver(self) -> None:
        """Hand new messages to the executions that are in memory here."""
        if not self.instances:
            return
        counters = await self.store.mail(self.session)
        self._unplaced = counters.keys() - {each.id for each in self.instances.values()}
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
        if self.ended:  # nobody would write it, and who waits for it would wait for ever
            self.finished(instance.key, None)
            return
        self.instances[instance.key] = instance
        self.committer.dirty(instance)
        self.driver.pump(instance)

    # --- what the committer tells ---------------------------------------------------------------

    def _settled(self, instance: Instance, append: Append, result: Appended) -> None:
        if result.guard is not None and append.create is None:
            self.forget(instance)
            self._beside(self.refused.settle(instance, result.guard))
        elif (met := result.existing or result.guard) is not None:
            self._exists(instance, met)
        elif result.mail:
            self._met_mail(instance, append)
        else:
            change = append.change
            instance.landed(result.execution)
            if result.execution in self._unplaced:  # created, and written to before we knew
                self.kick(work=False)
            if change is not None and (change.release or change.status is not None):
                self.forget(instance)
                self._wake_by(change.wake_at)
                ended = None
                if change.status is not None:
                    ended = change.status, bodies.decode(append.records[-1].body)
                self.finished(instance.key, ended)

    def _exists(self, instance: Instance, met: ExecutionRow | Guard) -> None:
        """A creation that will never be durable: who started it is told what was met instead."""
        self.forget(instance)
        if instance.created is not None:
            instance.created(met)
        self.finished(instance.key, None)

    def _told(self, key: str, ended: tuple[Status, Body] | None) -> None:
        self.finished(key, ended)

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

        hears = self._beside(again)
        self._hearing.add(hears)
        hears.add_done_callback(self._hearing.discard)

    def forget(self, instance: Instance) -> None:
        """Let an instance out of memory: it writes and calls nothing any more."""
        instance.alive = False
        self.quarantine.gone(instance)
        for running in instance.running.values():
            if not running.settling:
                running.cancel()
        if instance.alarm is not None:
            instance.alarm.cancel()
        if self.instances.get(instance.key) is instance:
            del self.instances[instance.key]

    def _may_intend(self, instance: Instance) -> bool:
        return not self.stopping and self.lease.may_call(self.clock.monotonic())


def _is_innocent(claimed: Claimed) -> bool:
    return claimed.row.recoveries < SUSPECT_RECOVERIES
