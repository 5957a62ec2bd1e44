"""`docs`: write pages about the user's own workflows. What stands on a page: console/site.py.

Nothing is read from a store here.
"""

from __future__ import annotations

from pathlib import Path

import click

from ...model.analysis import Answer
from ..site import write
from ..verifying import Limits, verify
from .answers import DOES_NOT_HOLD, Refusal, answer, finish, with_format
from .targets import workflows


@click.group()
def docs() -> None:
    """Write pages about your own workflows."""


@docs.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("workflow-pages"),
    show_default=True,
    metavar="DIR",
)
@click.option("--limit-seconds", type=click.FloatRange(0), default=30.0, show_default=True)
@with_format()
def build(targets: tuple[str, ...], output: Path, limit_seconds: float, format: str) -> None:
    """Write a page per workflow: text, net, steps, verdicts.

    Markdown with SVG files, for mkdocs and the like, and the same as plain HTML. Exit 1 when a
    property is violated, 2 when one of the workflows does not compile.

    \b
    perdure docs build shop/orders.py -o docs/workflows
    """
    chosen = {id(w): w for target in targets for w in workflows(target)}
    found = [verify(w, (), Limits(limit_seconds)) for w in chosen.values()]
    try:
        written = write(output, found)
    except OSError as error:
        fix = "-o with a path in a folder that exists and that you may write"
        raise Refusal(f"cannot write {output}: {error.strerror}", fix) from error
    answer(format, {"written": [str(p) for p in written]}, "\n".join(map(str, written)))
    if any(v.report.verdict is Answer.VIOLATED for v in found):
        finish(DOES_NOT_HOLD)
