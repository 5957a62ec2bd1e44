"""Judges what happened in a user's fake world by the same workflow's run without a fault.

The oracle judges the engine (`specs`); this is about the user's steps: whether one that is declared
idempotent is, whether a probe tells the truth, whether an undo undoes. No history is played here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from ..specs.oracle import Broken, Rows, Rule
from .fakes import Effect, World
from .history import NOBODY_SENDS

_ENDED = ("failed", "cancelled")
_WITH_INTENT = ("compensatable", "irreversible")
_YOURS = (Rule.OUTSIDE, Rule.ONE_LANDING, Rule.UNDO)
"""What a step of the user's can break; all other rules are the engine's alone."""
_OUTSIDE = ("land", "decline", "learn_landed", "learn_void", "learn_declined", "undo_outside")
"""Where the protocol itself speaks of what a receiver does, or of what its probe says."""


class Ended(Protocol):
    """What became of an execution in a history of either kind."""

    @property
    def status(self) -> str: ...

    @property
    def broken(self) -> Sequence[Broken]: ...

    @property
    def defects(self) -> Sequence[str]: ...

    @property
    def rows(self) -> Rows: ...


E_co = TypeVar("E_co", bound=Ended, covariant=True)


class Seen(NamedTuple, Generic[E_co]):
    """One history: what became of the execution, and the world it left."""

    outcome: E_co
    world: World

    @property
    def told(self) -> str:
        """How it ended and what stands, in words: equal for equal runs."""
        standing = Counter(e.name for e in self.world.effects)
        standing.subtract(self.world.undone)
        parts = [f"{n} x {name}" for name, n in sorted(standing.items()) if n]
        return f"{self.outcome.status} with " + (", ".join(parts) or "no effect")


class Finding(NamedTuple):
    """Something that a fault brought about and must not."""

    rule: str  # "twice", "lost", "left", "untold", "stalled", "stuck", "rule"
    step: str
    says: str
    why: str
    fix: str

    @property
    def kind(self) -> tuple[str, str]:
        """What findings of one cause share."""
        return self.rule, self.step


def judge(seen: Seen[Ended], calm: Seen[Ended]) -> list[Finding]:
    """Everything that is wrong with a history, the user's own mistakes first."""
    mine = [*_twice(seen, calm), *_lost(seen, calm), *_left(seen), *_stalled(seen, calm)]
    mine += [] if mine else _untold(seen)
    return [*mine, *_rules(seen, mine)]


def _twice(seen: Seen[Ended], calm: Seen[Ended]) -> Iterator[Finding]:
    often = _most(calm.world)
    before = _most(seen.world)
    for name, (count, effect) in before.items():
        lawful = max(1, often[name][0]) if name in often else 1
        if count > max(lawful, _kept(seen, effect)):
            yield _double(name, count, lawful, effect)


def _most(world: World) -> dict[str, tuple[int, Effect]]:
    """Effect -> how often it stands: in all for steps with an intent, which are called again under
    another key; under one key for all others.
    """
    counts: Counter[tuple[str, str]] = Counter()
    last: dict[str, Effect] = {}
    for effect in world.effects:
        group = "" if effect.here.effect in _WITH_INTENT else effect.here.key
        counts[effect.name, group] += 1
        last[effect.name] = effect
    most: Counter[str] = Counter()
    for (name, _), count in counts.items():
        most[name] = max(most[name], count)
    return {name: (most[name] - world.undone[name], e) for name, e in last.items()}


_DOUBLE = {
    "idempotent": (
        "it is declared @idempotent: doing it twice must be doing it once",
        "hand effect_key() to the receiver and let it refuse a second one; or declare it "
        "@irreversible and give it a probe",
    ),
    "transactional": (
        "a transactional step is rolled back and run again; only writes through tx go with it",
        "move this effect into a step of its own",
    ),
    **dict.fromkeys(
        ("pure", "observe"),
        (
            "it is declared to change nothing outside, so it is called as often as it takes",
            "declare what it does: @idempotent with effect_key(), or @irreversible with a probe",
        ),
    ),
    "compensatable": (
        "it was called again after its undo had left it",
        "let the undo close effect_key() at the receiver and take back what was done under it, "
        "also when the result is unknown (None)",
    ),
    "": ("it was called again after its probe said that it had not happened",
         "close the key at the receiver first, only then look"),
}  # fmt: skip


def _double(name: str, count: int, lawful: int, effect: Effect) -> Finding:
    why, fix = _DOUBLE.get(effect.here.effect, _DOUBLE[""])
    says = f"{name} happened {count} times; without the fault it is {lawful}"
    return Finding("twice", effect.here.step, says, why, fix)


def _lost(seen: Seen[Ended], calm: Seen[Ended]) -> Iterator[Finding]:
    if (seen.outcome.status, calm.outcome.status) != ("done", "done"):
        return
    if result(seen.outcome) != result(calm.outcome):
        return  # another way through the workflow has other effects
    missing: dict[str, Effect] = {}
    for effect in calm.world.effects:
        if _stands(calm.world, effect) <= 0 or _stands(seen.world, effect) > 0:
            continue
        # About another thing perhaps: a mail that names what was booked anew.
        if _of_kind(seen.world, effect) < _of_kind(calm.world, effect):
            missing.setdefault(effect.here.step, effect)
    for step, effect in missing.items():
        if any(e.name == effect.name for e in seen.world.effects):
            says = f"{effect.name} was taken back, and the workflow is done as if it stood"
            why = f"the undo of {step} is of one call and took back what another one did"
            fix = "take back what was done under effect_key(), and nothing else"
        else:
            says = f"{effect.name} never happened, and the workflow is done as if it had"
            why = f"{step} answered a second call without having done what the first was to do"
            fix = "do it first and note it afterwards, in one transaction if the receiver has one"
        yield Finding("lost", step, says, why, fix)


def _of_kind(world: World, effect: Effect) -> int:
    """How often its step did the same, about whatever."""
    alike = [e for e in world.effects if (e.here.step, e.what) == (effect.here.step, effect.what)]
    return len(alike) - sum(world.undone[name] for name in {e.name for e in alike})


def _stands(world: World, effect: Effect) -> int:
    """How often it stands."""
    return sum(e.name == effect.name for e in world.effects) - world.undone[effect.name]


def _kept(seen: Seen[Ended], effect: Effect) -> int:
    """How often the log knows it to have landed and not to be undone: in a saga that ended well,
    or after another way through the workflow."""
    rows = seen.outcome.rows.get("effect", ())
    landed = {row["key"] for row in rows if row["outcome"] == "landed"}
    return len({e.here.key for e in seen.world.effects if e.name == effect.name} & landed)


def _left(seen: Seen[Ended]) -> Iterator[Finding]:
    """Who fails or is cancelled behind its saga keeps what was done in it: the record decides."""
    if seen.outcome.status not in _ENDED:
        return
    rows = seen.outcome.rows.get("effect", ())
    undone = {row["key"] for row in rows if row["outcome"] == "undone"}
    for effect in {e.name: e for e in seen.world.effects if e.here.key in undone}.values():
        stands = _stands(seen.world, effect)
        if effect.here.effect == "compensatable" and stands > _kept(seen, effect):
            says = f"{effect.name} stands, though the workflow is {seen.outcome.status}"
            _, why, fix = _DENIED["undone"]
            yield Finding("left", effect.here.step, says, why.format(effect.here.step), fix)


_DENIED = {
    **dict.fromkeys(
        ("voided", "refused"),
        (
            "had not happened",
            "the probe of {} said so, or the step did, and it was not so",
            "close the key at the receiver first, only then look; or refuse first of all",
        ),
    ),
    "undone": (
        "was undone",
        "the undo of {} left it, or its request came after the undo and was let in",
        "let the undo find it by effect_key() or the arguments, for the result may be unknown "
        "(None), and close the key for what comes later",
    ),
}
"""Outcome -> what the workflow was told, why it may not be so, the fix."""


def _untold(seen: Seen[Ended]) -> Iterator[Finding]:
    """What is told as not done or as undone, and stands: by another way than being done again."""
    rows = seen.outcome.rows.get("effect", ())
    told = {row["key"]: row["outcome"] for row in rows if row["outcome"] in _DENIED}
    for effect in {e.name: e for e in seen.world.effects if e.here.key in told}.values():
        if _stands(seen.world, effect) > _kept(seen, effect):
            what, why, fix = _DENIED[told[effect.here.key]]
            says = f"{effect.name} stands, and the workflow was told that it {what}"
            yield Finding("untold", effect.here.step, says, why.format(effect.here.step), fix)


def _stalled(seen: Seen[Ended], calm: Seen[Ended]) -> Iterator[Finding]:
    if seen.outcome.status == "stalled" != calm.outcome.status:
        says = "the execution stalls; without the fault it ends"
        fix = "`except` what the step may raise, in the workflow"
        yield Finding("stalled", "", says, "the workflow's own code raised", fix)
    for defect in seen.outcome.defects:
        kind, _, what = defect.partition(": ")
        if kind == "Stuck":
            step, _, says = what.partition(": ")
            why = "it is tried until it succeeds, and without it the execution has no end"
            fix = "let it succeed where there is nothing to do, or nothing is known (None)"
            yield Finding("stuck", step, says, why, fix)
        elif NOBODY_SENDS in defect:
            why = "it took another way than without the fault, to a wait for something else"
            fix = "world.send(signal, value, at=seconds) in `def fakes(world)`, or a deadline"
            yield Finding("stalled", "", f"the execution {NOBODY_SENDS[3:]}", why, fix)
        else:
            yield Finding("rule", "", defect, "this is a defect of ours, or of a fake", "report it")


def _rules(seen: Seen[Ended], mine: list[Finding]) -> Iterator[Finding]:
    """Broken rules of the engine; those that the user's own mistake explains are not told twice."""
    for broken in seen.outcome.broken:
        if not (mine and _is_yours(broken)):
            yield _broken(broken)


def _is_yours(broken: Broken) -> bool:
    told = broken.rule is Rule.PROTOCOL and broken.says.partition(":")[0] in _OUTSIDE
    return told or broken.rule in _YOURS


def _broken(broken: Broken) -> Finding:
    if _is_yours(broken):
        why = "what the workflow was told and what is outside differ"
        fix = "a probe closes the key before it answers, and says only what it found"
    else:
        why, fix = "the engine promises this in every history", "this is a bug of ours: report it"
    return Finding("rule", "", f"{broken.rule}: {broken.says}", why, fix)


def error_of(outcome: Ended) -> str:
    """What a failed execution failed with, in words; "" where it did not."""
    log = outcome.rows.get("log", ())
    body: Any = json.loads(bytes(log[-1]["body"])) if log else {}
    raised: Mapping[str, Any] | None = body.get("e")
    return "" if raised is None else f"{raised['type'].rpartition(':')[2]}: {raised['text']}"


def result(outcome: Ended) -> bytes | None:
    """The body of the last record: the value or the error."""
    log = outcome.rows.get("log", ())
    return bytes(log[-1]["body"]) if log else None
