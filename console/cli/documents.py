"""`docs`: write or show pages about the user's own workflows. What stands there: console/site.py.

Nothing is read from a store here.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click

from ...model.analysis import Answer
from ..site import write
from ..verifying import Limits, Verified, verify
from .answers import DOES_NOT_HOLD, Refusal, answer, finish, note, say, watched, with_format
from .targets import all_workflows

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def docs() -> None:
    """Write or show pages about your own workflows."""


def _with_targets(function: F) -> F:
    limit = click.FloatRange(0)
    function = click.option("--limit-seconds", type=limit, default=30.0, show_default=True)(
        function
    )
    return click.argument("targets", metavar="TARGET...", nargs=-1, required=True)(function)


@docs.command()
@_with_targets
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("workflow-pages"),
    show_default=True,
    metavar="DIR",
)
@with_format()
def build(targets: tuple[str, ...], output: Path, limit_seconds: float, format: str) -> None:
    """Write a page per workflow: text, net, steps, verdicts.

    Markdown with SVG files, for mkdocs and the like, and the same as plain HTML. Exit 1 when a
    property is violated, 2 when one of the workflows does not compile.

    \b
    perdure docs build shop/orders.py -o docs/workflows
    """
    found = _verified(targets, limit_seconds)
    written = _written(output, found)
    answer(format, {"written": [str(p) for p in written]}, "\n".join(map(str, written)))
    if any(v.report.verdict is Answer.VIOLATED for v in found):
        finish(DOES_NOT_HOLD)


def _verified(targets: tuple[str, ...], limit_seconds: float) -> list[Verified]:
    every = watched(all_workflows(targets), "verifying")
    return [verify(w, (), Limits(limit_seconds)) for w in every]


def _written(folder: Path, found: list[Verified]) -> list[Path]:
    try:
        return write(folder, found)
    except OSError as error:
        fix = "-o with a path in a folder that exists and that you may write"
        raise Refusal(f"cannot write {folder}: {error.strerror}", fix) from error


class Pages(SimpleHTTPRequestHandler):
    """Serves the files of one folder, and says nothing about it."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody asked."""


@docs.command()
@_with_targets
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any."
)
def serve(targets: tuple[str, ...], limit_seconds: float, port: int) -> None:
    """Show the pages in a browser of this machine until Ctrl-C or SIGTERM.

    They are those that `perdure docs build` writes, made once, and nothing is left behind. The
    address is the one line on stdout.

    \b
    perdure docs serve shop/orders.py
    perdure docs serve shop.orders shop.returns --port 0
    """
    found = _verified(targets, limit_seconds)
    with TemporaryDirectory(prefix="perdure-docs-") as folder:
        _written(Path(folder), found)
        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), partial(Pages, directory=folder))
        except OSError as error:
            fix = "--port with another number; 0 takes any that is free"
            raise Refusal(f"cannot listen on port {port}: {error.strerror}", fix) from error
        with server, suppress(KeyboardInterrupt):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            say(f"http://127.0.0.1:{server.server_address[1]}/index.html")
            server.serve_forever()
    note("stopped")
