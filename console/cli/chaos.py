"""`chaos --kill`: real worker processes killed and stopped; nothing of the campaign stands here."""

from __future__ import annotations

import click

from ..kill_report import as_json, as_text
from ..killing import killed
from .answers import DOES_NOT_HOLD, Refusal, answer, finish, note, with_format


@click.command()
@click.option("--kill", is_flag=True, help="Kill real worker processes on one SQLite file.")
@click.option(
    "--kills", type=click.IntRange(1), default=100, show_default=True, help="How many SIGKILLs."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=3, show_default=True, help="Processes at once."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which moments are planned.")
@with_format()
def chaos(kill: bool, kills: int, workers: int, seed: int, format: str) -> None:
    """Break the engine and hold its promises against what the outside world saw.

    With --kill: worker processes serve orders from one SQLite file and die by SIGKILL at named and
    at random moments; some are stopped, fenced, and woken. A shop server in a process of its own
    counts. Exit 1 when anything came twice, was lost or is left over, or a log is not whole.

    \b
    perdure chaos --kill
    perdure chaos --kill --kills 1000 --workers 4 --seed 7
    """
    if not kill:
        raise Refusal("chaos needs to know what to break", "perdure chaos --kill")
    campaign = killed(kills, workers, seed, note)
    answer(format, as_json(campaign), as_text(campaign))
    if not campaign.good:
        finish(DOES_NOT_HOLD)
