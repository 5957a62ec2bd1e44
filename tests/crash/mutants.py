"""Engines with one safeguard taken out, as patches in memory. No test lives here.

Each is a mistake that somebody could make in good faith; the crash tests must not let it pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from perdure.chaos.faults import Kind
from perdure.engine import calls, kernel, sqlite_append, sqlite_sessions
from perdure.engine.instance import Instance
from perdure.engine.recovery import Recovery
from perdure.engine.running import Running
from perdure.model.language.effects import Effect
from perdure.model.net import TransitionKind
from perdure.specs.oracle import Rule

Patch = Callable[[pytest.MonkeyPatch], None]


class Mutant(NamedTuple):
    """A broken engine, and by what it must be caught: flow, boundary, fault, rule."""

    name: str
    patch: Patch
    flow: str
    boundary: str
    kind: Kind | None
    rule: Rule


def intent_after_call(patch: pytest.MonkeyPatch) -> None:
    """Calls do not wait until what they rest on is durable."""
    patch.setattr(calls, "_FREE", frozenset(Effect))


def past_not_awaited(patch: pytest.MonkeyPatch) -> None:
    """An idempotent call waits for record 0 only, and not for all that it rests on."""
    make = calls.Caller.make

    def hasty(self: calls.Caller, instance: Instance, call: kernel.Call) -> Running:
        before = len(instance.starts)
        running = make(self, instance, call)
        if running.step.effect is Effect.IDEMPOTENT and len(instance.starts) > before:
            _, start = instance.starts.pop()
            if instance.durable < 0:
                instance.starts.append((0, start))
            else:
                start()
        return running

    patch.setattr(calls.Caller, "make", hasty)


def _anybody(link: object, session: int) -> None:
    return None


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks whether the own session was fenced."""
    no_fence_in_append(patch)
    patch.setattr(sqlite_sessions, "require_session", _anybody)


def no_fence_in_append(patch: pytest.MonkeyPatch) -> None:
    """An append does not ask whether its session was fenced; owner and tenure are compared."""
    patch.setattr(sqlite_append, "require_session", _anybody)


def outcome_not_recorded(patch: pytest.MonkeyPatch) -> None:
    """The landing of an effect is known in memory only."""
    write = Instance.write

    def forgetful(self: Instance, step: kernel.Step, at: int) -> Any:
        if self.program.net.transitions[step.transition].kind is TransitionKind.LANDED:
            marking = step.state.marking
            durable = {p: replace(t, seq=min(t.seq, self.durable)) for p, t in marking.items()}
            self.state = replace(step.state, marking=durable)
            return None
        return write(self, step, at)

    patch.setattr(Instance, "write", forgetful)


def undo_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A saga is left while there is still something to undo."""
    next_auto = kernel.next_auto

    def hasty(wiring: Any, state: kernel.State, durable: int) -> int | None:
        for place in state.marking:
            found = kernel.transition_of(wiring, place, TransitionKind.UNDONE)
            if found is not None:
                return found
        return next_auto(wiring, state, durable)

    patch.setattr(kernel, "next_auto", hasty)


def ambiguous_commit_appended_twice(patch: pytest.MonkeyPatch) -> None:
    """What an ambiguous commit wrote is not looked for, but written once more behind it."""

    async def blind(self: Recovery, instance: Instance, id: int, tenure: int) -> None:
        records = await self.worker.store.log(id, instance.durable)
        instance.id = id
        if records and instance.flying is not None:
            flying = instance.flying
            flying.previous = records[-1].hash
            flying.records = [r._replace(seq=r.seq + len(records)) for r in flying.records]
            instance.durable = records[-1].seq
        instance.rechain(tenure, self.worker.session, keep=False)

    patch.setattr(Recovery, "_reconcile", blind)


MUTANTS = [
    Mutant(
        "intent after call",
        intent_after_call,
        "fulfil_order",
        "no fault",
        None,
        Rule.INTENT_FIRST,
    ),
    Mutant(
        "no fence",
        no_fence,
        "sequence",
        "after world.step price 1",
        Kind.STOPPED,
        Rule.FENCED,
    ),
    Mutant(
        "outcome not recorded",
        outcome_not_recorded,
        "sequence",
        "no fault",
        None,
        Rule.FIRING,
    ),
    Mutant(
        "undo forgotten",
        undo_forgotten,
        "failing_saga",
        "no fault",
        None,
        Rule.UNDO,
    ),
    Mutant(
        "ambiguous commit appended twice",
        ambiguous_commit_appended_twice,
        "parallel",
        "after store.append 2",
        Kind.COMMITTED,
        Rule.FIRING,
    ),
]
PAST = Mutant("past not awaited", past_not_awaited, "sequence", "", None, Rule.PROTOCOL)
"""Seen where commits take their time, in random histories: between two boundaries of the
enumeration what is decided is durable before a call can start."""
