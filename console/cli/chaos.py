"""`chaos` and `replay`: try a user's workflow with every fault, and play a failure again.

What is played and how it is judged stands in `chaos/trial.py`, the story in `chaos/telling.py`;
nothing of either is decided here.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, cast

import click

from ...chaos import saved as files
from ...chaos.fakes import Fakes
from ...chaos.faults import Fault
from ...chaos.judging import judge
from ...chaos.saved import Saved
from ...chaos.telling import Happening, shown_at, story, tell
from ...chaos.testing import subject_of
from ...chaos.trial import Failure, Stage, Subject, Trial, try_out
from ...model.compiler import compile_workflow
from .answers import (
    DOES_NOT_HOLD,
    INCONCLUSIVE,
    Refusal,
    answer,
    finish,
    say,
    watched,
    with_format,
)
from .running import checked_inputs
from .targets import module_of, one_workflow

_INPUT = "The parameters as a JSON object; @FILE or - reads it."
_FAKES = "Where `def fakes(world)` stands: FILE, MODULE or either with :NAME."


@click.command()
@click.argument("target")
@click.option("--input", "input", default="{}", metavar="JSON", help=_INPUT)
@click.option("--fakes", "fakes", metavar="FILE", help=_FAKES + "  [default: the target's own]")
@click.option("--bodies", is_flag=True, help="Step bodies are safe to run as they are.")
@click.option(
    "--histories",
    type=click.IntRange(1),
    metavar="N",
    help="At most N histories, drawn by the seed.  [default: all]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which ones are drawn.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where failures are saved.  [default: here]",
)
@with_format()
def chaos(
    target: str,
    input: str,
    fakes: str | None,
    bodies: bool,
    histories: int | None,
    seed: int,
    out: Path,
    format: str,
) -> None:
    """Try a workflow with every single fault, in simulated time and in a fake world.

    It runs once without a fault; then once for every fault at every point between two operations:
    a crash, a lost answer, a worker that stands still. What happens twice, is lost or is left is
    told line by line, and saved for `perdure replay`.

    \b
    perdure chaos shop/booking.py:book --input '{"trip": "Rome"}'
    perdure chaos shop/booking.py:book --input '{"trip": "Rome"}' --histories 20 --seed 7
    """
    subject = _subject(target, input, fakes, bodies)

    def chosen(faults: Sequence[Fault]) -> Iterable[Fault]:
        drawn = list(faults)
        if histories is not None and histories < len(drawn):
            drawn = random.Random(seed).sample(drawn, histories)
        return watched(drawn, "breaking")

    with redirect_stdout(sys.stderr):  # what bodies print is no answer of ours
        trial = try_out(subject, chosen)
        failures = [_told(subject, each, target, fakes or "", out) for each in trial.failures]
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
    happenings = tell(subject, failure.fault)
    digest, finding = subject.program.net.digest, failure.finding
    input = subject.as_json()
    one = files.saved(target, fakes, input, digest, failure.fault, finding, happenings)
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
        "fault": None if failure.fault is None else str(failure.fault),
        "like": failure.like,
        "file": str(path),
    }
    return document, text


def _subject(target: str, input: str, fakes: str | None, bodies: bool) -> Subject:
    workflow = one_workflow(target)
    program = compile_workflow(workflow)
    inputs = checked_inputs(program, input)
    subject = Subject(program, inputs, _fakes(fakes, workflow.fn.__module__))
    if not bodies:
        subject.must_be_safe()
    return subject


def _fakes(given: str | None, module: str) -> Fakes | None:
    """The function that makes the world ready: what was named, or the target's own `fakes`."""
    if not given:
        return getattr(sys.modules[module], "fakes", None)
    source, name = _fakes_named(given)
    found = getattr(module_of(source), name, None)
    if not callable(found):
        raise Refusal(f"--fakes: {source} has no function {name!r}", "def fakes(world): ...")
    return cast("Fakes", found)


def _fakes_named(given: str) -> tuple[str, str]:
    source, colon, name = given.rpartition(":")
    return (source, name) if colon and name.isidentifier() else (given, "fakes")


# --- again ----------------------------------------------------------------------------------------


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pytest", "pytest", is_flag=True, help="Write a test that fails until then.")
@click.option("--step", is_flag=True, help="Wait for a key after each happening.")
@with_format()
def replay(file: Path, pytest: bool, step: bool, format: str) -> None:
    """Play a saved failure again, happening by happening: its line, and where the tokens rest.

    It is played with the code as it is now: exit 1 while the failure is there, 0 once it is mended,
    3 when the fault is not met any more.

    \b
    perdure replay book_twice_pay.replay.json
    perdure replay book_twice_pay.replay.json --pytest > test_book.py
    """
    one = files.read(file)
    workflow = one_workflow(one.target)
    module = workflow.fn.__module__
    fakes = _fakes(one.fakes, module)
    if pytest:
        text = files.as_test(one, module, workflow.qualname, _imported(one.fakes, fakes))
        answer(format, {"test": text}, text.rstrip())
        return
    subject = subject_of(workflow, one.input, fakes)
    with redirect_stdout(sys.stderr):
        happenings, says, met = _again(subject, one)
    document = {
        "verdict": "violated" if says else "holds" if met else "inconclusive",
        "says": says,
        "same_net": subject.program.net.digest == one.net,
        "happenings": [_as_json(each) for each in happenings],
    }
    if format == "json":
        answer(format, document, "")
    else:
        _show(happenings, step)
        say("\n" + (says or _mended(one, met)))
    if not met:
        finish(INCONCLUSIVE)
    if says:
        finish(DOES_NOT_HOLD)


def _imported(given: str, fakes: Fakes | None) -> tuple[str, str]:
    """Module and name by which a test imports the fakes; no module: the workflow's own."""
    if not given:
        return "", "" if fakes is None else "fakes"
    source, name = _fakes_named(given)
    return module_of(source).__name__, name


def _again(subject: Subject, one: Saved) -> tuple[list[Happening], str, bool]:
    fault = None if one.fault is None else one.fault.fault()
    with Stage(subject) as stage:
        calm = stage.calm()
        seen = stage.play(fault)
    found = judge(seen, calm)
    return tell(subject, fault), found[0].says if found else "", fault is None or seen.outcome.fired


def _mended(one: Saved, met: bool) -> str:
    if met:
        return f"it does no harm any more; it was: {one.says}"
    return f"the fault is not met any more, the workflow has another shape; it was: {one.says}"


def _show(happenings: Sequence[Happening], step: bool) -> None:
    for number, each in enumerate(happenings, 1):
        say(f"{number:>3}  {shown_at(each)}")
        if each.marking:
            say(f"{'':16}tokens: {', '.join(each.marking)}")
        if step and sys.stdin.isatty() and number < len(happenings):
            click.pause("")


def _as_json(each: Happening) -> dict[str, Any]:
    return {
        "seconds": each.seconds,
        "says": each.says,
        "file": each.where.file,
        "line": each.where.line,
        "marking": list(each.marking),
    }
