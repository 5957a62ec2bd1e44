"""`check`: compile and verify targets, and say what holds. The methods live in model/analysis.

A target that cannot be read or compiled is one entry with the verdict "error", never the end of
the run. Formats for other tools (SARIF, JUnit) are not written here yet.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import click

from ...model.analysis import Answer, UnknownProperty
from ...model.compiler.findings import CompileError
from ...model.errors import PerdureError
from ...model.formats.json import NotANet, from_json
from ..verifying import Limits, finding_json, told_report, verify, verify_net
from .answers import (
    DOES_NOT_HOLD,
    DONE,
    INCONCLUSIVE,
    UNUSABLE,
    Refusal,
    answer,
    finish,
    with_format,
)
from .targets import workflows

_EXIT = {
    "holds": DONE,
    "violated": DOES_NOT_HOLD,
    "inconclusive": INCONCLUSIVE,
    "error": UNUSABLE,
}
_WORST = ("error", "violated", "inconclusive", "holds")


class Entry(NamedTuple):
    """What came out for one target."""

    document: dict[str, Any]
    text: str


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option("--property", "properties", metavar="NAME", multiple=True, help="Repeats.")
@click.option("--limit-seconds", type=click.FloatRange(0), metavar="S", help="Per target.")
@click.option("--limit-states", type=click.IntRange(1), metavar="N", help="Per net.")
@with_format("text", "json", "github")
def check(
    targets: tuple[str, ...],
    properties: tuple[str, ...],
    limit_seconds: float | None,
    limit_states: int | None,
    format: str,
) -> None:
    """Compile and verify workflows.

    Without --property a workflow gets soundness, safety and its effect properties. A target may
    also be a net as JSON (`perdure compile --to json`).
    """
    limits = Limits(limit_seconds, limit_states)
    entries = [_entry(target, properties, limits) for target in targets]
    documents = [entry.document for entry in entries]
    if format == "github":
        click.echo("\n".join(line for d in documents for line in _github(d)))
    else:
        text = "\n\n".join(entry.text for entry in entries)
        answer(format, documents[0] if len(documents) == 1 else documents, text)
    worst = min((d["verdict"] for d in documents), key=_WORST.index)
    finish(_EXIT[worst])


def _entry(target: str, properties: tuple[str, ...], limits: Limits) -> Entry:
    try:
        return _checked(target, properties, limits)
    except UnknownProperty as error:
        raise Refusal(str(error)) from error  # a mistake in the options, not in the target
    except CompileError as error:
        findings = [finding_json(f) for f in error.findings]
        text = str(error)
        return Entry({**_unusable(target, text), "findings": findings}, text)
    except (Refusal, PerdureError, NotANet, OSError) as error:
        reason = error.message if isinstance(error, Refusal) else str(error)
        return Entry(_unusable(target, reason), f"{target}: {reason}")


def _unusable(target: str, reason: str) -> dict[str, Any]:
    return {"target": target, "verdict": "error", "reason": reason, "nets": []}


def _checked(target: str, properties: tuple[str, ...], limits: Limits) -> Entry:
    end = None if limits.seconds is None else time.monotonic() + limits.seconds
    if target.endswith(".json"):
        net = from_json(Path(target).read_text(encoding="utf-8"))
        report = verify_net(net, properties, limits, end)
        return Entry(report.as_json(target), told_report(report))
    found = [verify(workflow, properties, limits, end) for workflow in workflows(target)]
    verdict = min((str(v.report.verdict) for v in found), key=_WORST.index)
    document = {"target": target, "verdict": verdict, "nets": [v.entry for v in found]}
    return Entry(document, "\n\n".join(map(told_report, found)))


def _github(document: dict[str, Any]) -> list[str]:
    """Annotations as GitHub's runner reads them."""
    findings = [f for net in document["nets"] for f in net["findings"]]
    lines = [_annotation(f) for f in [*findings, *document.get("findings", ())]]
    for net in document["nets"]:
        for p in net["properties"]:
            if p["verdict"] != Answer.HOLDS:
                level = "error" if p["verdict"] == Answer.VIOLATED else "warning"
                says = p["witness"]["says"] if p["witness"] else p["why"]
                lines.append(f"::{level}::{_escaped(net['name'])} {p['name']}: {_escaped(says)}")
    if document["verdict"] == "error" and "findings" not in document:
        lines.append(f"::error::{_escaped(document['target'] + ': ' + document['reason'])}")
    return lines


def _annotation(f: dict[str, Any]) -> str:
    where = f"file={_escaped(f['file'] or '')},line={f['line'] or 1},title={f['code']}"
    return f"::{f['severity']} {where}::{_escaped(f['message'])}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
