"""The oracle: judges stored rows against what the outside world saw, at every durable point.

Written independently of the engine: no clock, no database, no line of the engine is imported, and
what the engine believes is not asked. What is judged, rule by rule (`Rule`), over one history:

- the log: append-only since the last judgement, gapless, chained, tenures and times never falling,
  each tenure begun by the name of its session, no record of a session that was fenced before,
  every record a firing of the stored net;
- effects: a call only under an intent that is open and durable, once per key; at most one standing
  landing per logical occurrence; the ledger of effects says what the records say;
- undo: only of what may be undone, in reverse causal order; at the end exactly what failed;
- messages: none lost, each consumed by exactly one record; a fired timer was due;
- the end: status, result and the outside agree, and no effect is left open.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from operator import is_
from typing import Any, NamedTuple

from .game import Game, Lawless, Net, read_body, read_net
from .ledger import Called, Landing, Ledger

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""Table -> its rows by column name. Read: execution, log, message, effect, session, definition."""

STARTED, INTENT, FIRED, CONSUMED, IN_DOUBT, DECIDED, UNDONE, CANCELLED = 0, 1, 2, 3, 6, 7, 8, 9
FINISHED, CLAIMED, STALLED = 11, 12, 13
_BESIDE_THE_NET = (STARTED, FINISHED, CLAIMED, STALLED)
_TAKES_MAIL = (CONSUMED, DECIDED)  # without a transition: a message that changes no marking
_WORDS = {
    "intent": INTENT, "crash": IN_DOUBT, "settled": DECIDED, "voided": DECIDED, "undid": UNDONE,
    "undo": UNDONE, "receive": CONSUMED, "cancel": CANCELLED,
}  # fmt: skip
_OUTCOMES = {
    "landed": "landed", "refused": "refused", "retry": "refused", "crash": "in-doubt",
    "settled": "landed", "voided": "voided", "undid": "undone",
}  # fmt: skip
_WITHOUT_EFFECT = ("pure", "observe")
_WITH_INTENT = ("compensatable", "irreversible")
_FINAL = ("done", "failed", "cancelled")
_HEADER = struct.Struct(">BIIBiq")


class Rule(StrEnum):
    """What can be broken."""

    APPEND_ONLY = "the log is append-only"
    GAPLESS = "the log has no gap"
    CHAIN = "the hash chain is whole"
    ORDER = "tenures and times never fall"
    FENCED = "a fenced session appends nothing"
    FIRING = "every record is a firing of the net"
    INTENT_FIRST = "no call without an open, durable intent"
    ONE_CALL = "an attempt is called once"
    ONE_LANDING = "one standing landing per occurrence"
    EFFECTS = "the effect rows say what the records say"
    NO_LOSS = "an accepted message is kept"
    CONSUMED_ONCE = "a message is consumed by one record"
    DUE = "a fired timer was due"
    UNDO = "undone is what failed, and nothing else"
    OUTSIDE = "what is recorded as landed did land, with this result"
    STATUS = "the status is what the records lead to"
    CLOSED = "nothing is open at the end"
    PROTOCOL = "every step is one of the proved protocol"  # said by binding.py


class Broken(NamedTuple):
    """One broken rule, in one execution, said in words."""

    rule: Rule
    execution: str
    says: str


class _Attempt(NamedTuple):
    site: str
    effect: str
    state: str
    result: Any = None


class _History:
    """What one execution's records said so far."""

    def __init__(self, row: Row, net: Net) -> None:
        self.key: str = row["key"]
        self.net = net
        self.known: list[Row] = []
        self.head = _genesis(row)
        self.session = 0
        self.game: Game | None = None
        self.attempts: dict[str, _Attempt] = {}  # effect key ->
        self.takers: Counter[int] = Counter()  # message -> records that took it
        self.ended = ""
        self.lawless = False
        self._seen: tuple[object, ...] = (None,) * 4

    def judge(
        self,
        row: Row,
        log: Sequence[Row],
        effects: Sequence[Row],
        messages: Sequence[Row],
        fenced: set[int],
    ) -> Iterator[Broken]:
        """Judge its rows; `fenced` are the sessions that had ended at the last judgement."""
        if all(map(is_, (row, log, effects, messages), self._seen)):
            return
        self._seen = row, log, effects, messages
        yield from self.read(log, fenced)
        yield from self.compare(row, effects, messages)

    def read(self, log: Sequence[Row], fenced: set[int]) -> Iterator[Broken]:
        """Judge what was added to the log."""
        if log[: len(self.known)] != self.known:
            yield self._broken(Rule.APPEND_ONLY, "records that were there are gone or changed")
            return
        for row in log[len(self.known) :]:
            yield from self._record(row, fenced)
            self.known.append(row)

    def _broken(self, rule: Rule, says: str) -> Broken:
        return Broken(rule, self.key, says)

    def _record(self, row: Row, fenced: set[int]) -> Iterator[Broken]:
        body = read_body(row["body"])
        before = self.known[-1] if self.known else None
        if row["seq"] != len(self.known):
            yield self._broken(Rule.GAPLESS, f"{row['seq']} follows {len(self.known) - 1}")
        if before and (row["tenure"] < before["tenure"] or row["at"] < before["at"]):
            yield self._broken(Rule.ORDER, f"record {row['seq']} falls behind the one before it")
        first = before is None or row["tenure"] != before["tenure"]
        yield from self._writer(row, body.get("s", 0), first, fenced)
        self.head = _chained(self.head, row)
        if self.head != row["hash"]:
            yield self._broken(Rule.CHAIN, f"record {row['seq']} has another hash")
            self.head = row["hash"]
        if "m" in body:
            self.takers[body["m"]] += 1
        if self.ended:
            yield self._broken(Rule.CLOSED, f"record {row['seq']} comes after the end")
        yield from self._fire(row, body)

    def _writer(self, row: Row, named: int, first: bool, fenced: set[int]) -> Iterator[Broken]:
        """The first record of a tenure names its session, and no other does: else nobody could
        tell whether a fenced one wrote. Record 0 of whoever only starts it has none to name."""
        if first:
            self.session = named
        elif named:
            yield self._broken(Rule.FENCED, f"record {row['seq']} names a session, not first")
        if self.known and not self.session:
            yield self._broken(Rule.FENCED, f"record {row['seq']} is of a tenure without a session")
        if self.session in fenced:
            yield self._broken(Rule.FENCED, f"session {self.session} wrote record {row['seq']}")

    def _fire(self, row: Row, body: Mapping[str, Any]) -> Iterator[Broken]:
        kind: int = row["kind"]
        number: int = row["transition"]
        if kind == STARTED:
            self.game = Game(self.net, body["i"], row["at"])
        if kind == FINISHED:
            self.ended = body["status"]
            if self.game is not None and not self.lawless and self.ended != self.game.end:
                yield self._broken(Rule.STATUS, f"{self.ended!r} is told, not {self.game.end!r}")
        if kind in _BESIDE_THE_NET or self.game is None or self.lawless:
            return
        if number < 0 and kind in _TAKES_MAIL:
            if not body.get("m"):
                yield self._broken(Rule.FIRING, f"record {row['seq']} takes nothing")
            return
        try:
            told = self.net.transitions[number]
            stands = told["kind"] == "undo" and body.get("stands")  # a person said so
            if (DECIDED if stands else _WORDS.get(told["kind"], FIRED)) != kind:
                raise Lawless(f"{told['name']!r} is told as kind {kind}")
            yield from self._due(told, number, row)
            self.game.fire(number, row["seq"], row["at"], body)
        except (Lawless, IndexError) as error:
            self.lawless = True  # what follows cannot be understood: said once
            yield self._broken(Rule.FIRING, f"record {row['seq']}: {error}")
            return
        self._outcome(told, body)

    def _due(self, told: Mapping[str, Any], number: int, row: Row) -> Iterator[Broken]:
        if told["kind"] != "due" or self.game is None:
            return
        due = self.game.moment(told["site"], self.game.taken(number)[0])
        if row["at"] < due:
            yield self._broken(Rule.DUE, f"record {row['seq']} came {due - row['at']} us early")

    def _outcome(self, told: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        assert self.game is not None
        site, kind = told["site"], told["kind"]
        if kind == "intent":
            self.attempts[body["k"]] = _Attempt(site, self.net.sites[site]["effect"], "open")
        elif kind in _OUTCOMES:
            key = self.game.keys[site]
            attempt = self.attempts[key]._replace(state=_OUTCOMES[kind], result=body.get("r"))
            self.attempts[key] = attempt
        elif kind == "undo":
            state = "stands" if body.get("stands") else "undone"
            self.attempts[body["k"]] = self.attempts[body["k"]]._replace(state=state)

    # --- what the other tables say ------------------------------------------------------------

    def compare(
        self, row: Row, effects: Sequence[Row], messages: Sequence[Row]
    ) -> Iterator[Broken]:
        """Judge the execution's other rows by its records."""
        said = {e["key"]: (e["site"], e["outcome"]) for e in effects}
        meant = {k: (a.site, a.state) for k, a in self.attempts.items()}
        if said != meant and not self.lawless:
            yield self._broken(Rule.EFFECTS, f"they say {said}, the records {meant}")
        for message in messages:
            taken = self.takers[message["number"]]
            if taken > 1 or bool(taken) != (message["consumed_at"] is not None):
                yield self._broken(Rule.CONSUMED_ONCE, f"{message['id']} has {taken} takers")
        if self.takers.keys() - {m["number"] for m in messages}:
            yield self._broken(Rule.CONSUMED_ONCE, "a message was taken that is not there")
        if (row["status"] if row["status"] in _FINAL else "") != self.ended:
            yield self._broken(Rule.STATUS, f"the row says {row['status']!r}, not {self.ended!r}")
        if self.ended:
            for key, attempt in self.attempts.items():
                if attempt.state in ("open", "in-doubt"):
                    yield self._broken(Rule.CLOSED, f"{attempt.site} {key} is {attempt.state}")
            if row["owner"] is not None:
                yield self._broken(Rule.CLOSED, "it is final and has an owner")

    def stands(self, undone: set[str]) -> Iterator[Broken]:
        """Judge that what is told as landed was not taken back, unless it is being undone."""
        if self.game is None or "undoing" in map(self.net.kinds.__getitem__, self.game.marking):
            return
        for key, attempt in self.attempts.items():
            if attempt.state == "landed" and key in undone:
                yield self._broken(Rule.UNDO, f"{attempt.site} {key} was undone, and none says so")

    # --- the end, against the outside ---------------------------------------------------------

    def settle(self, landings: Sequence[Landing], undone: set[str]) -> Iterator[Broken]:
        """Judge what stands outside, once nothing is under way any more."""
        found = {landing.key: landing for landing in landings}
        for key, attempt in self.attempts.items():
            landing = found.get(key)
            if attempt.state == "landed":
                if landing is None:
                    yield self._broken(Rule.OUTSIDE, f"{attempt.site} {key} never landed")
                elif attempt.result is not None and json.loads(landing.result) != attempt.result:
                    yield self._broken(Rule.OUTSIDE, f"{attempt.site} answered {landing.result}")
            if self.ended and attempt.effect == "compensatable":
                yield from self._undone(key, attempt, landing, undone)
        for key in found.keys() - self.attempts.keys():
            effect = self.net.sites[found[key].site]["effect"]
            if effect in _WITH_INTENT:
                yield self._broken(Rule.OUTSIDE, f"{found[key].site} {key} landed unrecorded")
        for landing in landings:
            attempt = self.attempts.get(landing.key)
            if attempt and attempt.state in ("refused", "voided") and landing.key not in undone:
                yield self._broken(Rule.OUTSIDE, f"{landing.site} landed, {attempt.state} is told")

    def _undone(
        self, key: str, attempt: _Attempt, landing: Landing | None, undone: set[str]
    ) -> Iterator[Broken]:
        assert self.game is not None
        left = any(entry.key == key for stack in self.game.stacks.values() for entry in stack)
        if left:
            yield self._broken(Rule.UNDO, f"{attempt.site} {key} is left on the stack")
        if attempt.state == "undone" and landing is not None and key not in undone:
            yield self._broken(Rule.UNDO, f"{attempt.site} {key} is told as undone, and stands")

    def effect(self, call: Called) -> str:
        """The class of what was called; "" of a step that this net has not.

        Another workflow was started under the same key, then, and refused: what it looked at
        meanwhile is no part of this history, and what it landed is judged from the ledger.
        """
        site = self.net.sites.get(call.site)
        return "" if site is None else site["effect"]

    def may_call(self, call: Called) -> Iterator[Broken]:
        """Judge a request on its arrival."""
        if self.effect(call) not in _WITH_INTENT:
            return
        attempt = self.attempts.get(call.key)
        if attempt is None:
            yield self._broken(Rule.INTENT_FIRST, f"{call.role} {call.site} {call.key}")
        elif call.role == "undo" and self.game is not None and call.key in self.game.forgotten:
            yield self._broken(Rule.UNDO, f"{call.site} {call.key} is undone after success")


class Oracle:
    """Judges one database and one outside world; remembers what it has seen.

    Rows are judged again when they are other objects than last time: whoever hands on the very same
    ones says that nothing was committed in between.
    """

    def __init__(self) -> None:
        self._histories: dict[int, _History] = {}
        self._by_key: dict[str, _History] = {}
        self._fenced: set[int] = set()
        self._parts: dict[str, tuple[Sequence[Row], dict[int, list[Row]]]] = {}
        self._call_count = 0
        self._early: list[Called] = []  # calls of executions that are not durable yet
        self._called: Counter[tuple[str, str, str]] = Counter()
        self._undone: set[str] = set()
        self._standing: Counter[tuple[str, str, str]] = Counter()  # landings that were not undone
        self._landed = 0, 0  # landings and undos that it was counted from

    def judge(self, rows: Rows, ledger: Ledger) -> list[Broken]:
        """Judge a durable point: right after a commit, or when a request has arrived outside."""
        broken: list[Broken] = []
        log, effects, messages = (self._of(rows, t) for t in ("log", "effect", "message"))
        for row in rows["execution"]:
            id = row["id"]
            history = self._histories.get(id) or self._begun(row, rows["definition"])
            mine = row, log.get(id, _NONE), effects.get(id, _NONE), messages.get(id, _NONE)
            broken += history.judge(*mine, self._fenced)
        self._fenced = {row["id"] for row in rows["session"] if row["fenced"] is not None}
        return [*broken, *self._arrived(ledger), *self._outside(rows, ledger)]

    def settle(self, rows: Rows, ledger: Ledger) -> list[Broken]:
        """Judge the end, when every process has stopped and nothing is on its way any more."""
        broken = self.judge(rows, ledger)
        for call in self._early:
            broken.append(Broken(Rule.INTENT_FIRST, call.execution, f"nobody called {call.site}"))
        for history in self._histories.values():
            mine = [landing for landing in ledger.landings if landing.execution == history.key]
            broken += history.settle(mine, self._undone)
        return broken

    def _begun(self, row: Row, definitions: Sequence[Row]) -> _History:
        (body,) = [one["body"] for one in definitions if one["net"] == row["net"]]
        history = self._histories[row["id"]] = _History(row, read_net(body))
        self._by_key[history.key] = history
        return history

    def _of(self, rows: Rows, table: str) -> dict[int, list[Row]]:
        """The rows of a table by execution."""
        if table not in self._parts or self._parts[table][0] is not rows[table]:
            parts: dict[int, list[Row]] = {}
            for row in rows[table]:
                parts.setdefault(row["execution"], []).append(row)
            self._parts[table] = rows[table], parts
        return self._parts[table][1]

    def _arrived(self, ledger: Ledger) -> Iterator[Broken]:
        early, self._early = self._early, []
        for call in early:  # harmless, if it turns out to be of a step without effect
            history = self._by_key.get(call.execution)
            if history is None:
                self._early.append(call)
            elif history.effect(call) not in ("", *_WITHOUT_EFFECT):
                yield Broken(Rule.INTENT_FIRST, call.execution, f"{call.site} came before record 0")
        for call in ledger.calls[self._call_count :]:
            history = self._by_key.get(call.execution)
            if history is None:
                self._early.append(call)
                continue
            yield from history.may_call(call)
            if call.role == "step" and history.effect(call) in _WITH_INTENT:
                self._called[call.execution, call.site, call.key] += 1
                if self._called[call.execution, call.site, call.key] > 1:
                    yield Broken(Rule.ONE_CALL, call.execution, f"{call.site} {call.key}")
        self._call_count = len(ledger.calls)

    def _outside(self, rows: Rows, ledger: Ledger) -> Iterator[Broken]:
        if len(self._undone) != len(ledger.undos):
            self._undone = {undo.key for undo in ledger.undos}
        undone = self._undone
        for history in self._histories.values():
            yield from history.stands(undone)
        if self._landed != (len(ledger.landings), len(ledger.undos)):
            self._landed = len(ledger.landings), len(ledger.undos)
            standing = [x for x in ledger.landings if x.key not in undone]
            self._standing = Counter([(x.execution, x.site, x.occurrence) for x in standing])
        for (execution, site, occurrence), count in self._standing.items():
            if count > 1:
                yield Broken(Rule.ONE_LANDING, execution, f"{site}{occurrence}: {count}")
        keys = {row["key"]: row["id"] for row in rows["execution"]} if ledger.sent else {}
        there = {(row["execution"], row["id"]) for row in rows["message"]}
        for sent in ledger.sent:
            if (keys.get(sent.execution, 0), sent.id) not in there:
                yield Broken(Rule.NO_LOSS, sent.execution, sent.id)


_NONE: list[Row] = []


def _genesis(row: Row) -> bytes:
    state = blake2b(b"perdure log 1", digest_size=16)
    for part in (row["key"], row["workflow"], row["net"], row["input_digest"]):
        raw = part.encode() if isinstance(part, str) else part
        state.update(struct.pack(">I", len(raw)) + raw)
    return state.digest()


def _chained(head: bytes, row: Row) -> bytes:
    numbers = (row["seq"], row["tenure"], row["kind"], row["transition"], row["at"])
    return blake2b(head + _HEADER.pack(1, *numbers) + row["body"], digest_size=16).digest()
