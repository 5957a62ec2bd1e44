"""What a user's tests are written with: run a workflow in simulated time, and claim things of it.

A claim that does not hold raises `ClaimBroken`, whose text is the story. What the claims rest on
stands in `trial.py`; no test framework is imported here.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..model.compiler import compile_workflow
from ..model.language.bodies import where_is
from ..model.language.steps import Step
from ..model.language.workflows import Workflow
from ..model.values import ValueRefused
from . import errors
from .fakes import Effect, Fakes
from .history import Outcome
from .judging import Seen
from .pairs import spread
from .saved import SavedFault, cause_of, saved, write
from .scripts import Script
from .telling import story, tell
from .trial import Cause, Failure, Faults, Stage, Subject, Trial, try_out
from .wild_trial import again, try_at_random

T = TypeVar("T")


class ClaimBroken(AssertionError):
    """A claim about a workflow that does not hold; its text is the story of how it comes about."""


@dataclass(frozen=True)
class Ran:
    """A run without a fault: how it ended, and what it did to the fake world."""

    status: str
    value: Any  # None unless it is done
    error: str  # "" unless it failed
    effects: Sequence[Effect]
    seconds: float  # of simulated time
    _standing: Mapping[str, int]

    def count(self, what: str, *about: object) -> int:
        """How often this stands in the world: `run.count("charge", "order-1")`."""
        return self._standing.get(" ".join((what, *map(str, about))), 0)


class Harness:
    """Runs and claims, with what they have in common; the fixture `perdure` is one.

    `fakes` and `seed` are used where a call names none; `faults_max` takes as many of the faults,
    spread evenly, or of the histories, for a quick look; failures are saved in `folder` for
    `perdure replay`.
    """

    def __init__(
        self,
        fakes: Fakes | None = None,
        *,
        faults_max: int = 0,
        folder: Path | None = None,
        seed: int | str = 0,
    ) -> None:
        self.fakes, self.faults_max, self.folder = fakes, faults_max, folder
        self.seed = seed

    def run(self, call: Coroutine[Any, Any, Any], *, fakes: Fakes | None = None) -> Ran:
        """Run a workflow once, without a fault, in simulated time: a month takes no time."""
        __tracebackhide__ = True
        return aside(partial(_run, Subject.of(call, fakes or self.fakes)))

    def survives(
        self,
        call: Coroutine[Any, Any, Any],
        *,
        fakes: Fakes | None = None,
        histories: int = 0,
        seed: int | str | None = None,
    ) -> Trial:
        """Claim that no single fault does harm: a crash at every point, a lost answer, a zombie.

        Nothing happens twice that happens once without the fault, nothing is lost or left, and
        what was promised by the engine holds at every durable point. With `histories`, it is so
        many random ones: several workers, several troubles in each, drawn by the seed.
        """
        __tracebackhide__ = True
        subject = Subject.of(call, fakes or self.fakes)
        return self._hold(subject, None, histories, seed)

    def never_twice(
        self,
        call: Coroutine[Any, Any, Any],
        step: Step[..., Any],
        *,
        fakes: Fakes | None = None,
        histories: int = 0,
        seed: int | str | None = None,
    ) -> Trial:
        """Claim that no single fault makes what this step does happen more often; with `histories`,
        that none of so many random histories does.

        Refused (PD507) where nothing that it does is in the ledger: such a claim cannot fail.
        """
        __tracebackhide__ = True
        subject = Subject.of(call, fakes or self.fakes)
        return self._hold(subject, step, histories, seed)

    def _hold(
        self,
        subject: Subject,
        step: Step[..., Any] | None,
        histories: int,
        seed: int | str | None,
    ) -> Trial:
        __tracebackhide__ = True
        if histories < 0:
            raise ValueError(f"{histories} histories: none, or how many")
        if histories:
            count = min(histories, self.faults_max or histories)
            sown = self.seed if seed is None else seed
            trial = aside(partial(_tried_at_random, subject, step, count, sown))
        else:
            trial = aside(partial(_tried, subject, step, self.faults_max))
        kinds = None if step is None else ("twice", step.name)
        found = [f for f in trial.failures if kinds in (None, f.finding.kind)]
        if found:
            told = aside(partial(_story, trial, found, self.folder))
            raise ClaimBroken(told) from None
        if trial.never:
            raise ClaimBroken(_untried(trial)) from None
        return trial


def survives(
    call: Coroutine[Any, Any, Any],
    *,
    fakes: Fakes | None = None,
    histories: int = 0,
    seed: int | str = 0,
) -> Trial:
    """Claim that no single fault does harm to what a workflow does; see `Harness.survives`."""
    __tracebackhide__ = True
    return Harness().survives(call, fakes=fakes, histories=histories, seed=seed)


def never_twice(
    call: Coroutine[Any, Any, Any],
    step: Step[..., Any],
    *,
    fakes: Fakes | None = None,
    histories: int = 0,
    seed: int | str = 0,
) -> Trial:
    """Claim that no single fault makes a step happen twice; see `Harness.never_twice`."""
    __tracebackhide__ = True
    return Harness().never_twice(call, step, fakes=fakes, histories=histories, seed=seed)


def replayed(
    workflow: Workflow[..., Any],
    *,
    input: Mapping[str, Any],
    fakes: Fakes | None,
    faults: Sequence[Sequence[str | int]],
    workers: int = 0,
    pace: float = 1.0,
) -> None:
    """Claim that faults which were found to do harm do none any more; with `workers`, those of a
    random history.

    Fails too when they are never met: the workflow has another shape now, and the claim has to
    be found anew.
    """
    __tracebackhide__ = True
    subject = subject_of(workflow, input, fakes)
    planned = cause_of([SavedFault.said(words) for words in faults], workers, pace)
    broken = aside(partial(_replayed, subject, planned))
    if broken:
        raise ClaimBroken(broken) from None


def subject_of(
    workflow: Workflow[..., Any], input: Mapping[str, Any], fakes: Fakes | None
) -> Subject:
    """A workflow with parameters as JSON values."""
    program = compile_workflow(workflow)
    try:
        values = {
            name: program.codecs[name].seal(program.codecs[name].decode(json.dumps(value).encode()))
            for name, value in input.items()
        }
    except (KeyError, msgspec.MsgspecError, ValueRefused, ValueError) as error:
        what = f"the saved input is none of {workflow.name} any more: {error}"
        raise errors.no_replay(what, where_is(workflow.fn)) from error
    return Subject(program, values, fakes)


def _replayed(subject: Subject, cause: Cause) -> str:
    findings, met = again(subject, cause)
    if not met:
        told = str(cause) if isinstance(cause, Script) else ", then ".join(map(str, cause))
        return f"{told}: never met in {subject.name}, which has another shape now; find it anew"
    return story(subject, findings[0], tell(subject, cause)) if findings else ""


def _run(subject: Subject) -> Ran:
    subject.must_be_safe()
    with Stage(subject) as stage:
        seen = stage.calm()
    body = json.loads(bytes(seen.outcome.rows["log"][-1]["body"]))
    status = seen.outcome.status
    value = None
    if status == "done" and "r" in body:
        value = subject.program.codecs["$value"].decode(json.dumps(body["r"]).encode())
    error = json.dumps(body.get("e")) if status == "failed" else ""
    standing = Counter(e.name for e in seen.world.effects)
    standing.subtract(seen.world.undone)
    return Ran(
        status, value, error, tuple(seen.world.effects), seen.outcome.seconds, dict(standing)
    )


def _tried(subject: Subject, step: Step[..., Any] | None, faults_max: int) -> Trial:
    def chosen(plan: Sequence[Faults]) -> Iterable[Faults]:
        return spread(plan, faults_max) if faults_max else plan

    subject.must_be_safe()
    return try_out(subject, chosen, partial(_counted, step))


def _tried_at_random(
    subject: Subject, step: Step[..., Any] | None, histories: int, seed: int | str
) -> Trial:
    subject.must_be_safe()
    return try_at_random(subject, histories, seed, check=partial(_counted, step))


def _counted(step: Step[..., Any] | None, calm: Seen[Outcome]) -> None:
    """Refuse a claim about a step that no run could refute."""
    if step is not None and all(e.here.step != step.name for e in calm.world.effects):
        raise errors.nothing_counted(step.name, where_is(step.fn))


def _untried(trial: Trial) -> str:
    kinds = ", ".join(trial.never)
    return f"{trial.subject.name}: {trial.histories} histories, and what never came: {kinds}"


def _story(trial: Trial, found: Sequence[Failure], folder: Path | None) -> str:
    subject, failure = trial.subject, found[0]
    happenings = tell(subject, failure.cause)
    told = story(subject, failure.finding, happenings)
    more = [f"  {failure.like} more histories lead to the same"] if failure.like else []
    more += [f"  {len(found) - 1} more findings of other kinds"] if len(found) > 1 else []
    more += [f"  seed {trial.campaign.seed}"] if trial.campaign is not None else []
    if folder is not None:
        more.append(f"  replay  perdure replay {_saved(subject, failure, folder)}")
    return "\n".join([told, *more])


def _saved(subject: Subject, failure: Failure, folder: Path) -> Path:
    workflow = subject.program.workflow
    target = f"{workflow.fn.__code__.co_filename}:{workflow.name}"
    fakes = _named(subject.fakes) if subject.fakes is not None else ""
    one = saved(
        target,
        fakes,
        subject.as_json(),
        subject.program.net.digest,
        failure.cause,
        failure.finding,
        tell(subject, failure.cause),
    )
    return write(one, folder)


def _named(fakes: Fakes) -> str:
    return f"{where_is(fakes).rpartition(':')[0]}:{getattr(fakes, '__name__', 'fakes')}"


def aside(work: Callable[[], T]) -> T:
    """Do it here, or in a thread where an event loop runs here: a simulation has its own."""
    __tracebackhide__ = True
    try:
        if not _in_a_loop():
            return work()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(work).result()
    except errors.TrialRefused as refused:  # a mistake of theirs: our stack explains nothing
        raise refused.with_traceback(None) from None


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
