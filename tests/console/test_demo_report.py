"""What the demo prints, from outcomes made by hand; and how it ends when it is ended."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from perdure.console.demo.crew import Crew
from perdure.console.demo.ledger import End, Problem, Totals, Verdict
from perdure.console.demo.main import KILLS, Outcome, Server
from perdure.console.demo.moments import Moment
from perdure.console.demo.order import PORT_VARIABLE, make_orders
from perdure.console.demo.report import as_json, as_text
from perdure.console.demo.worker import Life
from perdure.console.meanings import meaning
from perdure.engine.store import EffectRow
from perdure.model.analysis import check
from perdure.model.compiler import compile_workflow

from .cli_shop import buy


def verdict(order: str, charges: int = 1, end: End = "done", *problems: Problem) -> Verdict:
    """What the judge says of an order."""
    released = 1 if end == "failed" else 0
    return Verdict(order, end, "asked twice", charges, released, 0, 0, 0, problems)


def doubt(execution: int, outcome: str, by: str, site: str = "charge_card") -> EffectRow:
    """A line of our own ledger."""
    return EffectRow(execution, f"key{execution}", site, "irreversible", 3, outcome, 4, by, "")


@pytest.fixture
def outcome() -> Outcome:
    """Six orders: charged, looked up twice, undone, on the desk, and charged twice."""
    twice = Problem("twice", "2 times charge")
    return Outcome(
        kills={Moment.CHARGING.value: 2, Moment.UNDOING.value: 1},
        killed={"o2": Moment.CHARGING, "o3": Moment.BEFORE_CALL, "o4": Moment.UNDOING},
        verdicts=[
            verdict("o1"), verdict("o2"), verdict("o3"), verdict("o4", 0, "failed"),
            verdict("o5", 1, "desk"), verdict("o6", 2, "done", twice),
        ],
        totals=Totals(1, 0, 0),
        doubts=[
            doubt(2, "landed", "probe"), doubt(3, "voided", "probe"),
            doubt(4, "undone", "undo", "book_courier"), doubt(5, "in-doubt", ""),
        ],
        orders_of={n: f"o{n}" for n in range(1, 7)},
        problems=["o6: log: a gap"],
        seconds=11.6,
    )  # fmt: skip


def row(text: str, order: str) -> str:
    """The line of an order."""
    line = next(line for line in text.splitlines() if line.strip().startswith(order))
    return " ".join(line.split())


def test_each_order_stands_with_its_charges_its_kill_and_its_doubt(outcome: Outcome) -> None:
    """One line an order: what the shop has, when the worker died, who answered the doubt."""
    text = as_text(outcome)
    assert row(text, "o1") == "o1 1 fulfilled"
    assert row(text, "o2") == "o2 1 fulfilled while charging yes, says the probe"
    assert row(text, "o3") == "o3 1 fulfilled intent, but no call no, says the probe"
    assert row(text, "o4") == "o4 0 declined, undone during undo"
    assert row(text, "o5") == "o5 1 on the desk nobody knows yet"
    assert row(text, "o6") == "o6 2 WRONG, see below"
    assert "\n  o5  on the desk: asked twice\n  o6  WRONG: 2 times charge\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_sum_counts_and_a_problem_is_said_last(outcome: Outcome) -> None:
    """Kills, orders by end, the three faults, and what the audit found."""
    text = as_text(outcome)
    assert "3 times SIGKILL, 6 orders: 4 charged exactly once, 1 declined and undone" in text
    assert "charged twice 1, lost 0, left over 0; see the problems below; 12 s" in text
    assert text.splitlines()[-1] == "PROBLEM  o6: log: a gap"
    outcome.problems.clear()
    assert "every log verified" in as_text(outcome)


def test_unprotected_says_so_and_what_was_assumed(outcome: Outcome) -> None:
    """The other world answers no doubt: it assumes, and the table shows where that is wrong."""
    assert "UNPROTECTED" not in as_text(outcome)
    assert "perdure demo --unprotected" in as_text(outcome)
    outcome.unprotected = True
    text = as_text(outcome)
    assert 'UNPROTECTED: "in doubt" was taken for "it did not happen, call again"' in text
    assert row(text, "o2").endswith("while charging assumed: no")
    assert "charge nobody twice" in text


def test_what_was_known_before_is_told_with_evidence_meaning_and_assumptions(
    outcome: Outcome,
) -> None:
    """Every property of the report with what it rests on; assumptions once."""
    outcome.report = check(compile_workflow(buy).net)
    text = as_text(outcome)
    for known in outcome.report.properties:
        assert f"  {known.verdict}  {known.name}  ({known.evidence}" in text
        assert meaning(known.name) in text
    assumed = {a for known in outcome.report.properties for a in known.assumptions}
    assert assumed and all(text.replace("\n    ", " ").count(a) == 1 for a in assumed)


def test_the_document_holds_what_the_table_shows(outcome: Outcome) -> None:
    """Orders, kills, doubts and faults; the same verdict as the exit code."""
    told = json.loads(as_json(outcome))
    assert (told["good"], told["twice"], told["seconds"]) == (False, 1, 11.6)
    assert [o["order"] for o in told["orders"]] == [f"o{n}" for n in range(1, 7)]
    assert told["orders"][1]["killed"] == Moment.CHARGING.value
    assert told["orders"][0]["killed"] is None
    assert told["orders"][5]["problems"] == ["2 times charge"]
    assert told["doubts"][0] == {
        "order": "o2", "effect": "charge_card", "outcome": "landed", "decided_by": "probe",
    }  # fmt: skip


def test_every_moment_has_a_short_name_of_its_own() -> None:
    """The column tells the moments apart, and the demo reaches every one of them."""
    assert len({moment.short for moment in Moment}) == len(Moment)
    assert {moment for moment, _ in KILLS} == set(Moment)
    assert all(len(moment.short) <= 20 for moment in Moment)


# --- ended from outside -------------------------------------------------------------------------


def children(pid: int) -> set[int]:
    """The processes below one, as the kernel knows them."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found |= set(map(int, task.read_text().split()))
    return found | {grandchild for child in found for grandchild in children(child)}


def ends(pid: int) -> bool:
    """Wait for the end of a process that is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30)[0])
    finally:
        os.close(descriptor)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system has no pidfd")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_whoever_ends_the_demo_finds_no_process_and_no_folder(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """Ctrl-C or SIGTERM in the middle: one word, exit 130, nothing left; SIGKILL: no process."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "perdure", "demo"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Also where the suite runs in the background and inherits that nobody heeds Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert demo.stderr is not None
    while "SIGKILL  2 of" not in demo.stderr.readline():
        assert demo.poll() is None
    # Ctrl-C reaches them through us; one that is just being made is in our group for a moment.
    while not (below := children(demo.pid)) or demo.pid in {os.getpgid(pid) for pid in below}:
        assert demo.poll() is None
    os.killpg(demo.pid, number)  # as a terminal does: to all that are in the foreground
    out, said = demo.communicate(timeout=60)
    assert (demo.returncode, out) == (code, "")
    assert "Traceback" not in said
    assert all(ends(pid) for pid in below)
    if number is not signal.SIGKILL:
        assert said.rstrip().endswith("interrupted")
        assert list(tmp_path.iterdir()) == []


def test_a_worker_whose_parent_is_gone_ends_even_where_it_waits_to_be_killed(
    tmp_path: Path,
) -> None:
    """At its moment a worker sleeps for ever; the end of its standard input is its end too."""
    server = Server.start(Crew(), tmp_path / "shop.db")
    (order,) = make_orders(1, ())
    life = Life(str(tmp_path / "perdure.db"), [order], Moment.BEFORE_INTENT, order.id)
    command = [sys.executable, "-m", "perdure.console.demo.worker"]
    worker = subprocess.Popen(
        [*command, msgspec.json.encode(life).decode()],
        env={**os.environ, PORT_VARIABLE: str(server.shop.port)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stdin is not None and worker.stdout is not None
        assert json.loads(worker.stdout.readline())["moment"] == Moment.BEFORE_INTENT.value
        worker.stdin.close()
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        server.stop()
