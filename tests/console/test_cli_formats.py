"""`perdure check` for other tools: SARIF, JUnit, GitHub's annotations; read as those tools do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main
from perdure.console.codes import CODES
from perdure.console.meanings import MEANINGS
from perdure.console.problems import problems
from perdure.console.reports import github, junit, sarif
from perdure.model.analysis import PROPERTIES

HEAD = """
from perdure import Retry, compensatable, idempotent, irreversible, saga, workflow


@irreversible
async def charge(n: int) -> int:
    return n


@idempotent(retry=Retry(attempts=3))
async def mail(n: int) -> int:
    return n
"""
GOOD = """

@workflow
async def good(n: int) -> int:
    return await mail(n)
"""
BAD = """

@workflow
async def bad(n: int) -> int:
    async with saga():
        paid = await charge(n)
        return await mail(paid)
"""
REFUSED = """
import asyncio


@workflow
async def refused(n: int) -> int:
    await asyncio.sleep(3)
    return n
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with targets of every kind; their names are of this test alone."""
    unique = re.sub(r"\W", "_", tmp_path.name)
    for name, text in (("good", GOOD), ("bad", BAD), ("refused", BAD + REFUSED)):
        (tmp_path / f"{name}_{unique}.py").write_text(HEAD + text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def target(folder: Path, name: str) -> str:
    """The target of that kind."""
    (found,) = folder.glob(f"{name}_*.py")
    return found.name


def check(format: str, *arguments: str, code: int) -> str:
    """What `perdure check` writes to stdout."""
    done = CliRunner().invoke(main, ["check", "--format", format, *arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def run_of(text: str) -> dict[str, Any]:
    """The one run of a SARIF log, after the checks that every consumer makes."""
    log = json.loads(text)
    assert log["version"] == "2.1.0" and "sarif-2.1.0" in log["$schema"]
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "perdure"
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rule["shortDescription"]["text"] for rule in rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["kind"] in {"fail", "open"}
        assert result["level"] in ({"error", "warning"} if result["kind"] == "fail" else {"none"})
        flows = [f for c in result.get("codeFlows", ()) for f in c["threadFlows"]]
        places = result["locations"] + [at["location"] for f in flows for at in f["locations"]]
        for place in places:
            physical = place.get("physicalLocation")
            if physical is None:
                assert place["message"]["text"]
                continue
            uri = physical["artifactLocation"]["uri"]
            assert not uri.startswith("/") and " " not in uri
            assert all(n >= 1 for n in physical.get("region", {}).values())
    return run


def test_sarif_says_what_is_wrong_and_where(folder: Path) -> None:
    """The violated rule stands at its line in a file named from the working directory."""
    name = target(folder, "bad")
    run = run_of(check("sarif", name, code=1))
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    by_rule = {result["ruleId"]: result for result in run["results"]}
    assert {"PD301", "pivot_last"} <= set(by_rule)
    (place,) = by_rule["PD301"]["locations"]
    physical = place["physicalLocation"]
    assert unquote(physical["artifactLocation"]["uri"]) == name
    lines = (folder / name).read_text().splitlines()
    line = lines[int(physical["region"]["startLine"]) - 1]
    assert "await mail(paid)" in line
    assert line[int(physical["region"]["startColumn"]) - 1 :].startswith("mail(paid)")
    stops = by_rule["PD301"]["codeFlows"][0]["threadFlows"][0]["locations"]
    assert any("`charge`" in stop["location"]["message"]["text"] for stop in stops)
    ids = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {"sound", "safe"} <= ids, "what was asked and holds is a rule too"
    assert not {"sound", "safe"} & set(by_rule)


def test_sarif_of_what_holds_is_a_log_without_failures(folder: Path) -> None:
    """Clean code uploads an empty list, which closes the alerts of before."""
    run = run_of(check("sarif", target(folder, "good"), code=0))
    assert run["results"] == []


def test_sarif_tells_an_unreadable_target_as_a_notification(folder: Path) -> None:
    """The tool did not succeed, and what it could check it checked."""
    run = run_of(check("sarif", "missing.py", target(folder, "bad"), code=2))
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert "missing.py" in told["message"]["text"]
    assert "PD301" in {result["ruleId"] for result in run["results"]}


def test_one_refused_workflow_does_not_hide_the_others_of_its_file(folder: Path) -> None:
    """The entry is an error with the finding, and holds the report on what does compile."""
    told = json.loads(check("json", target(folder, "refused"), code=2))
    assert told["verdict"] == "error" and "PD105" in told["reason"]
    assert [net["name"] for net in told["nets"]] == ["bad"]
    assert [f["code"] for f in told["findings"]] == ["PD105"]
    rules = {
        r["ruleId"] for r in run_of(check("sarif", target(folder, "refused"), code=2))["results"]
    }
    assert {"PD105", "PD301"} <= rules


def test_an_open_question_is_neither_pass_nor_failure(folder: Path) -> None:
    """Exit 3: SARIF says open, JUnit skipped, GitHub warning."""
    limits = [target(folder, "good"), "--limit-states", "2"]
    run = run_of(check("sarif", *limits, code=3))
    assert {result["kind"] for result in run["results"]} == {"open"}
    suite = ElementTree.fromstring(check("junit", *limits, code=3))[0]
    assert int(suite.attrib["skipped"]) == len(run["results"]) > 0
    assert suite.attrib["failures"] == suite.attrib["errors"] == "0"
    assert check("github", *limits, code=3).startswith("::warning ")


def test_junit_counts_a_case_per_answer(folder: Path) -> None:
    """Suites are targets; the counters are those of the cases, and failures carry the run."""
    text = check("junit", target(folder, "good"), target(folder, "bad"), "missing.py", code=2)
    top = ElementTree.fromstring(text.encode())
    assert top.tag == "testsuites"
    good, bad, missing = top
    assert good.attrib["failures"] == good.attrib["errors"] == good.attrib["skipped"] == "0"
    assert {case.attrib["name"] for case in good} >= {"sound", "safe"}
    assert all(case.attrib["classname"] == "good" for case in good)
    for suite in top:
        for key, tag in (("tests", ""), ("failures", "/failure"), ("errors", "/error")):
            assert int(suite.attrib[key]) == len(suite.findall(f"testcase{tag}"))
    failed = {case.attrib["name"]: case for case in bad if case.find("failure") is not None}
    assert {"PD301", "pivot_last"} <= set(failed)
    failure = failed["PD301"].find("failure")
    assert failure is not None and "`charge`" in (failure.text or "")
    assert failed["PD301"].attrib["file"] == target(folder, "bad")
    assert missing.attrib["errors"] == "1"


def test_github_annotations_are_one_line_each_and_point_at_the_line(folder: Path) -> None:
    """The runner reads a command per line; paths are those of the checkout."""
    name = target(folder, "bad")
    lines = check("github", name, code=1).splitlines()
    assert all(re.fullmatch(r"::(error|warning) [^:]*::.+", line) for line in lines)
    (told,) = [line for line in lines if "title=PD301" in line]
    assert told.startswith(f"::error file={name},line=") and ",col=" in told
    assert "%0Afix: " in told
    assert check("github", target(folder, "good"), code=0).strip() == ""


def document(**changed: Any) -> dict[str, Any]:
    """A document of `check` about one net that holds a violated property."""
    verdict: dict[str, Any] = {
        "name": "sound", "verdict": "violated", "method": "explicit", "evidence": "explored",
        "assumptions": [], "seconds": 0.25, "states": 3, "why": "",
        "witness": {"firings": ["a"], "marking": {}, "says": "stuck",
                    "walk": [{"line": None, "says": "begins"},
                             {"line": 7, "says": "ends", "file": "a,b: c.py"}]},
    }  # fmt: skip
    net: dict[str, Any] = {"name": "n", "properties": [{**verdict, **changed}], "findings": []}
    return {"target": "t.json", "verdict": "violated", "nets": [net]}


def test_characters_that_a_format_reserves_are_escaped() -> None:
    """A comma or colon in a file name, a newline or a control character in a text."""
    bad: dict[str, Any] = document(why="", witness=None) | {"target": "t\x00.json"}
    bad["nets"][0]["properties"][0]["why"] = "100% <bad>\x1b[0m\nline & two"
    (case,) = ElementTree.fromstring(junit([bad]).encode())[0]
    assert "<bad>\ufffd[0m" in case[0].attrib["message"]
    (line,) = github([bad]).splitlines()
    assert "100%25 <bad>" in line and "%0Aline & two" in line
    (line,) = github([document()]).splitlines()
    assert line.startswith("::error file=a%2Cb%3A c.py,line=7,title=sound::")
    (place,) = run_of(sarif([document()], "1"))["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "a%2Cb%3A%20c.py"


def test_a_witness_gives_a_property_its_place() -> None:
    """Where the run ends is where to look; a walk that knows no line points at the file."""
    (told,) = problems(document())
    assert (told.where and told.where.line, told.seconds) == (7, 0.25)
    assert "stuck" in told.message and "explored (explicit)" in told.message
    (without,) = problems(document(witness=None))
    assert without.where is None, "t.json is no file here"


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_is_explained(name: str) -> None:
    """Whoever adds a property writes its sentence."""
    assert MEANINGS[name].endswith(".")
    assert name not in CODES
