"""A trial: a user's workflow in a fake world, without a fault first and then with every one.

What goes wrong is data (`faults.py`), what is wrong with it is judged in `judging.py`. Nothing is
printed here, and no file is written.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from ..model.compiler import compile_workflow
from ..model.language import bodies as functions
from ..model.language.calls import Call
from ..model.language.effects import Effect as Class
from ..model.language.steps import Step
from ..model.language.workflows import Workflow
from ..model.program import Program
from ..model.values import Value
from . import errors
from .bodies import Bodies
from .campaign import FAIRLY_MANY, Report
from .fakes import Fakes, World
from .faults import Edge, Fault, Kind, single_faults
from .guard import Unsafe, guarded
from .history import Flow, History, Message, Outcome, play, template
from .judging import Ended, Finding, Seen, judge
from .pairs import BOUNDARIES_MAX, spread
from .ports import Breaks
from .scripts import Mishap, Script

T = TypeVar("T", bound=Ended)
_MEMORY = Path("/dev/shm")
Faults = tuple[Fault, ...]
"""What goes wrong in one history, in this order; nothing in a calm one."""

Cause = Faults | Script
"""What goes wrong in a history of either kind."""

Check = Callable[[Seen[Outcome]], None]
"""May refuse the run without a fault."""

Watch = Callable[[Sequence[Faults]], Iterable[Faults]]
"""Hands them on one by one: all or some, with a progress bar or without."""


class Subject:
    """A workflow with its input and the world it is tried in."""

    def __init__(
        self, program: Program, inputs: dict[str, Value], fakes: Fakes | None = None
    ) -> None:
        self.program, self.inputs, self.fakes = program, inputs, fakes
        self.last: Bodies | None = None  # the receivers of the history that was begun last

    @classmethod
    def of(cls, call: Coroutine[Any, Any, Any], fakes: Fakes | None = None) -> Subject:
        """What `workflow(arguments)` calls."""
        target, args, kwargs = call.take() if isinstance(call, Call) else (None, (), {})
        if not isinstance(target, Workflow):
            raise errors.no_world(f"{call!r} is no call of a workflow", "")
        workflow = cast("Workflow[..., Any]", target)
        program = compile_workflow(workflow)
        return cls(program, program.sealed(workflow.bind(args, kwargs)), fakes)

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.program.workflow.name

    @property
    def where(self) -> str:
        """The line of its definition."""
        return functions.where_is(self.program.workflow.fn)

    def steps(self) -> list[Step[..., Any]]:
        """Every step it calls, once."""
        return list({step.fn: step for step in self.program.steps.values()}.values())

    def as_json(self) -> dict[str, Any]:
        """The input as JSON values."""
        return {name: json.loads(value.raw) for name, value in self.inputs.items()}

    def seen(self, outcome: T) -> Seen[T]:
        """What is to be seen of the history that was begun last; refused (PD501) where a body
        reached for the real world."""
        played = self.last
        assert played is not None
        for step, did in played.unsafe:
            found = next((s for s in self.steps() if s.name == step), None)
            where = functions.where_is(found.fn) if found else ""
            raise errors.unsafe(step, did, where)
        return Seen(outcome, played.world)

    def call(self) -> Coroutine[Any, Any, Any]:
        """A call of it, with values of its own."""
        values = tuple(self.inputs[name].get() for name in self.program.inputs)
        args, kwargs = functions.spread(self.program.workflow.signature, values)
        return self.program.workflow(*args, **kwargs)

    def outside(self, gate: Breaks) -> Bodies:
        """The receivers of a new history, in a new world."""
        self.last = Bodies(self.program, gate)
        self.last.cast.given(self.fill(self.last.world))
        return self.last

    def fill(self, world: World) -> dict[Any, Any]:
        """Make a world ready; what stands in for what."""
        if self.fakes is None:
            return {}
        where = functions.where_is(self.fakes)
        try:
            with guarded():
                given = self.fakes(world)
        except Unsafe as did:
            raise errors.unsafe("fakes", str(did), where) from None
        except Exception as error:
            raise errors.no_world(f"`fakes` raised {error!r}", where) from error
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise errors.no_world(f"`fakes` returned {given!r}", where)
        self._known(given, where)
        return given

    def _known(self, given: dict[Any, Any], where: str) -> None:
        for key in given:
            if not callable(getattr(key, "fn", None)):
                raise errors.no_world(f"{key!r} is no step, undo or probe", where)
            if isinstance(key, Step) and key.effect is Class.TRANSACTIONAL:
                what = f"{key.name} is transactional: its body runs in the simulated store"
                raise errors.no_world(what, where)

    def must_be_safe(self) -> None:
        """Refuse to run bodies with effects that nobody spoke of."""
        if self.fakes is not None:
            return
        for step in self.steps():
            if step.effect not in (Class.PURE, Class.OBSERVE, Class.TRANSACTIONAL):
                raise errors.not_said(step.name, str(step.effect), functions.where_is(step.fn))

    def flow(self) -> Flow:
        """The workflow as the histories play it."""
        world = World()
        self.fill(world)
        sent = [Message(s.at, s.signal, s.value, f"m-{n}") for n, s in enumerate(world.sendings, 1)]
        return Flow(
            self.name,
            self.call,
            messages=sent,
            tables=tuple(world.tables),
            outside=self.outside,
            skips=True,
        )


@dataclass(frozen=True)
class Failure:
    """Faults that bring something about that must not be; others like it are only counted."""

    cause: Cause
    finding: Finding
    like: int

    @property
    def faults(self) -> tuple[Fault | Mishap, ...]:
        """What goes wrong, in order."""
        return faults_of(self.cause)


@dataclass
class Trial:
    """What a trial showed."""

    subject: Subject
    calm: Seen[Outcome]
    histories: int = 0
    points: int = 0  # where faults were planned; of random histories, durable points judged
    ends: Counter[str] = field(default_factory=Counter[str])
    failures: list[Failure] = field(default_factory=list[Failure])
    campaign: Report | None = None  # of random histories
    played: Counter[int] = field(default_factory=Counter[int])  # histories by number of faults

    @property
    def never(self) -> list[str]:
        """Kinds of trouble that many random histories should have met, and none did."""
        many = self.campaign is not None and self.histories >= FAIRLY_MANY
        return self.campaign.never if self.campaign is not None and many else []


class Stage:
    """Plays histories of one subject in a folder of its own, in memory where there is a place."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        place = str(_MEMORY) if _MEMORY.is_dir() else None
        self._folder = tempfile.TemporaryDirectory(prefix="perdure-trial-", dir=place)
        self.folder = Path(self._folder.name)
        self.flow = subject.flow()
        self._empty = template(self.folder, self.flow)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def play(self, *faults: Fault) -> Seen[Outcome]:
        """One history, judged by the oracle."""
        return self.subject.seen(play(self.flow, self._empty, self.folder, *faults))

    def told(self, make: Callable[[Flow, Path], History]) -> Seen[Outcome]:
        """One history of a kind of its own."""
        path = self.folder / "told.db"
        path.unlink(missing_ok=True)
        path.write_bytes(self._empty.read_bytes())
        return self.subject.seen(make(self.flow, path).run())

    def calm(self) -> Seen[Outcome]:
        """The run without a fault, played twice: what differs then says nothing later."""
        first = self.play()
        if not first.outcome.status or first.outcome.status == "active":
            why = "; ".join(first.outcome.defects) or "it is still active"
            raise errors.without_end(why.removeprefix("Unsettled: "), self.subject.where)
        second = self.play()
        if first.told != second.told:
            raise errors.unlike(first.told, second.told, self.subject.where)
        return first


def fine(calm: Seen[Outcome]) -> None:
    """Refuse nothing."""


def try_out(subject: Subject, watch: Watch = iter, check: Check = fine, crashes: int = 1) -> Trial:
    """Play every single fault of a workflow, or those that `watch` hands on.

    `crashes` is how many faults a history has at most: a second one falls on what the first brought
    about, at so many points of either run as `BOUNDARIES_MAX` says. Of the failures there is one
    for each cause: the one that is told most easily. `check` may refuse the run without a fault.
    """
    found: dict[tuple[str, str], list[tuple[Faults, Finding]]] = {}
    with Stage(subject) as stage:
        calm = stage.calm()
        check(calm)
        points = calm.outcome.points
        near = {point.boundary for point in spread(points, BOUNDARIES_MAX)}
        trial = Trial(subject, calm, 1, len(points))
        trial.ends[calm.outcome.status] += 1
        trial.played[0] = 1
        for finding in judge(calm, calm):
            found.setdefault(finding.kind, []).append(((), finding))
        plan: list[Faults] = [(fault,) for fault in single_faults(points)]
        for count in range(1, crashes + 1):
            behind: list[Faults] = []
            for faults in watch(plan):
                seen = stage.play(*faults)
                trial.histories += 1
                trial.ends[seen.outcome.status] += 1
                trial.played[count] += 1
                for finding in judge(seen, calm):
                    found.setdefault(finding.kind, []).append((faults, finding))
                if count < crashes and faults[0].boundary in near:
                    behind += [(*faults, then) for then in _behind(seen.outcome)]
            plan = behind
    for each in found.values():
        faults, finding = min(each, key=lambda one: plainness(one[0]))
        trial.failures.append(Failure(faults, finding, len(each) - 1))
    return trial


def _behind(outcome: Outcome) -> Iterator[Fault]:
    """The faults that can come behind those of a history: at so many of its later points."""
    if outcome.fired_at:
        points = outcome.points[outcome.fired_at[-1] + 1 :]
        yield from single_faults(spread(points, BOUNDARIES_MAX))


_PLAIN = (Kind.CRASH, Kind.CRASH_SENT, Kind.LANDS_AND_RAISES, Kind.RAISES, Kind.STOPPED, Kind.HANGS)


def faults_of(cause: Cause) -> tuple[Fault | Mishap, ...]:
    """What goes wrong in a history of either kind, in order."""
    return cause.mishaps if isinstance(cause, Script) else cause


def plainness(cause: Cause) -> tuple[int, ...]:
    """Small for what is told easily: no fault at all, one, a crash, right behind a call."""
    faults = faults_of(cause)
    return (len(faults), *(part for fault in faults for part in _plain(fault)))


def _plain(fault: Fault | Mishap) -> tuple[int, int, int]:
    kind = _PLAIN.index(fault.kind) if fault.kind in _PLAIN else len(_PLAIN)
    behind = fault.boundary.port == "world" and fault.boundary.edge is Edge.AFTER
    inside = fault.boundary.operation.startswith("inside")
    return (kind, 0 if behind and not inside else 1, fault.boundary.number)
