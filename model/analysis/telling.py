"""A run told as a walk over the author's source: one stop per event, in words.

What an author need not read (glue that goes on, drains) is left out. No run is found here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..net import Net, Span, StackOp, Transition, TransitionKind


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of a walk: a place in the source, and what happens there."""

    says: str
    span: Span | None = None

    def __str__(self) -> str:
        return f"line {self.span.line}: {self.says}" if self.span else self.says


def label(net: Net, k: int) -> str:
    """The name of a transition, with its number where several share the name."""
    name = net.transitions[k].name
    twins = sum(t.name == name for t in net.transitions)
    return name if twins == 1 else f"{name} #{k}"


_TOLD: Mapping[TransitionKind, str] = {
    TransitionKind.BEGIN: "the workflow begins",
    TransitionKind.STEP: "{} is done",
    TransitionKind.RAISES: "{} fails for good",
    TransitionKind.INTENT: "{} is about to be called",
    TransitionKind.LANDED: "{} lands",
    TransitionKind.REFUSED: "{} is refused",
    TransitionKind.RETRY: "{} is refused, and tried again",
    TransitionKind.CRASH: "a crash leaves {} in doubt",
    TransitionKind.SETTLED: "{} turns out to have landed",
    TransitionKind.VOIDED: "{} turns out not to have landed",
    TransitionKind.UNDID: "the unknown attempt of {} is undone",
    TransitionKind.RECEIVE: "{} arrives",
    TransitionKind.DUE: "{} is due",
    TransitionKind.CANCEL: "the execution is cancelled",
    TransitionKind.FAILS: "a branch has failed: the others are given up",
    TransitionKind.WINS: "the race is won",
    TransitionKind.JOIN: "all branches have ended",
    TransitionKind.UNDO: "{} is undone",
    TransitionKind.UNDONE: "everything is undone",
}


_ENDS: Mapping[str, str] = {
    "done": "the workflow is done",
    "failed": "the workflow fails",
    "done while cancelling": "the workflow is done, too late to be cancelled",
    "failed while cancelling": "the workflow fails while it is cancelled",
    "cancelled while cancelling": "the workflow is cancelled",
    "saga fails by raise": "the saga fails, and is undone",
    "saga fails by cancel": "the saga is given up, and is undone",
}
_LABELS: Mapping[str, str] = {
    "then": "{}: yes",
    "else": "{}: no",
    "raise": "an exception is raised",
    "return": "it returns",
    "break": "the loop is left",
    "continue": "on with the next round",
    "not handled": "no handler takes the exception",
}
_SILENT = frozenset({"next", "round", "handled"})


def told(t: Transition) -> str:
    """What happens when a transition fires, in words; empty for what an author need not read."""
    words = _TOLD.get(t.kind, "")
    if words:
        return words.format(f"`{t.site}`" if t.site else f"`{t.name}`")
    if t.kind is not TransitionKind.EXIT or t.span is None:
        return ""
    if t.stack_op is not None:
        return "the saga begins" if t.stack_op is StackOp.OPEN else "the saga ends well"
    if t.name in _ENDS:
        return _ENDS[t.name]
    what, _, way = t.name.rpartition(": ")
    if way.startswith("except "):
        return "a handler takes the exception"
    if way in _SILENT:
        return ""
    # The name shows a condition as it is written: braces in it are the author's.
    return _LABELS[way].format(f"`{what}`") if way in _LABELS else t.name


def walk(net: Net, firings: Sequence[int]) -> tuple[Stop, ...]:
    """Tell a run as a walk over the source: one stop per event, repeated places once."""
    stops: list[Stop] = []
    for k in firings:
        t = net.transitions[k]
        site = net.site.get(t.site)
        stop = Stop(told(t), t.span or (site.span if site else None))
        if stop.says and (not stops or stops[-1] != stop):
            stops.append(stop)
    return tuple(stops)
