"""`perdure prove`: what it answers, in both formats, and without a solver."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main


def test_the_document_names_every_guard_with_its_run_and_every_promise() -> None:
    """One JSON document: conditions with times, guards with what breaks, assumptions."""
    result = CliRunner().invoke(main, ["prove", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["verdict"] == "holds"
    assert document["proved"] == document["conditions"] > 0
    assert all(guard["refuted"] and guard["run"] for guard in document["guards"])
    assert [each["verdict"] for each in document["spacer"]] == ["proved", "refuted", "refuted"]
    assert document["assumed"]
    assert document["outside"]


def test_without_z3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing solver is a mistake with a fix, not a stack trace."""
    for name in [n for n in sys.modules if n.startswith("perdure.specs.pro")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "z3", None)
    result = CliRunner().invoke(main, ["prove", "--quick"])
    assert result.exit_code == 2
    assert "perdure[z3]" in result.output
