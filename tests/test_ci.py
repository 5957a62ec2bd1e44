"""What CI promises: nothing is skipped there, and its steps come in an order that fails early.

The commands behind the steps have their own tests; none of them runs here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import pytest
from pathlib import Path

def test_plain(): pytest.skip("no reason")
def test_import(): pytest.importorskip("no_such_library")
def test_need(need): need(False, "PostgreSQL")
def test_shared(shared): pass
@pytest.mark.needs_shared
def test_marked(): pass
@pytest.mark.skipif(True, reason="a browser is missing")
def test_conditional(): pass
@pytest.mark.xfail
def test_known(): assert False
def test_unpinned(): pytest.importorskip("pydantic_", reason="could not import 'pydantic'")
def test_good(need): need(Path.cwd(), "a folder")
"""
MISSING = ("test_plain", "test_import", "test_need", "test_shared", "test_marked",
           "test_conditional")  # fmt: skip


def outcomes(root: Path, folder: Path, ci: str) -> dict[str, str]:
    """How each test of the program ends under our conftest, in CI or not."""
    (folder / "tests").mkdir()
    shutil.copy(root / "tests" / "conftest.py", folder / "tests")
    (folder / "tests" / "test_program.py").write_text(PROGRAM)
    env = {**os.environ, "CI": ci, "PERDURE_SHARED": str(folder / "nowhere")}
    ini = ["-c", str(root / "pyproject.toml"), "--rootdir", str(folder), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-q", *ini, "tests"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
    )
    told = re.findall(r"^(PASSED|FAILED|ERROR|XFAIL) \S+::(test_\w+)", done.stdout, re.M)
    found = {name: how for how, name in told}
    assert found.get("test_good") == "PASSED", done.stdout + done.stderr
    return found


def test_a_skip_in_ci_is_a_failure_however_it_came_about(root: Path, tmp_path: Path) -> None:
    """Shared folder, browser, database, library: in CI what was not tried counts as broken."""
    found = outcomes(root, tmp_path, "true")
    assert {name for name in MISSING if found.get(name) in ("FAILED", "ERROR")} == set(MISSING)
    assert found["test_known"] == "XFAIL"
    assert "test_unpinned" not in found, "the only skips are those the list in conftest.py names"


def test_a_skip_on_a_desk_is_a_skip(root: Path, tmp_path: Path) -> None:
    """Who lacks PostgreSQL at home can still run the suite."""
    found = outcomes(root, tmp_path, "")
    assert not {"FAILED", "ERROR"} & set(found.values())


def test_ci_says_that_it_is_ci_and_goes_from_quick_to_slow(root: Path) -> None:
    """`.ci/run` sets CI itself; install comes first, the suite last, the cheap checks between."""
    script = (root / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r'^export CI="\$\{CI:-true\}"$', script, re.M)
    assert "set -euo pipefail" in script
    steps = re.findall(r"step make --no-print-directory (\w+)", script)
    assert steps == ["install", "lint", "types", "contracts", "docs", "test"]
    assert os.access(root / ".ci" / "run", os.X_OK)
    assert script.rstrip().splitlines()[-1] == "step make --no-print-directory test"


@pytest.mark.parametrize("verb", ["prove", "chaos"])
def test_ci_proves_the_protocol_and_plays_faults_before_the_suite(verb: str, root: Path) -> None:
    """Both are steps of their own, so that a failure of theirs ends CI with their code."""
    script = (root / ".ci" / "run").read_text(encoding="utf-8")
    steps = [line for line in script.splitlines() if line.startswith("step ")]
    assert any(f"-m perdure {verb}" in line for line in steps[:-1])
