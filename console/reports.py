"""The answers of `check` in the formats of other tools: SARIF, JUnit, GitHub's annotations.

SARIF 2.1.0 (OASIS, 2020); JUnit as Jenkins and GitLab read it. No file is written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as xml

from .codes import CODES
from .meanings import MEANINGS, meaning
from .problems import Document, Problem, Where, problems, relative

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def all_problems(documents: Iterable[Document]) -> list[Problem]:
    """Every answer about every target, in the order given."""
    return [problem for document in documents for problem in problems(document)]


# --- SARIF --------------------------------------------------------------------------------------


def sarif(documents: Sequence[Document], version: str) -> str:
    """One run with a result for each thing that does not hold or is open; rules for all asked."""
    found = all_problems(documents)
    names = sorted({p.rule for p in found if p.rule != "unusable"})
    unusable = [p for p in found if p.rule == "unusable"]
    shown = [p for p in found if p.level != "pass" and p.rule != "unusable"]
    driver = {
        "name": "perdure",
        "version": version,
        "rules": [_rule(name) for name in names],
    }
    invocation: dict[str, Any] = {
        "executionSuccessful": not any(d["verdict"] == "error" for d in documents),
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": p.message}, **_locations([p.where])}
            for p in unusable
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [_result(p, names.index(p.rule)) for p in shown],
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, ensure_ascii=False, indent=2)


def _rule(name: str) -> dict[str, Any]:
    page = CODES.get(name)
    if page is None:
        title = "".join(word.capitalize() for word in name.split("_"))
        return {"id": name, "name": title, "shortDescription": {"text": meaning(name)}}
    return {
        "id": name,
        "shortDescription": {"text": page.says},
        "fullDescription": {"text": page.why},
        "help": {"text": page.fix},
    }


def _result(problem: Problem, index: int) -> dict[str, Any]:
    text = f"{problem.message}\nfix: {problem.fix}" if problem.fix else problem.message
    result: dict[str, Any] = {
        "ruleId": problem.rule,
        "ruleIndex": index,
        # A level other than none is for failures only (SARIF 3.27.10).
        "kind": "open" if problem.level == "open" else "fail",
        "level": "none" if problem.level == "open" else problem.level,
        "message": {"text": text},
        **_locations([problem.where]),
    }
    if problem.walk:
        stops = [{"location": _location(stop)} for stop in problem.walk]
        result["codeFlows"] = [{"threadFlows": [{"locations": stops}]}]
    return result


def _locations(places: Sequence[Where | None]) -> dict[str, Any]:
    return {"locations": [_location(place) for place in places if place is not None]}


def _location(place: Where) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if place.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
        if place.line:
            column = {"startColumn": place.column} if place.column else {}
            physical["region"] = {"startLine": place.line, **column}
        location["physicalLocation"] = physical
    if place.says:
        location["message"] = {"text": place.says}
    return location


def _uri(file: str) -> str:
    name = relative(file)
    return Path(name).as_uri() if Path(name).is_absolute() else quote(name)


# --- JUnit --------------------------------------------------------------------------------------


def junit(documents: Sequence[Document]) -> str:
    """A suite per target, a case per property and finding; what is open counts as skipped."""
    top = xml.Element("testsuites", name="perdure check")
    for document in documents:
        found = list(problems(document))
        suite = xml.SubElement(top, "testsuite", name=_clean(document["target"]))
        for problem in found:
            _case(suite, problem)
        for key, tags in (("errors", "error"), ("failures", "failure"), ("skipped", "skipped")):
            suite.set(key, str(len(suite.findall(f"testcase/{tags}"))))
        suite.set("tests", str(len(found)))
        suite.set("time", f"{sum(p.seconds for p in found):.6f}")
    xml.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(top, encoding="unicode")


def _case(suite: xml.Element, problem: Problem) -> None:
    name = _clean(problem.net or problem.target)
    case = xml.SubElement(suite, "testcase", classname=name, name=problem.rule)
    case.set("time", f"{problem.seconds:.6f}")
    if problem.where is not None:
        case.set("file", _clean(relative(problem.where.file)))
        if problem.where.line:
            case.set("line", str(problem.where.line))
    text = "\n".join([problem.message, *map(_stop, problem.walk), problem.fix]).rstrip()
    kind = problem.rule if problem.rule in CODES or problem.rule in MEANINGS else "perdure"
    if problem.rule == "unusable":
        xml.SubElement(case, "error", message=_clean(problem.message), type="unusable")
    elif problem.level == "error":
        failure = xml.SubElement(case, "failure", message=_clean(problem.message), type=kind)
        failure.text = _clean(text)
    elif problem.level == "open":
        xml.SubElement(case, "skipped", message=_clean(problem.message))
    elif problem.level == "warning":
        xml.SubElement(case, "system-out").text = _clean(text)


def _stop(stop: Where) -> str:
    return f"line {stop.line}: {stop.says}" if stop.line else stop.says


def _clean(text: str) -> str:
    """Characters that XML can hold."""
    return _NO_XML.sub("\ufffd", str(text))


# --- GitHub -------------------------------------------------------------------------------------


def github(documents: Sequence[Document]) -> str:
    """Annotations as GitHub's runner reads them, one a line."""
    lines = [_annotation(p) for p in all_problems(documents) if p.level != "pass"]
    return "\n".join(lines)


def _annotation(problem: Problem) -> str:
    level = "error" if problem.level == "error" else "warning"
    settings: Mapping[str, object] = {}
    if problem.where is not None:
        line, column = problem.where.line, problem.where.column
        settings = {"file": relative(problem.where.file), "line": line or 1}
        settings = {**settings, "col": column} if column else settings
    settings = {**settings, "title": problem.rule}
    told = ",".join(f"{name}={_setting(str(value))}" for name, value in settings.items())
    text = f"{problem.message}\nfix: {problem.fix}" if problem.fix else problem.message
    return f"::{level} {told}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _setting(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
