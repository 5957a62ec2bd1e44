"""A process of a random history: a loop, the engine on wild ports, and what has become of it.

When it begins, dies and is replaced is its history's business; see `wild_history.py`. No boundary
is chosen here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..engine.errors import StoreUnavailable
from ..engine.leases import Watch
from ..engine.store import Ambiguous, Identity, SessionRow
from ..engine.worker import Worker
from ..model.language.workflows import Workflow
from .databases import Database
from .faults import Kind
from .history import Flow, SimEngine
from .latency import Latency
from .outside import Outside
from .quick import QuickLoop
from .simulation import Time
from .troubles import Chance, Trouble, Woe
from .wild import MOMENT, WildClock, WildStore, WildWorld

LEASE_SECONDS = 6.0
AGAIN_SECONDS = 0.3
PAUSE_SECONDS = (0.001, 0.1, 1.5, 9.0, 25.0)  # the later ones outlast the lease
MONOTONIC_SECONDS = (3.0, 7.0, 100.0)
_APART = ("register", "serves", "define", "keep", "suspect")  # no row of an execution changes
WALL_SECONDS = (2.0, -2.0, 3600.0, -20.0)


class Around(Protocol):
    """What a process asks of its history."""

    chance: Chance
    database: Database
    pace: float
    latency: Latency | None
    version: int  # another after every durable point

    @property
    def time(self) -> Time: ...

    def outside(self, execution: str) -> Outside: ...

    def tell(self, what: str) -> None: ...

    def struck(self, number: int, woe: Woe, where: str) -> None: ...

    def judge(self, point: str) -> None: ...

    def jump(self, seconds: float) -> None: ...

    def cancel_one(self) -> None: ...

    def oust(self, session: int) -> None: ...

    def orphan(self, number: int, name: str, args: tuple[Any, ...], seconds: float) -> None: ...

    def busy(self, seconds: float) -> None: ...


class WildEngine(SimEngine):
    """One that takes nobody who began later for dead."""

    def _new_worker(self) -> Worker:
        worker = super()._new_worker()
        worker.watch = OneWay(LEASE_SECONDS)
        return worker


class OneWay(Watch):
    """The engine's own, told the truth about who began later on a machine: that it is gone cannot
    be seen. Two that live and each hold the other for dead would fence each other for ever.
    """

    def over(self, rows: Sequence[SessionRow], own: Identity, now: float) -> list[SessionRow]:
        """Of those that began later, the ones whose lease has run out, and no others."""
        return super().over([_unseen(row, own) for row in rows], own, now)


def _unseen(row: SessionRow, own: Identity) -> SessionRow:
    if row.identity.pid < own.pid:
        return row
    return row._replace(identity=replace(row.identity, boot=own.boot))


class WildProcess:
    """One life of a worker. `machine` has one host name, `number` is new for every process.

    A process that begins on a machine knows that the one before it is provably gone there, also
    when it only stands still: safety never rests on when a takeover comes. Of processes on other
    machines, and of those that begin after it, it knows nothing, and waits for their lease.
    """

    def __init__(
        self,
        around: Around,
        number: int,
        machine: int,
        workflows: Sequence[Workflow[..., Any]],
        starts: Sequence[tuple[str, Flow]],
    ) -> None:
        self.around, self.number, self.machine = around, number, machine
        self.time, self.chance, self.pace = around.time, around.chance, around.pace
        self.latency = around.latency
        self.loop = QuickLoop(self.time)
        self.dead = self.stopped = self.over = False
        self._defects: list[str] = []  # of a dead one
        self.asleep = False  # wakes at the end only
        self.sleeps_long = False  # another is started in its place
        self.deaf_until, self.ahead = 0, 0.0
        self._thawed: asyncio.Event = asyncio.Event()
        self._told = asyncio.Event()
        self._workflows, self._starts = workflows, starts
        identity = Identity(
            f"worker {number}", f"machine {machine}", f"{machine}.{number}", "", number, number
        )
        inner = around.database.store(number, self.time.database)
        self.engine = WildEngine(
            identity,
            "a simulation",
            WildStore(self, inner).port(),
            WildWorld(self, around.outside),
            WildClock(self),
            LEASE_SECONDS,
        )
        self.main = self.loop.create_task(self._main())

    async def _main(self) -> None:
        async with self.engine as engine:
            await self._patiently(lambda: engine.serve(*self._workflows))
            for key, flow in self._starts:
                await self._patiently(lambda key=key, flow=flow: engine.start(flow.call(), id=key))
            await self._told.wait()

    async def _patiently(self, act: Any) -> None:
        """A program that asks again while the store cannot be reached."""
        while True:
            try:
                await act()
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            return

    # --- what the ports ask ---------------------------------------------------------------------

    async def able(self) -> None:
        """Return when the process runs; never, once it is dead."""
        if self.dead:
            await self.loop.create_future()
        while self.stopped:
            await self._thawed.wait()

    def hit(self, woe: Woe, where: str) -> None:
        """Die, stop, or let others do what they do, without waiting for it."""
        one_of, around = self.chance.one_of, self.around
        around.struck(self.number, woe, where)
        if woe in (Kind.CRASH, Kind.CRASH_SENT):
            self.die()
        elif woe in (Kind.STOPPED, Kind.ASLEEP):
            self._stop(0.0, woe is Kind.ASLEEP)
        elif woe is Trouble.PAUSED:
            self._stop(PAUSE_SECONDS[one_of(len(PAUSE_SECONDS))], False)
        elif woe is Trouble.WALL_JUMP:
            around.jump(WALL_SECONDS[one_of(len(WALL_SECONDS))])
        elif woe is Trouble.MONOTONIC_JUMP:
            self.ahead += MONOTONIC_SECONDS[one_of(len(MONOTONIC_SECONDS))]
        elif woe is Kind.CANCELLED:
            around.cancel_one()
        elif woe is Trouble.OUSTED:
            around.oust(self.engine.worker.session)

    def _stop(self, seconds: float, asleep: bool) -> None:
        self.stopped, self.asleep = True, asleep
        self.loop.halted = True
        self.sleeps_long = not seconds
        self._thawed.clear()
        if seconds:
            self.time.happen(seconds, self.wake)

    def die(self) -> None:
        """Do nothing any more; what was not committed is gone."""
        self._defects = self._defects_so_far()
        self.dead = self.loop.halted = True
        self.around.database.kill(self.number)

    def durable(self, operation: str) -> None:
        """Something was committed, or has arrived outside: it is judged."""
        if operation not in _APART:
            self.around.judge(f"{operation} of worker {self.number}")

    def orphan(self, operation: str, args: tuple[Any, ...], seconds: float) -> None:
        """See `Process` in `wild.py`."""
        self.around.orphan(self.number, operation, args, seconds)

    def busy(self, seconds: float) -> None:
        """See `Process` in `wild.py`."""
        self.around.busy(seconds)

    @property
    def version(self) -> int:
        """See `Process` in `wild.py`."""
        return self.around.version

    def locked(self) -> bool:
        """See `Process` in `wild.py`."""
        return self.around.database.locked()

    # --- what the history asks ------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """It is neither dead nor stopped nor at its end."""
        return not self.loop.halted

    @property
    def gone(self) -> bool:
        """It will never do anything again."""
        return self.dead or self.main.done()

    def wake(self) -> None:
        """Go on after having stood still."""
        if self.stopped and not self.dead:
            self.around.tell(f"worker {self.number} wakes")
            self.stopped = self.loop.halted = False
            self.loop.call_soon(self._thawed.set)

    def taken_over(self) -> None:
        """Its session was fenced: a zombie from now on, and it wakes a moment later."""
        if self.sleeps_long and not self.asleep:
            self.asleep = True
            self.time.happen(MOMENT, self.wake)

    def end(self) -> None:
        """Let the program end: everything has settled."""
        if not self.loop.is_closed():
            self.loop.call_soon(self._told.set)

    def _defects_so_far(self) -> list[str]:
        """What went wrong before its death; what dies with it says nothing."""
        found = [repr(defect) for defect in self.loop.defects]
        ended = self.main.done() and not self.main.cancelled()
        error = self.main.exception() if ended else None
        if error is not None and not isinstance(error, StoreUnavailable | Ambiguous):
            found.append(repr(error))
        return found

    def bury(self) -> list[str]:
        """Drop what is left of it; what went wrong in it that nobody planned."""
        defects = self._defects if self.dead else self._defects_so_far()
        self.dead = True
        self.around.database.kill(self.number)
        self.loop.abandon(self.engine.worker.caller.tasks)
        found = [f"worker {self.number}: {defect}" for defect in defects]
        for defect in found:
            self.around.tell(f"DEFECT: {defect}")
        return found
