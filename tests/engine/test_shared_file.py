"""Rules 1, 19, 52 to 55, 80, 85: several processes on one file; work for code nobody has."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from perdure.engine import bodies

from .processes import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


SIGNALS = """
import sys
from click.testing import CliRunner
from perdure.console.cli.main import main
for number in range(int(sys.argv[1]), 200, 4):
    done = CliRunner().invoke(main, ["signal", f"p{number % 20}", "go", "--value",
        f'"word {number}"', "--message-id", f"m{number}", "--db", sys.argv[2]])
    assert done.exit_code == 0, done.output
"""


async def test_four_workers_and_200_signals_of_terminals_lose_nothing(house: House) -> None:
    """Four processes serve, four send: each message is there once and taken once, in the order it
    came; each execution ends once, and every step of it was called once."""
    workers = [house.worker("--name", f"w{n}") for n in range(4)]
    for worker in workers:
        await worker.serves()
    for number in range(20):
        await house.start("ten_words", f"p{number}")
    command = [sys.executable, "-c", SIGNALS]
    senders = [subprocess.Popen([*command, str(n), house.ledger.url]) for n in range(4)]
    codes = [await asyncio.to_thread(sender.wait, 120) for sender in senders]
    assert codes == [0] * 4
    done = "select count(*) from execution where status = 'done'"
    await house.until(lambda: house.ledger.one(done) == 20)
    assert house.ledger.one("select count(*) from message where consumed_at is not null") == 200
    sent = Counter(f"word {number}" for number in range(200))
    assert house.lines() == sent
    taken = "select number from message where execution = ? order by consumed_at"
    for (id,) in house.ledger.rows("select id from execution"):
        numbers = [number for (number,) in house.ledger.rows(taken, id)]
        assert numbers == list(range(1, 11))
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert [await worker.ends() for worker in workers] == [0] * 4
    await house.ledger.sound()


async def test_tenures_grow_while_the_file_goes_from_hand_to_hand(house: House) -> None:
    """Workers are killed in turn while one execution waits in a step: every record's tenure is
    that of its time, the first of each tenure names its session, and the step ends once."""
    await house.start("w_thread", "a")
    for number in range(1, 4):
        worker = house.worker("--lease", "1000")
        await worker.serves()
        await house.until(lambda n=number: house.lines()["begun a"] == n)
        worker.signal(signal.SIGKILL)
        await worker.ends()
    house.open("a")
    last = house.worker("--lease", "1000")
    await house.until(lambda: house.ledger.status("a") == "done")
    records = house.ledger.rows("select tenure, body from log order by seq")
    tenures = [tenure for tenure, _ in records]
    assert tenures == sorted(tenures) and tenures[-1] >= 4
    named = [bodies.decode(body).s for _, body in records]
    firsts = [n == 0 or tenures[n] != tenures[n - 1] for n in range(len(tenures))]
    assert [bool(session) for session in named[1:]] == firsts[1:]
    assert named[-1] == 0 and await last.serves() == max(named)
    assert house.lines()["after a"] == 1
    await house.ledger.sound()


# --- without the code -----------------------------------------------------------------------------

OTHER = """
from perdure import pure, workflow

@pure
async def nothing(name: str) -> str:
    return name

@workflow
async def other(name: str) -> str:
    return await nothing(name)
"""


async def test_work_that_no_worker_has_the_code_of_is_listed_and_left_alone(
    house: House, tmp_path: Path
) -> None:
    """A worker of something else serves beside it for long enough to do its own work: the
    execution is neither failed nor touched, and shown as `unserved` with its digest; a worker with
    the code takes it at once."""
    path = tmp_path / "other.py"
    path.write_text(OTHER)
    stranger = house.worker(flows=str(path))
    await stranger.serves()
    await house.start("w_pure", "a")
    given = ("--input", '{"name": "x"}', "--id", "x")
    await asyncio.to_thread(house.run, "start", f"{path}:other", *given)
    await house.until(lambda: house.ledger.status("x") == "done")
    before = house.ledger.rows("select * from execution where key = 'a'")
    listed = {row["id"]: row for row in await asyncio.to_thread(house.run, "list")}
    assert listed["a"]["unserved"] is True and listed["a"]["status"] == "active"
    assert listed["x"]["unserved"] is False
    shown = await asyncio.to_thread(house.run, "show", "a")
    assert shown["unserved"] is True and shown["net"] in before[0]
    doctor = await asyncio.to_thread(house.run, "doctor")
    why = ["no living worker serves any w_pure"]
    assert shown["differs"] == listed["a"]["differs"] == why and listed["x"]["differs"] == []
    assert doctor["store"]["unserved"] == f"1 w_pure 1 ({shown['net'][:12]}): {why[0]}"
    assert house.ledger.rows("select * from execution where key = 'a'") == before
    owner = house.worker()
    await owner.serves()
    await house.until(lambda: house.lines()["begun a"] == 1)
    assert (await asyncio.to_thread(house.run, "show", "a"))["unserved"] is False
    house.open("a")
    await house.until(lambda: house.ledger.status("a") == "done")
    await house.ledger.sound()


async def test_a_worker_that_died_serves_nothing(house: House) -> None:
    """Killed and not yet fenced by anybody: its process is provably gone, so nobody serves."""
    worker = house.worker()
    await worker.serves()
    await house.start("w_pure", "a")
    await house.until(lambda: house.lines().total() == 1)
    assert (await asyncio.to_thread(house.run, "show", "a"))["unserved"] is False
    worker.signal(signal.SIGKILL)
    await worker.ends()
    assert (await asyncio.to_thread(house.run, "show", "a"))["unserved"] is True


async def test_an_edited_workflow_is_another_net_and_never_runs_on_the_old_log(
    house: House, tmp_path: Path
) -> None:
    """Edited between crash and resume: the old execution waits for the old code, unserved; list,
    show and doctor say which net is served instead, and where it differs, in the author's words."""
    path = tmp_path / "edited.py"
    given = ["--input", '{"name": "x"}', "--db", house.ledger.url, "--id"]
    start = [sys.executable, "-m", "perdure", "start", f"{path}:other", *given]
    path.write_text(OTHER)
    await asyncio.to_thread(subprocess.run, [*start, "old"], check=True)
    path.write_text(OTHER.replace("await nothing(name)", "await nothing(await nothing(name))"))
    worker = house.worker(flows=str(path))
    await worker.serves()
    await asyncio.to_thread(subprocess.run, [*start, "new"], check=True)
    await house.until(lambda: house.ledger.status("new") == "done")
    assert house.ledger.words("old") == ["started"]
    listed = {row["id"]: row for row in await asyncio.to_thread(house.run, "list")}
    assert (listed["old"]["unserved"], listed["new"]["unserved"]) == (True, False)
    net = house.ledger.rows("select net from execution where key = 'new'")[0][0]
    why = [f"version 1 ({net[:12]}) is served", "the call of `nothing 2` is new (line 10)"]
    shown = await asyncio.to_thread(house.run, "show", "old")
    assert why[0] == shown["differs"][0] == listed["old"]["differs"][0]
    assert why[1] in shown["differs"] and listed["new"]["differs"] == []
    doctor = await asyncio.to_thread(house.run, "doctor")
    assert doctor["store"]["unserved"].startswith("1 other 1 (")
    assert doctor["store"]["unserved"].endswith("): " + "; ".join(shown["differs"]))
