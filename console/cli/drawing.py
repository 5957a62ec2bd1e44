"""`compile`: show the net of a workflow, as picture, graph or data. No notation lives here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from ...model.compiler import compile_workflow
from ...model.formats.dot import to_dot
from ...model.formats.json import to_json
from ...model.formats.mermaid import to_mermaid
from ...model.formats.pnml import to_pnml
from ...model.formats.svg import to_svg
from ...model.formats.tree import program_box
from ...model.net import Net
from ...model.program import Program
from .answers import Refusal, note, say
from .targets import one_workflow

NOTATIONS: Mapping[str, Callable[[Net], str]] = {
    "json": to_json,
    "pnml": to_pnml,
    "dot": to_dot,
    "mermaid": to_mermaid,
}


def drawn(program: Program, notation: str, *, lanes: bool = False) -> str:
    """The net of a program in a notation."""
    if notation == "svg":
        return to_svg(program_box(program), lanes=lanes)
    return NOTATIONS[notation](program.net)


@click.command("compile")
@click.argument("target")
@click.option("--to", "notation", type=click.Choice(["svg", *NOTATIONS]), required=True)
@click.option("--lanes", is_flag=True, help="svg: draw exceptions, drains and undo too.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
def compile_(target: str, notation: str, lanes: bool, output: Path | None) -> None:
    """Show the net of a workflow.

    svg is for people, dot for Graphviz, mermaid for Markdown pages, pnml for other Petri net tools
    (control only), json for programs and for `perdure check`.

    \b
    perdure compile shop/orders.py:fulfil_order --to svg -o order.svg
    perdure compile hello.py --to dot | dot -Tpng > hello.png
    """
    text = drawn(compile_workflow(one_workflow(target)), notation, lanes=lanes)
    if output is None:
        say(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        fix = "-o with a path in a folder that exists and that you may write"
        raise Refusal(f"cannot write {output}: {error.strerror}", fix) from error
    note(f"wrote {output}")
