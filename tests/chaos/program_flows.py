"""Random programs as flows of a campaign: generated text, compiled, with the answers that its steps
give. No history is played here."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable
from typing import Any, cast

from perdure import compensatable, observe, seconds
from perdure.chaos.history import Flow, Message
from perdure.chaos.outside import Answer, Outside, Request
from perdure.engine.world import Invocation
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.language.steps import Step

from ..model import differential_world as world
from ..model.differential_runs import load
from ..model.programs import generate


@observe(retry=world.ONCE, timeout=seconds(5))
async def look(tag: int, a: int) -> int:
    """The world's, which is not waited for so long."""
    return await world.look.fn(tag, a)


@compensatable(refused=(world.Bad,), timeout=seconds(5))
async def hold(tag: int, a: int) -> int:
    """The world's, which is not waited for so long."""
    return await world.hold.fn(tag, a)


@hold.undo
async def release(got: int | None, tag: int, a: int) -> None:
    """Undo of `hold`."""


MESSAGES = 3
SECONDS = (0, 0, 2, 5)
_SIGNALS = {"note": (world.note, world.Item(4)), "word": (world.word, "w")}


def flows(seed: int, count: int) -> list[Flow]:
    """So many programs that compile; the same seed, the same programs."""
    r = random.Random(f"programs:{seed}")
    found: list[Flow] = []
    while len(found) < count:
        made = _flow(r, seed, len(found))
        found += [made] if made else []
    return found


def _flow(r: random.Random, seed: int, number: int) -> Flow | None:
    workflow = load(generate(r).text, 10**6 + 1000 * seed + number, {"look": look, "hold": hold})
    workflow.name = name = f"w{number}"
    x, y = r.randint(0, 9), r.randint(0, 9)
    try:
        compile_workflow(workflow)
    except CompileError:
        return None
    messages: list[Message] = []
    for signal, value in _SIGNALS.values():
        for n in range(r.randint(0, MESSAGES)):
            messages.append(Message(r.choice(SECONDS), signal, value, f"{signal.name}-{n}"))
    return Flow(name, lambda: workflow(x, y), messages=messages, rests=True, outside=_receivers)


def _receivers(breaks: object) -> Receivers:
    return Receivers(ANSWERS)


def _answer(step: Step[..., Any]) -> Answer:
    return lambda *arguments: _run(step.fn, arguments)


def _run(fn: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """What a step answers: none of them waits for anything."""
    world.TRACE.clear()
    answer = fn(*arguments)
    return asyncio.run(answer) if inspect.iscoroutine(answer) else answer


STEPS: dict[str, object] = {**vars(world), "look": look, "hold": hold}
ANSWERS: dict[str, Answer] = {
    name: _answer(cast("Step[..., Any]", step))
    for name, step in STEPS.items()
    if isinstance(step, Step)
}
"""What the receivers answer: what the step's own body says. Undos are the receivers' own."""


class Receivers(Outside):
    """Programs call a step again with the same arguments, and mean it: what is one occurrence and
    what is the next is not to be seen in a request, and not counted by the oracle."""

    def arrive(self, invocation: Invocation) -> Request:
        """Each key is an occurrence of its own."""
        request = super().arrive(invocation)
        told = self.ledger.calls.pop()._replace(occurrence=invocation.key)
        self.ledger.calls.append(told)
        request.told = told
        return request
