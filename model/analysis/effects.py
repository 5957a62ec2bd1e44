"""Effect safety on the control net: what no run may do with what it has done to the world.

- `irreversible_at_most_once`: per occurrence of an irreversible step there is one intent and one
  landing; a second intent only after the first is known not to have landed (voided, refused).
- `pivot_last`: a saga in which an irreversible step has landed is never undone (PD301). Source:
  compensatable, pivot, retriable (Zhang et al. 1994; Schuldt et al. 2002, guaranteed termination).
- `undo_complete`: a saga with intents is left well, or through `undoing`, and that only by UNDONE.

The crash gadget is part of the net, so crashes and doubts are explored like all else. The undo
stack is forgotten; that each entry is undone once, last first, is a lemma about the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..net import Net, StackOp, Transition, TransitionKind
from .explicit import Limits
from .history import LANDS, History, Saga, firing
from .verdicts import Answer, Evidence, Finding, Severity, Verdict, Witness, witness

METHOD = "explicit"
GADGET = "a crash returns an execution to its last committed marking, or into doubt"
STACK = "entries are pushed with the intent and popped with the undo's record, last first"
PD301_WHY = "a saga that fails here can not undo `{}`, and may not leave it half done"
PD301_FIX = "retry without end (`retry=Retry(attempts=None)`), or move it after the saga"
FAILURES = frozenset({TransitionKind.RAISES, TransitionKind.REFUSED})
CANCELS = frozenset({TransitionKind.CANCEL, TransitionKind.CASCADE, TransitionKind.DRAIN})

Wrong = tuple[int, int, str]  # state, the transition that fires there, what is wrong with it


class Effects:
    """The effect rules of one net; explored once."""

    def __init__(self, net: Net, limits: Limits | None = None) -> None:
        self.net = net
        self.limits = limits or Limits()
        self.history = History(net, self.limits)

    def irreversible_at_most_once(self) -> Verdict:
        """No irreversible step is called twice for one occurrence."""
        return self._verdict("irreversible_at_most_once", self._repeats(), GADGET)

    def _repeats(self) -> Iterator[Wrong]:
        history, site_names = self.history, {s.name for s in self.history.sites}
        intents = firing(self.net, {TransitionKind.INTENT}, site_names)
        landings = firing(self.net, LANDS, site_names)
        for state, k in self._fired(intents | landings):
            site = self.net.transitions[k].site
            is_open = history.remembers(state, f"open {site}")
            if k in intents and is_open:
                yield state, k, f"`{site}` is called again while its first call may have landed"
            elif k in landings and not is_open:
                yield state, k, f"`{site}` lands without an intent"
            elif k in landings and history.remembers(state, f"landed {site}"):
                yield state, k, f"`{site}` lands a second time"

    def undo_complete(self) -> Verdict:
        """No saga is left with something undone, and undoing ends by UNDONE alone."""
        wrong = (w for saga in self.history.sagas for w in self._unfinished(saga))
        return self._verdict("undo_complete", wrong, GADGET, STACK)

    def _unfinished(self, saga: Saga) -> Iterator[Wrong]:
        well = (StackOp.HAND_OVER, StackOp.FORGET)
        for state, k in self._fired(frozenset(range(len(self.net.transitions)))):
            t = self.net.transitions[k]
            if _leaves(t, saga.live) and not (t.stack_op in well or saga.undoing & {*t.put}):
                yield state, k, f"`{t.name}` leaves the saga, and what it did is never undone"
            if _leaves(t, saga.undoing) and t.kind is not TransitionKind.UNDONE:
                yield state, k, f"`{t.name}` leaves the undoing before everything is undone"
            for place in saga.undoing & {*t.put} - {*t.take}:
                for site in sorted(saga.pushed):
                    if not self._undoes(place, site):
                        yield state, k, f"nothing in `{place}` undoes `{site}`"

    def _undoes(self, place: str, site: str) -> bool:
        return any(
            t.kind is TransitionKind.UNDO and t.site == site and place in t.take
            for t in self.net.transitions
        )

    def pivot_last(self) -> Verdict:
        """No saga is undone in which an irreversible step has landed."""
        return self._verdict("pivot_last", self._after_pivot(self.history), GADGET)

    def _after_pivot(self, history: History) -> Iterator[Wrong]:
        for saga in history.sagas:
            for state, moves in enumerate(history.space.moves):
                if not history.remembers(state, f"pivot {saga.stack}"):
                    continue
                for k, _ in moves:
                    t = self.net.transitions[k]
                    if saga.undoing & {*t.put} - {*t.take}:
                        yield state, k, "the saga is undone after an irreversible step has landed"

    def findings(self) -> tuple[Finding, ...]:
        """PD301, once for each step or `raise` that may fail a saga after its pivot."""
        found: list[Finding] = []
        blamed: set[int] = set()
        history = self.history
        while (wrong := next(self._after_pivot(history), None)) is not None:
            state, last, _ = wrong
            run = history.space.path(state, last)
            failing, landed = _blame(self.net, run)
            found.append(_pd301(self.net, run, failing, landed))
            if failing in blamed:
                break
            blamed.add(failing)
            history = History(self.net, self.limits, without=blamed)
        return tuple(found)

    def _fired(self, transitions: frozenset[int]) -> Iterator[tuple[int, int]]:
        for state, moves in enumerate(self.history.space.moves):
            yield from ((state, k) for k, _ in moves if k in transitions)

    def _verdict(self, name: str, wrong: Iterator[Wrong], *assumptions: str) -> Verdict:
        space = self.history.space
        states = len(space.states)
        first = next(wrong, None)
        if first is not None:
            state, k, says = first
            run = witness(self.net, space.path(state, k), says)
            violated = Answer.VIOLATED
            return Verdict(name, violated, METHOD, states, run, assumptions=assumptions, why=says)
        if space.complete:
            return Verdict(name, Answer.HOLDS, METHOD, states, assumptions=assumptions)
        unknown, why = Evidence.INCONCLUSIVE, space.incompleteness
        answer = Answer.INCONCLUSIVE
        return Verdict(name, answer, METHOD, states, None, unknown, assumptions, why)


def _leaves(t: Transition, places: frozenset[str]) -> bool:
    """The transition takes the token of one of these places and puts none back into any."""
    return bool(places & {*t.take}) and not places & {*t.put}


def _blame(net: Net, run: tuple[int, ...]) -> tuple[int, int]:
    """The firing that failed the saga (or its last `raise`), and the last landing before."""
    landed = max(
        i
        for i, k in enumerate(run)
        if net.transitions[k].kind in LANDS
        and net.site[net.transitions[k].site].effect == "irreversible"
    )
    later = run[landed + 1 :]
    for kinds in (FAILURES, CANCELS, {TransitionKind.EXIT}):
        blamed = [k for k in later if net.transitions[k].kind in kinds]
        if blamed:
            return blamed[-1], run[landed]
    return run[-1], run[landed]


def _pd301(net: Net, run: tuple[int, ...], failing: int, landed: int) -> Finding:
    t, pivot = net.transitions[failing], net.site[net.transitions[landed].site]
    site = net.site.get(t.site) if t.kind in FAILURES else None
    if site is not None:
        message = f"`{site.name}` may fail for good after `{pivot.name}`, which can not be undone"
    elif t.kind in CANCELS:
        message = f"cancelling may undo the saga after `{pivot.name}`, which can not be undone"
    else:
        message = f"an exception is raised after `{pivot.name}`, which can not be undone"
    shown: Witness = witness(net, run, f"the saga is undone, and `{pivot.name}` has landed")
    return Finding(
        "PD301",
        Severity.ERROR,
        message,
        PD301_WHY.format(pivot.name),
        PD301_FIX if site is not None else "decide before the irreversible step, or after the saga",
        (site.span if site else None) or t.span,
        (pivot.span,) if pivot.span else (),
        (pivot.name, site.name) if site else (pivot.name,),
        shown,
    )


PROPERTIES: dict[str, Callable[[Effects], Verdict]] = {
    "irreversible_at_most_once": Effects.irreversible_at_most_once,
    "undo_complete": Effects.undo_complete,
    "pivot_last": Effects.pivot_last,
}
