"""The main job, as a user runs it: processes, SIGKILL, the server's ledgers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import Any

from perdure.console.demo.main import KILLS
from perdure.console.demo.moments import Moment


@cache
def demo(*flags: str) -> tuple[int, dict[str, Any]]:
    """Exit code and document of one run of the verb."""
    done = subprocess.run(
        [sys.executable, "-m", "perdure", "demo", "--format", "json", *flags],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_no_kill_charges_twice_loses_or_leaves_anything_over() -> None:
    """Twelve SIGKILLs in the five worst moments: one charge per order, or none and all undone."""
    code, told = demo()
    assert (told["twice"], told["lost"], told["left_over"]) == (0, 0, 0), told
    assert told["problems"] == []
    assert code == 0
    assert {o["charges"] for o in told["orders"]} == {0, 1}
    assert len(told["orders"]) == 20
    assert sum("undone" in o["end"] for o in told["orders"]) >= 3


def test_every_moment_is_reached_at_least_twice() -> None:
    """The moments that were set out are the moments that were hit."""
    _, told = demo()
    assert told["kills"] == dict(Counter(moment.value for moment, _ in KILLS))
    assert set(told["kills"]) == {moment.value for moment in Moment}
    assert min(told["kills"].values()) >= 2
    assert sum(told["kills"].values()) >= 10


def test_effects_in_doubt_were_decided_by_the_probe() -> None:
    """A kill around the call is a doubt, and both answers of the probe occur."""
    _, told = demo()
    charges = [d for d in told["doubts"] if d["effect"] == "charge_card"]
    assert {d["outcome"] for d in charges} == {"landed", "voided"}
    assert {d["decided_by"] for d in charges} == {"probe"}


def test_the_same_kills_charge_twice_when_doubt_means_call_again() -> None:
    """Without the protocol's answer to doubt the demo shows the double charge and exits 1."""
    code, told = demo("--unprotected")
    assert code == 1
    assert told["twice"] >= 1
    assert any(o["charges"] >= 2 for o in told["orders"])
