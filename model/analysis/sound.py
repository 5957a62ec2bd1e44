"""Soundness of a workflow net, by explicit exploration, with shortest witnesses.

After van der Aalst (1998), for nets with one initial place and several final ones:

- *option to complete*: from every reachable marking, a marking of one final token can be reached;
- *proper completion*: a marking that holds a final token holds nothing else;
- *no dead transition* (quasi-live): every transition fires on some run;
- *safe*: no reachable marking puts two tokens into one place.

The net is explored under the plain rule, which contains every run of the engine. What an unfinished
search has found stays true: a violation is a violation; what was not found is inconclusive. Data is
forgotten: choices and messages are free, so "ends" means "can always still end".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from ..net import Net
from .control import Control
from .explicit import Limits, Space, explore
from .telling import label
from .verdicts import Answer, Evidence, Verdict, Witness, witness, worst

METHOD = "explicit"
FAIR = "choices, messages and crashes are free and fair; people answer"


class Soundness:
    """The explored control net of one net, and its verdicts; explored once, on first use."""

    def __init__(self, net: Net, limits: Limits | None = None) -> None:
        self.net = net
        self._limits = limits or Limits()

    @cached_property
    def space(self) -> Space:
        """Every reachable marking, as far as the limits allow."""
        return explore(Control(self.net), self._limits)

    @cached_property
    def _finals(self) -> frozenset[int]:
        control = self.space.control
        return frozenset(control.of((name,)) for name in self.net.finals)

    def safe(self) -> Verdict:
        """No reachable marking puts two tokens into one place."""
        space = self.space
        if space.unsafe:
            state, k = space.unsafe[0]
            run = witness(self.net, space.path(state, k), "")
            full = ", ".join(p for p, count in run.marking.items() if count > 1)
            return self._violated("safe", space.path(state, k), f"{full} holds two tokens")
        return self._rest("safe")

    def option_to_complete(self) -> Verdict:
        """From every reachable marking, one final token can be reached, alone."""
        space = self.space
        lost = self._hopeless() if space.complete else self._dead()
        if lost is not None:
            left = ", ".join(space.control.marking(space.states[lost]))
            more = "nothing can fire any more" if not space.moves[lost] else "much may still fire"
            says = f"the case can never end from here ({more}): tokens in {left}"
            return self._violated("option_to_complete", space.path(lost), says)
        return self._rest("option_to_complete", FAIR)

    def _dead(self) -> int | None:
        """The first state found where nothing can fire though the case has not ended."""
        space = self.space
        alive = {state for state, _ in space.unsafe}
        return next(
            (
                i
                for i, moves in enumerate(space.moves)
                if not moves and i not in alive and space.states[i] not in self._finals
            ),
            None,
        )

    def _hopeless(self) -> int | None:
        """The first state from which no end can be reached.

        Where that is the very first state, one where nothing fires says more, if there is one.
        """
        space = self.space
        before: list[list[int]] = [[] for _ in space.states]
        for state, moves in enumerate(space.moves):
            for _, after in moves:
                before[after].append(state)
        todo = [i for i, marking in enumerate(space.states) if marking in self._finals]
        hopeful = set(todo)
        while todo:
            for state in before[todo.pop()]:
                if state not in hopeful:
                    hopeful.add(state)
                    todo.append(state)
        lost = [i for i in range(len(space.states)) if i not in hopeful]
        stuck = [i for i in lost if not space.moves[i]] if lost[:1] == [0] else []
        return next(iter([*stuck, *lost]), None)

    def proper_completion(self) -> Verdict:
        """A marking that holds a final token holds nothing else."""
        space, finals = self.space, self._finals
        for state, marking in enumerate(space.states):
            for final in finals:
                if marking & final and marking != final:
                    left = ", ".join(space.control.marking(marking & ~final))
                    says = f"{left} still holds a token when the case has ended"
                    return self._violated("proper_completion", space.path(state), says)
        return self._rest("proper_completion")

    def quasi_live(self) -> Verdict:
        """Every transition fires on some run."""
        space = self.space
        fired = {k for moves in space.moves for k, _ in moves} | {k for _, k in space.unsafe}
        dead = [k for k in range(len(self.net.transitions)) if k not in fired]
        if not dead:
            return Verdict("quasi_live", Answer.HOLDS, METHOD, len(space.states))
        if not space.complete:
            return self._rest("quasi_live")
        names = ", ".join(label(self.net, k) for k in dead)
        says = f"no run fires {names}"
        run = witness(self.net, (), says)
        return Verdict("quasi_live", Answer.VIOLATED, METHOD, len(space.states), run, why=says)

    def sound(self) -> Verdict:
        """Option to complete, proper completion and no dead transition."""
        parts = [self.option_to_complete(), self.proper_completion(), self.quasi_live()]
        answer = worst([part.verdict for part in parts])
        decisive = next(part for part in parts if part.verdict is answer)
        why = decisive.why if answer is not Answer.HOLDS else ""
        evidence = decisive.evidence
        run: Witness | None = decisive.witness
        states = len(self.space.states)
        return Verdict("sound", answer, METHOD, states, run, evidence, (FAIR,), why)

    def _violated(self, name: str, firings: tuple[int, ...], says: str) -> Verdict:
        run = witness(self.net, firings, says)
        return Verdict(name, Answer.VIOLATED, METHOD, len(self.space.states), run, why=says)

    def _rest(self, name: str, *assumptions: str) -> Verdict:
        """Holds when everything was explored, else inconclusive with the reason."""
        space = self.space
        if space.complete:
            return Verdict(name, Answer.HOLDS, METHOD, len(space.states), assumptions=assumptions)
        return Verdict(
            name,
            Answer.INCONCLUSIVE,
            METHOD,
            len(space.states),
            evidence=Evidence.INCONCLUSIVE,
            assumptions=assumptions,
            why=space.incompleteness,
        )


PROPERTIES: dict[str, Callable[[Soundness], Verdict]] = {
    "sound": Soundness.sound,
    "safe": Soundness.safe,
    "option_to_complete": Soundness.option_to_complete,
    "proper_completion": Soundness.proper_completion,
    "quasi_live": Soundness.quasi_live,
}
