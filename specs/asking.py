"""Requests without an intent of their own, told to the protocol: idempotent calls, probes, undos.
Each rests on the log before it, which must be durable when it leaves.

A call is known by its key. One that arrives late, when the log has gone on, was permitted when it
left and is permitted still. What comes of a request is told in trace.py; here stands only whether
it may leave, and what its receiver answered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from .game import Game
from .protocol.plain import Play, Refused
from .protocol.shape import PLAIN
from .unbound import Unbound


class Asking:
    """The requests of one execution, and their answers."""

    def __init__(self, play: Play, e: str) -> None:
        self.play, self.e = play, e
        self.doubted = set[str]()  # keys that a record had in doubt
        self.undoable = set[str]()  # keys of which an undo may have left
        self._open: dict[str, str] = {}  # key of an idempotent call -> its effect
        self._over = set[str]()
        self._said = set[tuple[str, str, str]]()

    # --- what leaves ------------------------------------------------------------------------------

    def plain(self, game: Game | None, site: str, key: str) -> None:
        """An idempotent call leaves: the marking that the durable records lead to asks for it."""
        if key in self._over:
            return
        effect = f"{site} as {key}"
        if key not in self._open:
            self.play.effect(effect, self.e, f"the saga of {effect}", PLAIN)
            self._open[key] = effect
        workers = self._workers(site)
        if game is None or game.reached.get(key) != site:
            # Whoever calls goes on from a record that is not stored: on its way, or never written.
            record = self.play.add("T", f"what {effect} rests on")
            self.play.take("submit_other", record, workers[-1], self.e)
            workers = workers[-1:]
        for worker in workers[:0:-1]:
            with suppress(Refused):
                self.play.take("ask_plain", worker, effect)
                return
        self.play.take("ask_plain", workers[0], effect)

    def probe(self, site: str, key: str) -> None:
        """Somebody asks what became of a call."""
        if key not in self.doubted:
            raise Unbound(f"{site} is probed as {key}, and no durable record is in doubt of it")

    def undo(self, effect: str, key: str, *, blind: bool) -> None:
        """The undo of an effect leaves: the durable records lead to it."""
        if key in self.undoable or (blind and key in self.doubted):
            return
        unmet = [self.play.unmet("undo_outside", w, effect) for w in self._workers(effect)]
        if all(unmet):
            raise Refused("undo_outside", unmet[-1][0])
        self.undoable.add(key)

    def _workers(self, of: str) -> list[str]:
        """Those who hold the execution, or believe so; who owns it comes last."""
        state = self.play.state
        found = [w for w in self.play.logic.things["S"] if state.held(w, self.e) > 0]
        if not found:
            raise Unbound(f"{of} is called, and nobody ever had the execution")
        return sorted(found, key=lambda w: state.held(w, self.e))

    # --- what becomes of it -----------------------------------------------------------------------

    def outcome(self, key: str) -> str | None:
        """The outcome of an idempotent call is told: its effect, if it was seen to leave."""
        self._over.add(key)
        return self._open.pop(key, None)

    def heard(self, role: str, key: str, says: str) -> None:
        """A receiver answered."""
        self._said.add((role, key, says))

    def require(self, role: str, says: str, key: str, told: str) -> None:
        """Refuse what is told of a call when no receiver gave this answer."""
        if (role, key, says) not in self._said:
            raise Unbound(f"{told}, and nobody outside said so")


RAISED, DONE = "raised", "done"
"""What a receiver can answer beside what a probe says."""
ANSWERS: Mapping[str, tuple[str, str]] = {
    "refused": ("step", RAISED), "retry": ("step", RAISED), "voided": ("probe", "voided"),
    "undid": ("undo", DONE), "undo": ("undo", DONE),
}  # fmt: skip
"""Kind of a transition -> the role and the answer of the request that it tells of."""


def of_people(said: Mapping[str, object], but: Collection[str] = ("probe",)) -> bool:
    """A record whose source is a person, or evidence, and no answer of a receiver."""
    return said.get("by", "probe") not in but
