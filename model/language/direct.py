"""The world of `.direct`: a workflow as plain coroutine, with given signals and virtual time.

For unit tests of the code between the steps, and for comparing an engine with Python. Nothing is
durable here and no clock is read: time passes only by waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast

from ..errors import Blocked, PlacementError
from .ambient import DIRECT, NOW
from .attempts import SAGA, Attempts, Body, Done, Open
from .bodies import where_is
from .calls import Taken, Verb
from .effects import Effect
from .forks import BRANCH, Branch, moment, run_first, run_together
from .steps import Step
from .waits import AFTER, AT, FIRST, SLEEP, SLEEP_UNTIL, TOGETHER, WAIT, Elapsed, Signal

T = TypeVar("T")

START = datetime(2000, 1, 1, tzinfo=UTC)
"""When a direct world begins, unless it is told otherwise."""


@dataclass(frozen=True)
class Arrival(Generic[T]):
    """A signal's message that comes `after` the start of the world; plain values come at once."""

    value: T
    after: timedelta


@dataclass(frozen=True)
class Ran:
    """One run of a body: in which branch, what, with which values."""

    branch: tuple[int, ...]
    name: str
    values: tuple[Any, ...]


class DirectWorld:
    """Performs calls in place. `ran` lists what ran, `now` is the moment after the last run.

    `on_step(body, values)` replaces the functions of steps, undos and probes; it may return an
    awaitable. Without it the real functions run, and transactional ones get `tx`.
    """

    def __init__(
        self,
        *,
        signals: Mapping[str, Iterable[Any]] | None = None,
        start: datetime = START,
        on_step: Callable[[Body, tuple[Any, ...]], Any] | None = None,
        tx: object = None,
    ) -> None:
        self.now = start
        self.ran: list[Ran] = []
        self._mail = {
            name: deque(_arrivals(values, start)) for name, values in (signals or {}).items()
        }
        self._on_step, self._tx = on_step, tx
        self._attempts = Attempts(self._run_body)

    async def run(self, fn: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Run a workflow's function in this world, from the moment the last run ended."""
        world, here = DIRECT.set(self), NOW.set(self.now)
        saga, branch = SAGA.set(None), BRANCH.set(())
        try:
            return await fn(*args, **kwargs)
        finally:
            self.now = moment()
            DIRECT.reset(world)
            NOW.reset(here)
            SAGA.reset(saga)
            BRANCH.reset(branch)

    async def perform(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one call here and now."""
        if isinstance(target, Verb):
            return await self._perform_verb(target, args)
        if isinstance(target, Step):
            step = cast("Step[..., Any]", target)
            return (await self._attempts.run(step, step.bind(args, kwargs)))[0]
        saga = SAGA.set(None)  # a child's effects are its own affair
        try:
            return await target.fn(*args, **kwargs)
        finally:
            SAGA.reset(saga)

    def enter_saga(self) -> Open:
        """Open a saga inside the current one, if any."""
        saga = Open(SAGA.get())
        SAGA.set(saga)
        return saga

    async def leave_saga(self, opened: object, error: BaseException | None) -> None:
        """Close a saga: undo its effects after an error, else hand them to the saga around it."""
        assert isinstance(opened, Open), "a saga leaves with what it entered with"
        SAGA.set(opened.outer)
        if error is None:
            if opened.outer is not None:
                opened.outer.done += opened.done
                opened.outer.pivoted |= opened.pivoted
        elif _ends_the_saga(error):
            await self._attempts.unwind(opened)

    async def _perform_verb(self, verb: Verb, args: tuple[Any, ...]) -> Any:
        if verb in (TOGETHER, FIRST):
            branches = [self._branch(call, verb) for call in args]
            return await (run_together if verb == TOGETHER else run_first)(branches)
        until = self._ready(verb, args)
        if until is None:
            raise Blocked(
                f"signal {args[0].name!r}", f"direct_world(signals={{{args[0].name!r}: [...]}})"
            )
        NOW.set(max(moment(), until))
        if verb == WAIT:
            return self._mail[args[0].name].popleft()[1]
        return Elapsed() if verb in (AFTER, AT) else None

    def _ready(self, verb: Verb, args: tuple[Any, ...]) -> datetime | None:
        """Return when a wait ends that begins now; None for never."""
        if verb == WAIT:
            signal: Signal[Any] = args[0]
            mail = self._mail.get(signal.name)
            return mail[0][0] if mail else None
        if verb in (SLEEP, AFTER):
            return moment() + args[0]
        assert verb in (SLEEP_UNTIL, AT), verb
        return args[0]

    def _branch(self, call: Taken, verb: Verb) -> Branch:
        target = call.target
        if isinstance(target, Verb) and target not in (TOGETHER, FIRST):
            return Branch(lambda: self.perform(*call), lambda: self._ready(target, call.args))
        if not isinstance(target, Step):
            return Branch(lambda: self.perform(*call))
        step = cast("Step[..., Any]", target)
        if verb == FIRST and step.effect is Effect.IRREVERSIBLE:
            raise PlacementError(
                "PD307",
                f"irreversible step {step.name} is a branch of first(...)",
                where_is(step.fn),
                "the loser of a race is given up, and an irreversible effect cannot be",
                f"await {step.name}(...) after the race",
            )
        return self._step_branch(step, call)

    def _step_branch(self, step: Step[..., Any], call: Taken) -> Branch:
        landed: list[Done] = []

        async def run() -> Any:
            result, done = await self._attempts.run(step, step.bind(call.args, call.kwargs))
            landed.extend([done] if done else [])
            return result

        async def give_back() -> None:
            for done in landed:
                await self._attempts.give_back(done)

        return Branch(run, None, give_back, patient=step.effect.intent)

    async def _run_body(self, body: Body, values: tuple[Any, ...]) -> Any:
        self.ran.append(Ran(BRANCH.get(), body.name, values))
        if self._on_step is not None:
            given = self._on_step(body, values)
            return await cast("Awaitable[Any]", given) if isinstance(given, Awaitable) else given
        args, kwargs = values, dict[str, Any]()
        if isinstance(body, Step):
            args, kwargs = body.spread(values)
            if body.effect is Effect.TRANSACTIONAL:
                args = (self._transaction(body), *args)
        result = body.fn(*args, **kwargs)
        return await result if body.is_async else result

    def _transaction(self, step: Step[..., Any]) -> object:
        if self._tx is None:
            raise PlacementError(
                "PD605",
                f"transactional step {step.name} has no database in a direct run",
                where_is(step.fn),
                "`.direct` opens none",
                "with direct_world(tx=connection): ..., or direct_world(on_step=fake)",
            )
        return self._tx


@contextmanager
def direct_world(
    *,
    signals: Mapping[str, Iterable[Any]] | None = None,
    start: datetime = START,
    on_step: Callable[[Body, tuple[Any, ...]], Any] | None = None,
    tx: object = None,
) -> Generator[DirectWorld, None, None]:
    """Make a world in which the `.direct` runs inside the `with` take place, one after another.

    `signals` maps names to messages in order (values, or `Arrival`s for later ones).
    """
    world = DirectWorld(signals=signals, start=start, on_step=on_step, tx=tx)
    token = DIRECT.set(world)
    try:
        yield world
    finally:
        DIRECT.reset(token)


def run_direct(
    fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Coroutine[Any, Any, T]:
    """Return the run of a workflow's function in the world around, or in a fresh one."""
    world = DIRECT.get()
    if not isinstance(world, DirectWorld):
        world = DirectWorld()
    return world.run(fn, *args, **kwargs)


def _arrivals(values: Iterable[Any], start: datetime) -> list[tuple[datetime, Any]]:
    mail: list[tuple[datetime, Any]] = []
    for value in values:
        if isinstance(value, Arrival):
            arrival = cast("Arrival[Any]", value)
            mail.append((start + arrival.after, arrival.value))
        else:
            mail.append((start, value))
    return sorted(mail, key=lambda m: m[0])


def _ends_the_saga(error: BaseException) -> bool:
    """Tell failure and cancellation, which undo, from a run that merely waits or is thrown away."""
    import asyncio

    return isinstance(error, Exception | asyncio.CancelledError)
