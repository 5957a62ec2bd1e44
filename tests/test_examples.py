"""Every command that help and manual show, run as it stands there, in a folder with its files.

The programs of the manual run in test_hello.py; that an option exists is the least, and shown there
too. Here the whole line is run: its target, its JSON, its ids, its files.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from perdure import Engine
from perdure.console import view
from perdure.console.cli.targets import AnyWorkflow, workflows
from perdure.console.manual import programs

ROOT = Path(__file__).resolve().parent.parent
MANUAL = ROOT / "docs" / "command-line.md"
ORDERS = '''
"""Orders of a small shop."""

from dataclasses import dataclass

from perdure import InDoubt, Landed, Signal, Voided, idempotent, irreversible, workflow


@dataclass(frozen=True)
class Charge:
    id: str


@dataclass(frozen=True)
class Answer:
    approved: bool
    by: str


answer = Signal[Answer]("answer")


@idempotent
async def thank(order: str) -> None:
    """Say thank you."""


@irreversible
async def charge_card(order: str) -> Charge:
    """The line dies."""
    raise RuntimeError("the line is dead")


@charge_card.probe
async def look_for_charge(order: str) -> Landed[Charge] | Voided | InDoubt:
    """The bank is closed."""
    return InDoubt("the bank does not answer")


@workflow
async def fulfil_order(order: str) -> str:
    """Charge for an order."""
    await thank(order)
    charge = await charge_card(order)
    return charge.id
'''
BOOKING = '''
"""Trips, paid by a step that is not what it says."""

from perdure import idempotent, workflow


@idempotent
async def pay(trip: str) -> str:
    """The line dies."""
    raise RuntimeError("the line is dead")


@workflow
async def book(trip: str) -> str:
    """Pay for a trip."""
    return await pay(trip)


def fakes(world):
    """A bank that knows no keys."""

    def paid(trip: str) -> str:
        world.happened("pay", trip)
        return "paid"

    return {pay: paid}
'''
LEAVE = '''
"""Who may go on holiday."""

from shop.orders import answer
from perdure import workflow


@workflow
async def leave(employee: str) -> bool:
    """Ask for a yes."""
    got = await answer.wait()
    return got.approved
'''
TRIAL = """perdure chaos shop/booking.py:book --input '{"trip": "Rome"}'"""
# Lines that answer with another code than 0 here, and why.
CODES = {
    "perdure resume order-17": 1,  # it is in doubt, not stalled
    "perdure wait order-17 --timeout 60": 3,  # it stays in doubt
    # They find what is wrong with it.
    TRIAL: 1,
    f"{TRIAL} --histories 40 --seed 7": 1,
    "perdure replay book_twice_pay.replay.json": 1,
}
# Lines that may find nothing: nothing is stalled here.
SILENT = ("perdure list --status stalled", "perdure resume --workflow")
SERVERS = ("perdure worker", "perdure docs serve", "perdure wait order-17")
ELSEWHERE = ("perdure demo", "perdure chaos --kill", "perdure prove")  # has tests of its own


def commands(page: Path) -> list[str]:
    """The lines of a page that begin with `$ perdure`, without what they are piped into."""
    lines = re.findall(r"^ *\$ (perdure .*)$", page.read_text(encoding="utf-8"), re.M)
    bare = [re.split(r" (?:\|\|?|>) ", line)[0] for line in lines]
    return [line for line in dict.fromkeys(bare) if not line.startswith(ELSEWHERE)]


LINES = commands(MANUAL)
SHORT = "perdure wait order-17 --timeout 60"
ONES = [*(line for line in LINES if not line.startswith(SERVERS)), SHORT]


async def _doubtful(flow: AnyWorkflow, db: str) -> None:
    """Run order-17 until its charge is in doubt and its probe could not tell."""
    async with Engine(db) as engine, asyncio.timeout(60):
        await engine.start(flow("lamp"), id="order-17")
        while not any(e.evidence for e in await engine.store.effects()):
            await asyncio.sleep(0.001)
        assert (await view.view(engine.store, "order-17")).effects[0].outcome == "in-doubt"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and executions that the manual speaks of."""
    folder = tmp_path_factory.mktemp("manual")
    (folder / "hello.py").write_text(next(programs((ROOT / "README.md").read_text())))
    (folder / "shop").mkdir()
    for name, text in (
        ("__init__", ""),
        ("orders", ORDERS),
        ("returns", LEAVE),
        ("booking", BOOKING),
    ):
        (folder / "shop" / f"{name}.py").write_text(text)
    (folder / "order.json").write_text('{"order": "lamp"}')
    (folder / "answer.json").write_text('{"approved": true, "by": "Eve"}')
    (flow,) = workflows(str(folder / "shop" / "orders.py"))
    asyncio.run(_doubtful(flow, f"sqlite:///{folder / 'perdure.db'}"))
    for words in (
        ["start", "shop.returns", "--input", '{"employee": "Ada"}', "--id", "leave-7"],
        ["run", "hello.py", "--input", '{"name": "World"}', "--id", "hello-1"],
        ["db", "upgrade", "--db", "sqlite:///shop.db"],
    ):
        done = run(folder, "perdure", *words)
        assert done.returncode == 0, done.stderr
    assert run(folder, *shlex.split(TRIAL)).returncode == 1
    with sqlite3.connect(folder / "perdure.db") as link:
        link.execute("UPDATE execution SET created = created - 3 * 3600 * 1000000")
    link.close()
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A copy of it for one command."""
    return Path(shutil.copytree(prepared, tmp_path / "here"))


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PERDURE")}


def words_of(line: str, folder: Path) -> list[str]:
    """The words as a shell reads them; the folder stands for /var/lib."""
    words = [w.replace("/var/lib", str(folder)) for w in shlex.split(line)]
    return [f for w in words for f in ([*map(str, sorted(folder.glob(w)))] if "*" in w else [w])]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `perdure` in a folder."""
    command = [sys.executable, "-m", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=100
    )


@pytest.mark.parametrize("line", ONES)
def test_every_command_of_the_manual_does_what_it_is_shown_for(line: str, folder: Path) -> None:
    """Nothing in it is refused: no option, no value, no id, no target."""
    if line == SHORT:
        words = words_of(line.replace("60", "0.01"), folder)
    elif line.startswith("perdure run shop"):
        words = [*words_of(line, folder), "--id", "order-18"]
        started = [*words]
        started[1] = "start"
        assert run(folder, *started).returncode == 0  # a run would wait for its doubt
        return
    else:
        words = words_of(line, folder)
    done = run(folder, *words)
    assert done.returncode == CODES.get(line, 0), (line, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout or "-o" in words or line in CODES or line.startswith(SILENT)


@pytest.mark.parametrize("line", [x for x in LINES if x.startswith(SERVERS[:2])])
def test_every_server_of_the_manual_serves_and_ends(line: str, folder: Path) -> None:
    """It says that it serves, and a SIGTERM ends it with 0."""
    words = words_of(line, folder)
    if "serve" in words:
        words += ["--port", "0"]  # the last one counts
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert re.search(r"http://127|serves fulfil_order", said), said
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0 and "Traceback" not in rest


def test_the_manual_has_the_commands_that_are_run_here() -> None:
    """Else the tests above would pass by running nothing."""
    verbs = {line.split()[1] for line in LINES}
    assert len(LINES) >= 35 and len(verbs) >= 18
    assert set(CODES) <= {*LINES, *ONES}


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_every_other_command_of_the_documentation_can_be_typed(page: Path) -> None:
    """`make` has the target, a test file that is named exists, and no other tool is asked for."""
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))
    for line in re.findall(r"^ *\$ (.*)$", page.read_text(encoding="utf-8"), re.M):
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert {w for w in words[1:] if not w.startswith("ARGS=")} <= targets, line
        elif words[1:3] == ["-m", "pytest"]:
            assert (ROOT / words[3]).exists(), line
        else:
            known = ("perdure", "pytest", "pip", "env/bin/perdure", "env/bin/pip", "python3")
            assert words[0] in known, line
