"""A stage for the engine's rules: the real engine and store in virtual time, and a world outside
that does what a test scripts. No test lives here, and nothing of the engine is replaced.

One `Stage` outlives the processes on it: `play` is one life, which ends well or at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from perdure import Run, effect_key
from perdure.chaos.simulation import SimClock, SimLoop, Time, run
from perdure.engine import bodies
from perdure.engine.audit import audit
from perdure.engine.client import Engine
from perdure.engine.clock import Timer
from perdure.engine.desk import Case, cases
from perdure.engine.looking import view
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import (
    Append,
    Appended,
    EffectRow,
    ExecutionRow,
    Identity,
    MessageRow,
    Store,
)
from perdure.engine.world import World

T = TypeVar("T")
FOREVER = 10.0**9
PATIENCE_SECONDS = 5_000.0  # of virtual time, for a whole life
SLOW_SECONDS = 2.0  # of a read of the log while a session is handed over
QUIET_SECONDS = 120.0
"""Longer than every wait between attempts: what has not happened by then waits for somebody."""


class Refused(Exception):
    """What steps of these tests declare as a refusal."""


class Kept(SqliteStore):
    """A store in memory that survives the processes that use it."""

    async def close(self) -> None:
        """The next life opens it again."""


class StageClock(SimClock):
    """Virtual time in which nobody polls a hundred times a second."""

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Polls of a worker or a waiting client come every second."""
        return super().later(1.0 if seconds in (0.01, 0.05) else seconds, callback)


class Happened(NamedTuple):
    """Something that reached the outside."""

    what: str  # "lands", "undone", "probed", "called", "refused late"
    site: str
    number: int  # the argument: which logical occurrence
    key: str
    at: float


@dataclass
class Outside:
    """The receiver of all effects: what it does with each attempt is scripted, what came is kept.

    It refuses what is voided and never deduplicates.
    """

    time: Time
    script: dict[str, deque[str]] = field(default_factory=dict[str, deque[str]])
    probes: deque[str] = field(default_factory=deque[str])
    seen: list[Happened] = field(default_factory=list[Happened])
    closed: set[str] = field(default_factory=set[str])
    gates: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])

    def note(self, what: str, site: str, number: int) -> None:
        """Keep that something came."""
        self.seen.append(Happened(what, site, number, effect_key(), self.time.now / 1e6))

    def land(self, site: str, number: int, key: str) -> None:
        """An effect lands, unless the receiver refuses its key by now."""
        what = "refused late" if key in self.closed else "lands"
        self.seen.append(Happened(what, site, number, key, self.time.now / 1e6))

    async def attempt(self, site: str, number: int, late_seconds: float = 15.0) -> str:
        """One attempt of a call, as scripted for its site; it lands when nothing is scripted."""
        key = effect_key()
        self.note("called", site, number)
        left = self.script.get(site)
        await asyncio.sleep(1)  # long enough for others to act meanwhile
        match left.popleft() if left else "lands":
            case "refuses":
                raise Refused(f"{site} {number}")
            case "raises":
                raise OSError("no connection")
            case "lands, raises":
                self.land(site, number, key)
                raise OSError("reset by peer")
            case "hangs":
                await asyncio.sleep(FOREVER)
            case "lands late":
                self.time.happen(late_seconds, lambda: self.land(site, number, key))
                await asyncio.sleep(FOREVER)
            case "gate":
                await self.gate(site).wait()
            case "lands, gate":
                self.land(site, number, key)
                await self.gate(site).wait()
                return f"{site} {number}"
            case "gate, raises":
                await self.gate(site).wait()
                raise OSError("reset by peer")
            case "gate, refuses":
                await self.gate(site).wait()
                raise Refused(f"{site} {number}")
            case _:
                pass
        self.land(site, number, key)
        return f"{site} {number}"

    def gate(self, site: str) -> asyncio.Event:
        """What an attempt scripted with "gate" waits for."""
        return self.gates.setdefault(site, asyncio.Event())

    def count(self, what: str, site: str | None = None) -> int:
        """How often something came."""
        return sum(1 for h in self.seen if h.what == what and site in (None, h.site))

    def told(self, *what: str) -> list[str]:
        """What came, in order, as `what site number`."""
        return [f"{h.what} {h.site} {h.number}" for h in self.seen if h.what in what]

    def stands(self, site: str, number: int) -> int:
        """Landings of one logical occurrence that nothing has taken back."""
        keys = [h.key for h in self.seen if (h.what, h.site, h.number) == ("lands", site, number)]
        gone = {h.key for h in self.seen if (h.what, h.site, h.number) == ("undone", site, number)}
        return sum(1 for key in keys if key not in gone)


OUTSIDE: list[Outside] = []


def outside() -> Outside:
    """The world outside of the stage that plays now."""
    return OUTSIDE[-1]


class Stage:
    """Time, store and outside world; processes come and go."""

    def __init__(self) -> None:
        self.time = Time()
        self.out = Outside(self.time)
        OUTSIDE[:] = [self.out]
        self.store = Kept("sqlite://", now=self.time.database, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def play(
        self,
        main: Callable[[Engine], Coroutine[Any, Any, T]],
        *,
        store: Store | None = None,
        world: World | None = None,
    ) -> T:
        """One life of a process that ends well."""
        loop = SimLoop(self.time)
        return run(loop, self._life(loop, main, store or self.store, world))

    async def _life(
        self,
        loop: SimLoop,
        main: Callable[[Engine], Coroutine[Any, Any, T]],
        store: Store,
        world: World | None,
    ) -> T:
        self.out.gates.clear()
        clock = StageClock(self.time, loop)
        async with Engine("sqlite://", store=store, clock=clock, world=world) as engine:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await main(engine)

    def play_and_die(
        self,
        main: Callable[[Engine], Coroutine[Any, Any, T]],
        *,
        store: Store | None = None,
        world: World | None = None,
    ) -> T:
        """One life that ends at once when `main` returns; what was on its way may still land."""
        loop = SimLoop(self.time)
        done: list[T] = []

        async def life() -> None:
            clock = StageClock(self.time, loop)
            engine = Engine("sqlite://", store=store or self.store, clock=clock, world=world)
            await engine.__aenter__()
            async with asyncio.timeout(PATIENCE_SECONDS):
                done.append(await main(engine))

        self.out.gates.clear()
        run(loop, life())
        loop.abandon()
        return done[0]

    def pass_time(self, seconds: float) -> None:
        """Let time pass while nobody runs."""
        end = self.time.now + int(seconds * 1e6)
        while self.time.now < end:
            self.time.pass_until(end)

    # --- looking, always into the store -----------------------------------------------------------

    async def row(self, key: str = "e") -> ExecutionRow:
        """The execution's row."""
        found = await self.store.find(key)
        assert found is not None
        return found

    async def effects(self, key: str = "e") -> list[EffectRow]:
        """The ledger, in the order of the intents."""
        rows = await self.store.effects((await self.row(key)).id)
        return sorted(rows, key=lambda e: e.intent_seq)

    async def ledger(self, key: str = "e") -> list[tuple[str, str, str]]:
        """The ledger in short: site, outcome, by whom."""
        return [(e.site, e.outcome, e.decided_by) for e in await self.effects(key)]

    async def mail(self, key: str = "e") -> list[MessageRow]:
        """All messages."""
        return await self.store.messages((await self.row(key)).id)

    async def words(self, key: str = "e") -> list[str]:
        """The words of the log."""
        return [r.kind.word for r in await self.store.log((await self.row(key)).id)]

    async def bodies(self, key: str = "e") -> list[bodies.Body]:
        """What the records say."""
        return [bodies.decode(r.body) for r in await self.store.log((await self.row(key)).id)]

    async def lawful(self, key: str = "e") -> None:
        """The audit finds nothing wrong with what is stored."""
        assert (await audit(self.store, await self.row(key))).problems == ()

    async def until(
        self, what: Callable[[], Awaitable[Any]] | Callable[[], Any], seconds: float = 1_000.0
    ) -> None:
        """Let virtual time pass until a condition holds."""
        end = self.time.now + int(seconds * 1e6)
        while True:
            told = what()
            if await told if isinstance(told, Awaitable) else told:
                return
            assert self.time.now < end, f"it never happens: {self.out.seen}"
            await asyncio.sleep(0.25)

    async def at(self, *places: str, key: str = "e") -> None:
        """Wait until tokens rest durably in the places named, whatever else is marked."""

        async def there() -> bool:
            return set(places) <= set(await self.marked(key))

        try:
            await self.until(there)
        except AssertionError:
            raise AssertionError(f"tokens are in {await self.marked(key)}") from None

    async def marked(self, key: str = "e") -> list[str]:
        """The places of the tokens, read from the store."""
        row = await self.store.find(key)
        if row is None or await self.store.definition(row.net) is None:
            return []
        seen = await view(self.store, key)
        assert seen.definition is not None and seen.state is not None
        return [seen.definition.net.places[p].name for p in seen.state.marking]


class Beside:
    """The stage's store, on which something else happens right before and after each write."""

    def __init__(
        self, stage: Stage, act: Callable[[str, int], Awaitable[None]] | None = None
    ) -> None:
        self._stage, self._act = stage, act
        self.writes = 0

    @property
    def port(self) -> Any:
        """As a Store: everything but the write is handed on."""
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage.store, name)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """The write, with the others' act beside it."""
        self.writes += 1
        if self._act is not None:
            await self._act("before", self.writes)
        result = await self._stage.store.append(session, batch)
        if self._act is not None:
            await self._act("after", self.writes)
        return result


class Troubled:
    """The stage's store, with the troubles that a test asks for."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.handovers = self.registered = 0
        self.slow = asyncio.Event()  # from now on logs are read slowly

    @property
    def port(self) -> Any:
        """As a Store."""
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stage.store, name)

    async def register(self, identity: Identity) -> int:
        self.registered += 1
        return await self.stage.store.register(identity)

    async def handover(self, session: int, identity: Identity) -> tuple[int, dict[int, int]]:
        """The store's; what it moved is read slowly."""
        told = await self.stage.store.handover(session, identity)
        self.handovers += 1
        self.slow.set()
        return told

    async def log(self, execution: int, after: int = -1) -> Any:
        if self.slow.is_set():
            await asyncio.sleep(SLOW_SECONDS)
        return await self.stage.store.log(execution, after)


async def ended(run: Run[Any]) -> tuple[str, Any]:
    """How an execution ends: "done" with its value, or the name of what it raises, with it."""
    try:
        return "done", await run.result()
    except Exception as error:
        return type(error).__name__, error


async def waiting(stage: Stage, key: str = "e") -> list[Case]:
    """What is on the desk."""
    return cases(await view(stage.store, key))


async def one(stage: Stage, kind: str, key: str = "e") -> Case:
    """Wait until exactly one thing of a kind is on the desk."""
    found: list[Case] = []

    async def there() -> bool:
        found[:] = [c for c in await waiting(stage, key) if c.kind == kind]
        return len(found) == 1

    await stage.until(there)
    return found[0]


Act = Callable[[Engine, Stage], Awaitable[Any]]


def play(stage: Stage, act: Act) -> Any:
    """Play one life and check afterwards that what is stored is lawful."""

    async def main(engine: Engine) -> Any:
        return await act(engine, stage)

    told = stage.play(main)
    asyncio.run(stage.lawful())
    return told
