"""What `perdure chaos --kill` says in the end: kills by moment, and the ledger's verdict.

Plain text at most 80 columns wide, or one JSON document. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..chaos.kills import Moment
from .cli.tables import table
from .killing import Campaign

_SHOWN_MAX = 20


def as_json(campaign: Campaign) -> dict[str, Any]:
    """The document with everything the table shows."""
    ends = [verdict.end for verdict in campaign.verdicts]
    return {
        "good": campaign.good,
        "seed": campaign.seed,
        "workers": campaign.workers,
        "seconds": round(campaign.seconds, 1),
        "kills": {moment.value: campaign.kills[moment] for moment in Moment},
        "stops": {moment.value: campaign.stops[moment] for moment in Moment},
        "kill_count": campaign.kills.total(),
        "stop_count": campaign.stops.total(),
        "woke_as_zombies": campaign.zombies,
        "resumed": campaign.resumed,
        "orders": len(campaign.verdicts),
        "done": ends.count("done"),
        "failed": ends.count("failed"),
        "audited": campaign.audited,
        "records": campaign.records,
        "twice": campaign.totals.twice,
        "lost": campaign.totals.lost,
        "left_over": campaign.totals.left_over,
        "wrong": [
            {"order": v.order, "end": v.end, "problems": [p.what for p in v.problems]}
            for v in campaign.verdicts
            if not v.good
        ],
        "problems": campaign.problems,
    }


def as_text(campaign: Campaign) -> str:
    """The ledger for people."""
    return "\n".join(_lines(campaign))


def _lines(campaign: Campaign) -> Iterator[str]:
    met = [m for m in Moment if campaign.kills[m] or campaign.stops[m]]
    rows = [(m.value, _count(campaign.kills[m]), _count(campaign.stops[m])) for m in met]
    together = ("together", str(campaign.kills.total()), str(campaign.stops.total()))
    yield from table(("moment", "SIGKILL", "SIGSTOP"), [*rows, together]).splitlines()
    yield ""
    ends = [verdict.end for verdict in campaign.verdicts]
    yield (
        f"{len(ends)} orders over {campaign.workers} workers: {ends.count('done')} done, "
        f"{ends.count('failed')} failed and undone"
    )
    yield f"{campaign.zombies} stopped workers woke behind their fence; {campaign.resumed} resumed"
    yield f"{campaign.audited} logs audited, {campaign.records} records"
    totals = campaign.totals
    yield (
        f"by the shop's own ledger: twice {totals.twice}, lost {totals.lost}, "
        f"left over {totals.left_over}; {campaign.seconds:.0f} s, seed {campaign.seed}"
    )
    wrong = [f"{v.order}: {p.what}" for v in campaign.verdicts for p in v.problems]
    wrong += campaign.problems
    yield from (f"WRONG  {each}" for each in wrong[:_SHOWN_MAX])
    if len(wrong) > _SHOWN_MAX:
        yield f"and {len(wrong) - _SHOWN_MAX} more"


def _count(number: int) -> str:
    return str(number) if number else ""
