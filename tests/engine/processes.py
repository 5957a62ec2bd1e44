"""Real workers as processes on one file, and a terminal beside them. No test lives here."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from perdure.console.cli.main import main

from .ledger import HANG_SECONDS, Ledger, until

FLOWS = str(Path(__file__).with_name("life_flows.py"))


class Worker:
    """`perdure worker` as a process; `lines` is what it says."""

    def __init__(self, ledger: Ledger, *options: str, flows: str = FLOWS) -> None:
        command = [sys.executable, "-m", "perdure", "worker", flows, "--db", ledger.url, *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    async def says(self, part: str) -> str:
        """Wait for a line; a worker that ended without it will not say it any more."""

        def said() -> str | None:
            found = next((x for x in self.lines if part in x), None)
            if found is None and self.process.poll() is not None and not self._listener.is_alive():
                raise AssertionError(f"it ended with {self.process.poll()} and said {self.lines}")
            return found

        try:
            found: str = await until(said)
        except AssertionError as never:
            raise AssertionError(f"it never said {part!r}, but {self.lines}") from never
        return found

    async def serves(self) -> int:
        """Wait until it serves; the number of its session."""
        return int((await self.says(" serves ")).split()[1])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ends(self) -> int:
        """Wait for its end; the exit code."""
        code = await asyncio.to_thread(self.process.wait, HANG_SECONDS)
        self._listener.join()
        return code

    def kill(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(HANG_SECONDS)


class House:
    """A store, its workers, a file in which steps leave lines, and gates they wait for."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder)
        self.trace = folder / "trace"
        self._workers: list[Worker] = []

    def worker(self, *options: str, flows: str = FLOWS) -> Worker:
        """A new worker process."""
        self._workers.append(Worker(self.ledger, *options, flows=flows))
        return self._workers[-1]

    def run(self, *arguments: str, code: int = 0) -> Any:
        """A verb of the command line, in this process; its document."""
        env = {**os.environ, "PERDURE_DB": self.ledger.url}
        done = CliRunner().invoke(main, [*arguments, "--format", "json"], env=env)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    async def start(self, flow: str, id: str) -> None:
        """Start an execution of `FLOWS` whose steps use `id` as their name."""
        given = json.dumps({"path": str(self.trace), "name": id})
        start = ("start", f"{FLOWS}:{flow}", "--input", given, "--id", id)
        await asyncio.to_thread(self.run, *start)

    async def stop(self, worker: Worker) -> None:
        """Stop a worker, but not while it holds the write lock: SQLite would stand still."""
        while True:
            worker.signal(signal.SIGSTOP)
            db = sqlite3.connect(self.ledger.path, timeout=0.1, isolation_level=None)
            try:
                db.execute("begin immediate")
                db.execute("rollback")
                return
            except sqlite3.OperationalError:
                worker.signal(signal.SIGCONT)
            finally:
                db.close()

    async def result(self, id: str) -> Any:
        """The value of an execution that is done."""
        return (await asyncio.to_thread(self.run, "wait", id))["value"]

    def lines(self) -> Counter[str]:
        """What the steps have left."""
        return Counter(self.trace.read_text().splitlines() if self.trace.exists() else [])

    def open(self, gate: str) -> None:
        """Let the steps of this name go on."""
        Path(f"{self.trace}.{gate}").touch()

    async def until(self, holds: Callable[[], Any]) -> Any:
        """Wait for a condition, as long as the workers live."""
        return await until(holds)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.kill()
