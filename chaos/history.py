"""A history: one execution of a flow on the real engine and the real store, in simulated time, with
the faults that were planned, judged at every durable point.

A crash ends a process and the next one opens the same database; a stopped process wakes when it was
taken over. Which faults there are is not known here (`faults.py`), nor what is lawful (`specs`).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from shutil import copyfile
from typing import Any

import msgspec

from ..engine.client import Engine, Run
from ..engine.clock import Clock
from ..engine.leases import LEASE_SECONDS, own_identity
from ..engine.post import CANCEL, Wish
from ..engine.sqlite import SqliteStore
from ..engine.store import Identity, Store
from ..engine.worker import Worker
from ..engine.world import World
from ..model.errors import ExecutionFinished, NoSuchExecution
from ..model.language.waits import Signal
from ..specs.binding import Binding
from ..specs.ledger import Ledger, Sent
from ..specs.oracle import Broken, Oracle, Rows
from .faults import Fault, Kind, Point
from .outside import Answer, Outside
from .ports import Breaks, Gate, PortedClock, PortedStore, PortedWorld
from .quick import NeverWaits, QuickLoop
from .simulation import EPOCH, NothingLeft, Time, let_pass
from .standing import on_desk

SECONDS_MAX = 900
SKIP_SECONDS = 0.05  # how soon a sender sees that time was skipped
NOBODY_SENDS = "it waits for a message that nobody sends"
THIRD_LEASE_SECONDS = 1.0
"""Short: what polls in the meantime is most of what such a history would do."""
TABLES = ("execution", "log", "message", "effect", "session", "definition")


@dataclass(frozen=True)
class Message:
    """A signal that the client sends at a moment (seconds since the beginning)."""

    at: float
    signal: Signal[Any]
    value: Any
    id: str


@dataclass(frozen=True)
class Flow:
    """A workflow with its input, what the outside answers, and what the client sends."""

    name: str
    call: Callable[[], Coroutine[Any, Any, Any]]
    answers: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    messages: Sequence[Message] = ()
    tables: Sequence[str] = ()  # the author's own, for transactional steps
    check: Callable[[sqlite3.Connection, str], list[str]] | None = None
    outside: Callable[[Breaks], Outside] | None = None  # receivers of its own, made for a history
    skips: bool = False  # an execution at rest is woken at once, however long it would wait
    rests: bool = False  # it may stall, or wait for a message that nobody sends: an end, too
    plain: Sequence[str] = ()  # steps whose receiver cannot close a key (see `Outside`)

    @property
    def key(self) -> str:
        """The execution's key."""
        return f"{self.name}-1"


class Unsettled(Exception):
    """A history that does not end in the time that is more than enough."""


class Stuck(Exception):
    """A history that comes to no end, by what a user's body does: "step: what"."""


class Outcome:
    """What became of a history."""

    def __init__(self, gate: Gate, ledger: Ledger) -> None:
        self.status = ""  # of the execution, or "on the desk"
        self.broken: list[Broken] = []
        self.broken_at = ""  # the first durable point at which something was broken
        self.defects: list[str] = []
        self.decided: tuple[str, ...] = ()  # effects whose outcome their call did not tell
        self.ledger = ledger
        self.rows: Rows = {}  # as they were at the end
        self.points: list[Point] = gate.points
        self.fired_at: list[int] = gate.fired_at  # index in `points` of each fault
        self.fired = False  # all that was planned
        self.process_count = 0
        self.seconds = 0.0  # virtual


def template(folder: Path, flow: Flow) -> Path:
    """An empty database with the engine's tables and the flow's own, to be copied."""
    path = folder / f"{flow.name}.template.db"
    store = SqliteStore(path)
    asyncio.run(store.open())
    for statement in flow.tables:
        store.links.link("writer").run(statement)
    asyncio.run(store.close())
    return path


class SimEngine(Engine):
    """An engine that is told who its process is, since there is one process for all of them."""

    def __init__(
        self,
        identity: Identity,
        url: str,
        store: Store,
        world: World,
        clock: Clock,
        lease_seconds: float,
    ) -> None:
        self._identity = identity
        self._simulated = store, world, clock, lease_seconds
        super().__init__(url, store=store, world=world, clock=clock, lease_seconds=lease_seconds)

    def _new_worker(self) -> Worker:
        store, world, clock, lease_seconds = self._simulated
        worker = Worker(store, world, clock, self._identity, lease_seconds=lease_seconds)
        worker.finished = self._finished
        return worker


@cache
def _identity_of(pid: int) -> Identity:
    """Who this process really is: read once, for the thousands that are played in it."""
    return own_identity(str(pid))


class SimProcess:
    """A process of a history: a loop, the ported engine, and whether it runs, is stopped or dead.

    See `ports.Process` for what the methods promise.
    """

    def __init__(self, history: History, number: int) -> None:
        self.history, self.number = history, number
        self.time, self.gate = history.time, history.gate
        self.loop = QuickLoop(self.time)
        self.dead = self.stopped = self.asleep = False
        self.session: int | None = None  # the newest that it has registered
        self._thawed = asyncio.Event()
        self._told = asyncio.Event()
        self.store = SqliteStore(history.path, creator=self._connect, now=self.time.database)
        self.main = self.loop.create_task(self._main())

    def _connect(self) -> sqlite3.Connection:
        if self.dead:
            raise sqlite3.OperationalError("this process is dead")
        path = str(self.history.path)
        return sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level=None)

    @property
    def identity(self) -> Identity:
        """The first process is provably gone for the second, and the second is alive for the first:
        so a takeover needs no lease to run out. Safety never rests on when it comes.
        """
        real = replace(_identity_of(os.getpid()), worker=f"process {self.number}")
        return real if self.number > 1 else replace(real, started=-1)

    async def _main(self) -> None:
        world = PortedWorld(self, self.history.outside)
        store = PortedStore(self, self.store).port()
        path, clock = str(self.history.path), PortedClock(self)
        # A third process has to wait until the second one's lease has run out (see `identity`).
        lease = LEASE_SECONDS if self.number < 3 else THIRD_LEASE_SECONDS
        async with SimEngine(self.identity, path, store, world, clock, lease) as engine:
            flow = self.history.flow
            run = await engine.start(flow.call(), id=flow.key)
            sending = [self.loop.create_task(self._send(run, m)) for m in flow.messages]
            await self._told.wait()
            for task in sending:
                task.cancel()

    async def _send(self, run: Run[Any], message: Message) -> None:
        while (left := message.at - self.time.passed) > 0:
            await asyncio.sleep(min(left, SKIP_SECONDS) if self.history.flow.skips else left)
        with suppress(ExecutionFinished):
            await run.send(message.signal, message.value, message_id=message.id)
            if not self.dead:
                self.history.outside.ledger.sent.append(Sent(run.id, message.id))

    # --- what the ports ask ---------------------------------------------------------------------

    async def able(self) -> None:
        """Return when the process runs; never, once it is dead."""
        if self.dead:
            await self.loop.create_future()
        if self.stopped:
            await self._thawed.wait()

    async def suffer(self, kind: Kind | None) -> None:
        """Die or stop, if that is what happens."""
        if kind is Kind.CRASH:
            self.die()
        if kind in (Kind.STOPPED, Kind.ASLEEP):
            self.stopped, self.asleep = True, kind is Kind.ASLEEP
        if kind is Kind.CANCELLED:
            await self.history.cancel()
        await self.able()

    def die(self) -> None:
        """Do nothing any more; what was not committed is gone."""
        self.dead = True
        self.store.links.dispose()

    def durable(self, operation: str, result: Any) -> None:
        """Something was committed, or has arrived outside: it is judged, and the stopped wake."""
        self.history.judge(f"{operation} of process {self.number}")
        if operation in ("register", "handover"):
            self.session = result if operation == "register" else result[0]
        if operation == "append" or (operation == "claim" and result):
            self.history.taken_over(self)

    # --- what the history asks ------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """It is neither dead nor stopped nor at its end."""
        return not (self.dead or self.stopped or self.main.done())

    def wake(self) -> None:
        """Go on after having stood still."""
        self.stopped = False
        self._thawed.set()

    def tell(self) -> None:
        """Let the program end: the execution has settled."""
        self._told.set()

    def bury(self) -> list[str]:
        """Drop what is left of it; what went wrong in it that nobody planned."""
        defects = [] if self.dead else [repr(defect) for defect in self.loop.defects]
        if not self.dead and self.main.done() and self.main.exception() is not None:
            defects.append(repr(self.main.exception()))
        self.dead = True
        self.store.links.dispose()
        self.loop.abandon(asyncio.all_tasks(self.loop))  # a step's own too
        return defects


class History:
    """One run of a flow, from an empty database to its end."""

    def __init__(self, flow: Flow, path: Path, *faults: Fault) -> None:
        self.flow, self.path = flow, path
        self.time = Time()
        self.gate = Gate(*faults)
        made = flow.outside(self.gate) if flow.outside else None
        self.outside = made or Outside(flow.answers, flow.plain)
        self.outcome = Outcome(self.gate, self.outside.ledger)
        self._oracle, self._binding = Oracle(), Binding()
        self._eye = sqlite3.connect(path, isolation_level=None)
        self._eye.row_factory = sqlite3.Row
        self._seen = -1
        self._read: Rows = {}
        self._settled = False
        self._processes: list[SimProcess] = []

    def run(self) -> Outcome:
        """Play it to the end and judge that too."""
        try:
            self._begin()
            while self._go_on() or self._is_open_again():
                pass
            while self.time.awaited:
                self.time.pass_until(None)
            self.outcome.rows = self._rows()
            self._note(self._oracle.settle(self.outcome.rows, self.outside.ledger), "the end")
        except (NothingLeft, NeverWaits, Stuck, Unsettled) as hang:
            self.outcome.defects.append(f"{type(hang).__name__}: {hang}")
        finally:
            self._conclude()
            for process in self._processes:
                if not process.loop.is_closed():
                    self.outcome.defects += process.bury()
            self._eye.close()
        return self.outcome

    def _begin(self) -> None:
        self._processes.append(SimProcess(self, len(self._processes) + 1))
        if self._settled:
            self._processes[-1].tell()

    def _go_on(self) -> bool:
        going = [p for p in self._processes if not (p.dead or p.main.done())]
        running = [p for p in going if not p.stopped]
        due = [p for p in running if p.loop.due]
        for process in due:
            process.loop.turns(lambda p=process: self._goes_on(p, going))
            if process.dead:
                process.bury()
            if (process.dead or process.stopped) and not any(p.running for p in self._processes):
                self._begin()
        if going and not due:
            self._pass(running)
        return bool(going)

    def _goes_on(self, process: SimProcess, going: Sequence[SimProcess]) -> bool:
        """Whoever runs alone takes all its turns at once: there is nobody to take them with. Time
        passes for it in the midst of them while nothing happens outside."""
        if not process.running or any(q.running for q in going if q is not process):
            return False
        if process.loop.due:
            return True
        moment = process.loop.next_moment
        if moment is None or self.flow.skips or self.outside.stuck:
            return False
        if moment > SECONDS_MAX * 1e6 or not self.time.is_quiet_until(moment):
            return False
        self.time.pass_until(moment)
        return True

    def _is_open_again(self) -> bool:
        """A late answer has settled what lay on the desk while all were about to end: then somebody
        else goes on with it."""
        execution = self._execution()
        if not self._settled or execution is None or _settled(execution):
            return False
        self._settled = False
        self._begin()
        return True

    def _pass(self, running: Sequence[SimProcess]) -> None:
        if not running:  # only stopped ones are left: there was nothing to take over
            for process in self._processes:
                process.wake()
            return
        if self.outside.stuck:
            raise Stuck(self.outside.stuck)
        if self.flow.skips and not self.time.awaited:
            self._skip()
        let_pass(self.time, [p.loop for p in running])
        if self.time.now > SECONDS_MAX * 1e6:
            raise Unsettled(f"still going on after {SECONDS_MAX} s: {self._execution()}")

    def _skip(self) -> None:
        """Let the next date come now, where all that is left to do is to wait for one."""
        sql = "SELECT wake_at FROM execution WHERE status = 'active' AND owner IS NULL AND key = ?"
        rested = self._eye.execute(sql, (self.flow.key,)).fetchone()
        if rested is not None and not self._settled:
            sent = {told.id for told in self.outside.ledger.sent}
            dates = [EPOCH + round(m.at * 1e6) for m in self.flow.messages if m.id not in sent]
            dates += [rested[0]] if rested[0] is not None else []
            if not dates:
                raise Unsettled(NOBODY_SENDS)
            self.time.skip_to(min(dates))

    def taken_over(self, by: SimProcess | None) -> None:
        """Another process has the execution: whoever was stopped and fenced goes on as a zombie."""
        for process in self._processes:
            if process is by or not process.stopped:
                continue
            if self._settled or (not process.asleep and self._fenced(process.session)):
                process.wake()

    def _fenced(self, session: int | None) -> bool:
        sql = "SELECT 1 FROM session WHERE id = ? AND fenced IS NOT NULL"
        return session is None or self._eye.execute(sql, (session,)).fetchone() is not None

    async def cancel(self) -> None:
        """Somebody else wishes that the execution ends; refused when there is none, or none now."""
        store = SqliteStore(self.path, now=self.time.database)
        wish = msgspec.json.encode(Wish("somebody wishes so"))
        with suppress(ExecutionFinished, NoSuchExecution):
            await store.send(self.flow.key, CANCEL, "cancel", wish)
            self.outside.ledger.sent.append(Sent(self.flow.key, "cancel"))
        await store.close()
        self.judge("a cancel")

    def judge(self, point: str) -> None:
        """Ask the oracle about this durable point, and see whether the execution has settled."""
        rows, ledger = self._rows(), self.outside.ledger
        judges = self._oracle, self._binding
        self._note([broken for j in judges for broken in j.judge(rows, ledger)], point)
        execution = self._execution()
        if not self._settled and execution is not None and _settled(execution):
            self._settled = True
            for process in self._processes:
                process.tell()
            self.taken_over(None)

    def _note(self, broken: Sequence[Broken], point: str) -> None:
        if broken and not self.outcome.broken:
            self.outcome.broken_at = point
        self.outcome.broken += broken

    def _rows(self) -> Rows:
        """All rows as they are committed now, read anew when anybody has committed since."""
        version = self._eye.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen:
            self._seen, self._read = version, {t: self._table(t) for t in TABLES}
        return self._read

    def _table(self, table: str) -> list[dict[str, Any]]:
        cursor = self._eye.cursor()
        cursor.row_factory = None  # tuples make dicts in half the time
        cursor.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _execution(self) -> Mapping[str, Any] | None:
        found = (row for row in self._rows()["execution"] if row["key"] == self.flow.key)
        return next(found, None)

    def _conclude(self) -> None:
        outcome, execution = self.outcome, self._execution()
        outcome.fired, outcome.process_count = self.gate.fired, len(self._processes)
        outcome.seconds = self.time.passed
        sql = "SELECT site, outcome, decided_by FROM effect ORDER BY intent_seq, key"
        outcome.decided = tuple(
            f"{site} {told}" + (f" by {by}" if by else "")
            for site, told, by in map(tuple, self._eye.execute(sql))
            if by != "call"
        )
        if execution is not None:
            outcome.status = "on the desk" if on_desk(execution) else str(execution["status"])
        if self.flow.check is not None:
            outcome.defects += self.flow.check(self._eye, outcome.status)


def _settled(execution: Mapping[str, Any]) -> bool:
    return execution["status"] != "active" or on_desk(execution)


def play(flow: Flow, empty: Path, folder: Path, *faults: Fault) -> Outcome:
    """Run one history in a fresh copy of the template `empty`, in `folder` (better in memory)."""
    path = folder / f"{flow.name}.{os.getpid()}.db"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    copyfile(empty, path)
    return History(flow, path, *faults).run()
