"""Type checkers accept the good programs and report each planted mistake, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "tests/typing/good_programs.py", ROOT / "tests/typing/planted_mistakes.py"]

Line = tuple[str, int]


def marked(letters: str) -> set[Line]:
    """Return the lines of the typing files that carry one of the marks."""
    return {
        (file.name, number)
        for file in FILES
        for number, text in enumerate(file.read_text().splitlines(), 1)
        if re.search(rf"# [{letters}]$", text)
    }


def test_pyright_reports_exactly_the_planted_mistakes(tmp_path: Path) -> None:
    """Strict pyright: every marked line, no other, in programs of all six classes."""
    pytest.importorskip("pyright")
    # Copies in a project of their own: the repository's leaves the planted mistakes out.
    for file in FILES:
        shutil.copy(file, tmp_path)
    settings = {"extraPaths": [str(ROOT / ".names")], "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    command += ["--project", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(FILES)
    found = {
        (Path(d["file"]).name, d["range"]["start"]["line"] + 1)
        for d in report["generalDiagnostics"]
    }
    assert found == marked("EP")
    assert len(found) >= 30


def test_mypy_reports_exactly_the_planted_mistakes(tmp_path: Path) -> None:
    """Strict mypy: every marked line, no other."""
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict"]
    command += ["--explicit-package-bases", "--follow-imports=silent", "--no-error-summary"]
    command += ["--cache-dir", str(tmp_path), *map(str, FILES)]
    # A PYTHONPATH that names the package's root would give each module two names.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["MYPYPATH"] = os.pathsep.join([str(ROOT / "tests/typing"), str(ROOT / ".names")])
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    errors = re.findall(r"^(?:.*[/\\])?(\w+\.py):(\d+): error:", done.stdout, re.MULTILINE)
    found = {(name, int(number)) for name, number in errors}
    assert found == marked("EM"), done.stdout + done.stderr
    assert len(found) >= 30
