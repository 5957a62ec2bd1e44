"""What a call is given and what its answer says: arguments, errors and values in words.

Nothing is called, fired or counted here; see `calls.py`.
"""

from __future__ import annotations

from operator import methodcaller
from typing import Any, cast

from ..model.language.effects import InDoubt, Landed, Voided
from ..model.language.steps import Step
from ..model.net import TransitionKind
from ..model.values import ValueRefused
from . import bodies, post
from .bodies import NOTHING, Raw
from .decisions import Decision
from .instance import Instance
from .kernel import Call, transition_of

_READ = methodcaller("get")


def arguments_of(call: Call, step: Step[..., Any]) -> tuple[Any, ...]:
    """What the function of the role takes, decoded afresh for this attempt."""
    values = tuple(map(_READ, call.arguments))
    if call.role != "undo":
        return values
    entry, undo = call.entry, step.undo_step
    assert undo is not None
    result = entry.result.get() if entry is not None and entry.known else None
    return (result, *values) if undo.unknown else (result,)


def unsure(instance: Instance, call: Call, result: Any) -> str | None:
    """Why an answer of a probe settles nothing; None when it does, or is no probe's."""
    if call.role != "probe" or isinstance(result, Voided):
        return None
    if isinstance(result, InDoubt):
        return result.reason
    if not isinstance(result, Landed):
        return f"it answered {shown(result)}"
    settled = transition_of(instance.wiring, call.place, TransitionKind.SETTLED)
    assert settled is not None
    try:
        post.result_codec(instance, settled).seal(cast("Landed[Any]", result).value)
    except ValueRefused as refused:
        return f"its value cannot be stored: {refused}"
    return None


def late_answer(
    instance: Instance, call: Call, step: Step[..., Any], result: Any
) -> Decision | None:
    """What an answer says that came too late for its log: that the effect landed, with its value;
    None when nothing was in doubt."""
    if call.role != "step" or not step.effect.intent:
        return None
    why = "the caller's late answer"
    try:
        raw = Raw(instance.program.results[call.site.name].encode(result))
    except ValueRefused as refused:  # that it landed is worth saying without a value too
        raw, why = NOTHING, f"{why}, {shown(result)}, cannot be stored: {refused}"
    return Decision(call.key, "landed", raw, why=why)


def attempts_of(took: int) -> dict[str, Any]:
    """What the record of an outcome says of its attempts: nothing when there was one."""
    return {"n": took} if took > 1 else {}


def shown(value: object) -> str:
    """A value for people, at any price: its `repr` is user code, and may be long."""
    try:
        return bodies.plain(f"{value!r:.200}")
    except Exception:
        return f"a {type(value).__name__}"
