"""The campaign of `perdure chaos --kill`: real workers on one file, killed, stopped, then judged.

The shop server of the demo is the oracle, a process of its own with a ledger of its own. Where a
process meets its signal is `chaos/kills.py`'s to say; no step and no rule of the engine lives here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import Any

import msgspec

from ..chaos.kills import Fate, Moment, fates
from ..engine.client import Engine, enqueue
from ..engine.errors import StoreUnavailable
from ..engine.sqlite import SqliteStore
from ..engine.status import Status
from ..engine.store import Store
from ..model.compiler import compile_workflow
from ..model.program import Program
from ..model.values import codec
from .audits import audit
from .demo.crew import Crew, GivenUp, interruptible
from .demo.ledger import End, OrderEnd, Totals, Verdict, judge, totals
from .demo.main import Server
from .demo.order import ORDERS_TABLE, PORT_VARIABLE, Order, fulfil_order, make_orders
from .kill_worker import Life

LEASE_SECONDS = 1.0
OVERDUE_SECONDS = 2.0
"""A moment that a worker does not come to by then is replaced by a random one: now."""
ZOMBIE_SECONDS = 4.0
"""How long a stopped process may stay unfenced: it may hold the only writer of SQLite, and others
wait for that no longer than `PATIENCE_SECONDS` of the store."""
UNSETTLED_SECONDS = 60.0
"""How long nothing may end, when nobody is killed any more, before the rest is called lost."""
DECLINED = 4  # every fourth card is refused: its saga is undone
SLOW_MS = 25  # the bank takes its time, so that a random moment can fall into a charge
STILLBORN_MAX = 10
"""How many lives in a row may end before they serve: a start needs the lock within 5 s."""
LOOK_SECONDS = 0.02
LOCKED_SECONDS = 1.0  # how long one look waits for a lock
_ORDERS_AHEAD = 2  # orders under way for each worker

Say = Callable[[str], None]


@dataclass
class Campaign:
    """What a campaign did and found."""

    kills: Counter[Moment] = field(default_factory=Counter[Moment])
    stops: Counter[Moment] = field(default_factory=Counter[Moment])
    zombies: int = 0  # stopped processes that went on behind their fence
    writers: int = 0  # those that could not be fenced: they held the writer, or had no session
    resumed: int = 0  # executions that had stalled, and were told to go on
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    totals: Totals = field(default_factory=lambda: Totals(0, 0, 0))
    audited: int = 0
    records: int = 0
    problems: list[str] = field(default_factory=list[str])
    workers: int = 0
    seed: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Nothing twice, lost or left over, and every log whole."""
        return self.totals.good and not self.problems


class _Process:
    """One life of a worker, and what it says."""

    def __init__(self, crew: Crew, life: Life, port: int) -> None:
        command = [sys.executable, "-m", f"{__package__}.kill_worker"]
        told = msgspec.json.encode(life).decode()
        self.name = life.name
        self._process = crew.start([*command, told], {**os.environ, PORT_VARIABLE: str(port)})
        self._said: Queue[dict[str, Any] | None] = Queue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def hears(self, seconds: float) -> dict[str, Any] | None:
        """The next thing it says; None: nothing by then, or it is gone."""
        try:
            return self._said.get(timeout=seconds)
        except Empty:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if there is still somebody."""
        self._process.send_signal(number)

    def kill(self) -> int:
        """SIGKILL, and what the process had ended with, if it was over before."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return code


class Killer:
    """Runs the lives of a campaign in `workers` places at once, and keeps orders coming."""

    def __init__(self, crew: Crew, say: Say, folder: Path, port: int, *, unprotected: bool) -> None:
        self._crew, self._say, self._port = crew, say, port
        self._unprotected = unprotected
        self.db = str(folder / "perdure.db")
        self.campaign = Campaign()
        self.orders: list[Order] = []
        self._lock = Lock()
        self._lives = 0
        self._all_killed, self._settled = Event(), Event()

    def run(self, kills: int, workers: int, seed: int) -> None:
        """Kill so often, then let the work be finished in peace."""
        self.campaign.workers, self.campaign.seed = workers, seed
        asyncio.run(self._prepare())
        coming = fates(seed, kills)
        with ThreadPoolExecutor(workers) as places:
            going = [places.submit(self._place, coming, kills) for _ in range(workers)]
            try:
                asyncio.run(self._keep_coming(workers))
            finally:
                self._all_killed.set()
                self._settled.set()
            for one in going:
                one.result()

    # --- lives ----------------------------------------------------------------------------------

    def _place(self, coming: Iterator[Fate], kills: int) -> None:
        try:
            born, stillborn, fate = True, 0, None
            while not self._settled.is_set():
                with self._lock:
                    fate = next(coming, None) if born else fate
                    self._lives += 1
                    name = f"life {self._lives}"
                life = Life(self.db, name, LEASE_SECONDS, fate, self._unprotected)
                process = _Process(self._crew, life, self._port)
                try:
                    born = self._end(process, fate, kills)
                finally:
                    code = process.kill()
                # Who stands still may hold the only writer: then nobody can begin, for a while.
                stillborn = 0 if born else stillborn + 1
                if (born and code != -signal.SIGKILL) or stillborn > STILLBORN_MAX:
                    self.campaign.problems.append(f"{name} ended by itself, with code {code}")
                    self._all_killed.set()  # what is left is finished, and told
                    return
        except GivenUp:  # nobody is waited for any more, and nothing is ordered
            self._all_killed.set()
            self._settled.set()
        except BaseException as defect:
            self.campaign.problems.append(f"the campaign itself failed: {defect!r}")
            self._all_killed.set()
            self._settled.set()
            raise

    def _end(self, process: _Process, fate: Fate | None, kills: int) -> bool:
        """See a life to its end; without a fate it ends when everything has.

        False when it never began to serve: its fate is then another's.
        """
        if process.hears(UNSETTLED_SECONDS) != {"ready": {}}:
            return False
        if fate is None:
            self._settled.wait()
            return True
        if fate.stop is not None:
            self._stand_still(process, fate)
        met = self._meet(process, "kill", fate.kill.moment, fate.kill.delay)
        process.kill()
        with self._lock:
            self.campaign.kills[met] += 1
            done = self.campaign.kills.total()
        if done % 100 == 0 or done == kills:
            self._say(f"SIGKILL {done} of {kills}, {len(self.orders)} orders so far")
        if done == kills:
            self._all_killed.set()
        return True

    def _meet(self, process: _Process, kind: str, moment: Moment, delay: float) -> Moment:
        """Wait until the process is at its moment; which one it was."""
        if moment is Moment.ANY:
            time.sleep(delay)  # this is what a random moment is; nothing depends on how long
            return Moment.ANY
        told = process.hears(OVERDUE_SECONDS)
        if told is None or told.get("meets", {}).get("signal") != kind:
            return Moment.ANY
        return Moment(told["meets"]["moment"])

    def _stand_still(self, process: _Process, fate: Fate) -> None:
        assert fate.stop is not None
        met = self._meet(process, "stop", fate.stop.moment, fate.stop.delay)
        process.send(signal.SIGSTOP)
        fenced = self._until_fenced(process.name)
        process.send(signal.SIGCONT)
        with self._lock:
            self.campaign.stops[met] += 1
            self.campaign.zombies += fenced
            self.campaign.writers += not fenced

    def _until_fenced(self, worker: str) -> bool:
        until = time.monotonic() + ZOMBIE_SECONDS
        while time.monotonic() < until and not self._settled.is_set():
            if fenced(self.db, worker):
                return True
            time.sleep(LOOK_SECONDS)
        return False

    # --- orders ---------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        store = SqliteStore(self.db)
        await store.open()
        store.links.link("writer").run(ORDERS_TABLE)
        await store.close()

    async def _keep_coming(self, workers: int) -> None:
        """Order more while somebody is to be killed; then wait until all have ended.

        The engine here serves nothing. It fences who stands still: a worker that is killed within
        two seconds seldom lives to see that another's heart has stopped.
        """
        program = compile_workflow(fulfil_order)
        left, since = 0, time.monotonic()
        async with Engine(self.db, name="the watch", lease_seconds=LEASE_SECONDS) as engine:
            while not (self._all_killed.is_set() and self._settled.is_set()):
                with suppress(StoreUnavailable):  # whoever stands still holds it: look again
                    now = await self._look_after(engine.store, program, _ORDERS_AHEAD * workers)
                    if self._all_killed.is_set():
                        if now != left:
                            left, since = now, time.monotonic()
                        if not left or time.monotonic() > since + UNSETTLED_SECONDS:
                            self._settled.set()
                await asyncio.sleep(LOOK_SECONDS)
            if engine.worker.retired:
                self.campaign.problems.append(f"the watch ended: {engine.worker.retired}")

    async def _look_after(self, store: Store, program: Program, ahead: int) -> int:
        """Order, or let what has stalled go on; how many have not ended."""
        active = len(await store.list(status=Status.ACTIVE, limit=100_000))
        while not self._all_killed.is_set() and active < ahead:
            await self._order(store, program)
            active += 1
        stalled = await store.list(status=Status.STALLED, limit=100_000)
        if self._all_killed.is_set():
            self.campaign.resumed += sum([await store.resume(row.key) for row in stalled])
        return active + len(stalled)

    async def _order(self, store: Store, program: Program) -> None:
        number = len(self.orders) + 1
        declined = (number,) if number % DECLINED == 0 else ()
        order = make_orders(number, declined)[-1]
        await enqueue(store, program, order.id, {"order": codec(Order).seal(order)})
        self.orders.append(order)

    # --- the judgement --------------------------------------------------------------------------

    async def look(self) -> list[OrderEnd]:
        """Audit every log; what the store says of each order."""
        ends: dict[Status, End] = {Status.DONE: "done", Status.FAILED: "failed"}
        found: list[OrderEnd] = []
        store = SqliteStore(self.db)
        await store.open()
        for order in self.orders:
            row = await store.find(order.id)
            if row is None:
                found.append(OrderEnd(order.id, "unfinished"))
                continue
            seen = await audit(store, row)
            self.campaign.audited += 1
            self.campaign.records += len(await store.log(row.id))
            self.campaign.problems += [f"{row.key}: log: {p.says}" for p in seen.problems]
            found.append(OrderEnd(order.id, ends.get(row.status, "unfinished")))
        self.campaign.problems += await store.damage()
        await store.close()
        # Its primary key permits no second row; a step that held the writer too long has none.
        saved = {id for (id,) in _rows(self.db, "SELECT id FROM orders")}
        gone = [one.order for one in found if one.end == "done" and one.order not in saved]
        self.campaign.problems += [f"{order}: done, and not in the table" for order in gone]
        return found


def fenced(db: str, worker: str) -> bool:
    """Whether the newest session of a worker is fenced. False too while nobody can tell: who stands
    still in the middle of a commit keeps readers out, in the end with "locking protocol"."""
    sql = "SELECT fenced FROM session WHERE worker = ? ORDER BY id DESC LIMIT 1"
    try:
        rows = _rows(db, sql, (worker,))
    except sqlite3.OperationalError:
        return False
    return bool(rows) and rows[0][0] is not None


def _rows(db: str, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
    with closing(sqlite3.connect(db, timeout=LOCKED_SECONDS)) as database:
        return database.execute(sql, parameters).fetchall()


def run_campaign(
    crew: Crew, say: Say, *, kills: int, workers: int, seed: int, unprotected: bool = False
) -> Campaign:
    """Run a whole campaign in a folder of its own and judge what is left."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="perdure-kill-") as name:
        folder = Path(name)
        server = Server.start(crew, folder / "shop.db", SLOW_MS)
        try:
            killer = Killer(crew, say, folder, server.shop.port, unprotected=unprotected)
            killer.run(kills, workers, seed)
            campaign = killer.campaign
            if not server.shop.wait_quiet(OVERDUE_SECONDS):
                campaign.problems.append("the server still has requests in progress")
            campaign.verdicts = judge(server.shop.ledger(), asyncio.run(killer.look()))
            campaign.totals = totals(campaign.verdicts)
        finally:
            server.stop()
    campaign.seconds = time.monotonic() - begun
    return campaign


def killed(kills: int, workers: int, seed: int, say: Say, *, unprotected: bool = False) -> Campaign:
    """`run_campaign` for the main thread: on Ctrl-C every process that was started is ended."""
    return interruptible(
        lambda crew: run_campaign(
            crew, say, kills=kills, workers=workers, seed=seed, unprotected=unprotected
        )
    )
