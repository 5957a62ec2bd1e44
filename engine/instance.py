"""A loaded execution: its state in memory, and what it adds to the next batch. One writer: this
object.

Results are bound to the object, never looked up by id, so what comes back to an instance that lost
its execution can write nothing (engine-rules 17). No decision is taken here: see `driver.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from ..model.marking import Entry, Wiring, wire
from ..model.net import Transition, TransitionKind
from ..model.program import Program
from ..model.values import PAYLOAD_BYTES_MIN
from . import bodies, checkpoint, kernel
from .bodies import Body
from .kernel import Opened, State, Want, Wish
from .records import FIXED_BYTES, Kind, Record, chain
from .store import Append, AttemptRow, Create, EffectRow, MessageRow, RowChange

CHECKPOINT_RECORDS = 500
"""A checkpoint is written when more records lie behind the last one (rule 62)."""
PARK_RECORDS = 50
"""The same when the execution is parked: whoever claims it next reads less."""

_OUTCOMES = {
    TransitionKind.LANDED: ("landed", "call"),
    TransitionKind.REFUSED: ("refused", "call"),
    TransitionKind.RETRY: ("refused", "call"),
    TransitionKind.CRASH: ("in-doubt", ""),
    TransitionKind.SETTLED: ("landed", ""),
    TransitionKind.VOIDED: ("voided", ""),
    TransitionKind.UNDID: ("undone", "undo"),
}


_SETTLED = frozenset(
    {
        TransitionKind.SETTLED,
        TransitionKind.VOIDED,
        TransitionKind.UNDID,
        TransitionKind.UNDO,
    }
)
_IN_LEDGER = frozenset({TransitionKind.INTENT, *_OUTCOMES, *_SETTLED})


@dataclass(slots=True)
class Tail:
    """How much of a log lies behind its last checkpoint, and what that checkpoint took."""

    records: int = 0
    bytes: int = 0
    checkpoint_bytes: int = 0

    @classmethod
    def behind(cls, records: Iterable[Record], checkpoint_bytes: int) -> Tail:
        """What these records make behind a checkpoint of that size."""
        tail = cls(checkpoint_bytes=checkpoint_bytes)
        for record in records:
            tail.grow(record.body)
        return tail

    def grow(self, body: bytes) -> None:
        """One more record."""
        self.records += 1
        self.bytes += FIXED_BYTES + len(body)

    def shrink(self, body: bytes) -> None:
        """The last record was taken off again."""
        self.records -= 1
        self.bytes -= FIXED_BYTES + len(body)

    def worth(self, records_min: int) -> bool:
        """Whether a checkpoint saves more than it takes: their total stays linear (rule 62)."""
        return self.records > records_min and self.bytes > 4 * self.checkpoint_bytes


class Mark(NamedTuple):
    """Where an instance stands, to go back to when what follows is rolled back."""

    state: State
    seq: int
    head: bytes
    at: int
    tail: Tail
    named: bool
    attempts: dict[str, AttemptRow]
    pending: Append | None


def _nothing() -> list[Any]:
    """An empty list; `list[MessageRow]` as a factory takes ten times as long."""
    return []


def _nobody() -> dict[Any, Any]:
    return {}


@dataclass(eq=False, slots=True)
class Instance:
    """One execution that this process owns at one tenure."""

    program: Program
    key: str
    id: int  # 0 until its creation is durable
    tenure: int
    session: int
    state: State
    seq: int  # of the next record
    head: bytes  # hash of the last record, durable or not
    at: int  # time of the last record
    durable: int  # seq of the last durable record
    named: bool = False  # this tenure has written its first record
    create: Create | None = None
    created: Callable[[Any], None] | None = (
        None  # told once: None, the row that had the key, a guard
    )
    alive: bool = True
    leaving: bool = False  # a release or a finish is on its way
    stuck: str | None = None  # why it stalls once its open intents are settled
    tail: Tail = field(default_factory=Tail)
    kept: set[str] = field(default_factory=set[str])  # digests of payloads known to be stored
    mail: list[MessageRow] = field(default_factory=_nothing)  # not consumed, by number
    unreadable: list[MessageRow] = field(default_factory=_nothing)  # set aside, not taken
    mail_seen: int = 0
    attempts: dict[str, AttemptRow] = field(default_factory=_nobody)
    running: dict[Wish, Any] = field(default_factory=_nobody)
    starts: list[tuple[int, Callable[[], None]]] = field(default_factory=_nothing)
    wanted: tuple[State | None, list[Want]] = (None, [])  # what the marking of a state asks for
    pending: Append | None = None
    flying: Append | None = None
    alarm: Any = None  # the timer of the earliest moment waited for
    first: int = 0  # seq of the first record of this tenure
    held: int = 0  # transactional steps that want the append right: the committer leaves it out
    lent: Mark | None = None  # where a transactional step goes back to if its commit did not hold
    waiting: bool = False  # for a suspect to be through: nothing of it goes on yet
    wiring: Wiring = field(init=False)

    def __post_init__(self) -> None:
        self.wiring = wire(self.program.net)

    # --- writing ------------------------------------------------------------------------------

    def write(self, step: kernel.Step, at: int) -> Record:
        """Take a step of the kernel into the state and into the pending append."""
        before, self.state = self.state, step.state
        record = self.record(step.kind, step.transition, step.body, at)
        told = self.program.net.transitions[step.transition]
        if told.kind in _IN_LEDGER:
            self._ledger(before, step, told, record)
        return record

    def record(self, kind: Kind, transition: int, body: Body, at: int) -> Record:
        """Chain a record onto the log in memory; it becomes true when its batch commits."""
        if not self.named:
            body = msgspec.structs.replace(body, s=self.session)
            self.named = True
        raw = bodies.encode(body)
        if len(raw) > PAYLOAD_BYTES_MIN and not self.held:
            # Inside the transaction of a step nothing can be kept before it.
            body, large = bodies.refer(body)
            new = {digest: value for digest, value in large if digest not in self.kept}
            self.append().payloads |= new
            self.kept |= new.keys()
            self.tail.bytes += sum(map(len, new.values()))
            raw = bodies.encode(body)
        previous, seq = self.head, self.seq
        digest = chain(previous, seq, self.tenure, kind, transition, at, raw)
        record = Record(seq, self.tenure, kind, transition, at, raw, digest)
        self.append().records.append(record)
        self.seq, self.head, self.at = seq + 1, digest, at
        self.tail.grow(raw)
        return record

    def append(self) -> Append:
        """What this execution adds to the next batch."""
        if self.pending is None:
            self.pending = Append(self.id, self.tenure, self.head)
        return self.pending

    def change(self) -> RowChange:
        """The change of the execution row that rides in the next batch."""
        append = self.append()
        if append.change is None:
            append.change = RowChange()
        return append.change

    def _ledger(self, before: State, step: kernel.Step, told: Transition, record: Record) -> None:
        append = self.append()
        if told.kind in _SETTLED:  # by whoever: the next doubt of this site is counted anew
            self.forget(f"{told.site}?", f"{told.site}!")
        if told.kind is TransitionKind.INTENT:
            append.effects += (self._effect(told.site, self.state.intents[told.site], "open"),)
        elif told.kind in _OUTCOMES:
            outcome, by = _OUTCOMES[told.kind]
            row = self._effect(
                told.site,
                self.state.intents[told.site],
                outcome,
                record.seq,
                step.body.by or by,
                step.body.why,
            )
            append.effects += (row,)
        elif told.kind is TransitionKind.UNDO:
            (place,) = self.wiring.takes[step.transition]
            entry: Entry = before.marking[place].frame[told.stack][-1]
            opened = Opened(entry.seq, 0, entry.key)
            outcome, why = "stands" if step.body.stands else "undone", step.body.why
            by = step.body.by or "undo"
            row = self._effect(told.site, opened, outcome, record.seq, by, why)
            append.effects += (row,)

    def keep(self, row: AttemptRow) -> None:
        """Keep a retry counter; it is written with the next batch."""
        self.attempts[row.site] = row
        self.append().count([row], [])

    def forget(self, *counters: str) -> None:
        """Drop retry counters."""
        for counter in counters:
            if self.attempts.pop(counter, None) is not None:
                self.append().count([], [counter])

    def _effect(
        self,
        site: str,
        opened: Opened,
        outcome: str,
        seq: int | None = None,
        by: str = "",
        evidence: str = "",
    ) -> EffectRow:
        effect = self.program.net.site[site].effect
        return EffectRow(self.id, opened.key, site, effect, opened.seq, outcome, seq, by, evidence)

    def mark(self) -> Mark:
        """Where it stands now."""
        return Mark(
            self.state,
            self.seq,
            self.head,
            self.at,
            replace(self.tail),
            self.named,
            dict(self.attempts),
            None if self.pending is None else _copy(self.pending),
        )

    def back_to(self, mark: Mark) -> None:
        """Forget what was fired since: it was rolled back."""
        self.state, self.seq, self.head, self.at, self.tail, self.named, *_ = mark
        self.attempts, self.pending = dict(mark.attempts), mark.pending
        self.flying = self.lent = None

    # --- what became durable ------------------------------------------------------------------

    def fly(self) -> Append | None:
        """Hand the pending append to the committer, with a checkpoint when its time has come."""
        if self.pending is not None:
            self.pending.execution = self.id
            if self.tail.records > PARK_RECORDS:
                self._checkpoint(self.pending)
        self.flying, self.pending = self.pending, None
        if self.flying is not None and self.flying.create is not None and self.flying.payloads:
            # Payloads belong to an id, which the creation brings: it goes alone.
            self.flying, self.pending = _born(self.flying)
        return self.flying

    def _checkpoint(self, append: Append) -> None:
        """Between two records the state in memory is that of the log: it rides along."""
        change = append.change
        parks = change is not None and change.release
        if not self.tail.worth(PARK_RECORDS if parks else CHECKPOINT_RECORDS):
            return
        if self.held or (change is not None and change.status is not None):
            return  # an end is not resumed; a stall is told by the record behind the checkpoint
        change = self.change()
        net, state = self.program.net, self.state
        change.checkpoint = checkpoint.encode(net, state, append.payloads, self.kept)
        self.kept |= append.payloads.keys()
        change.checkpoint_seq = self.seq - 1

    def landed(self, execution: int) -> None:
        """The flying append is durable: calls that waited for it may start."""
        self.id = execution
        flying, self.flying = self.flying, None
        if self.create is not None:
            self.create = None
            if self.created is not None:
                self.created(None)
        if flying is not None and flying.records:
            self.durable = flying.records[-1].seq
        if flying is not None and flying.change is not None and flying.change.checkpoint:
            later = self.pending.records if self.pending is not None else []
            self.tail = Tail.behind(later, checkpoint.cost(flying.change.checkpoint))
        if self.starts:
            self._start()

    def _start(self) -> None:
        waiting, self.starts = self.starts, []
        for asked in waiting:
            if asked[0] > self.durable:
                self.starts.append(asked)
        for seq, start in waiting:
            if seq <= self.durable:
                start()

    def rechain(self, tenure: int, session: int, keep: bool) -> None:
        """Go on under a new tenure: `keep` tells that the flying append is durable after all.

        The record of a transactional step is not written again: without its commit the author's
        writes are gone too, and the step is to be called again.
        """
        if self.lent is not None and not keep:
            self.back_to(self.lent)
        self.lent = None
        lost = None if keep else self.flying
        if keep:
            self.landed(self.id)
        self.flying = None
        appends = [a for a in (lost, self.pending) if a is not None]
        self.pending = None
        self.tenure, self.session, self.named = tenure, session, False
        if not appends:
            return
        head = appends[0].previous
        records = [r for a in appends for r in a.records]
        merged = _merged(appends, Append(self.id, tenure, head, create=appends[0].create))
        self.pending = merged
        if records:
            self.head, self.seq = head, records[0].seq
            for old in records:
                self.tail.shrink(old.body)
            for old in records:
                self.record(old.kind, old.transition, bodies.decode(old.body), old.at)

    def own_creation(self, session: int) -> None:
        """Create the execution anew, owned by the session that is in force now."""
        if self.create is not None:
            # Another object: an append under way still has the one of the session before.
            self.create = replace(self.create, owner=session)
            self.append().create = self.create


def _born(append: Append) -> tuple[Append, Append]:
    """The creation with its first record, and everything else of an append for behind it."""
    first, *others = append.records
    rest = _merged([append], Append(0, append.tenure, first.hash, others))
    return Append(0, append.tenure, append.previous, [first], create=append.create), rest


def _merged(appends: list[Append], merged: Append) -> Append:
    """One append with everything but the records of several, in order."""
    for append in appends:
        merged.consumed += append.consumed
        merged.effects += append.effects
        merged.payloads |= append.payloads
        merged.kept |= append.kept
        merged.count(append.attempts, append.attempts_done)
        merged.change = append.change or merged.change
    return merged


def _copy(append: Append) -> Append:
    copy = Append(append.execution, append.tenure, append.previous, list(append.records))
    copy.create = append.create
    return _merged([append], copy)
