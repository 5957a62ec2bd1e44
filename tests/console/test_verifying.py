"""Compiling and checking as one value: limits, verdicts of nets, the text for people."""

from __future__ import annotations

import time
from typing import Any

import pytest
from perdure.console.verifying import (
    Limits,
    finding_json,
    net_verdict,
    told_report,
    verify,
    verify_net,
    warnings_of,
)
from perdure.model.analysis import Answer, UnknownProperty
from perdure.model.compiler import compile_workflow

from . import cli_shop

NET = compile_workflow(cli_shop.buy).net
PROPERTIES = ("sound", "safe")


def test_a_limit_on_states_or_time_leaves_the_answer_open() -> None:
    """Inconclusive, with what stopped it; without a limit the same net is decided."""
    for limits, end in ((Limits(states=2), None), (Limits(seconds=0), None), (Limits(), 0.0)):
        report = verify_net(NET, PROPERTIES, limits, end)
        assert report.verdict is Answer.INCONCLUSIVE
        assert all(v.why for v in report.properties if v.verdict is Answer.INCONCLUSIVE)
    assert verify_net(NET, PROPERTIES, Limits(seconds=3600)).verdict is Answer.HOLDS


def test_the_end_of_a_target_is_shared_by_its_workflows() -> None:
    """`--limit-seconds` is per target: what the first workflow used up the second has not."""
    over = time.monotonic() - 1
    assert verify(cli_shop.buy, PROPERTIES, Limits(3600), over).report.verdict is not Answer.HOLDS
    later = time.monotonic() + 3600
    assert verify(cli_shop.buy, PROPERTIES, Limits(0), later).report.verdict is Answer.HOLDS


def test_only_what_is_asked_is_answered() -> None:
    """In the order asked; an unknown name is the caller's mistake, before anything is explored."""
    report = verify_net(NET, ["safe", "sound"], Limits())
    assert [v.name for v in report.properties] == ["safe", "sound"]
    with pytest.raises(UnknownProperty, match="magic"):
        verify_net(NET, ["magic"], Limits())


@pytest.mark.parametrize(
    ("verdicts", "severities", "wanted"),
    [
        ([], [], "holds"),
        (["holds"], ["warning"], "holds"),
        (["holds", "inconclusive"], [], "inconclusive"),
        (["inconclusive", "violated"], [], "violated"),
        (["holds"], ["error"], "violated"),
        (["inconclusive"], ["error"], "violated"),
    ],
)
def test_the_verdict_of_an_entry_is_its_worst(
    verdicts: list[str], severities: list[str], wanted: str
) -> None:
    """Violated beats inconclusive beats holds; an error found counts as violated."""
    entry: dict[str, Any] = {
        "properties": [{"verdict": v} for v in verdicts],
        "findings": [{"severity": s} for s in severities],
    }
    assert net_verdict(entry) == wanted


def test_the_entry_agrees_with_the_report_and_holds_all_findings() -> None:
    """The checker's findings and the compiler's warnings, in one form."""
    verified = verify(cli_shop.buy)
    entry = verified.entry
    assert net_verdict(entry) == str(verified.report.verdict)
    assert entry["digest"] == verified.program.net.digest
    codes = [f["code"] for f in entry["findings"]]
    warned = [w.code for w in warnings_of(verified.program)]
    assert codes == [f.code for f in verified.report.findings] + warned
    for warning in warnings_of(verified.program):
        assert set(finding_json(warning)) == set(entry["findings"][0])


def test_the_text_tells_each_property_with_its_evidence_and_the_assumptions() -> None:
    """A line per property, assumptions once, then the problems with their code."""
    verified = verify(cli_shop.buy)
    text = told_report(verified)
    lines = text.splitlines()
    assert lines[0].startswith("buy: ") and "places" in lines[0]
    for verdict in verified.report.properties:
        (line,) = [x for x in lines if x.split()[:1] == [verdict.name]]
        assert f"{verdict.verdict}  {verdict.evidence} ({verdict.method}" in line
        assert line.rstrip(")").endswith(" ms") or line.rstrip(")").endswith(" s")
    assumed = [x for x in lines if x.startswith("  assuming: ")]
    assert len(set(assumed)) == len(assumed) > 0
    assert "PD402" in text


def test_an_open_answer_says_why_in_the_text() -> None:
    """What stopped the search stands behind the answer."""
    report = verify_net(NET, ["sound"], Limits(states=2))
    (verdict,) = report.properties
    assert f"): {verdict.why}" in told_report(report)
