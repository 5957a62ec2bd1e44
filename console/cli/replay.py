"""`replay`: play a failure that `chaos` saved again, or make a test of it.

What is played stands in `chaos/trial.py`, the file in `chaos/saved.py`; neither is decided here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from ...chaos import saved as files
from ...chaos.fakes import Fakes
from ...chaos.saved import Saved
from ...chaos.telling import Happening, shown_at, tell
from ...chaos.testing import subject_of
from ...chaos.trial import Subject
from ...chaos.wild_trial import again
from .answers import DOES_NOT_HOLD, INCONCLUSIVE, answer, finish, say, with_format
from .fakes import fakes_named, fakes_of
from .targets import module_of, one_workflow


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pytest", "pytest", is_flag=True, help="Write a test that fails until then.")
@click.option("--step", is_flag=True, help="Wait for a key after each happening.")
@with_format()
def replay(file: Path, pytest: bool, step: bool, format: str) -> None:
    """Play a saved failure again, happening by happening: its line, and where the tokens rest.

    It is played with the code as it is now: exit 1 while the failure is there, 0 once it is mended,
    3 when its faults are not met any more.

    \b
    perdure replay book_twice_pay.replay.json
    perdure replay book_twice_pay.replay.json --pytest > test_book.py
    """
    one = files.read(file)
    workflow = one_workflow(one.target)
    module = workflow.fn.__module__
    fakes = fakes_of(one.fakes, module)
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
    source, name = fakes_named(given)
    return module_of(source).__name__, name


def _again(subject: Subject, one: Saved) -> tuple[list[Happening], str, bool]:
    found, met = again(subject, one.cause)
    return tell(subject, one.cause), found[0].says if found else "", met


def _mended(one: Saved, met: bool) -> str:
    if met:
        return f"it does no harm any more; it was: {one.says}"
    return f"its faults are not met any more, the workflow has another shape; it was: {one.says}"


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
