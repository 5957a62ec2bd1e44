"""What a saga owes: each effect in it is on its stack, and is undone, or kept, as it is left.

The stack itself is data and forgotten. What is checked is that every transition does to it what its
kind must do, that the stack it names belongs to the saga around, and that no way leads past the
undoing. That entries then are undone once, last first, is a lemma about stacks (`marking.py`).
No pivot is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..net import StackOp, Transition, TransitionKind
from .attempts import Wrong
from .history import LANDS, History, Saga

_WELL = (StackOp.HAND_OVER, StackOp.FORGET)
_MUST: Mapping[TransitionKind, StackOp] = {
    TransitionKind.INTENT: StackOp.PUSH,
    TransitionKind.LANDED: StackOp.COMPLETE,
    TransitionKind.SETTLED: StackOp.COMPLETE,
    TransitionKind.REFUSED: StackOp.DROP,
    TransitionKind.RETRY: StackOp.DROP,
    TransitionKind.VOIDED: StackOp.DROP,
    TransitionKind.UNDID: StackOp.DROP,
    TransitionKind.UNDO: StackOp.POP,
}
_MAY: Mapping[TransitionKind, tuple[StackOp, ...]] = {
    TransitionKind.EXIT: (StackOp.OPEN, *_WELL),
    TransitionKind.WINS: _WELL,
}
_SAYS: Mapping[StackOp, str] = {
    StackOp.PUSH: "what `{}` does is not put on the undo stack",
    StackOp.COMPLETE: "the result of `{}` is not noted on the undo stack",
    StackOp.DROP: "`{}` has not landed, and stays on the undo stack",
    StackOp.POP: "`{}` is undone, and stays on the undo stack",
}


def wrong_undoing(history: History) -> Iterator[Wrong]:
    """Firings after which something would stay undone, be undone twice, or for no reason."""
    for state, moves in enumerate(history.space.moves):
        for k, after in moves:
            t = history.net.transitions[k]
            says = _stacked(history, state, t) or _left(history, state, t)
            says = says or _ended(history, after, t)
            if says:
                yield state, k, says


def _stacked(history: History, state: int, t: Transition) -> str:
    """What is wrong with what a transition does to the undo stack, if anything."""
    site, must = history.net.site.get(t.site), _MUST.get(t.kind)
    if t.stack_op is not None and t.stack_op not in (must, *_MAY.get(t.kind, ())):
        return f"`{t.name}` changes the undo stack ({t.stack_op}), which it must not"
    if site is None or must is None:
        return ""
    if not site.undo:
        owed = site.effect == "compensatable" and t.kind in LANDS and _around(history, state)
        return f"`{site.name}` lands in a saga, and nothing can undo it" if owed else ""
    undoing = t.kind is TransitionKind.UNDO
    around = _around(history, state)
    if (around or undoing or t.stack_op) and t.stack_op is not must:
        return _SAYS[must].format(site.name)
    if around and not undoing and t.stack not in {s.stack for s in around}:
        return f"`{site.name}` is noted on the undo stack of another saga"
    return ""


def _around(history: History, state: int) -> list[Saga]:
    return [saga for saga in history.sagas if history.inside(state, saga)]


def _left(history: History, state: int, t: Transition) -> str:
    """What is wrong with the way a transition leaves a saga or its undoing, if anything."""
    for saga in history.sagas:
        if says := _entered(saga, t):
            return says
        if leaves(t, saga.live):
            if not (t.stack_op in _WELL or saga.undoing & {*t.put}):
                return f"`{t.name}` leaves the saga, and what it did is never undone"
            if says := _handed(history, state, saga, t):
                return says
        if leaves(t, saga.undoing) and t.kind is not TransitionKind.UNDONE:
            return f"`{t.name}` leaves the undoing before everything is undone"
        for place in saga.undoing & {*t.put} - {*t.take}:
            for site in sorted(saga.pushed):
                if not _undoes(history, place, site):
                    return f"nothing in `{place}` undoes `{site}`"
                if history.remembers(state, f"open {site}") and t.site != site:
                    return f"the saga is undone while `{site}` may still land"
    return ""


def _entered(saga: Saga, t: Transition) -> str:
    """What is wrong with the way a transition enters a saga or its undoing, if anything."""
    enters = bool(saga.live & {*t.put} - {*t.take})
    if enters and t.stack_op is not StackOp.OPEN:
        return f"`{t.name}` enters the saga without an undo stack"
    if t.stack_op is StackOp.OPEN and t.stack == saga.stack and not enters:
        return f"`{t.name}` opens an undo stack, and no token holds it"
    if saga.undoing & {*t.put} - {*t.take} and not saga.live & {*t.take}:
        return f"`{t.name}` undoes a saga that was not entered"
    return ""


def _ended(history: History, after: int, t: Transition) -> str:
    """What is wrong with an end of the workflow, if anything."""
    if {*t.put} & {*history.net.finals} and _around(history, after):
        return f"`{t.name}` ends the workflow in a saga that was never left"
    return ""


def _handed(history: History, state: int, saga: Saga, t: Transition) -> str:
    """A saga inside another one must hand its entries over, or the outer could not undo them."""
    around = _around(history, state)
    outer = [s.stack for s in around if s.stack != saga.stack and not s.raced]
    if t.stack_op is StackOp.FORGET and outer:
        return f"`{t.name}` forgets what the saga around would have to undo"
    if t.stack_op is StackOp.HAND_OVER and t.outer_stack not in outer:
        return f"`{t.name}` hands over to a saga that is not around"
    return ""


def _undoes(history: History, place: str, site: str) -> bool:
    return any(
        t.kind is TransitionKind.UNDO and t.site == site and place in t.take
        for t in history.net.transitions
    )


def leaves(t: Transition, places: frozenset[str]) -> bool:
    """Whether it takes the token of one of these places and puts none back into any."""
    return bool(places & {*t.take}) and not places & {*t.put}
