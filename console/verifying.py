"""Compiling and checking a target, with what came out as one value: for `check` and for the pages.

No property is decided here: see model/analysis.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..model.analysis import Finding as Found
from ..model.analysis import Report, Severity, check
from ..model.compiler import compile_workflow
from ..model.compiler.findings import Finding, ignored
from ..model.language.workflows import Workflow
from ..model.net import Net
from ..model.problems import told
from ..model.program import Program


@dataclass(frozen=True)
class Limits:
    """What one target may cost."""

    seconds: float | None = None
    states: int | None = None


@dataclass(frozen=True)
class Verified:
    """A workflow with its program and report."""

    program: Program
    report: Report

    @property
    def entry(self) -> dict[str, Any]:
        """The element of `nets` in the JSON of `perdure check`, warnings of the compiler too."""
        entry = self.report.entry()
        warnings = [finding_json(f) for f in warnings_of(self.program)]
        found = entry.get("findings")
        return {**entry, "findings": [*(found if isinstance(found, list) else []), *warnings]}


def net_verdict(entry: Mapping[str, Any]) -> str:
    """The verdict of one element of `nets`: violated beats inconclusive beats holds."""
    found = {p["verdict"] for p in entry["properties"]}
    found |= {"violated" for f in entry["findings"] if f["severity"] == "error"}
    return next((v for v in ("violated", "inconclusive") if v in found), "holds")


def verify(
    workflow: Workflow[..., Any],
    properties: Sequence[str] = (),
    limits: Limits = Limits(),
    end: float | None = None,
) -> Verified:
    """Compile and check one workflow; raises `CompileError` and `UnknownProperty`."""
    program = compile_workflow(workflow)
    report = verify_net(program.net, properties, limits, end)
    heard = tuple(f for f in report.findings if not _ignored(f))
    return Verified(program, replace(report, findings=heard))


def _ignored(f: Found) -> bool:
    """Whether the author ignores a warning by a comment in the source; errors stay."""
    return f.severity is Severity.WARNING and f.span is not None and ignored(f.code, f.span)


def verify_net(
    net: Net, properties: Sequence[str], limits: Limits, end: float | None = None
) -> Report:
    """Check one net; `end` is the moment (`time.monotonic`) at which its target is out of time."""
    if end is None and limits.seconds is not None:
        end = time.monotonic() + limits.seconds

    def out_of_time() -> bool:
        return end is not None and time.monotonic() >= end

    wanted: dict[str, Any] = {} if limits.states is None else {"limit_states": limits.states}
    return check(
        net,
        properties=list(properties) or None,
        out_of_time=out_of_time,
        clock=time.perf_counter,
        **wanted,
    )


def warnings_of(program: Program) -> list[Finding]:
    """The compiler's findings that did not stop it."""
    return [w for w in program.warnings if isinstance(w, Finding)]


def finding_json(finding: Finding) -> dict[str, Any]:
    """A compiler's finding in the form of the checker's."""
    return {
        "code": finding.code,
        "severity": "warning" if finding.warning else "error",
        "message": finding.message,
        "why": finding.why,
        "fix": finding.fix,
        "file": finding.span.file,
        "line": finding.span.line,
        "column": finding.span.column,
        "sites": [],
        "witness": None,
    }


def told_report(verified: Verified | Report) -> str:
    """Verdicts and findings of one net for people."""
    report = verified.report if isinstance(verified, Verified) else verified
    lines = [f"{report.name}: {report.places} places, {report.transitions} transitions"]
    width = max((len(v.name) for v in report.properties), default=0)
    for v in report.properties:
        states = f", {v.states} states" if v.states is not None else ""
        seconds = f", {_duration(v.seconds)}" if v.seconds is not None else ""
        how = f"{v.evidence} ({v.method}{states}{seconds})"
        lines.append(f"  {v.name.ljust(width)}  {v.verdict}  {how}{f': {v.why}' if v.why else ''}")
        if v.witness is not None:
            lines.append(f"    {v.witness.says}")
            lines += [f"      {stop}" for stop in v.witness.walk]
    assumed = sorted({a for v in report.properties for a in v.assumptions})
    lines += [f"  assuming: {text}" for text in assumed]
    findings = [
        told(
            f.code,
            f.message,
            f.span,
            f.why,
            f.fix,
            warning=f.severity is Severity.WARNING,
            walk=[str(stop) for stop in f.witness.walk] if f.witness else (),
        )
        for f in report.findings
    ]
    if isinstance(verified, Verified):
        findings += map(str, warnings_of(verified.program))
    return "\n\n".join(["\n".join(lines), *findings])


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
