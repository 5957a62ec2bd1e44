"""What the demo prints: the shop's ledger per order, the kills, the doubts. Nothing is judged here.

Plain text, at most 80 columns wide: it is read in any terminal, in a pipe and in a bug report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import fill
from typing import Any

from ...engine.store import EffectRow
from ..cli.tables import table
from ..meanings import meaning
from .ledger import Verdict
from .main import Outcome
from .moments import PIVOT

_ANSWERS = {"landed": "yes", "voided": "no", "undone": "undone"}


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
                "killed": outcome.killed[v.order].value if v.order in outcome.killed else None,
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


def as_text(outcome: Outcome) -> str:
    """The ledger for people."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    if outcome.report is not None:
        yield from _proof(outcome)
    yield ""
    yield "What happened: the shop's own ledger, and where the worker was killed"
    if outcome.unprotected:
        yield 'UNPROTECTED: "in doubt" was taken for "it did not happen, call again"'
    yield ""
    head = ("order", "charges", "end", "killed", "in doubt: charged?")
    rows = [_row(outcome, verdict) for verdict in outcome.verdicts]
    yield from ("  " + line for line in table(head, rows, margin=2).splitlines())
    yield ""
    more = [v for v in outcome.verdicts if v.problems or v.end == "desk"]
    yield from (f"  {v.order}  {_end(v)}" for v in more)
    yield from ("",) * bool(more)
    yield from _sum(outcome)
    yield from (f"PROBLEM  {problem}" for problem in outcome.problems)


def _proof(outcome: Outcome) -> Iterator[str]:
    report = outcome.report
    assert report is not None
    yield f"What was known before anything ran: {report.name}, checked as a Petri net"
    yield ""
    assumed: dict[str, None] = {}
    for verdict in report.properties:
        states = "" if verdict.states is None else f": {verdict.states} states"
        yield f"  {verdict.verdict}  {verdict.name}  ({verdict.evidence}{states})"
        yield f"         {meaning(verdict.name)}"
        assumed |= dict.fromkeys(verdict.assumptions)
    if assumed:
        text = f"assuming: {'; '.join(assumed)}"
        yield fill(text, 78, initial_indent="  ", subsequent_indent="    ")


def _row(outcome: Outcome, verdict: Verdict) -> tuple[str, ...]:
    moment = outcome.killed.get(verdict.order)
    doubts = [
        _doubt(e, outcome.unprotected)
        for e in outcome.doubts
        if outcome.orders_of.get(e.execution) == verdict.order and e.site == PIVOT
    ]
    charges, killed = str(verdict.charge_count), moment.short if moment else ""
    end = "WRONG, see below" if verdict.problems else _end(verdict).partition(":")[0]
    return (verdict.order, charges, end, killed, "; ".join(doubts))


def _doubt(effect: EffectRow, unprotected: bool) -> str:
    if effect.outcome not in _ANSWERS:
        return "nobody knows yet"
    word = _ANSWERS[effect.outcome]
    return "assumed: no" if unprotected else f"{word}, says the {effect.decided_by}"


def _end(verdict: Verdict) -> str:
    if verdict.problems:
        return "WRONG: " + "; ".join(p.what for p in verdict.problems)
    if verdict.end == "desk":
        return f"on the desk: {verdict.reason}"
    if verdict.end == "failed":
        return "declined, undone" if verdict.undone else "declined"
    return "fulfilled"


def _sum(outcome: Outcome) -> Iterator[str]:
    totals, orders = outcome.totals, outcome.verdicts
    once = sum(v.good and v.charge_count == 1 for v in orders)
    none = sum(v.good and v.charge_count == 0 for v in orders)
    logs = "every log verified" if not outcome.problems else "see the problems below"
    yield (
        f"{sum(outcome.kills.values())} times SIGKILL, {len(orders)} orders: "
        f"{once} charged exactly once, {none} declined and undone"
    )
    yield (
        f"charged twice {totals.twice}, lost {totals.lost}, left over {totals.left_over}; {logs}; "
        f"{outcome.seconds:.0f} s"
    )
    if outcome.unprotected:
        yield "without --unprotected the same kills charge nobody twice"
    else:
        yield "the same kills without protection: perdure demo --unprotected"
