"""What `check` found, flattened: one line per answer, for the formats of other tools.

Read off the documents of `perdure check --format json`; nothing is checked or worded anew here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .meanings import meaning

Document = Mapping[str, Any]


class Where(NamedTuple):
    """A place in a source file; line and column count from 1, 0 where not known."""

    file: str
    line: int = 0
    column: int = 0
    says: str = ""


class Problem(NamedTuple):
    """One answer. `rule` is a code or the name of a property; `level` as in SARIF."""

    rule: str
    level: str  # error, warning, open (inconclusive), pass
    message: str
    target: str
    net: str = ""
    where: Where | None = None
    walk: tuple[Where, ...] = ()
    fix: str = ""
    seconds: float = 0.0


def problems(document: Document) -> Iterator[Problem]:
    """Every answer about a target: its properties, the good ones too, then its findings."""
    target = str(document["target"])
    for net in document["nets"]:
        for verdict in net["properties"]:
            yield _of_property(target, net["name"], verdict)
        yield from (_of_finding(target, net["name"], f) for f in net["findings"])
    for finding in document.get("findings", ()):
        yield _of_finding(target, "", finding)
    if document["verdict"] == "error" and not document.get("findings"):
        yield Problem("unusable", "error", str(document["reason"]), target, where=_file(target))


def _of_property(target: str, net: str, verdict: Document) -> Problem:
    level = {"holds": "pass", "violated": "error"}.get(verdict["verdict"], "open")
    witness = verdict["witness"]
    walk = _walk(witness)
    shown = str(witness["says"]) if witness else ""
    says = shown or verdict["why"] or meaning(verdict["name"])
    how = f"{verdict['evidence']} ({verdict['method']})"
    message = f"{net}: {verdict['name']} {verdict['verdict']}, {how}: {says}"
    known = [stop for stop in walk if stop.line]
    where = known[-1] if known and level != "pass" else _file(target)
    seconds = float(verdict["seconds"] or 0)
    return Problem(verdict["name"], level, message, target, net, where, walk, "", seconds)


def _of_finding(target: str, net: str, finding: Document) -> Problem:
    where = _file(target)
    if finding["file"]:
        where = Where(finding["file"], finding["line"] or 0, (finding["column"] or 0) + 1)
    message = f"{finding['message']}: {finding['why']}" if finding["why"] else finding["message"]
    walk = _walk(finding["witness"])
    severity = finding["severity"]
    return Problem(finding["code"], severity, message, target, net, where, walk, finding["fix"])


def _walk(witness: Document | None) -> tuple[Where, ...]:
    stops: Sequence[Document] = (witness or {}).get("walk") or ()
    return tuple(Where(s.get("file") or "", s["line"] or 0, 0, s["says"]) for s in stops)


def _file(target: str) -> Where | None:
    """The file of a target that is one."""
    for name in (target, target.rpartition(":")[0]):
        if name and Path(name).is_file():
            return Where(name)
    return None


def relative(file: str) -> str:
    """The path from the working directory, with slashes; as it is when it lies elsewhere."""
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_posix()
