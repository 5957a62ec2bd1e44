"""What the demo prints: the ledger of the server per order, the kills, the doubts. Nothing is
judged here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from .ledger import Verdict
from .main import Outcome


def as_json(outcome: Outcome) -> str:
    """One document with everything the table shows."""
    report = outcome.report
    document: dict[str, Any] = {
        "good": outcome.good,
        "unprotected": outcome.unprotected,
        "seconds": round(outcome.seconds, 1),
        "check": None if report is None else report.as_json(),
        "kills": outcome.kills,
        "orders": [
            {
                "order": v.order,
                "charges": v.charge_count,
                "end": _end(v),
                "problems": [p.what for p in v.problems],
            }
            for v in outcome.verdicts
        ],
        "doubts": [
            {
                "order": outcome.orders_of.get(e.execution, ""),
                "effect": e.site,
                "outcome": e.outcome,
                "decided_by": e.decided_by,
            }
            for e in outcome.doubts
        ],
        "twice": outcome.totals.twice,
        "lost": outcome.totals.lost,
        "left_over": outcome.totals.left_over,
        "problems": outcome.problems,
    }
    return json.dumps(document, indent=2)


def show(outcome: Outcome) -> None:
    """Print the ledger for people."""
    console = Console(file=sys.stdout, highlight=False)
    if outcome.report is not None:
        console.print(_proof(outcome))
    table = Table(
        "order",
        "charges",
        "end",
        "in doubt, and how it was decided",
        title="What the shop's own ledger says",
    )
    for verdict in outcome.verdicts:
        style = None if verdict.good else "bold red"
        doubts = "; ".join(
            f"{e.site}: {e.outcome} ({e.decided_by or 'open'})"
            for e in outcome.doubts
            if outcome.orders_of.get(e.execution) == verdict.order
        )
        table.add_row(verdict.order, str(verdict.charge_count), _end(verdict), doubts, style=style)
    console.print(table)
    console.print(_sum(outcome))
    for problem in outcome.problems:
        console.print(f"[bold red]problem[/] {problem}")


def _end(verdict: Verdict) -> str:
    if verdict.problems:
        return "; ".join(p.what for p in verdict.problems)
    if verdict.end == "desk":
        return f"on the desk: {verdict.reason}"
    if verdict.end == "failed":
        return (
            "declined, everything undone"
            if verdict.undone
            else "declined before anything was booked"
        )
    return "charged once, stock and courier booked, mail sent"


def _proof(outcome: Outcome) -> str:
    report = outcome.report
    assert report is not None
    lines = [f"{report.name}: {report.places} places, {report.transitions} transitions"]
    assumptions: Sequence[str] = ()
    for verdict in report.properties:
        lines.append(
            f"  {verdict.verdict.value:9} {verdict.name}"
            f"  ({verdict.evidence}, {verdict.states} markings)"
        )
        assumptions = [*assumptions, *(a for a in verdict.assumptions if a not in assumptions)]
    lines += ["  assuming:", *(f"    - {a}" for a in assumptions)]
    return "\n".join(lines)


def _sum(outcome: Outcome) -> str:
    kills = sum(outcome.kills.values())
    moments = "\n".join(f"  {count} x {moment}" for moment, count in outcome.kills.items())
    totals = outcome.totals
    word = "every log verified" if not outcome.problems else "see the problems below"
    return (
        f"{kills} times SIGKILL:\n{moments}\n"
        f"orders {len(outcome.verdicts)}, undone {outcome.undone_count}, "
        f"twice {totals.twice}, lost {totals.lost}, left over {totals.left_over}; {word}; "
        f"{outcome.seconds:.0f} s"
    )
