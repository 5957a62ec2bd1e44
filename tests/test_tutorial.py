"""The page docs/testing.md, played from top to bottom in one folder as its reader does.

Its files are written where they stand on the page, its commands are run where they stand, and what
the page shows of their output is looked for in it. No other page is read here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "testing.md"
_BLOCK = re.compile(r'^```(?:python title="([\w.]+)"|console)\n(.*?)^```$', re.M | re.S)


class File(NamedTuple):
    """A file that the reader writes."""

    name: str
    text: str


class Command(NamedTuple):
    """A line that the reader types, and what the page shows of its output."""

    line: str
    shown: list[str]


def steps() -> Iterator[File | Command]:
    """What the reader does, in order."""
    for name, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if name:
            yield File(name, text)
            continue
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            line, *shown = part.splitlines()
            yield Command(line, [s for s in shown if s.strip()])


def type_it(command: Command, folder: Path) -> str:
    """Run a line of the page; what it prints, and its exit code is that of what it says."""
    words, _, target = command.line.partition(" > ")
    verb, *rest = shlex.split(words)
    plugin = ["-p", "perdure.chaos.plugin", "-p", "no:asyncio", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", verb, *(plugin if verb == "pytest" else []), *rest],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith(("PERDURE", "PYTEST"))},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    bad = any("happened 2 times" in s or "failed" in s for s in command.shown)
    mended = any("no harm any more" in s for s in command.shown)
    assert done.returncode == (1 if bad and not mended else 0), done.stdout + done.stderr
    if target:
        (folder / target).write_text(done.stdout)
    return done.stdout


def test_the_tutorial_goes_as_it_is_written(tmp_path: Path) -> None:
    """From the buggy step to the found double charge to the fix, in the order of the page."""
    done = list(steps())
    commands = [step for step in done if isinstance(step, Command)]
    assert len(commands) == 7 and len(done) == 7 + 5
    for step in done:
        if isinstance(step, File):
            (tmp_path / step.name).write_text(step.text)
            continue
        printed = iter(type_it(step, tmp_path).splitlines())
        for line in step.shown:
            assert any(line.strip() in found for found in printed), f"$ {step.line}\nno {line!r}"


def test_the_fix_of_the_tutorial_is_in_the_step_and_not_in_the_test() -> None:
    """What the page changes: the key is handed on; workflow and tests are the same."""
    first, last = (
        [s.text for s in steps() if isinstance(s, File) and s.name == "shop.py"][n] for n in (0, -1)
    )
    assert "effect_key" not in first and "bank.charge(order, effect_key())" in last
    assert first.partition("@workflow")[2] == last.partition("@workflow")[2]
    assert [s.name for s in steps() if isinstance(s, File)].count("test_shop.py") == 1
