"""`check`: compile and verify targets, and say what holds. The methods live in model/analysis.

A target that cannot be read or compiled is one entry with the verdict "error", never the end of
the run. The formats of other tools are console/reports.py.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import click

from ...model.analysis import UnknownProperty
from ...model.compiler.findings import CompileError
from ...model.errors import PerdureError
from ...model.formats.json import NotANet, from_json
from ..reports import github, junit, sarif
from ..verifying import Limits, finding_json, net_verdict, told_report, verify, verify_net
from .answers import (
    DOES_NOT_HOLD,
    DONE,
    INCONCLUSIVE,
    UNUSABLE,
    Refusal,
    answer,
    finish,
    installed_version,
    say,
    watched,
    with_format,
)
from .targets import NoWorkflow, workflows

_EXIT = {
    "holds": DONE,
    "violated": DOES_NOT_HOLD,
    "inconclusive": INCONCLUSIVE,
    "error": UNUSABLE,
}
_WORST = ("error", "violated", "inconclusive", "holds")


class Entry(NamedTuple):
    """What came out for one target; `empty`: it is readable, and there is nothing to check."""

    document: dict[str, Any]
    text: str
    empty: bool = False


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option("--property", "properties", metavar="NAME", multiple=True, help="Repeats.")
@click.option("--limit-seconds", type=click.FloatRange(0), metavar="S", help="Per target.")
@click.option("--limit-states", type=click.IntRange(1), metavar="N", help="Per net.")
@with_format("text", "json", "sarif", "junit", "github")
def check(
    targets: tuple[str, ...],
    properties: tuple[str, ...],
    limit_seconds: float | None,
    limit_states: int | None,
    format: str,
) -> None:
    """Compile and verify workflows.

    Without --property a workflow gets soundness, safety and its effect properties. A target may
    also be a net as JSON (`perdure compile --to json`). Exit 1 when a property is violated, 3 when
    a limit left it open, 2 when a target cannot be read; the others are checked all the same.

    \b
    perdure check shop/orders.py
    perdure check shop.orders:fulfil_order --property sound --limit-seconds 10
    perdure check shop/*.py --format sarif > perdure.sarif
    """
    limits = Limits(limit_seconds, limit_states)
    entries = [_entry(target, properties, limits) for target in watched(targets, "checking")]
    if not all(entry.empty for entry in entries):  # `shop/*.py` has an __init__.py, too
        entries = [_passed_over(entry) if entry.empty else entry for entry in entries]
    documents = [entry.document for entry in entries]
    if format in ("sarif", "junit", "github"):
        say(_report(format, documents))
    else:
        text = "\n\n".join(entry.text for entry in entries)
        answer(format, documents[0] if len(documents) == 1 else documents, text)
    worst = min((d["verdict"] for d in documents), key=_WORST.index)
    finish(_EXIT[worst])


def _report(format: str, documents: list[dict[str, Any]]) -> str:
    if format == "sarif":
        return sarif(documents, installed_version())
    return junit(documents) if format == "junit" else github(documents)


def _entry(target: str, properties: tuple[str, ...], limits: Limits) -> Entry:
    try:
        return _checked(target, properties, limits)
    except UnknownProperty as error:
        fix = "--property NAME with one of these, or none for all that matter"
        raise Refusal(str(error), fix) from error  # a mistake in the options, not in the target
    except (Refusal, PerdureError, NotANet, OSError) as error:
        reason = error.message if isinstance(error, Refusal) else str(error)
        if isinstance(error, NotANet):
            reason += "\n  fix  `perdure compile TARGET --to json` writes one"
        text = reason if reason.startswith(target) else f"{target}: {reason}"
        return Entry(_unusable(target, reason), text, isinstance(error, NoWorkflow))


def _passed_over(entry: Entry) -> Entry:
    """A file without a workflow beside others that have some."""
    target = entry.document["target"]
    reason = "defines no workflow"
    nets: list[Any] = []
    document = {"target": target, "verdict": "holds", "reason": reason, "nets": nets}
    return Entry(document, f"{target}: {reason}")


def _unusable(target: str, reason: str) -> dict[str, Any]:
    return {"target": target, "verdict": "error", "reason": reason, "nets": []}


def _checked(target: str, properties: tuple[str, ...], limits: Limits) -> Entry:
    end = None if limits.seconds is None else time.monotonic() + limits.seconds
    if target.endswith(".json"):
        net = from_json(Path(target).read_bytes())
        report = verify_net(net, properties, limits, end)
        return Entry(report.as_json(target), told_report(report))
    nets: list[dict[str, Any]] = []
    texts: list[str] = []
    refused: list[CompileError] = []
    for workflow in workflows(target):
        try:
            verified = verify(workflow, properties, limits, end)
        except CompileError as error:  # the other workflows of the file are checked all the same
            refused.append(error)
            texts.append(str(error))
        else:
            nets.append(verified.entry)
            texts.append(told_report(verified))
    return Entry(_document(target, nets, refused), "\n\n".join(texts))


def _document(
    target: str, nets: list[dict[str, Any]], refused: list[CompileError]
) -> dict[str, Any]:
    if not refused:
        verdict = min((net_verdict(net) for net in nets), key=_WORST.index)
        return {"target": target, "verdict": verdict, "nets": nets}
    findings = [finding_json(f) for error in refused for f in error.findings]
    reason = "\n".join(map(str, refused))
    return {**_unusable(target, reason), "nets": nets, "findings": findings}
