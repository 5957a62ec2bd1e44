"""The three ports of a simulated process, wrapped: every use is numbered, recorded, and can be
broken.

A `Gate` is shared by all processes of a run and knows the planned faults. A process that is dead
or stopped gets nothing done through its ports, and a process has no other way to do anything: so a
crash is exact, and there is no hook in the engine.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

from ..engine.clock import Timer
from ..engine.sqlite import SqliteStore
from ..engine.store import Ambiguous, StepTransaction, Store
from ..engine.world import Invocation
from .faults import Boundary, Edge, Fault, Kind, Point, kinds
from .outside import Outside, Request
from .simulation import SimClock, SimLoop, Time

LATENCY_SECONDS = 0.025  # longer than a worker takes to look for mail
LATE_SECONDS = 30.0
"""When a request of a dead process, or one that was given up, lands at last."""

NATURES: Mapping[str, str] = {
    **dict.fromkeys(("register", "fence", "start", "send", "resume", "define"), "write"),
    **dict.fromkeys(("keep", "serves"), "write"),
    **dict.fromkeys(("append", "claim", "handover", "suspect"), "commit"),
    **dict.fromkeys(("open", "sessions", "mail", "next_wake", "find", "list", "log"), "read"),
    **dict.fromkeys(("messages", "effects", "attempts", "definition", "payload", "served"), "read"),
    "unread": "read",
    **dict.fromkeys(("weak", "now", "changes", "close", "beat", "tidy"), ""),
}
"""Every operation of the Store port; "" neither waits nor matters (see faults.py). A beat is met at
the callback of the clock that makes it."""


class Gate:
    """Numbers the boundaries of a run, and breaks it at those that are planned, one after another.

    A fault is awaited only when those before it have fired: behind the first one, boundaries are
    those of a run in which it happened.
    """

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        self.points: list[Point] = []
        self.fired_at: list[int] = []  # for each fault that fired, where in `points`
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last = ""
        self.met: Callable[[Boundary, Kind], None] = _untold

    @property
    def fired(self) -> bool:
        """Every planned fault has happened, and there was one."""
        return 0 < len(self.faults) == len(self.fired_at)

    def number(self, port: str, operation: str) -> int:
        """The number of this use of an operation, from 1; 0 where no boundary is (see faults)."""
        last, self._last = self._last, port
        if port == last == "clock":
            return 0
        self._counts[port, operation] += 1
        return self._counts[port, operation]

    def meet(self, boundary: Boundary, fitting: tuple[Kind, ...]) -> Kind | None:
        """What goes wrong at this boundary, if it is that of the next planned fault."""
        if not boundary.number:
            return None
        self.points.append(Point(boundary, fitting))
        awaited = self.faults[len(self.fired_at) :][:1]
        if not awaited or awaited[0].boundary != boundary:
            return None
        kind = awaited[0].kind
        assert kind in (*fitting, Kind.CANCELLED), f"{awaited[0]} does not fit"
        self.fired_at.append(len(self.points) - 1)
        self.met(boundary, kind)
        return kind


def _untold(boundary: Boundary, kind: Kind) -> None:
    return None


class Breaks(Protocol):
    """What the lines of a body are met at: a `Gate`, or the chance of a random history."""

    def number(self, port: str, operation: str) -> int:
        """The number of this use of an operation."""
        ...

    def meet(self, boundary: Boundary, fitting: tuple[Kind, ...]) -> Kind | None:
        """What goes wrong at this boundary."""
        ...


class Process(Protocol):
    """What the ports need of the process they belong to."""

    time: Time
    gate: Gate

    @property
    def loop(self) -> SimLoop:
        """Its own."""
        ...

    async def able(self) -> None:
        """Return when the process runs; never, once it is dead."""
        ...

    async def suffer(self, kind: Kind | None) -> None:
        """Die or stop, if that is what happens."""
        ...

    def die(self) -> None:
        """Do nothing any more."""
        ...

    def durable(self, operation: str, result: Any) -> None:
        """Something was committed, or has arrived outside."""
        ...


class PortedStore:
    """The Store port of a process; see `NATURES` for what may go wrong where."""

    def __init__(self, process: Process, inner: SqliteStore) -> None:
        self._process, self._inner = process, inner

    def port(self) -> Store:
        """This object as the engine takes it: every method of `Store` is answered by name."""
        return cast("Store", self)

    def __getattr__(self, name: str) -> Any:
        nature, inner = NATURES[name], getattr(self._inner, name)

        async def operate(*args: Any, **kwargs: Any) -> Any:
            return await self._operate(name, nature, lambda: inner(*args, **kwargs))

        found = vars(self)[name] = operate if nature else inner  # asked for once
        return found

    async def _operate(self, name: str, nature: str, act: Callable[[], Awaitable[Any]]) -> Any:
        process = self._process
        await process.able()
        number = process.gate.number("store", name)
        await self._edge(name, nature, number, Edge.BEFORE)
        result = await act()
        if nature != "read":
            process.durable(name, result)
        await process.able()
        await self._edge(name, nature, number, Edge.AFTER)
        return result

    async def _edge(self, name: str, nature: str, number: int, edge: Edge) -> None:
        process = self._process
        kind = process.gate.meet(Boundary("store", name, number, edge), kinds(nature, edge))
        await process.suffer(kind)
        if kind in (Kind.NOT_COMMITTED, Kind.COMMITTED):
            raise Ambiguous(str(kind))

    def transaction(
        self, session: int, **settings: Any
    ) -> AbstractAsyncContextManager[StepTransaction]:
        """A transactional step: its beginning, its commit, and in between the world's call."""
        return self._transaction(session, **settings)

    @asynccontextmanager
    async def _transaction(self, session: int, **settings: Any) -> AsyncGenerator[StepTransaction]:
        process = self._process
        await process.able()
        number = process.gate.number("store", "transaction")
        await self._edge("transaction", "read", number, Edge.BEFORE)
        async with self._inner.transaction(session, **settings) as transaction:
            await self._edge("transaction", "read", number, Edge.AFTER)
            yield transaction
            await process.able()
            number = process.gate.number("store", "step commit")
            await self._edge("step commit", "own commit", number, Edge.BEFORE)
        process.durable("step commit", None)
        await self._edge("step commit", "own commit", number, Edge.AFTER)


class PortedWorld:
    """The World port of a process: requests to the outside, which land whoever is alive then."""

    def __init__(self, process: Process, outside: Outside) -> None:
        self._process, self._outside = process, outside

    async def call(self, invocation: Invocation) -> Any:
        """Make one call, with what goes wrong around it."""
        process, role = self._process, invocation.role
        nature = {"step": "call", "undo": "call", "probe": "question"}[role]
        if invocation.tx is not None:
            nature = "transactional"
        await process.able()
        operation = f"{role} {invocation.site}"
        number = process.gate.number("world", operation)
        timeout = invocation.step.timeout if role == "step" else None
        before = kinds(nature, Edge.BEFORE, timeout=timeout is not None)
        kind = process.gate.meet(Boundary("world", operation, number, Edge.BEFORE), before)
        if kind is Kind.RAISES:
            raise ConnectionError("no connection")
        if kind is Kind.HANGS:
            assert timeout is not None
            self._send(invocation, timeout.total_seconds() + LATE_SECONDS)
            await process.loop.create_future()  # cut by the timeout
        if kind is Kind.CRASH_SENT:
            self._send(invocation, LATE_SECONDS)
            process.die()
        await process.suffer(kind)
        try:
            result = await self._done(invocation)
        except Exception:
            await self._answered(operation, nature, number)
            raise
        await self._answered(operation, nature, number)
        return result

    async def _answered(self, operation: str, nature: str, number: int) -> None:
        """The answer is on its way back; a refusal is an answer too."""
        process = self._process
        await process.able()
        boundary = Boundary("world", operation, number, Edge.AFTER)
        kind = process.gate.meet(boundary, kinds(nature, Edge.AFTER))
        await process.suffer(kind)
        if kind is Kind.LANDS_AND_RAISES:
            raise ConnectionError("the answer was lost")

    async def _done(self, invocation: Invocation) -> Any:
        if invocation.tx is not None:
            return await self._outside.within(invocation)
        request = self._send(invocation, LATENCY_SECONDS)
        while not request.done:
            await asyncio.sleep(LATENCY_SECONDS)
            if request.cut:
                self._process.die()
                await self._process.able()
        return request.answer()

    def _send(self, invocation: Invocation, seconds: float) -> Request:
        request = self._outside.arrive(invocation)
        self._process.durable("call", None)
        self._process.time.happen(seconds, request.land)
        return request


class PortedClock:
    """The Clock port of a process: a crash may fall before anything that the clock wakes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._inner = SimClock(process.time, process.loop)

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._inner.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await self._inner.sleep(seconds)
        await self._process.able()
        await self._process.suffer(self._moment("sleep"))

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back after virtual seconds, if the process lives to see it."""

        def call() -> None:
            if self._moment("later") is None:
                callback()
            else:
                self._process.die()

        return self._inner.later(seconds, call)

    def every(self, seconds: float, callback: Callable[[], bool]) -> Callable[[], None]:
        """Call back again and again while the process lives."""

        def call() -> bool:
            if self._moment("beat") is None:
                return callback()
            self._process.die()
            return False

        return self._inner.every(seconds, call)

    def _moment(self, operation: str) -> Kind | None:
        number = self._process.gate.number("clock", operation)
        if not number:  # as mostly: somebody has glanced at an idle store
            return None
        boundary = Boundary("clock", operation, number, Edge.BEFORE)
        return self._process.gate.meet(boundary, kinds("moment", Edge.BEFORE))
