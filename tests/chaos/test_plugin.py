"""The pytest plugin on real small projects, each in a process of its own as a user has it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest

from . import theirs

HEAD = """
from perdure import days
from theirs import *


"""


def project(folder: Path, tests: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a test file beside the workflows of theirs.py, with the plugin as pytest loads it."""
    copy(theirs.__file__, folder / "theirs.py")
    (folder / "test_it.py").write_text(HEAD + tests)
    plain = ["-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plain, "-p", "perdure.chaos.plugin", *arguments],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith(("PERDURE", "PYTEST"))},
        capture_output=True,
        text=True,
    )


def test_one_line_finds_the_double_charge_and_prints_its_story(tmp_path: Path) -> None:
    """The user's line, the story in the user's lines, how to replay it; not one line of ours."""
    done = project(
        tmp_path,
        "def test_charge(perdure):\n"
        '    perdure.never_twice(buy("o-1"), charge)\n\n\n'
        "def test_all_of_it(perdure):\n"
        '    perdure.survives(buy_well("o-1"))\n',
        "--perdure-save",
        "failures",
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    said = done.stdout
    assert "buy: charge o-1 happened 2 times; without the fault it is 1" in said
    assert re.search(r"theirs\.py:\d+  return service\.bank\.charge\(order\)", said)
    assert "worker 1 dies after charge has landed, before its outcome is durable" in said
    assert '>       perdure.never_twice(buy("o-1"), charge)' in said or "never_twice(buy" in said
    assert "chaos/testing.py" not in said and "chaos/trial.py" not in said
    (saved,) = (tmp_path / "failures").iterdir()
    assert f"perdure replay failures/{saved.name}" in said
    again = subprocess.run(
        [sys.executable, "-m", "perdure", "replay", f"failures/{saved.name}"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert again.returncode == 1, again.stderr
    assert "charge o-1 happened 2 times" in again.stdout


RUNS = """
import asyncio

import pytest


def test_runs(perdure):
    run = perdure.run(buy_well("o-1"))
    assert (run.status, run.value) == ("done", "receipt of o-1")
    assert run.count("charge", "o-1") == 1 and run.count("charge", "o-2") == 0
    assert run.seconds > days(30).total_seconds()


def test_other_fakes(perdure):
    assert perdure.run(ask("o-1"), fakes=with_an_answer).count("charge", "o-1") == 1


def test_failed(perdure):
    run = perdure.run(trip("boat"), fakes=lambda world: {reserve: "boat"})
    assert run.status == "failed" and "Refused" in run.error and run.value is None
    assert run.count("reserve", "boat") == 0


def test_in_a_loop(perdure):
    async def main():
        return perdure.run(buy_well("o-1")).value

    assert asyncio.run(main()) == "receipt of o-1"


def test_plain_functions():
    from perdure.chaos.testing import never_twice, survives

    assert never_twice(settle("o-1"), pay, fakes=fakes).failures == []


def test_random(perdure):
    trial = perdure.survives(buy_well("o-1"), histories=12)
    assert trial.histories == 9 and trial.campaign.seed == "7"
    assert perdure.survives(buy_well("o-1"), histories=2, seed=1).campaign.seed == 1
    with pytest.raises(AssertionError) as caught:
        perdure.never_twice(buy("o-1"), charge, histories=9)
    assert "charge o-1 happened 2 times" in str(caught.value)
    assert "seed 7" in str(caught.value)
    with pytest.raises(ValueError):
        perdure.survives(buy_well("o-1"), histories=-1)


def test_a_quick_look(perdure):
    assert perdure.survives(buy_well("o-1")).histories == 1 + 9
    assert perdure.never_twice(buy_well("o-1"), charge_by_key).histories == 1 + 9
"""


def test_a_run_in_simulated_time_shows_result_effects_and_time(tmp_path: Path) -> None:
    """A month, a message after three weeks, a failure, inside a running loop too."""
    done = project(
        tmp_path,
        RUNS,
        "--perdure-faults",
        "9",
        "--perdure-seed",
        "7",
    )
    assert "7 passed" in done.stdout, done.stdout + done.stderr


def test_a_claim_that_could_not_fail_is_refused(tmp_path: Path) -> None:
    """PD507: a step whose fake notes nothing; PD502: no fakes at all."""
    done = project(
        tmp_path,
        """
def test_silent(perdure):
    perdure.never_twice(buy("o-1"), charge, fakes=lambda world: {charge: lambda order: "x"})


def test_unsaid(perdure):
    perdure.fakes = None
    perdure.survives(buy("o-1"))
""",
    )
    assert "2 failed" in done.stdout, done.stdout + done.stderr
    assert "PD507 nothing is counted in charge" in done.stdout
    assert "PD502 charge is @idempotent" in done.stdout
    assert "chaos/testing.py" not in done.stdout


def test_the_plugin_loads_no_engine_until_it_is_used(tmp_path: Path) -> None:
    """A project that has Perdure installed and tests something else pays nothing."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        '    assert not {"perdure.engine", "perdure.specs", "sqlalchemy"} & set(sys.modules)\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "-p", "perdure.chaos.plugin"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_options_are_told(tmp_path: Path) -> None:
    """In `pytest --help`, in a group of their own."""
    done = project(tmp_path, "", "--help")
    for option in ("--perdure-faults", "--perdure-save", "--perdure-seed"):
        assert option in done.stdout


@pytest.mark.parametrize("fixed", [False, True])
def test_a_saved_failure_as_a_test_fails_until_it_is_mended(tmp_path: Path, fixed: bool) -> None:
    """The same test, before and after `charge` hands its key on; and when its fault is gone."""
    body = """
from perdure.chaos.testing import replayed


def test_it():
    replayed(
        buy, input={"order": "o-1"}, fakes=fakes,
        faults=[("world", "step charge", 1, "after", "crash")],
    )


def test_gone():
    replayed(
        buy, input={"order": "o-1"}, fakes=fakes,
        faults=[("world", "step charged", 1, "after", "crash")],
    )


def test_random():
    replayed(
        buy, input={"order": "o-1"}, fakes=fakes,
        faults=[
            ("store", "append", 1, "before", "store slow", 1),
            ("world", "step charge", 1, "after", "stopped until taken over"),
        ],
        workers=2, pace=2.0,
    )
"""
    text = Path(theirs.__file__).read_text()
    if fixed:
        text = text.replace("bank.charge(order)", "bank.charge(order, effect_key())")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "test_it.py").write_text(HEAD + body)
    (tmp_path / "src" / "theirs.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "src", capture_output=True, text=True,
    )  # fmt: skip
    assert ("1 failed, 2 passed" if fixed else "3 failed") in done.stdout, done.stdout
    assert "which has another shape now; find it anew" in done.stdout
