"""`chaos`: break a user's workflow in a fake world, or real workers by real signals.

What is played and judged stands in `chaos/trial.py` and `console/killing.py`, the story in
`chaos/telling.py`; nothing of them is decided here.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from ...chaos import saved as files
from ...chaos.telling import story, tell
from ...chaos.trial import Failure, Faults, Subject, Trial, try_out
from ...model.compiler import compile_workflow
from .answers import DOES_NOT_HOLD, Refusal, answer, finish, note, watched, with_format
from .fakes import fakes_of
from .running import checked_inputs
from .targets import one_workflow

_INPUT = "The parameters as a JSON object; @FILE or - reads it."
_FAKES = "Where `def fakes(world)` stands: FILE, MODULE, or either with :NAME.  [default: TARGET]"
_HISTORIES = "At most N histories with one fault, N with two, drawn by the seed.  [default: all]"


@click.command()
@click.argument("target", required=False)
@click.option("--input", "input", default="{}", metavar="JSON", help=_INPUT)
@click.option("--fakes", "fakes", metavar="FILE", help=_FAKES)
@click.option("--bodies", is_flag=True, help="Step bodies are safe to run as they are.")
@click.option("--histories", type=click.IntRange(1), metavar="N", help=_HISTORIES)
@click.option(
    "--crashes",
    type=click.IntRange(1, 3),
    default=1,
    show_default=True,
    help="Faults in a history: a second one falls on what the first brought about.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="What is drawn or planned.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where failures are saved.  [default: here]",
)
@click.option("--kill", is_flag=True, help="Kill real worker processes on one SQLite file.")
@click.option(
    "--kills", type=click.IntRange(1), default=100, show_default=True, help="How many SIGKILLs."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=3, show_default=True, help="Processes at once."
)
@with_format()
def chaos(
    target: str | None,
    input: str,
    fakes: str | None,
    bodies: bool,
    histories: int | None,
    crashes: int,
    seed: int,
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

    With --kill: worker processes serve orders from one SQLite file and die by SIGKILL at named and
    at random moments; some are stopped, fenced, and woken. A shop server in a process of its own
    counts. Exit 1 when anything came twice, was lost or is left over, or a log is not whole.

    \b
    perdure chaos shop/booking.py:book --input '{"trip": "Rome"}'
    perdure chaos shop/booking.py:book --input '{"trip": "Rome"}' --crashes 2 --histories 20
    perdure chaos --kill
    perdure chaos --kill --kills 1000 --workers 4 --seed 7
    """
    if kill and target is None:
        _kill(kills, workers, seed, format)
    elif kill or target is None:
        what = "--kill breaks the demo's orders, no target" if kill else "nothing is said to break"
        raise Refusal(what, "perdure chaos TARGET, or perdure chaos --kill")
    else:
        subject = _subject(target, input, fakes, bodies)
        trial = _tried(subject, histories, crashes, seed)
        _answer(trial, target, fakes or "", out, format)


def _kill(kills: int, workers: int, seed: int, format: str) -> None:
    from ..kill_report import as_json, as_text
    from ..killing import killed  # with the demo's server, which a trial does not need

    campaign = killed(kills, workers, seed, note)
    answer(format, as_json(campaign), as_text(campaign))
    if not campaign.good:
        finish(DOES_NOT_HOLD)


def _tried(subject: Subject, histories: int | None, crashes: int, seed: int) -> Trial:
    dice = random.Random(seed)

    def chosen(plan: Sequence[Faults]) -> Iterable[Faults]:
        drawn = list(plan)
        if histories is not None and histories < len(drawn):
            drawn = dice.sample(drawn, histories)
        return watched(drawn, "breaking")

    with redirect_stdout(sys.stderr):  # what bodies print is no answer of ours
        return try_out(subject, chosen, crashes=crashes)


def _answer(trial: Trial, target: str, fakes: str, out: Path, format: str) -> None:
    with redirect_stdout(sys.stderr):
        failures = [_told(trial.subject, each, target, fakes, out) for each in trial.failures]
    document = {
        "target": target,
        "verdict": "violated" if failures else "holds",
        "points": trial.points,
        "histories": trial.histories,
        "ends": dict(trial.ends),
        "failures": [document for document, _ in failures],
    }
    answer(format, document, "\n\n".join([_summary(trial), *(text for _, text in failures)]))
    if failures:
        finish(DOES_NOT_HOLD)


def _summary(trial: Trial) -> str:
    ends = ", ".join(f"{count} {end}" for end, count in sorted(trial.ends.items()))
    head = f"{trial.subject.name}: {trial.histories} histories, faults at {trial.points} points"
    if not trial.failures:
        return f"{head}: {ends}; nothing twice, nothing lost, nothing left"
    count = len(trial.failures)
    return f"{head}: {ends}; {count} {'failure' if count == 1 else 'failures'}"


def _told(
    subject: Subject, failure: Failure, target: str, fakes: str, out: Path
) -> tuple[dict[str, Any], str]:
    happenings = tell(subject, failure.faults)
    digest, finding = subject.program.net.digest, failure.finding
    input = subject.as_json()
    one = files.saved(target, fakes, input, digest, failure.faults, finding, happenings)
    try:
        path = files.write(one, out)
    except OSError as error:
        fix = "--out FOLDER that can be written"
        raise Refusal(f"cannot write {out}: {error.strerror}", fix) from error
    text = story(subject, finding, happenings)
    text += f"\n  like {failure.like} more faults lead to the same" if failure.like else ""
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
