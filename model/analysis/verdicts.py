"""What a check says: verdicts, witnesses, findings, the report.

Every verdict names its kind of evidence and what it assumes. A witness cannot be made without being
replayed. No property is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..net import Net, Span
from .control import replay
from .telling import Stop, label, walk


class Answer(StrEnum):
    """The answer to one question."""

    HOLDS = "holds"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"


class Evidence(StrEnum):
    """What an answer rests on."""

    PROVED = "proved"  # for all executions, by the named method
    EXPLORED = "explored"  # every state was visited
    INCONCLUSIVE = "inconclusive"


class Severity(StrEnum):
    """Whether a finding stops the workflow from being used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Witness:
    """A run of the net that shows something, replayed before it was put in here.

    `firings` are transition numbers; `names` the same, readable; `walk` the same along the source.
    """

    firings: tuple[int, ...]
    names: tuple[str, ...]
    marking: Mapping[str, int]
    says: str
    walk: tuple[Stop, ...] = ()

    def as_json(self) -> dict[str, object]:
        walk = [
            {"line": s.span.line if s.span else None, "says": s.says}
            | ({"file": s.span.file} if s.span else {})
            for s in self.walk
        ]
        return {
            "firings": list(self.names),
            "marking": dict(self.marking),
            "says": self.says,
            "walk": walk,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one property. `states`: markings visited by the deciding method, if any."""

    name: str
    verdict: Answer
    method: str
    states: int | None = None
    witness: Witness | None = None
    evidence: Evidence = Evidence.EXPLORED
    assumptions: tuple[str, ...] = ()
    why: str = ""  # inconclusive: what stopped it; violated without a run: what is wrong
    seconds: float | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "verdict": str(self.verdict),
            "method": self.method,
            "evidence": str(self.evidence),
            "assumptions": list(self.assumptions),
            "seconds": self.seconds,
            "states": self.states,
            "witness": self.witness.as_json() if self.witness else None,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with a stable code at a place of the source, and a run that shows it."""

    code: str
    severity: Severity
    message: str
    why: str
    fix: str
    span: Span | None = None
    related: tuple[Span, ...] = ()
    sites: tuple[str, ...] = ()
    witness: Witness | None = None

    def as_json(self) -> dict[str, object]:
        where = self.span
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "why": self.why,
            "fix": self.fix,
            "file": where.file if where else None,
            "line": where.line if where else None,
            "column": where.column if where else None,
            "sites": list(self.sites),
            "witness": self.witness.as_json() if self.witness else None,
        }


@dataclass(frozen=True, slots=True)
class NetClass:
    """What kind of net it is; None where it is not known."""

    workflow_net: bool
    free_choice: bool
    safe: bool | None
    block_structured: bool | None

    def as_json(self) -> dict[str, bool | None]:
        return {
            "workflow_net": self.workflow_net,
            "free_choice": self.free_choice,
            "safe": self.safe,
            "block_structured": self.block_structured,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All that one check found out about one net."""

    name: str
    digest: str
    places: int
    transitions: int
    net_class: NetClass
    properties: tuple[Verdict, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Answer:
        """Violated if a property or a finding of severity error is; holds if all do."""
        errors = any(f.severity is Severity.ERROR for f in self.findings)
        return worst([v.verdict for v in self.properties] + [Answer.VIOLATED] * errors)

    def __getitem__(self, name: str) -> Verdict:
        """The verdict on the property of that name."""
        return next(v for v in self.properties if v.name == name)

    def entry(self) -> dict[str, object]:
        """The element of `nets` in `perdure check --format json`."""
        return {
            "name": self.name,
            "digest": self.digest,
            "places": self.places,
            "transitions": self.transitions,
            "class": self.net_class.as_json(),
            "properties": [v.as_json() for v in self.properties],
            "findings": [f.as_json() for f in self.findings],
        }

    def as_json(self, target: str = "") -> dict[str, object]:
        """The whole document for a target that holds this one net."""
        return {
            "target": target or self.name,
            "verdict": str(self.verdict),
            "nets": [self.entry()],
        }


def worst(answers: Sequence[Answer]) -> Answer:
    """Violated beats inconclusive beats holds."""
    for answer in (Answer.VIOLATED, Answer.INCONCLUSIVE):
        if answer in answers:
            return answer
    return Answer.HOLDS


def witness(net: Net, firings: Sequence[int], says: str) -> Witness:
    """Replay a run and make a witness of it; raises `NotAFiring` when it is no run of the net."""
    marking = replay(net, firings)
    names = tuple(label(net, k) for k in firings)
    return Witness(tuple(firings), names, marking, says, walk(net, firings))
