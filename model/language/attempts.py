"""How `.direct` runs one step: attempts, doubt, undo, as the effect class says, without a log.

The rules are those an engine follows when nothing crashes; waits between attempts pass in virtual
time. What runs a function is handed in. No engine uses this file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from ..errors import Blocked
from .ambient import CALLED, NOW
from .bodies import Probe, Undo
from .effects import Effect, InDoubt, Landed, Retry, Voided
from .forks import moment
from .steps import Step

ATTEMPTS_MAX = 1000
"""Attempts after which `.direct` says that a retry without end does not end."""

PROBES_MAX = 5
"""Answers `InDoubt` after which a person would be asked."""

Body = Step[..., Any] | Undo | Probe
"""What can be run: a step's own function, its undo or its probe."""


@dataclass(eq=False)
class Done:
    """A compensatable effect that landed: one entry of a saga's stack."""

    step: Step[..., Any]
    values: tuple[Any, ...]
    key: str
    result: Any = None


@dataclass(eq=False)
class Open:
    """A saga that is open: what was done in it, and whether its pivot has landed."""

    outer: Open | None
    done: list[Done] = field(default_factory=list[Done])
    pivoted: bool = False


SAGA: ContextVar[Open | None] = ContextVar("SAGA", default=None)


class Attempts:
    """Runs steps through `run_body(body, values)`, which knows fakes and transactions."""

    def __init__(self, run_body: Callable[[Body, tuple[Any, ...]], Awaitable[Any]]) -> None:
        self._run_body = run_body
        self._calls = 0

    async def run(self, step: Step[..., Any], values: tuple[Any, ...]) -> tuple[Any, Done | None]:
        """Return the step's result and, for a compensatable one, what could take it back."""
        self._calls += 1
        occurrence, voided, attempt = self._calls, 0, 0
        while True:
            attempt += 1
            done = Done(step, values, f"direct/{step.name}/{occurrence}/{voided}")
            try:
                done.result = await self._keyed(done.key, step, values)
            except Exception as error:
                if isinstance(error, step.refused):
                    raise
                if step.effect.intent and await self._settled(done, error):
                    break
                voided += 1
                # After a probe said Voided, the call of an irreversible step is a new one.
                if step.effect is not Effect.IRREVERSIBLE and step.retry.gives_up(attempt, error):
                    raise
                _pause(step.name, step.retry, attempt, error)
            else:
                break
        return done.result, self._remember(done)

    async def undo(self, done: Done) -> None:
        """Take one effect back, with the key of the call concerned; repeated until it works."""
        undo = done.step.undo_step
        if undo is None:
            return
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._keyed(done.key, undo, undo.values(done.result, done.values))
                return
            except Exception as error:
                _pause(undo.name, undo.retry, attempt, error)

    async def unwind(self, saga: Open) -> None:
        """Undo what stands on the stack, last first; nothing after the pivot."""
        while saga.done and not saga.pivoted:
            await self.undo(saga.done.pop())

    async def give_back(self, done: Done) -> None:
        """Undo an effect that came too late, and strike it from its saga."""
        saga = SAGA.get()
        if saga is not None and done in saga.done:
            saga.done.remove(done)
        await self.undo(done)

    async def _settled(self, done: Done, error: Exception) -> bool:
        """Settle the doubt that `error` left; True: it landed, `done.result` is what it gave."""
        step, probe, undo = done.step, done.step.probe_step, done.step.undo_step
        if probe is not None:
            for _ in range(PROBES_MAX):
                answer = await self._keyed(done.key, probe, done.values)
                if isinstance(answer, Landed):
                    done.result = cast("Landed[Any]", answer).value
                    return True
                if isinstance(answer, Voided):
                    return False
                if not isinstance(answer, InDoubt):
                    raise TypeError(f"probe {probe.name} answered {answer!r}")
        elif undo is not None and undo.unknown:
            await self.undo(done)
            return False
        elif step.effect is Effect.COMPENSATABLE:
            # An engine would ask a person; for a test of glue the failure is the useful answer.
            return False
        raise Blocked(
            f"a person to decide what became of {step.name}, which raised {error!r}",
            f"let the fake return, or raise one of refused={step.refused!r}",
        ) from error

    async def _keyed(self, key: str, body: Body, values: tuple[Any, ...]) -> Any:
        held = CALLED.set((key, ("direct", 1, self._calls))), NOW.get()
        NOW.set(None)  # now() is for glue; a step that asks is told so, here as in an engine
        try:
            return await self._run_body(body, values)
        finally:
            CALLED.reset(held[0])
            NOW.set(held[1])

    def _remember(self, done: Done) -> Done | None:
        saga = SAGA.get()
        if done.step.effect is Effect.IRREVERSIBLE and saga is not None:
            saga.pivoted = True
        if done.step.effect is not Effect.COMPENSATABLE:
            return None
        if saga is not None:
            saga.done.append(done)
        return done


def _pause(name: str, retry: Retry, attempt: int, error: Exception) -> None:
    if attempt >= ATTEMPTS_MAX:
        fix = "let the fake succeed at last"
        raise Blocked(f"{name} to succeed after {attempt} attempts", fix) from error
    NOW.set(moment() + timedelta(seconds=retry.wait_seconds(attempt)))
