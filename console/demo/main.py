"""The parent of the demo: server, lives of the worker, kills, and what the server's ledgers say
after.

The verdict is taken from the server's ledgers per order, not from ours. No step and no rule of the
engine lives here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import msgspec

from ...engine.sqlite import SqliteStore
from ...engine.store import EffectRow
from ...model.analysis import Report, check
from ...model.compiler import compile_workflow
from ..audits import audit
from .crew import Crew
from .ledger import End, OrderEnd, Totals, Verdict, judge, totals
from .moments import PIVOT, Moment
from .order import PORT_VARIABLE, Order, fulfil_order, make_orders
from .shop import Shop
from .worker import Life

ORDER_COUNT = 20
DECLINED = (5, 9, 10, 15, 20)
"""Orders whose card is refused after the reservation: they must end undone."""
WAIT_SECONDS = 20.0
"""How long a moment, or the last life, may take before the demo calls it a failure."""
KILLS: tuple[tuple[Moment, int], ...] = (
    (Moment.BEFORE_INTENT, 1),
    (Moment.BEFORE_CALL, 2),
    (Moment.CHARGING, 3),
    (Moment.BEFORE_OUTCOME, 4),
    (Moment.UNDOING, 5),
    (Moment.BEFORE_INTENT, 6),
    (Moment.BEFORE_CALL, 7),
    (Moment.CHARGING, 8),
    (Moment.UNDOING, 9),
    (Moment.UNDOING, 10),
    (Moment.BEFORE_OUTCOME, 11),
    (Moment.CHARGING, 12),
)
Say = Callable[[str], None]


class MomentMissed(Exception):
    """A moment the demo set out to reach was not reached: nothing was shown."""


@dataclass
class Outcome:
    """What a run of the demo showed."""

    kills: dict[str, int] = field(default_factory=dict[str, int])
    killed: dict[str, Moment] = field(default_factory=dict[str, Moment])  # by order
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    totals: Totals = field(default_factory=lambda: Totals(0, 0, 0))
    doubts: list[EffectRow] = field(default_factory=list[EffectRow])
    orders_of: dict[int, str] = field(default_factory=dict[int, str])
    report: Report | None = None
    problems: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    unprotected: bool = False

    @property
    def undone_count(self) -> int:
        """Orders that failed after something was booked, and of which nothing stands."""
        return sum(v.undone for v in self.verdicts)

    @property
    def good(self) -> bool:
        """Every promise held: nothing twice, nothing lost, nothing left over, logs whole."""
        return self.totals.good and not self.problems


@dataclass
class Server:
    """The shop server, a process of its own."""

    process: subprocess.Popen[str]
    shop: Shop

    @staticmethod
    def start(crew: Crew, ledger: Path, slow_ms: int = 0) -> Server:
        """Start it and wait for its port; `slow_ms` is how long a charge takes, twice."""
        command = [sys.executable, "-m", f"{__package__}.server", "--ledger", str(ledger)]
        command += ["--slow-ms", str(slow_ms)]
        process = crew.start([*command, "--end-with-stdin"], dict(os.environ))
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise MomentMissed("the payment server did not start")
        return Server(process, Shop(json.loads(ready)["port"]))

    def stop(self) -> None:
        """End it with its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


class Worker:
    """One life of the worker process, and what it says."""

    def __init__(self, crew: Crew, life: Life, port: int) -> None:
        self._life = life
        environment = {**os.environ, PORT_VARIABLE: str(port)}
        told = msgspec.json.encode(life).decode()
        command = [sys.executable, "-m", f"{__package__}.worker", told]
        self._process = crew.start(command, environment)
        self.said: Queue[dict[str, Any] | None] = Queue()
        self.ended: dict[str, dict[str, str]] = {}
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "ended" in told:
                self.ended[told["ended"]["order"]] = told["ended"]
            else:
                self.said.put(told)
        self.said.put(None)

    def wait_moment(self, shop: Shop) -> None:
        """Wait until the worker stands at its moment."""
        life = self._life
        if life.moment is Moment.CHARGING:
            if shop.wait_held("charge", life.order, WAIT_SECONDS) is None:
                raise MomentMissed(f"{life.moment.value} of {life.order} was not reached")
            return
        try:
            told = self.said.get(timeout=WAIT_SECONDS)
        except Empty:
            told = None
        if told is None:
            raise MomentMissed(
                f"{life.moment and life.moment.value} of {life.order} was not reached"
            )

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self._listener.join()  # all that it said is known
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait_end(self, seconds: float) -> int:
        """Wait for a worker that ends by itself."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise MomentMissed("the last life did not finish all orders in time") from None
        finally:
            self.kill()


def run_demo(crew: Crew, say: Say, *, unprotected: bool = False) -> Outcome:
    """Run the whole demo in a folder of its own; raises `MomentMissed`."""
    begun = time.monotonic()
    outcome = Outcome(unprotected=unprotected)
    program = compile_workflow(fulfil_order)
    outcome.report = check(program.net)
    say(
        f"compiled {program.net.name} to a net of {outcome.report.places} places and "
        f"{outcome.report.transitions} transitions, and checked it: {outcome.report.verdict}"
    )
    orders = make_orders(ORDER_COUNT, DECLINED)
    with tempfile.TemporaryDirectory(prefix="perdure-demo-") as folder:
        server = Server.start(crew, Path(folder) / "shop.db")
        say("started the shop: a process of its own, which charges whenever it is asked to")
        try:
            db = str(Path(folder) / "perdure.db")
            ended = _lives(crew, outcome, say, server, db, orders)
            if not server.shop.wait_quiet(WAIT_SECONDS):
                outcome.problems.append("the server still has requests in progress")
            asyncio.run(_look(outcome, db))
            _judge(outcome, server.shop, orders, ended)
        finally:
            server.stop()
    outcome.seconds = time.monotonic() - begun
    return outcome


def _lives(
    crew: Crew, outcome: Outcome, say: Say, server: Server, db: str, orders: Sequence[Order]
) -> dict[str, dict[str, str]]:
    """One life per kill, each with one order more; the last life ends by itself."""
    ended: dict[str, dict[str, str]] = {}
    for count, (moment, number) in enumerate(KILLS, 1):
        target = orders[number - 1]
        if moment is Moment.CHARGING:
            server.shop.steer("charge", target.id, hold="during")
        life = Life(db, list(orders[:number]), moment, target.id, outcome.unprotected)
        worker = Worker(crew, life, server.shop.port)
        try:
            worker.wait_moment(server.shop)
        finally:
            worker.kill()
        ended |= worker.ended
        outcome.kills[moment.value] = outcome.kills.get(moment.value, 0) + 1
        outcome.killed[target.id] = moment
        say(f"SIGKILL {count:2} of {len(KILLS)}  worker of {target.id}  {moment.value}")
    say(f"a last worker goes on with what the log says, and runs all {len(orders)} orders")
    life = Life(db, list(orders), unprotected=outcome.unprotected)
    worker = Worker(crew, life, server.shop.port)
    code = worker.wait_end(WAIT_SECONDS * 2)
    if code != 0:
        outcome.problems.append(f"the last worker ended with exit code {code}")
    return ended | worker.ended


async def _look(outcome: Outcome, db: str) -> None:
    """Verify every log and read what the engine says about doubts."""
    store = SqliteStore(f"sqlite:///{db}")
    await store.open()
    try:
        rows = await store.list(limit=10 * ORDER_COUNT)
        outcome.orders_of = {row.id: row.key for row in rows}
        for row in rows:
            found = await audit(store, row)
            outcome.problems += [f"{row.key}: log: {problem}" for problem in found.problems]
            outcome.doubts += await _doubts(store, row.id)
    finally:
        await store.close()


async def _doubts(store: SqliteStore, execution: int) -> list[EffectRow]:
    decided = ("probe", "undo", "evidence", "desk")
    return [
        e
        for e in await store.effects(execution)
        if e.outcome == "in-doubt"
        or (
            e.outcome_seq
            and e.decided_by.startswith(decided)
            and (e.site == PIVOT or e.decided_by != "undo")
        )
    ]


def _judge(
    outcome: Outcome, shop: Shop, orders: Sequence[Order], ended: dict[str, dict[str, str]]
) -> None:
    ends: dict[str, End] = {"done": "done", "failed": "failed", "stalled": "desk"}
    told = [
        OrderEnd(
            order.id,
            ends.get(ended.get(order.id, {}).get("end", ""), "unfinished"),
            ended.get(order.id, {}).get("reason", ""),
        )
        for order in orders
    ]
    outcome.verdicts = judge(shop.ledger(), told)
    outcome.totals = totals(outcome.verdicts)
    if outcome.undone_count < 3 and not outcome.unprotected:
        outcome.problems.append(f"only {outcome.undone_count} orders ended undone, 3 were meant to")
