"""How `.direct` runs the branches of `together` and `first`: at once, in virtual time.

Each branch has its own copy of the moment; the fork ends at the moment of its last branch (or its
winner). What a branch does is handed in; this file knows neither steps nor signals, and no engine
uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import Interruption
from .ambient import NOW

BRANCH: ContextVar[tuple[int, ...]] = ContextVar("BRANCH", default=())
"""The path of forks that leads to the code here: (1,) is the second branch of the first fork."""


@dataclass(frozen=True)
class Branch:
    """One branch of a fork.

    `ready` is None for what acts by itself; for a wait it tells when that would end (None: never).
    `give_back` takes the effect of a value back that came too late; None when nothing has to be.
    `patient`: must not be cancelled when it loses, its outcome is awaited.
    """

    run: Callable[[], Coroutine[Any, Any, Any]]
    ready: Callable[[], datetime | None] | None = None
    give_back: Callable[[], Coroutine[Any, Any, None]] | None = None
    patient: bool = False


@dataclass(frozen=True)
class Ended:
    """How and when a branch ended; `order` counts the ends of one fork in real time."""

    index: int
    order: int
    moment: datetime
    value: Any = None
    error: Exception | Interruption | None = None


def moment() -> datetime:
    """Return the virtual moment of the branch that runs here."""
    here = NOW.get()
    assert here is not None, "a direct world sets the moment before anything runs"
    return here


async def run_together(branches: Sequence[Branch]) -> tuple[Any, ...]:
    """Run all branches, settle all, and return the results in the order of the branches.

    Raises the first error in virtual time, the others as its notes. A wait that would end after
    an error is withdrawn: it consumes nothing. An effect that landed stands, before the error or
    after it: what takes it back is the saga around, if there is one.
    """
    fork = _Fork(branches)
    ends = await fork.finish_all(fork.begin([i for i, b in enumerate(branches) if not b.ready]))
    failed_at = min((e.moment for e in ends if e.error), default=None)
    for index, branch in enumerate(branches):
        if branch.ready is None:
            continue
        ends_at = branch.ready()
        if failed_at is None or (ends_at is not None and ends_at <= failed_at):
            ends += await fork.finish_all(fork.begin([index]))
    NOW.set(max(e.moment for e in ends))
    errors = sorted((e for e in ends if e.error), key=lambda e: (e.moment, e.order))
    _raise_first(errors)
    return tuple(e.value for e in sorted(ends, key=lambda e: e.index))


async def run_first(branches: Sequence[Branch]) -> Any:
    """Run the branches until one ends; settle the losers and return (or raise) the winner's end.

    A wait that is over already wins before anything is begun; of two, the earlier one wins.
    """
    fork = _Fork(branches)
    start = moment()
    waits = [(at, i) for i, b in enumerate(branches) if b.ready and (at := b.ready()) is not None]
    soonest = min(waits, default=None)
    acting = [i for i, b in enumerate(branches) if not b.ready]
    if not acting or (soonest and soonest[0] <= start):
        # With nothing that could ever end, the first branch is run to say what it waits for.
        return _close(*await fork.finish_all(fork.begin([soonest[1] if soonest else 0])))
    ends = await fork.finish_one(fork.begin(acting), start)
    winner = min(ends, key=lambda e: (e.moment, e.order))
    if soonest and soonest[0] < winner.moment:
        await fork.give_back([e for e in ends if not e.error])
        return _close(*await fork.finish_all(fork.begin([soonest[1]])))
    await fork.give_back([e for e in ends if e is not winner and not e.error])
    return _close(winner)


class _Fork:
    """The running branches of one fork."""

    def __init__(self, branches: Sequence[Branch]) -> None:
        self._branches = branches
        self._ended_count = 0

    def begin(self, indices: Sequence[int]) -> list[Any]:
        """Start branches as tasks, each with its own copy of the context."""
        # Imported here, since `import perdure` must not pay for an event loop.
        import asyncio

        return [asyncio.ensure_future(self._run(i)) for i in indices]

    async def finish_all(self, tasks: Sequence[Any]) -> list[Ended]:
        """Await all tasks; if we are cancelled meanwhile, so are they."""
        import asyncio

        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def finish_one(self, tasks: Sequence[Any], start: datetime) -> list[Ended]:
        """Await tasks until one has ended at the virtual moment `start`, or all have.

        What has not ended then has lost: it is cancelled, or awaited if it is patient.
        """
        import asyncio

        pending: set[Any] = set(tasks)
        done: set[Any] = set()
        try:
            while pending and not any(t.result().moment <= start for t in done):
                ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                done |= ended
            for task in pending:
                if not self._branches[self._index(tasks, task)].patient:
                    task.cancel()
            if pending:
                await asyncio.wait(pending)
        finally:
            for task in pending:
                task.cancel()
        return [t.result() for t in tasks if not t.cancelled()]

    async def give_back(self, ends: Sequence[Ended]) -> None:
        """Undo what came too late, the latest first."""
        for end in sorted(ends, key=lambda e: e.order, reverse=True):
            give_back = self._branches[end.index].give_back
            if give_back is not None:
                await give_back()

    def _index(self, tasks: Sequence[Any], task: Any) -> int:
        acting = [i for i, b in enumerate(self._branches) if not b.ready]
        return acting[tasks.index(task)]

    async def _run(self, index: int) -> Ended:
        BRANCH.set((*BRANCH.get(), index))
        value: Any = None
        error: Exception | Interruption | None = None
        try:
            value = await self._branches[index].run()
        except (Exception, Interruption) as raised:
            error = raised
        self._ended_count += 1
        return Ended(index, self._ended_count, moment(), value, error)


def _close(end: Ended) -> Any:
    NOW.set(end.moment)
    if end.error is not None:
        raise end.error
    return end.value


def _raise_first(errors: Sequence[Ended]) -> None:
    for end in errors:
        if isinstance(end.error, Interruption):
            raise end.error
    if errors and errors[0].error is not None:
        for other in errors[1:]:
            text = f"{type(other.error).__name__}: {other.error}"
            errors[0].error.add_note(f"branch {other.index + 1} failed too: {text}")
        raise errors[0].error
