"""Concrete runs of the protocol: played from text, and told in words.

    register s1; claim s1 e1 yes; write intent r1 s1 f1; reach r1

`write K r ...` decides a record, commits it and tells its writer; `reach r` calls and lands. Facts
stand in front: `f1 plain`, `f1 blind`, `f2 rests f1`, `root hears x1`. No solver is needed, and
what must hold afterwards is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from . import shape
from .guards import GUARDS
from .plain import Broken, Play, Refused
from .whole import ACTIONS, LAWFUL

_CLASSES = {
    "irreversible": shape.IRREVERSIBLE, "compensatable": shape.COMPENSATABLE,
    "plain": shape.PLAIN, "transactional": shape.TRANSACTIONAL,
}  # fmt: skip
_SORTS = {"e": "E", "s": "S", "r": "T", "f": "F", "g": "G", "d": "D", "x": "X"}
_NOUNS = {
    "e": "execution {}", "s": "worker {}", "r": "record {}", "f": "effect {}", "g": "saga {}",
    "d": "timer {}", "x": "message {}",
}  # fmt: skip
DUE = 5  # o'clock, of the timers in runs


class Told(NamedTuple):
    """One step of a run: the action, its things, and the sentence that tells it."""

    action: str
    things: tuple[str | int | bool, ...]
    says: str


class Run:
    """A run of one execution, two workers and whatever its text names."""

    def __init__(self, text: str, off: Iterable[str] = ()) -> None:
        self.play = Play(off)
        self.told: list[Told] = []
        self.broken: list[Broken] = []
        self.refused: Refused | None = None
        parts = [part.split() for part in text.split(";")]
        self._silent: set[str] = set()
        self._begin(parts)
        for words in parts:
            if words[0] in (*ACTIONS, "write", "reach") and self.refused is None:
                self._take(words)

    def _begin(self, parts: list[list[str]]) -> None:
        play = self.play
        play.add("E", "e1")
        names = sorted({word for words in parts for word in words if _is_thing(word)})
        classes = {words[0]: words[1] for words in parts if words[0] in names}
        for name in names:
            if name[0] == "f":
                told = classes.get(name, "irreversible")
                kind = _CLASSES.get(told, shape.COMPENSATABLE)
                play.effect(name, "e1", "g1", kind, probed=told != "blind")
            elif name not in play.logic.things[_SORTS[name[0]]]:
                play.add(_SORTS[name[0]], name)
        for name in names:
            for fact, key, value in (("address", "x", "e1"), ("timer_home", "d", "e1"),
                                     ("due", "d", DUE), ("saga_home", "g", "e1")):  # fmt: skip
                if name[0] == key:
                    play.set(fact, (name,), value)
        for words in parts:
            if words[1:2] == ["hears"]:
                play.set("hears", ("e1 root", words[2]), True)
            if words[1:2] == ["rests"]:
                play.set("rests", (words[0], words[2]), True)

    def _take(self, words: list[str]) -> None:
        if words[0] == "write":
            record = words[2]
            steps = [[f"submit_{words[1]}", *words[2:]], ["apply", record], ["ack", record]]
        elif words[0] == "reach":
            steps = [["call", words[1]], ["land", words[1]]]
        else:
            steps = [words]
        for name, *things in steps:
            if self.refused is None:
                self._step(name, [_value(thing) for thing in things])

    def _step(self, name: str, things: list[str | int | bool]) -> None:
        unmet = self.play.unmet(name, *things)
        if unmet:
            self.refused = Refused(name, unmet[0])
            return
        self.told.append(Told(name, tuple(things), self._sentence(name, things)))
        self.broken += self.play.broken_by(name, *things)
        self.play.take(name, *things)
        self.broken += [b for b in self.play.broken() if b not in self.broken]

    def _sentence(self, name: str, things: list[str | int | bool]) -> str:
        says = ACTIONS[name].words.format(*map(self._noun, things))
        actor = self._actor(name, things)
        if name == "fence":
            self._silent.add(str(things[0]))
        elif actor in self._silent:
            self._silent.discard(actor)
            return f"{_noun(actor)} wakes up, and {says}"
        return says

    def _actor(self, name: str, things: list[str | int | bool]) -> str:
        for thing in map(str, things):
            if thing[0] == "s" and name != "fence":
                return thing
        if name in ("call", "found", "ack"):
            return str(self.play.state.by(things[0]))
        return ""

    def _noun(self, thing: str | int | bool) -> str:
        return _noun(str(thing))

    @property
    def story(self) -> str:
        """The run in words."""
        return "; ".join(each.says for each in self.told) + "."


def _is_thing(word: str) -> bool:
    return word[0] in _SORTS and word[1:].isdigit()


def _noun(name: str) -> str:
    return _NOUNS[name[0]].format(name[1:]) if _is_thing(name) else name


def _value(word: str) -> str | int | bool:
    if word in ("yes", "no"):
        return word == "yes"
    return int(word) if word.isdigit() else word


class Refutation(NamedTuple):
    """What becomes of a guard's run, with the guard and without it."""

    guard: str
    story: str
    stopped: bool  # with the guard on, it is the guard that refuses a step
    breaks: bool  # without it the promise is broken

    @property
    def holds(self) -> bool:
        """The guard is needed, and this shows it."""
        return self.stopped and self.breaks


def refute(name: str) -> Refutation:
    """Play the run of a guard, with it and without it."""
    guard = GUARDS[name]
    off = {name, guard.beside} - {""}
    kept = Run(guard.run, off - {name})
    found = Run(guard.run, off)
    by = "" if kept.refused is None else kept.refused.need.guard
    stopped = not kept.broken and (guard.done or by == name)
    broken = found.refused is None and any(b.claim == guard.breaks for b in found.broken)
    return Refutation(name, found.story, stopped, broken)


_BEGIN = "register s1; claim s1 e1 yes"
LIVES = {
    "a charge that is paid": f"{_BEGIN}; write intent r1 s1 f1; reach r1; learn_landed s1 f1 1; "
    "write landed r2 s1 f1; write keep r3 s1 g1; write finish r4 s1 e1",
    "a charge in doubt, voided and paid": f"{_BEGIN}; write intent r1 s1 f1; call r1; register s2; "
    "fence s1; claim s2 e1 yes; write doubt r2 s2 f1; learn_void s2 f1 1; write closed r3 s2 f1; "
    "write intent r4 s2 f1; reach r4; learn_landed s2 f1 2; write landed r5 s2 f1",
    "a refusal, and a saga undone": "f1 compensatable; f2 irreversible; f2 rests f1; "
    f"{_BEGIN}; write intent r1 s1 f1; reach r1; learn_landed s1 f1 1; write landed r2 s1 f1; "
    "write intent r3 s1 f2; call r3; decline r3; learn_declined s1 r3; write closed r4 s1 f2; "
    "write turn r5 s1 g1; undo_outside s1 f1; write undone r6 s1 f1; write clear r7 s1 g1; "
    "write finish r8 s1 e1",
    "an undo that a person gives up": f"f1 compensatable; {_BEGIN}; write intent r1 s1 f1; "
    "reach r1; learn_landed s1 f1 1; write landed r2 s1 f1; write turn r3 s1 g1; "
    "write stand r4 s1 f1; write clear r5 s1 g1",
    "an ambiguous commit": f"{_BEGIN}; submit_intent r1 s1 f1; ambiguous r1; apply r1; "
    "handover s1 s2; found r1; reach r1; learn_landed s2 f1 1; write landed r2 s2 f1",
    "a rollback": f"{_BEGIN}; submit_other r1 s1 e1; reject r1; fence s1; register s2; "
    "claim s2 e1 yes; write other r2 s2 e1",
    "steps without an intent": f"f1 plain; f2 transactional; {_BEGIN}; ask_plain s1 f1; "
    "write fired r1 s1 f1; write written r2 s1 f2",
    "a worker that ends": f"{_BEGIN}; write other r1 s1 e1; release s1 e1; register s2; "
    "claim s2 e1 yes; write finish r2 s2 e1",
    "a message": f"root hears x1; {_BEGIN}; park s1 e1 no 0; send x1; claim s1 e1 yes; "
    "write consume r1 s1 x1; send x2; read_mail s1 e1",
    "two timers": f"{_BEGIN}; write arm r1 s1 d1; write arm r2 s1 d2; park s1 e1 yes 5; tick 6; "
    "claim s1 e1 yes; write due r3 s1 d1; write drop r4 s1 d2",
    "an event": f"{_BEGIN}; write emit r1 s1 e1; deliver r1; mark r1",
}
"""Lawful runs: together they take every action, and nothing in them breaks a promise."""


def unreached() -> list[str]:
    """The actions that no lawful run takes: guards that nothing can meet prove everything."""
    taken = {told.action for text in LIVES.values() for told in Run(text).told}
    return [name for name in LAWFUL if name not in taken]
