"""Real processes on one SQLite file: a worker, and the verbs of a terminal beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main
from perdure.engine import sqlite_link

SHOP = str(Path(__file__).with_name("cli_shop.py"))
SECONDS_MAX = 60


class Terminal:
    """A user's terminal in an empty folder, where the workflows' file does not lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "PERDURE_DB": f"sqlite:///{folder / 'store.db'}"}

    def run(self, *arguments: str, code: int = 0) -> Any:
        """Run a verb in this process, which is another than the worker's; its document."""
        done = CliRunner().invoke(main, [*arguments, "--format", "json"], env=self.env)
        assert done.exit_code == code, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def process(self, *arguments: str, code: int = 0) -> Any:
        """Run a verb in a process of its own; its document."""
        done = subprocess.run(
            [sys.executable, "-m", "perdure", *arguments, "--format", "json"],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)

    def until(self, *arguments: str, holds: Callable[[Any], bool]) -> Any:
        """Run a verb again and again, in this process, until its document is as wanted."""
        told = None
        for _ in range(1_000):
            done = CliRunner().invoke(main, [*arguments, "--format", "json"], env=self.env)
            assert done.exit_code == 0, done.output
            told = json.loads(done.stdout)
            if holds(told):
                return told
        raise AssertionError(told)


class Worker:
    """`perdure worker` as a process; `lines` is what it says on stderr."""

    def __init__(self, terminal: Terminal) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "perdure", "worker", SHOP],
            cwd=terminal.folder,
            env=terminal.env,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: Queue[str] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        while " serves " not in self.lines.get(timeout=SECONDS_MAX):
            pass

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.put(line)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_MAX)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on a store of its own."""
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path)


@pytest.fixture
def worker(terminal: Terminal) -> Iterator[Worker]:
    """A worker that serves, ended with the test."""
    made = Worker(terminal)
    yield made
    if made.process.poll() is None:
        made.stop(signal.SIGKILL)


def test_a_terminal_operates_what_a_worker_runs(terminal: Terminal, worker: Worker) -> None:
    """Start, look, send, wait, cancel: only `start` has the code, all agree, nothing is lost."""
    ada = ["--input", '{"name": "Ada"}', "--id"]
    terminal.process("start", f"{SHOP}:approve", *ada, "a")
    terminal.run("start", f"{SHOP}:approve", *ada, "b")
    terminal.run("start", f"{SHOP}:approve", *ada, "c")
    waits = "signal answer"
    for id in "abc":
        told = terminal.until(
            "show", id, holds=lambda d: any(w["for"] == waits for w in d["waits"])
        )
        assert "waiting for answer" in [token["place"] for token in told["marking"]]
        (wait,) = [w for w in told["waits"] if w["for"] == waits]
        assert wait["since"].endswith("Z")
    refused = terminal.run("signal", "a", "answer", "--value", '{"approved": 1}', code=2)
    assert "approved" in refused["error"]["message"] or "by" in refused["error"]["message"]
    assert "its signals: answer" in terminal.run("signal", "a", "no", code=2)["error"]["message"]
    yes, no = '{"approved": true, "by": "Eve"}', '{"approved": false, "by": "Eve"}'
    send = ["signal", "a", "answer", "--message-id", "m1", "--value"]
    assert terminal.run(*send, yes)["message"] == terminal.run(*send, yes)["message"] == 1
    assert terminal.process("wait", "a", "--timeout", "30")["value"] == "Hello, Ada!"
    terminal.run("signal", "b", "answer", "--value", no)
    assert terminal.run("wait", "b", "--timeout", "30", code=1)["status"] == "failed"
    terminal.run("cancel", "c", "--reason", "changed my mind")
    assert terminal.run("wait", "c", "--timeout", "30", code=1)["status"] == "cancelled"
    late = terminal.run("signal", "b", "answer", "--value", yes, code=1)
    assert late["error"]["code"] == "PD702"
    assert terminal.run("audit")["problems"] == []
    words = [r["word"] for r in terminal.run("log", "c")]
    assert "cancelled" in words and "consumed" in [r["word"] for r in terminal.run("log", "a")]


def test_a_doubt_is_on_the_desk_and_a_person_decides_it(terminal: Terminal, worker: Worker) -> None:
    """The line died during the charge: nobody calls again; `landed` goes on with the value."""
    terminal.run("start", f"{SHOP}:buy", "--input", '{"name": "Bad"}', "--id", "a")
    (item,) = terminal.until("desk", holds=lambda d: len(d) == 1)
    assert (item["id"], item["kind"], item["site"]) == ("a", "in-doubt", "charge")
    assert "in doubt charge" in [t["place"] for t in terminal.run("show", "a")["marking"]]
    decide = ["desk", "decide", "a", "landed", "--reason", "seen at the bank", "--by", "Eve"]
    assert "needs the result" in terminal.run(*decide, code=2)["error"]["message"]
    assert "does not fit" in terminal.run(*decide, "--value", "7", code=2)["error"]["message"]
    unknown = terminal.run(*decide, "--effect", "other", "--value", '"ok"', code=2)
    assert "open are: charge" in unknown["error"]["message"]
    terminal.run(*decide, "--effect", item["key"], "--value", '"paid"')
    assert terminal.run("wait", "a", "--timeout", "30")["value"] == "Hello, Bad! paid"
    (effect,) = terminal.run("effects", "a")
    assert (effect["outcome"], effect["decided_by"]) == ("landed", "desk:Eve")
    assert terminal.run("desk") == []
    assert terminal.run("audit")["verdict"] == "holds"


def test_sigterm_drains_and_the_next_worker_goes_on(terminal: Terminal, worker: Worker) -> None:
    """Exit 0; the execution that waited is nobody's, and another worker takes it over."""
    terminal.run("start", f"{SHOP}:approve", "--input", '{"name": "Ada"}', "--id", "a")
    terminal.until("show", "a", holds=lambda d: "signal answer" in [w["for"] for w in d["waits"]])
    assert worker.stop() == 0
    assert terminal.run("show", "a")["owner"] is None
    terminal.run("signal", "a", "answer", "--value", '{"approved": true, "by": "Eve"}')
    second = Worker(terminal)
    assert terminal.run("wait", "a", "--timeout", "30")["status"] == "done"
    assert second.stop(signal.SIGINT) == 0
    assert terminal.run("audit")["verdict"] == "holds"


def test_a_locked_store_is_exit_4_after_the_patience(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send retries for seconds while another process holds the lock, then says so."""
    terminal.run("start", f"{SHOP}:approve", "--input", '{"name": "Ada"}', "--id", "a")
    hold = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate');"
        "print('held', flush=True); sys.stdin.read()"
    )
    path = str(terminal.folder / "store.db")
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    try:
        told = terminal.process("cancel", "a", "--reason", "x", code=4)
        assert told["error"]["code"] == "PD801"
        if Path("/proc/locks").exists():
            assert f"locked by process {holder.pid} for" in told["error"]["message"]
            holder.send_signal(signal.SIGSTOP)
            monkeypatch.setattr(sqlite_link, "PATIENCE_SECONDS", 0.1)  # it was waited for once
            told = terminal.run("cancel", "a", "--reason", "x", code=4)
            assert f"process {holder.pid} (stopped)" in told["error"]["message"]
            holder.send_signal(signal.SIGCONT)
        assert terminal.run("show", "a")["status"] == "active"
    finally:
        holder.communicate()
