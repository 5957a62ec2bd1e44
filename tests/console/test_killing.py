"""`perdure chaos --kill`: real processes, real signals, and a ledger that nobody of us writes.

Short here; a thousand kills in the nightly run.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import settings
from perdure.chaos.kills import Moment
from perdure.console.cli.main import main
from perdure.console.demo.ledger import Problem, Totals, Verdict
from perdure.console.kill_report import as_json, as_text
from perdure.console.killing import Campaign, fenced

from .. import kept

NIGHTLY = settings.get_current_profile_name() == "nightly"
KILLS, WORKERS, SEED = (1000, 4, 7) if NIGHTLY else (20, 3, 5)


def campaign(kills: int) -> tuple[int, dict[str, Any]]:
    """Exit code and document of a campaign."""
    command = [sys.executable, "-m", "perdure", "chaos", "--kill", "--format", "json"]
    command += ["--kills", str(kills), "--workers", str(WORKERS), "--seed", str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_killed_and_stopped_workers_do_nothing_twice_and_lose_nothing() -> None:
    """As many kills as asked for, at named and at random moments: by the server's own ledger every
    order is done once or undone, by our logs every history is whole."""
    code, told = campaign(KILLS)
    assert "good" in told, told
    if NIGHTLY:
        kept.keep("kills", told)
    assert (code, told["good"], told["wrong"], told["problems"]) == (0, True, [], []), told
    assert (told["twice"], told["lost"], told["left_over"]) == (0, 0, 0)
    assert told["kill_count"] == sum(told["kills"].values()) == KILLS
    assert len([moment for moment, count in told["kills"].items() if count]) >= 4
    assert told["stop_count"] >= told["woke_as_zombies"] > 0
    assert told["done"] + told["failed"] == told["orders"] == told["audited"]
    assert min(told["done"], told["failed"]) > 0


if NIGHTLY:

    def test_without_the_answer_to_doubt_the_same_kills_charge_somebody_twice() -> None:
        """The campaign sees what it is there to see."""
        script = (
            "from perdure.console.killing import killed\n"
            "found = killed(150, 4, 1, lambda text: None, unprotected=True)\n"
            "assert found.totals.twice > 0 and not found.good, found\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True)


def found(*problems: Problem) -> Campaign:
    """A campaign by hand, with one order that has these problems."""
    verdict = Verdict("order-01", "done", "", 1 + len(problems), 0, 0, 2, 1, problems)
    one = Campaign(verdicts=[verdict], audited=1, records=9, workers=3, seed=4, seconds=1.2)
    one.kills[Moment.BEFORE_CALL] = 2
    one.stops[Moment.ANY] = 1
    one.zombies, one.totals = 1, Totals(len(problems), 0, 0)
    return one


def test_what_went_wrong_is_told_and_makes_the_campaign_bad() -> None:
    """Twice in the server's ledger, or a log that is not whole: either is enough."""
    twice = found(Problem("twice", "2 times charge"))
    assert not twice.good and "WRONG  order-01: 2 times charge" in as_text(twice)
    assert as_json(twice)["wrong"] == [
        {"order": "order-01", "end": "done", "problems": ["2 times charge"]}
    ]
    torn = found()
    assert torn.good and "WRONG" not in as_text(torn)
    torn.problems += [f"order-{n:02}: log: the chain is broken" for n in range(30)]
    assert not torn.good
    assert as_text(torn).splitlines()[-1] == "and 10 more"


def test_the_ledger_counts_kills_and_stops_by_moment() -> None:
    """A line for each moment that came, and the sums."""
    lines = as_text(found()).splitlines()
    assert lines[1].split() == [*Moment.BEFORE_CALL.split(), "2"]
    assert lines[2].split() == [*Moment.ANY.split(), "1"]
    assert lines[3].split() == ["together", "2", "1"]
    assert max(map(len, lines)) <= 80
    told = as_json(found())
    assert set(told["kills"]) == set(told["stops"]) == {moment.value for moment in Moment}
    assert (told["kill_count"], told["stop_count"], told["woke_as_zombies"]) == (2, 1, 1)


def test_whether_a_worker_is_fenced_is_asked_again_while_nobody_can_tell(tmp_path: Path) -> None:
    """A process that stands still may hold what readers need; the campaign goes on looking."""
    db = str(tmp_path / "a.db")
    holder = sqlite3.connect(db, isolation_level=None)
    holder.execute("CREATE TABLE session (id INTEGER PRIMARY KEY, worker TEXT, fenced INTEGER)")
    assert not fenced(db, "w")  # it has no session yet
    holder.execute("INSERT INTO session VALUES (1, 'w', 7), (2, 'w', NULL), (3, 'v', 7)")
    assert not fenced(db, "w") and fenced(db, "v")
    holder.execute("UPDATE session SET fenced = 8 WHERE id = 2")
    assert fenced(db, "w")
    holder.execute("BEGIN EXCLUSIVE")
    with closing(sqlite3.connect(db, timeout=0)) as reader, pytest.raises(sqlite3.OperationalError):
        reader.execute("SELECT 1 FROM session")
    assert not fenced(db, "w")
    holder.execute("COMMIT")
    assert fenced(db, "w")
    holder.close()


def test_chaos_says_what_it_needs() -> None:
    """Without a target and without --kill there is nothing to break; a mistake is told, exit 2."""
    done = CliRunner().invoke(main, ["chaos"])
    assert done.exit_code == 2 and "--kill" in done.stderr
    assert CliRunner().invoke(main, ["chaos", "--kill", "--kills", "0"]).exit_code == 2
    done = CliRunner().invoke(main, ["chaos", "--kill", "--histories", "9"])
    assert done.exit_code == 2 and "--histories is of no effect with --kill" in done.stderr
