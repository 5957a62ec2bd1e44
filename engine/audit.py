"""Judges stored histories: is the chain whole, and is the log a run of the net it claims?

What is looked at, in this order, for one execution:

1. the hash chain from the genesis that its row implies: gaps, swaps, changed bytes, tenures;
2. record 0 against the row: workflow, version, net, key, input;
3. every record as a firing of the *stored* net, values opaque: the word fits the transition, the
   effect key is the one that follows from the history, no timer fired early;
4. messages: taken once, by the record that says so, from the channel of its wait;
5. the ledger of effects: exactly what the records say, nothing else;
6. the row: status and checkpoint are what the records lead to.

Before 2, every payload that is referred to is there and has its digest.

No user code runs, nothing is repaired, nothing is written. Honest limit: records cut off at the
end of a log that leave no trace in row, messages or ledger cannot be missed from inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from ..model.marking import IllegalFiring, Wiring, wire
from ..model.net import Net, Transition, TransitionKind
from ..model.values import payload_digest
from . import bodies, checkpoint, kernel
from .bodies import Body
from .definitions import read as read_definition
from .differences import input_digest
from .kept import digests, resolved
from .kernel import KIND_OF, State
from .post import CANCEL, DESK, EVIDENCE
from .records import NO_TRANSITION, Kind, Record, broken, genesis
from .store import EffectRow, ExecutionRow, MessageRow, Status, Store
from .stored import stored

_WITHOUT_TRANSITION = frozenset(
    {Kind.STARTED, Kind.CLAIMED, Kind.STALLED, Kind.FINISHED, Kind.CONSUMED, Kind.DECIDED}
)
_TELLS_OF_MAIL = {Kind.CONSUMED: {CANCEL, DESK}, Kind.DECIDED: {DESK}}
# Written down again here and not imported: the audit must not share a mistake with the writer.
_OUTCOME: Mapping[TransitionKind, str] = {
    TransitionKind.LANDED: "landed",
    TransitionKind.REFUSED: "refused",
    TransitionKind.RETRY: "refused",
    TransitionKind.CRASH: "in-doubt",
    TransitionKind.SETTLED: "landed",
    TransitionKind.VOIDED: "voided",
    TransitionKind.UNDID: "undone",
}
_TAKES_MAIL = (TransitionKind.RECEIVE, TransitionKind.CANCEL)


class Problem(NamedTuple):
    """One thing that is wrong with a history; `seq` is the record it shows at."""

    kind: str  # "chain", "start", "firing", "message", "ledger", "row", "payload", "definition"
    seq: int | None
    says: str


class History(NamedTuple):
    """Everything that is stored about one execution."""

    row: ExecutionRow
    records: Sequence[Record]
    messages: Sequence[MessageRow]
    effects: Sequence[EffectRow]
    payloads: Mapping[str, bytes | None] = {}  # what records and checkpoint refer to, by digest


@dataclass(frozen=True)
class Audited:
    """The judgement of one history."""

    key: str
    workflow: str
    record_count: int
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    site: str
    effect: str
    intent_seq: int
    outcome: str
    outcome_seq: int | None
    by: str  # as the record says; empty where it does not


async def audit(store: Store, row: ExecutionRow) -> Audited:
    """Read one execution and judge it."""
    raw = await store.definition(row.net)
    try:
        records = await store.log(row.id)
    except ValueError as error:  # a kind that no engine writes
        return Audited(row.key, row.workflow, 0, (Problem("chain", None, str(error)),))
    payloads: dict[str, bytes | None] = {}
    for digest in _referred(raw, row, records):
        payloads[digest] = await store.payload(row.id, bytes.fromhex(digest))
    messages, effects = await store.messages(row.id), await store.effects(row.id)
    history = History(row, records, messages, effects, payloads)
    return Audited(row.key, row.workflow, len(records), tuple(judge(raw, history)))


def _referred(raw: bytes | None, row: ExecutionRow, records: Sequence[Record]) -> list[str]:
    """Digests of payloads, as far as the history can be read at all; `judge` says what cannot."""
    found: dict[str, None] = {}
    with suppress(msgspec.MsgspecError, ValueError, KeyError, TypeError):
        for record in records:
            found |= dict.fromkeys(sorted(bodies.references(record.body)))
        if raw is not None and row.checkpoint is not None:
            state = checkpoint.decode(read_definition(raw).net, row.checkpoint, stored)
            found |= dict.fromkeys(digests(state.marking))
    return list(found)


def judge(definition: bytes | None, history: History) -> list[Problem]:
    """Say what is wrong with a history, given the stored definition of its net."""
    row, records = history.row, history.records
    start = genesis(row.key, row.workflow, row.net, row.input_digest)
    wrong = broken(start, records) if records else "the log is empty"
    if wrong is not None:
        return [Problem("chain", None, wrong)]
    net = _net(definition, row)
    if isinstance(net, Problem):
        return [net]
    try:
        told = [bodies.decode(record.body) for record in records]
    except msgspec.MsgspecError as error:
        return [Problem("firing", None, f"a body cannot be read: {error}")]
    lost = _payloads(history.payloads)
    if lost or records[0].kind is not Kind.STARTED or records[0].transition != NO_TRANSITION:
        word = records[0].kind.word
        return lost or [Problem("start", 0, f"the log begins with {word}, or with a transition")]
    return [*_started(row, told[0]), *_Judge(net, history, told).problems()]


def _payloads(payloads: Mapping[str, bytes | None]) -> list[Problem]:
    """A reference names what it refers to by its content."""
    return [
        Problem("payload", None, f"the payload {digest} is " + ("changed" if raw else "not stored"))
        for digest, raw in payloads.items()
        if raw is None or payload_digest(raw).hex() != digest
    ]


def _net(definition: bytes | None, row: ExecutionRow) -> Net | Problem:
    if definition is None:
        return Problem("definition", None, f"the net {row.net} is not stored")
    try:
        net = read_definition(definition).net
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        return Problem("definition", None, f"the stored net cannot be read: {error}")
    if net.digest != row.net:
        return Problem("definition", None, f"the stored net has digest {net.digest}, not {row.net}")
    return net


def _started(row: ExecutionRow, body: Body) -> list[Problem]:
    said = (body.w, body.v, body.net, body.key)
    wanted = (row.workflow, row.version, row.net, row.key)
    problems = [
        Problem("start", 0, f"the record says {a!r}, the row {b!r}")
        for a, b in zip(said, wanted, strict=True)
        if a != b
    ]
    if _input_digest(body) != row.input_digest:
        problems.append(Problem("start", 0, "the input is not the one whose digest the row has"))
    return problems


def _input_digest(body: Body) -> bytes:
    inputs = msgspec.json.decode(bytes(body.i), type=dict[str, msgspec.Raw])
    return input_digest({name: bytes(raw) for name, raw in inputs.items()})


def _named(before: Record, record: Record, body: Body) -> None:
    """The first record of a tenure names its session (rule 1), and no other does; a stall ends its
    tenure."""
    first = record.tenure != before.tenure
    if before.kind is Kind.STALLED and not first:
        raise IllegalFiring(record.kind.word, "whoever stalled it has let it go")
    if first != bool(body.s) or (record.kind is Kind.CLAIMED and not first):
        raise IllegalFiring(record.kind.word, "a tenure begins with the name of its session")


@dataclass(frozen=True)
class _Net:
    net: Net


class _Judge:
    """Fires the records of one history again, and compares what they say with what is stored."""

    def __init__(self, net: Net, history: History, told: Sequence[Body]) -> None:
        self.net, self.history, self.told = net, history, told
        self.wiring: Wiring = wire(net)
        self.lines: dict[str, _Line] = {}
        self.mail = {m.number: m for m in history.messages}
        self.taken: dict[int, int] = {}
        self.found: list[Problem] = []

    def problems(self) -> list[Problem]:
        """Everything wrong; an illegal firing ends the walk, the rest would be noise."""
        row, records = self.history.row, self.history.records
        state = self._begin()
        if state is None:
            return self.found
        self._checkpoint(0, state)
        for before, record, body in zip(records, records[1:], self.told[1:], strict=False):
            try:
                _named(before, record, body)
                state = self._step(state, record, body)
            except (IllegalFiring, KeyError, AttributeError) as error:
                why = str(error) if isinstance(error, IllegalFiring) else repr(error)
                self._say("firing", record.seq, why)
                return self.found
            self._checkpoint(record.seq, state)
        self._messages()
        self._ledger(row.id)
        self._row(state)
        return self.found

    def _say(self, kind: str, seq: int | None, says: str) -> None:
        self.found.append(Problem(kind, seq, says))

    def _begin(self) -> State | None:
        inputs = msgspec.json.decode(bytes(self.told[0].i), type=dict[str, msgspec.Raw])
        frame = {name: stored(name, "", bytes(raw)) for name, raw in inputs.items()}
        if set(frame) != set(self.net.places[self.net.place[self.net.initial]].frame):
            self._say("start", 0, "the input does not have the parameters of the workflow")
            return None
        return kernel.begin(_Net(self.net), frame, self.history.records[0].at)

    # --- one record ---------------------------------------------------------------------------

    def _step(self, state: State, record: Record, body: Body) -> State:
        if record.transition == NO_TRANSITION:
            self._without_transition(state, record, body)
            return state
        if not 0 <= record.transition < len(self.net.transitions):
            raise IllegalFiring(str(record.transition), "the net has no such transition")
        told = self.net.transitions[record.transition]
        word = KIND_OF.get(told.kind, Kind.FIRED)
        if body.stands and told.kind is TransitionKind.UNDO:
            word = Kind.DECIDED
        if record.kind is not word:
            raise IllegalFiring(told.name, f"its word is {word.word}, not {record.kind.word}")
        self._guards(state, told, record, body)
        after = kernel.fold(
            self.wiring, state, record.transition, body, record.seq, record.at, stored
        )
        self._effect(state, told, record, body)
        self._takes(told, record, body)
        return after

    def _without_transition(self, state: State, record: Record, body: Body) -> None:
        if record.kind not in _WITHOUT_TRANSITION or record.kind is Kind.STARTED:
            raise IllegalFiring(record.kind.word, "it names no transition")
        if record.kind is Kind.STALLED and not body.why:
            raise IllegalFiring(record.kind.word, "it does not say why")
        if record.kind in _TELLS_OF_MAIL:
            self._taken(record, body, record.kind.word, _TELLS_OF_MAIL[record.kind])
        if record.kind is not Kind.FINISHED:
            return
        status = kernel.final_status(self.wiring, state)
        if status is None or status.value != body.status:
            stands = "has not ended" if status is None else f"has ended {status}"
            raise IllegalFiring("finished", f"the record says {body.status!r}, the net {stands}")
        if record.seq != self.history.records[-1].seq:
            raise IllegalFiring("finished", "records follow the end")

    def _guards(self, state: State, told: Transition, record: Record, body: Body) -> None:
        """What the engine asks beyond the net: effect keys, empty undo stacks, moments."""
        kind = told.kind
        if kind is TransitionKind.INTENT:
            wanted = kernel.key_of(state, self.history.row.key, told.site)
            if body.k != wanted:
                raise IllegalFiring(told.name, f"effect key {body.k}, and {wanted} was due")
        if kind is TransitionKind.UNDONE:
            (place,) = self.wiring.takes[record.transition][:1]
            token = state.marking.get(place)
            if token is not None and token.frame[told.stack]:
                raise IllegalFiring(told.name, "there is still something to undo")
        if kind is TransitionKind.DUE:
            (place,) = self.wiring.takes[record.transition][:1]
            token = state.marking.get(place)
            if token is not None and kernel.due(self.net.site[told.site], token) > record.at:
                raise IllegalFiring(told.name, "its moment had not come")

    def _effect(self, state: State, told: Transition, record: Record, body: Body) -> None:
        if told.kind is TransitionKind.INTENT:
            effect = self.net.site[told.site].effect
            self.lines[body.k] = _Line(told.site, effect, record.seq, "open", None, "")
            return
        if told.kind is TransitionKind.UNDO:
            (place,) = self.wiring.takes[record.transition][:1]
            key = state.marking[place].frame[told.stack][-1].key
            outcome = "stands" if body.stands else "undone"
        elif told.kind in _OUTCOME:
            key, outcome = state.intents[told.site].key, _OUTCOME[told.kind]
        else:
            return
        line = self.lines[key]
        self.lines[key] = line._replace(outcome=outcome, outcome_seq=record.seq, by=body.by)

    def _takes(self, told: Transition, record: Record, body: Body) -> None:
        channels = {CANCEL} if told.kind is TransitionKind.CANCEL else {DESK, EVIDENCE}
        if told.kind is TransitionKind.RECEIVE:
            channels = {self.net.site[told.site].target}
        if told.kind in _TAKES_MAIL or body.m:
            self._taken(record, body, told.name, channels)

    def _taken(self, record: Record, body: Body, name: str, channels: set[str]) -> None:
        if not body.m:
            self._say("message", record.seq, f"{name} takes a message and names none")
            return
        message = self.mail.get(body.m)
        if message is None:
            self._say("message", record.seq, f"message {body.m} is not stored")
            return
        if body.m in self.taken:
            self._say("message", record.seq, f"message {body.m} was taken before")
        self.taken[body.m] = record.seq
        if message.channel not in channels:
            self._say("message", record.seq, f"{name} took a message of {message.channel!r}")

    # --- what is stored beside the log ----------------------------------------------------------

    def _messages(self) -> None:
        for number, message in self.mail.items():
            taken = self.taken.get(number)
            if message.consumed_at == taken:
                continue
            says = f"message {number} is marked as taken at {message.consumed_at}, not {taken}"
            self._say("message", taken, says)

    def _ledger(self, execution: int) -> None:
        rows = {row.key: row for row in self.history.effects}
        for key in sorted(set(rows) | set(self.lines)):
            row, line = rows.get(key), self.lines.get(key)
            if line is None:
                self._say("ledger", None, f"effect {key} has no intent in the log")
            elif row is None:
                self._say("ledger", line.intent_seq, f"the intent of {line.site} is not there")
            else:
                self._compare(row, line)

    def _compare(self, row: EffectRow, line: _Line) -> None:
        said = (row.site, row.effect, row.intent_seq, row.outcome, row.outcome_seq)
        for a, b in zip(said, line[:5], strict=True):
            if a != b:
                says = f"the ledger says {a!r} of {line.site}, the log {b!r}"
                self._say("ledger", line.outcome_seq or line.intent_seq, says)
        if line.by and line.by != row.decided_by:
            says = f"decided by {row.decided_by!r} in the ledger, by {line.by!r} in the log"
            self._say("ledger", line.outcome_seq, says)

    def _checkpoint(self, seq: int, state: State) -> None:
        row = self.history.row
        if row.checkpoint is None or row.checkpoint_seq != seq:
            return
        payloads = {digest: raw or b"" for digest, raw in self.history.payloads.items()}
        state = msgspec.structs.replace(state, marking=resolved(state.marking, payloads, stored))
        if not checkpoint.like(self.net, state, row.checkpoint):
            self._say("row", seq, "the checkpoint is not what the records lead to")

    def _row(self, state: State) -> None:
        row, last = self.history.row, self.history.records[-1]
        if row.checkpoint is not None and row.checkpoint_seq > last.seq:
            self._say("row", last.seq, f"the checkpoint is of record {row.checkpoint_seq}")
        if row.tenure < last.tenure:
            self._say("row", last.seq, f"tenure {last.tenure} in the log, {row.tenure} in the row")
        ended = self.told[-1].status if last.kind is Kind.FINISHED else ""
        if ended != (row.status.value if row.status.final else ""):
            log = f"it ended {ended}" if ended else "it has not ended"
            self._say("row", last.seq, f"the row says {row.status}, the log that {log}")
        if row.status is Status.STALLED and last.kind is not Kind.STALLED:
            self._say("row", last.seq, "the row says stalled, the log does not")
