"""A random history: several executions on several workers over one store, in simulated time, with
whatever the choices say going wrong; judged at every durable point.

What can go wrong where is in `troubles.py`, how it is done in `wild.py`; what is lawful, in
`specs`, is not known here.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ..engine.errors import StoreUnavailable
from ..engine.post import CANCEL, Wish
from ..engine.store import Ambiguous, Fenced
from ..model.errors import ExecutionFinished, NoSuchExecution
from ..model.language.calls import taken
from ..model.language.workflows import Workflow
from ..model.values import codec
from ..specs.binding import Binding
from ..specs.ledger import Ledger, Sent
from ..specs.oracle import Broken, Oracle, Rows
from . import standing
from .choices import Source, Tape
from .databases import Database
from .faults import Edge, Kind
from .history import Flow, Message, Stuck
from .latency import latency
from .outside import Outside
from .person import Person
from .plan import Plan, draw_plan
from .quick import NeverWaits, QuickLoop
from .simulation import JumpyTime, NothingLeft
from .standing import ENDED
from .story import Happening, records_in_words
from .troubles import Chance, Lines, Trouble, Woe
from .wild_process import WildProcess

SECONDS_MAX = 1800
REPLACED_SECONDS = 0.03
MESSAGE_SECONDS = (0.5, 4.0, 40.0)
CLIENT = 0
ORPHANS = 100  # numbers of stores from here on belong to orphans of commits
PROCESSES_MAX = 40
DECISIONS_MAX = 3
ENDLESS = 10**9  # durable points


class WildOutcome:
    """What became of a history."""

    def __init__(self) -> None:
        self.choices: tuple[int, ...] = ()
        self.fired: Counter[Woe] = Counter()
        self.in_time = 0  # of what fired, before all had settled
        self.broken: list[Broken] = []
        self.broken_at = ""
        self.defects: list[str] = []
        self.firings = 0
        self.ends: list[str] = []
        self.story: list[Happening] = []
        self.seconds = 0.0
        self.ledger = Ledger()
        self.rows: Rows = {}
        self.points = 0  # durable points judged
        self.decided = 0  # persons who came to the desk

    @property
    def status(self) -> str:
        """How the first of its executions ended."""
        return self.ends[0] if self.ends else ""

    @property
    def wrong(self) -> list[str]:
        """Why it is a failure; empty when it is none."""
        return [*(f"{b.rule}: {b.says} [{b.execution}]" for b in self.broken), *self.defects]


class WildHistory:
    """One history; it ends at the first broken rule (`over`). `told`: what happens is written down
    in words, which is slower.
    """

    def __init__(
        self, flows: Sequence[Flow], database: Database, source: Source, told: bool = False
    ) -> None:
        self.database, self._tape, self._told = database, Tape(source), told
        self.points_max = ENDLESS
        self.time = JumpyTime()
        self.outcome = WildOutcome()
        self.plan = self._planned(flows)
        self.pace, self.latency = self.plan.pace, latency(self.plan.far)
        self.chance = self._luck()
        names = Counter[str]()
        self._flows: dict[str, Flow] = {}
        for flow in self.plan.flows:
            names[flow.name] += 1
            self._flows[f"{flow.name}-{names[flow.name]}"] = flow
        self._outsides = {key: self._receivers(flow) for key, flow in self._flows.items()}
        self._oracle, self._binding = Oracle(), Binding()
        self._processes: list[WildProcess] = []
        self._living: list[WildProcess] = []  # of them, those that may still do something
        self._client = QuickLoop(self.time)
        self.version = 0
        self._judged: Rows = {}
        self._ledger_seen = (0, 0, 0, 0)
        self._sending = 0  # messages that are still to come
        self._settled = False
        self._orphan_count = self._cancels = 0
        self._records: dict[int, int] = {}  # those that the story has told

    def _planned(self, flows: Sequence[Flow]) -> Plan:
        return draw_plan(self._tape, flows)

    def _luck(self) -> Chance:
        return Chance(self._tape, self.plan.favoured)

    def _receivers(self, flow: Flow) -> Outside:
        made = flow.outside(Lines(self.chance)) if flow.outside else None
        outside = made or Outside(flow.answers, flow.plain)
        outside.ledger = self.outcome.ledger
        return outside

    def outside(self, execution: str) -> Outside:
        """The receivers of an execution's calls."""
        return self._outsides[execution]

    # --- from the beginning to the end ----------------------------------------------------------

    def run(self) -> WildOutcome:
        """Play it to the end and judge that too."""
        outcome = self.outcome
        self.database.begin()
        self._post = self.database.store(CLIENT, self.time.database)
        self._person = Person(self._post, self.outside)
        try:
            self._begin()
            while not self.over():
                self._go_on()
            if not outcome.broken:
                self._note(self._oracle.settle(self.database.whole(), outcome.ledger), "the end")
        except (NothingLeft, NeverWaits, Stuck, Unsettled) as hang:
            outcome.defects.append(f"{type(hang).__name__}: {hang}")
        finally:
            self._conclude()
        return outcome

    def _begin(self) -> None:
        if self.latency is not None:
            self.tell("the store is far away: what is asked of it takes its time")
        for machine in range(1, self.plan.workers + 1):
            self._launch(machine)
        for key, flow in self._flows.items():
            for message in flow.messages:
                self._sending += 1
                self._client.create_task(self._send(key, message))

    def _launch(self, machine: int) -> None:
        if self._settled:
            return
        if len(self._processes) >= PROCESSES_MAX:
            raise Unsettled(f"{PROCESSES_MAX} processes have begun, and it goes on")
        number = len(self._processes) + 1
        mine = [
            (key, flow)
            for n, (key, flow) in enumerate(self._flows.items())
            if n % self.plan.workers == machine - 1
        ]
        self.begins(number, machine)
        workflows = [workflow_of(flow) for flow in {f.name: f for f in self.plan.flows}.values()]
        process = WildProcess(self, number, machine, workflows, mine)
        self._processes.append(process)
        self._living = [*self._living, process]

    def over(self) -> bool:
        """There is nothing more to be seen."""
        return bool(self.outcome.broken) or (self._settled and self._rests())

    def _rests(self) -> bool:
        if not self._settled or self._living or self.time.awaited or self._client.due:
            return False
        if not self._is_over(self.database.rows()):
            # A late answer has settled what lay on the desk while all were about to end.
            self._settled = False
            self._launch(1)
        return self._settled

    def _go_on(self) -> None:
        """Let all do what they can at this moment, or let time pass when nobody can do anything."""
        now, went, earliest = self.time.now, False, self._client.next_turn
        if earliest is not None and earliest <= now:
            self._client.drain()
            went = True
        for process in self._living:
            loop = process.loop
            moment = None if loop.halted else loop.next_turn
            if moment is None:
                continue
            if moment <= now:
                loop.drain()
                went = True
                if loop.halted or process.main.done():
                    self._see(process)
            elif earliest is None or moment < earliest:
                earliest = moment
        if not went:
            self._pass(earliest)

    def _see(self, process: WildProcess) -> None:
        """Replace a process that is dead, has given up, or stands still until it is taken over."""
        if process.gone:
            process.loop.halted = True
            self._living = [other for other in self._living if other is not process]
        if process.over or process.running:
            return
        waits = process.stopped and not process.dead and not process.sleeps_long
        if not waits:
            process.over = True
            if process.gone:
                self.outcome.defects += process.bury()
            if not self._settled:
                self.time.happen(REPLACED_SECONDS, lambda: self._launch(process.machine))

    def _pass(self, moment: int | None) -> None:
        """Go to this moment, at which the first of all loops can go on, or to a happening."""
        if moment is None and not self.time.awaited:
            self._wake_all()
            if not any(p.running and p.loop.due for p in self._living):
                raise NothingLeft(f"at {self.time.now} us: {self._where()}")
            return
        self.time.pass_until(moment)
        if self.time.now > SECONDS_MAX * 1e6:
            raise Unsettled(f"still going on after {SECONDS_MAX} s: {self._where()}")
        if self.outcome.points > self.points_max:
            raise Unsettled(f"still going on after {self.outcome.points} durable points")

    def _wake_all(self) -> None:
        for process in self._processes:
            process.wake()

    def _where(self) -> str:
        rows = self.database.rows()["execution"]
        return "; ".join(f"{r['key']} {r['status']} waits {r['waits']}" for r in rows)

    # --- judging --------------------------------------------------------------------------------

    def judge(self, point: str) -> None:
        """Ask the oracle about this durable point, and see whether everything has settled."""
        self.version += 1
        rows, ledger = self.database.rows(), self.outcome.ledger
        seen = len(ledger.calls), len(ledger.landings), len(ledger.undos), len(ledger.sent)
        if rows is self._judged and seen == self._ledger_seen:
            return
        self._judged, self._ledger_seen = rows, seen
        self.chance.met_execution |= bool(rows["execution"])
        self.outcome.points += 1
        if self._told:
            self._tell_records(rows)
        judges = self._oracle, self._binding
        self._note([broken for j in judges for broken in j.judge(rows, ledger)], point)
        stopped = [p for p in self._living if p.stopped and not p.asleep]
        if stopped:
            fenced = {row["worker"] for row in rows["session"] if row["fenced"] is not None}
            for process in stopped:
                if f"worker {process.number}" in fenced:
                    process.taken_over()
        self._look_for_the_end(rows)

    def _look_for_the_end(self, rows: Rows) -> None:
        executions = rows["execution"]
        if self._settled or self._sending or len(executions) < len(self._flows):
            return
        if self._is_over(rows) and not self.somebody_decides(rows):
            self._settle()

    def somebody_decides(self, rows: Rows) -> bool:
        """Where all is over but for what lies on the desk, a person may come, or nobody. To what
        was lost too often somebody comes, for it is nobody's fault here: it would go on."""
        lost = [str(row["key"]) for row in rows["execution"] if standing.lost_too_often(row, rows)]
        desk = [str(row["key"]) for row in rows["execution"] if standing.on_desk(row)]
        may = self.outcome.decided < DECISIONS_MAX
        comes = may and (bool(lost) or (bool(desk) and self.chance.one_of(2) > 0))
        if comes:
            self.outcome.decided += 1
            self._sending += 1
            work = self._resume(lost[0]) if lost else self._decide(desk[0])
            self._client.create_task(work)
        return comes

    async def _resume(self, key: str) -> None:
        if await self._person.resume(key):
            self.tell(f"a person lets {key} go on")
            self.judge(f"the resuming of {key}")
        self._sending -= 1
        self._look_for_the_end(self.database.rows())

    async def _decide(self, key: str) -> None:
        def told(id: str) -> None:
            self.outcome.ledger.sent.append(Sent(key, id))
            self.tell(f"a person decides what {key} doubts")
            self.judge(id)

        await self._person.decide(key, told)
        self._sending -= 1
        self._look_for_the_end(self.database.rows())

    def _is_over(self, rows: Rows) -> bool:
        return all(self.settled(row) or self._for_nothing(row, rows) for row in rows["execution"])

    def settled(self, row: Mapping[str, Any]) -> bool:
        """Nothing will happen in this execution any more, unless somebody comes."""
        if row["status"] in ENDED:
            return True
        return standing.on_desk(row)

    def _for_nothing(self, row: Mapping[str, Any], rows: Rows) -> bool:
        if standing.lost_too_often(row, rows):
            return True
        return self._flows[row["key"]].rests and standing.waits_in_vain(row, rows)

    def _settle(self) -> None:
        self._settled, self.outcome.in_time = True, self.chance.fired.total()
        self.tell("everything has settled")
        for process in self._processes:
            process.wake()
            process.end()

    def _note(self, broken: Sequence[Broken], point: str) -> None:
        self.outcome.broken_at = self.outcome.broken_at or (point if broken else "")
        for one in broken:
            self.tell(f"BROKEN: {one.rule}: {one.says} [{one.execution}]")
        self.outcome.broken += broken

    def tell(self, what: str) -> None:
        """Write down what happens."""
        if self._told:
            self.outcome.story.append(Happening(self.time.now / 1e6, what))

    def begins(self, number: int, machine: int) -> None:
        """Write down that a worker begins."""
        self.tell(f"worker {number} begins on machine {machine}")

    def struck(self, number: int, woe: Woe, where: str) -> None:
        """Write down what goes wrong for a worker."""
        self.tell(f"worker {number}: {woe} {where}")

    def _tell_records(self, rows: Rows) -> None:
        for words in records_in_words(rows, self._records):
            self.tell(words)

    # --- what comes from outside ----------------------------------------------------------------

    def jump(self, seconds: float) -> None:
        """Let the wall clock jump."""
        self.time.wall += round(seconds * 1e6)

    def cancel_one(self) -> None:
        """Let somebody wish that an execution ends."""
        keys = list(self._flows)
        key = keys[self.chance.one_of(len(keys))]
        raw = msgspec.json.encode(Wish("somebody wishes so"))
        self._cancels += 1
        id = "cancel" if self._cancels == 1 else f"cancel {self._cancels}"

        async def wish() -> None:
            if not await self._deliver(key, CANCEL, id, raw, False):
                self.chance.void(Kind.CANCELLED)

        self._client.create_task(wish())

    def oust(self, session: int) -> None:
        """Let somebody fence a session that lives."""

        async def fence() -> None:
            rows = self.database.rows()["session"]
            if not any(row["id"] == session and row["fenced"] is None for row in rows):
                self.chance.void(Trouble.OUSTED)
                return
            try:
                await self._post.fence(session)
            except StoreUnavailable:
                self.chance.void(Trouble.OUSTED)
                return
            self.judge("a fence by somebody")

        self._client.create_task(fence())

    def busy(self, seconds: float) -> None:
        """Let somebody hold the write lock."""
        self.database.hold()
        self.time.happen(seconds, self.database.let_go)

    def orphan(self, number: int, name: str, args: tuple[Any, ...], seconds: float) -> None:
        """Let a commit come later, on a connection of its own, if it still can."""
        self._orphan_count += 1
        store = self.database.store(ORPHANS + self._orphan_count, self.time.database)
        session, *rest = args
        kept = [copy.deepcopy(one) for one in rest]

        async def commit() -> None:
            await asyncio.sleep(seconds)
            try:
                await getattr(store, name)(session, *kept)
            except (Fenced, Ambiguous, StoreUnavailable) as refused:
                self.tell(f"the late {name} of worker {number} is refused: {refused!r}")
                return
            finally:
                await store.close()
            self.tell(f"the late {name} of worker {number} has come")
            self.judge(f"late {name} of worker {number}")

        self._client.create_task(commit())

    async def _send(self, key: str, message: Message) -> None:
        await self._until(message.at)
        woe = self.chance.meet("message", Edge.BEFORE, message.id)
        seconds = 0.0
        if woe is not None:
            seconds = MESSAGE_SECONDS[self.chance.one_of(len(MESSAGE_SECONDS))]
            self.tell(f"{woe}: {message.id} for {key}, by {seconds:g} s")
        if woe is Trouble.MESSAGE_LATE:
            await asyncio.sleep(seconds)
        raw = codec(message.signal.payload_type).encode(message.value)
        await self._deliver(key, message.signal.name, message.id, raw, True)
        if woe is Trouble.MESSAGE_TWICE:
            await asyncio.sleep(seconds)
            await self._deliver(key, message.signal.name, message.id, raw, True)
        self._sending -= 1
        self._look_for_the_end(self.database.rows())

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at))

    async def _deliver(self, key: str, channel: str, id: str, raw: bytes, patiently: bool) -> bool:
        """Send until it is durable, or cannot be; `patiently`: until the execution exists, too."""
        while True:
            try:
                await self._post.send(key, channel, id, raw)
            except ExecutionFinished:
                return False
            except (NoSuchExecution, StoreUnavailable) as trouble:
                if isinstance(trouble, NoSuchExecution) and not patiently:
                    return False
                await asyncio.sleep(0.2)
                continue
            self.outcome.ledger.sent.append(Sent(key, id))
            self.tell(f"the message {id} for {key} is durable")
            self.judge(f"the message {id}")
            return True

    # --- the end --------------------------------------------------------------------------------

    def _conclude(self) -> None:
        outcome = self.outcome
        for process in self._processes:
            if not process.loop.is_closed():
                outcome.defects += process.bury()
        outcome.defects += [repr(defect) for defect in self._client.defects]
        self._client.abandon()
        outcome.choices, outcome.fired = self._tape.choices, self.chance.fired
        outcome.seconds = self.time.now / 1e6
        outcome.rows = self.database.rows()
        outcome.firings = sum(row["transition"] >= 0 for row in outcome.rows["log"])
        outcome.ends = [standing.told(row) for row in outcome.rows["execution"]]
        for row in outcome.rows["execution"]:
            flow, ours = self._flows[row["key"]], standing.stalled_by_us(row, outcome.rows)
            outcome.defects += [ours] if ours else []
            if flow.check is not None and row["status"] in ENDED:
                outcome.defects += self.database.complaints(flow.check, row["status"])


class Unsettled(Exception):
    """A history that does not end in the time that is more than enough."""


def workflow_of(flow: Flow) -> Workflow[..., Any]:
    """The workflow that a flow calls."""
    target, _, _ = taken(flow.call(), "a simulation")
    return cast("Workflow[..., Any]", target)


def play(
    flows: Sequence[Flow],
    database: Database,
    source: Source,
    told: bool = False,
    points_max: int = ENDLESS,
) -> WildOutcome:
    """Play one history; one that goes on after so many durable points has a defect."""
    history = WildHistory(flows, database, source, told)
    history.points_max = points_max
    return history.run()
