"""`chaos`: break a user's workflow in a fake world, or real workers by real signals.

What is played and judged stands in `chaos/trial.py`, `chaos/wild_trial.py` and
`console/killing.py`, the story in `chaos/telling.py`; nothing of them is decided here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ...chaos import saved as files
from ...chaos.judging import error_of
from ...chaos.pairs import BOUNDARIES_MAX, spread
from ...chaos.telling import story, tell
from ...chaos.trial import Failure, Faults, Subject, Trial, try_out
from ...chaos.troubles import TROUBLES_MAX
from ...chaos.wild_trial import try_at_random
from ...model.compiler import compile_workflow
from .answers import (
    DOES_NOT_HOLD,
    INCONCLUSIVE,
    Refusal,
    answer,
    finish,
    note,
    watched,
    with_format,
)
from .fakes import fakes_of
from .running import checked_inputs
from .targets import one_workflow

_INPUT = "The parameters as a JSON object; @FILE or - reads it."
_FAKES = "Where `def fakes(world)` stands: FILE, MODULE, or either with :NAME.  [default: TARGET]"
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("target", required=False)
@click.option("--input", "input", default="{}", metavar="JSON", help=_INPUT)
@click.option("--fakes", "fakes", metavar="FILE", help=_FAKES)
@click.option("--bodies", is_flag=True, help="Step bodies are safe to run as they are.")
@click.option("--exhaustive", is_flag=True, help="Every pair of faults, too: thousands.")
@click.option(
    "--histories", type=click.IntRange(1), metavar="N", help="N random histories instead."
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="The same seed draws the same histories, or plans the same kills.",
)
@click.option(
    "--crashes",
    type=click.IntRange(1, TROUBLES_MAX),
    default=TROUBLES_MAX,
    show_default=True,
    help="Troubles in a random history, at most.",
)
@click.option(
    "--out", type=_FOLDER, default=Path(), metavar="FOLDER",
    help="Where failures are saved.  [default: here]",
)  # fmt: skip
@click.option("--kill", is_flag=True, help="Kill real worker processes on one SQLite file.")
@click.option(
    "--kills", type=click.IntRange(1), default=100, show_default=True, help="How many SIGKILLs."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=3, show_default=True, help="Processes at once."
)
@with_format()
@click.pass_context
def chaos(
    ctx: click.Context,
    target: str | None,
    input: str,
    fakes: str | None,
    bodies: bool,
    exhaustive: bool,
    histories: int | None,
    seed: int,
    crashes: int,
    out: Path,
    kill: bool,
    kills: int,
    workers: int,
    format: str,
) -> None:
    """Break a workflow of yours in a fake world; or, with --kill, the engine by real signals.

    A TARGET runs once without a fault, in simulated time; then once for every fault at every point
    between two operations: a crash, a lost answer, a worker that stands still. What happens twice,
    is lost or is left is told line by line, and saved for `perdure replay`; then the exit is 1.

    With --histories: random histories of up to three workers, with several troubles in each, drawn
    by the seed. Exit 3 when a kind of trouble that could have come never did, in 500 or more.

    With --kill: worker processes serve orders from one SQLite file and die by SIGKILL at named and
    at random moments; some are stopped, fenced, and woken. A shop server in a process of its own
    counts. Exit 1 when anything came twice, was lost or is left over, or a log is not whole.

    \b
    perdure chaos shop/booking.py:book --input '{"trip": "Rome"}'
    perdure chaos shop/booking.py:book --input '{"trip": "Rome"}' --histories 40 --seed 7
    perdure chaos --kill --kills 1000 --workers 4 --seed 7
    """
    _must_fit(ctx)
    if target is None:
        _kill(kills, workers, seed, format)
        return
    subject = _subject(target, input, fakes, bodies)
    with redirect_stdout(sys.stderr):  # what bodies print is no answer of ours
        trial = (
            _enumerated(subject, exhaustive)
            if histories is None
            else _at_random(subject, histories, seed, crashes)
        )
    _answer(trial, target, fakes or "", out, format)


_OF_KILLS = ("kills", "workers")
_OF_TARGETS = ("input", "fakes", "bodies", "exhaustive", "histories", "crashes", "out")


def _must_fit(ctx: click.Context) -> None:
    """Refuse what is typed and would be of no effect."""

    def typed(name: str) -> bool:
        return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE

    def refuse(what: str, fix: str) -> None:
        raise Refusal(what, fix)

    target, kill = ctx.params["target"], ctx.params["kill"]
    if kill and target is not None:
        refuse("--kill breaks the demo's orders, no target", "perdure chaos --kill")
    if not kill and target is None:
        what = "nothing is said to break"
        refuse(what, "perdure chaos TARGET, or perdure chaos --kill")
    for name in filter(typed, _OF_TARGETS if kill else _OF_KILLS):
        what = f"--{name} is of no effect {'with' if kill else 'without'} --kill"
        refuse(what, "perdure chaos TARGET" if kill else "perdure chaos --kill")
    if ctx.params["exhaustive"] and typed("histories"):
        what = "--exhaustive plays every pair, --histories draws at random"
        refuse(what, "one of them, and the other in another run")
    if typed("crashes") and not typed("histories"):
        what = "--crashes is of no effect without --histories"
        refuse(what, "--exhaustive for every pair of faults; --histories N to draw some")


def _kill(kills: int, workers: int, seed: int, format: str) -> None:
    from ..kill_report import as_json, as_text
    from ..killing import killed  # with the demo's server, which a trial does not need

    campaign = killed(kills, workers, seed, note)
    answer(format, as_json(campaign), as_text(campaign))
    if not campaign.good:
        finish(DOES_NOT_HOLD)


def _enumerated(subject: Subject, exhaustive: bool) -> Trial:
    each_seconds = 0.0

    def told(plan: Sequence[Faults]) -> Iterator[Faults]:
        nonlocal each_seconds
        if exhaustive and plan:
            note(f"{subject.name}: {_foretold(plan, each_seconds)}")
        begun = time.monotonic()
        yield from watched(plan, "breaking")
        each_seconds = (time.monotonic() - begun) / max(1, len(plan))

    return try_out(subject, told, crashes=2 if exhaustive else 1)


def _foretold(plan: Sequence[Faults], each_seconds: float) -> str:
    """How many histories will be played now, and about how many then."""
    if len(plan[0]) > 1:
        minutes = len(plan) * each_seconds / 60
        return f"{len(plan):,} histories with two faults, about {minutes:.1f} minutes"
    met = list(dict.fromkeys(faults[0].boundary for faults in plan))
    firsts = set(spread(met, BOUNDARIES_MAX))
    count = sum(faults[0].boundary in firsts for faults in plan)
    pairs = f"then about {count * count:,} with two, exactly when these are played"
    return f"{len(plan):,} histories with one fault, {pairs}"


def _at_random(subject: Subject, histories: int, seed: int, crashes: int) -> Trial:
    def told(numbers: Sequence[int]) -> Iterable[int]:
        return watched(numbers, "breaking")

    return try_at_random(subject, histories, seed, watch=told, troubles_max=crashes)


def _answer(trial: Trial, target: str, fakes: str, out: Path, format: str) -> None:
    with redirect_stdout(sys.stderr):
        failures = [_told(trial.subject, each, target, fakes, out) for each in trial.failures]
    document: dict[str, Any] = {
        "target": target,
        "verdict": "violated" if failures else "inconclusive" if trial.never else "holds",
        "points": trial.points,
        "histories": trial.histories,
        "without_a_fault": trial.calm.outcome.status,
        "ends": dict(trial.ends),
        "failures": [document for document, _ in failures],
    }
    if trial.campaign is None:
        document["by_faults"] = {str(count): n for count, n in sorted(trial.played.items())}
    else:
        fired = {str(kind): count for kind, count in trial.campaign.fired.most_common()}
        document |= {"seed": trial.campaign.seed, "fired": fired, "never": trial.never}
    texts = [_summary(trial) + _calm(trial), *(text for _, text in failures)]
    answer(format, document, "\n\n".join(texts))
    if failures:
        finish(DOES_NOT_HOLD)
    if trial.never:
        finish(INCONCLUSIVE)


def _calm(trial: Trial) -> str:
    """Said where the run without a fault is no success: is it meant to be none?"""
    status, error = trial.calm.outcome.status, error_of(trial.calm.outcome)
    if status == "done":
        return ""
    return f"\n  note  without a fault it ends {status}{': ' if error else ''}{error}"


def _summary(trial: Trial) -> str:
    ends = ", ".join(f"{count} {end}" for end, count in sorted(trial.ends.items()))
    count = len(trial.failures)
    found = f"{count} {'failure' if count == 1 else 'failures'}"
    verdict = found if count else "nothing twice, nothing lost, nothing left"
    head = f"{trial.subject.name}: {trial.histories:,}"
    if trial.campaign is None:
        by = ", ".join(f"{n:,} {_FAULTS[count]}" for count, n in sorted(trial.played.items()))
        pairs = f" ({by})" if max(trial.played) > 1 else ""
        return f"{head} histories{pairs}, faults at {trial.points} points: {ends}; {verdict}"
    lines = [
        f"{head} random histories, judged at {trial.points:,} durable points, seed "
        f"{trial.campaign.seed}: {ends}; {verdict}"
    ]
    fired = [f"{n:>7,} {kind:<32}" for kind, n in trial.campaign.fired.most_common()]
    lines += [f"{one}{other}".rstrip() for one, other in zip_longest(*_halves(fired), fillvalue="")]
    if trial.never:
        lines.append(f"  never came, though it could: {'; '.join(trial.never)}")
        lines.append("  fix  more histories; if it never comes, report it")
    return "\n".join(lines)


def _halves(lines: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    half = (len(lines) + 1) // 2
    return lines[:half], lines[half:]


_FAULTS = {0: "without a fault", 1: "with one", 2: "with two"}


def _told(
    subject: Subject, failure: Failure, target: str, fakes: str, out: Path
) -> tuple[dict[str, Any], str]:
    happenings = tell(subject, failure.cause)
    digest, finding = subject.program.net.digest, failure.finding
    input = subject.as_json()
    one = files.saved(target, fakes, input, digest, failure.cause, finding, happenings)
    try:
        path = files.write(one, out)
    except OSError as error:
        fix = "--out FOLDER that can be written"
        raise Refusal(f"cannot write {out}: {error.strerror}", fix) from error
    text = story(subject, finding, happenings)
    text += f"\n  like {failure.like} more histories lead to the same" if failure.like else ""
    text += f"\n  see  perdure replay {path}"
    document = {
        "rule": finding.rule,
        "step": finding.step,
        "says": finding.says,
        "why": finding.why,
        "fix": finding.fix,
        "faults": [str(fault) for fault in failure.faults],
        "like": failure.like,
        "file": str(path),
    }
    return document, text


def _subject(target: str, input: str, fakes: str | None, bodies: bool) -> Subject:
    workflow = one_workflow(target)
    program = compile_workflow(workflow)
    inputs = checked_inputs(program, input)
    subject = Subject(program, inputs, fakes_of(fakes, workflow.fn.__module__))
    if not bodies:
        subject.must_be_safe()
    return subject
