"""`demo`: the main job, self-contained; nothing of it stands here."""

from __future__ import annotations

import click

from ..demo.run import run
from .answers import finish, with_format


@click.command()
@click.option("--unprotected", is_flag=True, help="In doubt means: call again.")
@with_format()
def demo(unprotected: bool, format: str) -> None:
    """Run 20 orders, kill the worker in the worst moments, print the ledger.

    Exit 1 when a charge is lost or doubled, when something is left over, or when a moment was not
    hit. With --unprotected the double charges are shown, and it exits 1.

    \b
    perdure demo
    perdure demo --unprotected
    """
    finish(run(unprotected=unprotected, as_json=format == "json"))
