"""The three ports of a process in a random history, wrapped: at each boundary a `Chance` is asked,
and what it says is done. What is lawful is not known here, nor which store lies below.

A process that is dead or stopped gets nothing done through its ports, as in `ports.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

from ..engine.clock import Timer
from ..engine.errors import StoreUnavailable
from ..engine.store import Ambiguous, StepTransaction, Store
from ..engine.world import Invocation
from ..model.language.effects import InDoubt
from .faults import Edge, Kind
from .latency import Latency
from .outside import Outside, Request
from .ports import NATURES
from .quick import QuickLoop
from .simulation import Time
from .troubles import Chance, Trouble, Woe

LATENCY_SECONDS = 0.004
MOMENT = 1e-6  # long enough for others to do what is due
SLOW_SECONDS = (0.002, 0.05, 1.0, 4.0)
BUSY_SECONDS = (0.003, 0.02, 0.3)  # of five seconds that a store waits
LATE_SECONDS = (0.5, 3.0, 8.0, 30.0)
ORPHAN_SECONDS = (0.0, 0.001, 0.1, 5.0)
DEAF_SECONDS = (2.0, 8.0, 20.0)
STRETCH_MAX = 64.0
SHORT_SECONDS = 0.05
"""Waits up to this are stretched by the history's pace: whoever polls does so less often."""


class Process(Protocol):
    """What the ports need of the process they belong to."""

    time: Time
    loop: QuickLoop
    chance: Chance
    dead: bool
    stopped: bool
    deaf_until: int  # heartbeats are lost until then
    ahead: float  # seconds by which the monotonic clock has jumped
    pace: float
    latency: Latency | None

    @property
    def version(self) -> int:
        """Another number after every durable point."""
        ...

    async def able(self) -> None:
        """Return when the process runs; never, once it is dead."""
        ...

    def hit(self, woe: Woe, where: str) -> None:
        """Die, stop, or let others do what they do, without waiting for it."""
        ...

    def die(self) -> None:
        """Do nothing any more."""
        ...

    def durable(self, operation: str) -> None:
        """Something was committed, or has arrived outside."""
        ...

    def orphan(self, operation: str, args: tuple[Any, ...], seconds: float) -> None:
        """Let a commit that nobody waits for come later, if it still can."""
        ...

    def busy(self, seconds: float) -> None:
        """Let somebody hold the write lock."""
        ...

    def locked(self) -> bool:
        """Somebody holds the write lock, at this moment."""
        ...


async def suffer(process: Process, woe: Woe, where: str) -> None:
    """Be hit, let others do what is due then, and go on when the process can."""
    process.hit(woe, where)
    await process.able()
    if isinstance(woe, Trouble) or woe is Kind.CANCELLED:
        await asyncio.sleep(MOMENT)
        await process.able()


class WildStore:
    """The Store port of a process."""

    def __init__(self, process: Process, inner: Store) -> None:
        self._process, self._inner = process, inner

    def port(self) -> Store:
        """This object as the engine takes it: every method of `Store` is answered by name."""
        return cast("Store", self)

    def __getattr__(self, name: str) -> Any:
        nature, inner = NATURES[name], getattr(self._inner, name)
        if not nature:
            setattr(self, name, inner)
            return inner

        # Looked up once: a name answered by the instance never comes here again.
        found = self._operation(name, nature, inner)
        setattr(self, name, found)
        return found

    def _operation(
        self, name: str, nature: str, inner: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        process, latency = self._process, self._process.latency

        async def operate(*args: Any, **kwargs: Any) -> Any:
            if process.dead or process.stopped:
                await process.able()
            woe = process.chance.meet(nature, Edge.BEFORE, name)
            if woe is not None:
                await self._before(woe, name, args)
            if latency is not None:
                await self._travel(latency)
            result = await inner(*args, **kwargs)
            if nature != "read":
                process.durable(name)
            if latency is not None:
                await asyncio.sleep(latency())
            if process.dead or process.stopped:
                await process.able()
            woe = process.chance.meet(nature, Edge.AFTER, name)
            if woe is not None:
                await self._after(woe, name)
            return result

        return operate

    async def _travel(self, latency: Latency) -> None:
        await asyncio.sleep(latency())
        await self._process.able()

    async def _before(self, woe: Woe, name: str, args: tuple[Any, ...] = ()) -> None:
        process, where = self._process, f"before store.{name}"
        one_of = process.chance.one_of
        await suffer(process, woe, where)
        if woe is Kind.NOT_COMMITTED:
            raise Ambiguous(str(woe))
        if woe is Trouble.LANDS_LATE:
            process.orphan(name, args, ORPHAN_SECONDS[one_of(len(ORPHAN_SECONDS))])
            raise Ambiguous(str(woe))
        if woe is Trouble.UNAVAILABLE:
            raise StoreUnavailable("of the simulation", "it cannot be reached")
        if woe is Trouble.SLOW:
            await asyncio.sleep(SLOW_SECONDS[one_of(len(SLOW_SECONDS))])
            await process.able()
        if woe is Trouble.BUSY:
            process.busy(BUSY_SECONDS[one_of(len(BUSY_SECONDS))])

    async def _after(self, woe: Woe, name: str) -> None:
        await suffer(self._process, woe, f"after store.{name}")
        if woe is Kind.COMMITTED:
            raise Ambiguous(str(woe))

    def beat(self, session: int) -> bool:
        """A heartbeat, which may be lost; the thread of a real one would wait for the lock."""
        process = self._process
        woe = process.chance.meet("beat", Edge.BEFORE, "beat")
        if woe is not None:
            process.hit(woe, "at a heartbeat")
            seconds = DEAF_SECONDS[process.chance.one_of(len(DEAF_SECONDS))]
            process.deaf_until = process.time.now + round(seconds * 1e6)
        if process.time.now < process.deaf_until or process.locked():
            raise StoreUnavailable("of the simulation", "the heartbeat is lost")
        return self._inner.beat(session)

    def transaction(
        self, session: int, **settings: Any
    ) -> AbstractAsyncContextManager[StepTransaction]:
        """A transactional step: its beginning, its commit, and in between the world's call."""
        return self._transaction(session, **settings)

    @asynccontextmanager
    async def _transaction(self, session: int, **settings: Any) -> AsyncGenerator[StepTransaction]:
        process = self._process
        await process.able()
        woe = process.chance.meet("read", Edge.BEFORE, "transaction")
        if woe is not None:
            await self._before(woe, "transaction")
        if process.latency is not None:
            await self._travel(process.latency)
        async with self._inner.transaction(session, **settings) as transaction:
            await self._locked("locked", Edge.AFTER, "transaction")
            yield transaction
            await process.able()
            await self._locked("own commit", Edge.BEFORE, "step commit")
        process.durable("step commit")
        if process.latency is not None:
            await self._travel(process.latency)
        await self._locked("own commit", Edge.AFTER, "step commit")

    async def _locked(self, nature: str, edge: Edge, name: str) -> None:
        woe = self._process.chance.meet(nature, edge, name)
        if woe is None:
            return
        await suffer(self._process, woe, f"{edge} store.{name}")
        if woe in (Kind.NOT_COMMITTED, Kind.COMMITTED):
            raise Ambiguous(str(woe))


class WildWorld:
    """The World port of a process: requests to the outside, which land whoever is alive then."""

    def __init__(self, process: Process, outside: Callable[[str], Outside]) -> None:
        self._process, self._outside = process, outside

    async def call(self, invocation: Invocation) -> Any:
        """Make one call, with what goes wrong around it."""
        process, role = self._process, invocation.role
        await process.able()
        timeout = invocation.step.timeout if role == "step" else None
        nature = "question" if role == "probe" else "call in time" if timeout else "call"
        if invocation.tx is not None:
            nature = "transactional"
        name = f"{role} {invocation.site}"
        where = f"world.{name} of {invocation.order[0]}"
        seconds = LATENCY_SECONDS
        woe = process.chance.meet(nature, Edge.BEFORE, name)
        if woe is not None:
            late = 0.0 if timeout is None else timeout.total_seconds()
            seconds = await self._before(woe, where, invocation, late)
            if woe is Trouble.PROBE_IN_DOUBT:
                return InDoubt()
        try:
            result = await self._done(invocation, seconds)
        except Exception:
            await self._answered(nature, name, where)
            raise
        await self._answered(nature, name, where)
        return result

    async def _before(self, woe: Woe, where: str, invocation: Invocation, timeout: float) -> float:
        """What happens to a call before it comes; in how many seconds it comes then."""
        process = self._process
        if woe is Kind.CRASH_SENT:
            self._send(invocation, self._late())
        await suffer(process, woe, f"before {where}")
        if woe is Kind.RAISES:
            raise ConnectionError("no connection")
        if woe is Kind.HANGS:
            self._send(invocation, timeout + self._late())
            await process.loop.create_future()  # cut by the timeout
        if woe is Trouble.PROBE_IN_DOUBT:
            self._send(invocation, None)
        if woe in (Trouble.DELIVERED_LATE, Trouble.PROBE_LATE):
            return self._late()
        return LATENCY_SECONDS

    def _late(self) -> float:
        return LATE_SECONDS[self._process.chance.one_of(len(LATE_SECONDS))]

    async def _answered(self, nature: str, name: str, where: str) -> None:
        """The answer is on its way back; a refusal is an answer too."""
        process = self._process
        await process.able()
        woe = process.chance.meet(nature, Edge.AFTER, name)
        if woe is None:
            return
        await suffer(process, woe, f"after {where}")
        if woe is Kind.LANDS_AND_RAISES:
            raise ConnectionError("the answer was lost")

    async def _done(self, invocation: Invocation, seconds: float) -> Any:
        if invocation.tx is not None:
            return await self._outside(invocation.order[0]).within(invocation)
        come: asyncio.Future[None] = self._process.loop.create_future()
        request = self._send(invocation, seconds, come)
        await come
        if request.cut:
            self._process.hit(Kind.CRASH, f"inside world.{invocation.role} {invocation.site}")
            await self._process.able()
        return request.answer()

    def _send(
        self,
        invocation: Invocation,
        seconds: float | None,
        come: asyncio.Future[None] | None = None,
    ) -> Request:
        process = self._process
        request = self._outside(invocation.order[0]).arrive(invocation)
        process.durable("call")

        def land() -> None:
            request.land()
            if come is not None and not come.done() and not process.loop.is_closed():
                come.set_result(None)

        if seconds is not None:
            process.time.happen(seconds, land)
        return request


class WildClock:
    """The Clock port of a process: waits that may end with its death, and jumps."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._version, self._stretch = -1, 1.0

    def monotonic(self) -> float:
        """Virtual seconds, and what the process has slept through in jumps."""
        return self._process.time.now / 1e6 + self._process.ahead

    def _paced(self, seconds: float) -> float:
        """Whoever finds nothing new polls less and less often, since it would find nothing."""
        if seconds > SHORT_SECONDS:
            return seconds
        version = self._process.version
        self._stretch = min(2 * self._stretch, STRETCH_MAX) if version == self._version else 1.0
        self._version = version
        return seconds * self._process.pace * self._stretch

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(self._paced(seconds))
        await self._process.able()
        self._moment("a sleep")
        await self._process.able()

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back after virtual seconds, if the process lives to see it."""

        def call() -> None:
            self._moment("a timer")
            if not self._process.dead:
                callback()

        return self._process.loop.call_later(max(0.0, self._paced(seconds)), call)

    def every(self, seconds: float, callback: Callable[[], bool]) -> Callable[[], None]:
        """Call back again and again while the process lives."""
        timers: list[Timer] = []
        loop = self._process.loop

        def beat() -> None:
            self._moment("a beat")
            if not self._process.dead and callback():
                timers[0] = loop.call_later(seconds, beat)

        timers.append(loop.call_later(seconds, beat))
        return lambda: timers[0].cancel()

    def _moment(self, what: str) -> None:
        woe = self._process.chance.meet("moment", Edge.BEFORE, what)
        if woe is not None:
            self._process.hit(woe, f"at {what}")
