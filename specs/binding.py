"""Binds model and code: stored logs, and what happened outside, are told to the proved protocol.

`Binding` reads one database at every durable point, beside the oracle, with what happened outside;
`check` reads one log afterwards (`perdure audit`), when nobody can say any more what happened
there. How a record is told is in `trace.py`; no rule of the protocol is written here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any

from .game import Lawless, Net, read_body, read_net
from .ledger import Ledger
from .oracle import Broken, Row, Rows, Rule
from .protocol.plain import Refused
from .trace import Trace
from .unbound import Unbound

_BOUND = ("idempotent", "compensatable", "irreversible")
_FINISHED = 11


class _Watched:
    """One execution, as far as it was read."""

    def __init__(self, row: Row, net: Net) -> None:
        self.id, self.key = row["id"], row["key"]
        self.trace = Trace(net, watched=True)
        self.fenced: set[int] = set()
        self.read = self.mail = 0
        self.refused = False
        self.seen: tuple[object, ...] = (None,) * 4


class Binding:
    """Tells what is stored, and what happened outside, as it comes."""

    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}
        self._seen = [0] * len(_TELLS)  # of each of the ledger's lists

    def judge(self, rows: Rows, ledger: Ledger) -> list[Broken]:
        """Read a durable point; of an execution that was refused nothing more is said."""
        for row in rows["execution"]:
            if row["id"] not in self._watched:
                (body,) = [one["body"] for one in rows["definition"] if one["net"] == row["net"]]
                self._watched[row["id"]] = _Watched(row, read_net(body))
        found = list(self._outside(ledger))
        others = rows["session"], rows["message"], rows["log"]
        for row in rows["execution"]:
            watched = self._watched[row["id"]]
            old = [*map(is_, (row, *others), watched.seen)]  # the same objects: nothing is new
            if not all(old):
                watched.seen = (row, *others)
                found += self._told(watched, lambda w, row=row, old=old: _read(w, row, rows, old))
        return found

    def _outside(self, ledger: Ledger) -> Iterator[Broken]:
        """What happened outside since then; the ledger's lists only grow."""
        parts = ledger.calls, ledger.landings, ledger.undos, ledger.answers
        if self._seen == [*map(len, parts)]:
            return
        by_key = {watched.key: watched for watched in self._watched.values()}
        for part, seen, tell in zip(parts, self._seen, _TELLS, strict=True):
            for each in part[seen:]:
                watched = by_key.get(each.execution)
                if watched is not None:
                    yield from self._told(watched, lambda w, tell=tell, each=each: tell(w, each))
        self._seen = [len(part) for part in parts]

    def _told(self, watched: _Watched, tell: Callable[[_Watched], None]) -> list[Broken]:
        if watched.refused:
            return []
        try:
            tell(watched)
        except (Refused, Unbound, Lawless) as why:
            watched.refused = True
            return [Broken(Rule.PROTOCOL, watched.key, str(why))]
        return []


def _called(watched: _Watched, call: Any) -> None:
    site = watched.trace.net.sites.get(call.site)
    if site is None or site["effect"] not in _BOUND:
        return
    if call.role == "step":
        watched.trace.called(call.site, call.key)
    elif call.role == "probe":
        watched.trace.asking.probe(call.site, call.key)
    else:
        watched.trace.undoing(call.site, call.key)


def _landed(watched: _Watched, landing: Any) -> None:
    if landing.key in watched.trace.intents:
        watched.trace.landed(landing.key)


def _undone(watched: _Watched, undo: Any) -> None:
    if undo.key in watched.trace.intents:
        watched.trace.undone(undo.key)


def _answered(watched: _Watched, answer: Any) -> None:
    watched.trace.asking.heard(answer.role, answer.key, answer.says)


_TELLS = (_called, _landed, _undone, _answered)


def _read(watched: _Watched, row: Row, rows: Rows, old: list[bool]) -> None:
    """What changed in the database: one commit did it, so the order in which it is told is free.

    `old`: whether the row, the sessions, the messages and the logs are those of last time.
    """
    trace = watched.trace
    over = [] if old[1] else [s["id"] for s in rows["session"] if s["fenced"] is not None]
    for session in over:
        if session not in watched.fenced:
            watched.fenced.add(session)
            trace.fenced(session)
            old = [False]
    if all(old[:1] + old[2:]):  # somebody's heartbeat
        return
    if row["owner"] is not None and row["tenure"] > trace.tenure:
        trace.claimed(row["owner"], row["tenure"])
    messages = [m for m in rows["message"] if m["execution"] == watched.id]
    for message in messages[watched.mail :]:
        trace.arrived(message["number"], message["channel"])
    watched.mail = len(messages)
    log = [record for record in rows["log"] if record["execution"] == watched.id]
    for record in log[watched.read :]:
        trace.record(record, read_body(record["body"]))
    watched.read = len(log)
    trace.compare({m["number"] for m in messages if m["consumed_at"] is None})
    if row["owner"] is None:
        trace.released(row["wake_at"], row["updated"])
    trace.hold(row)


def check(
    net: Mapping[str, Any], records: Sequence[Row], messages: Sequence[Row]
) -> Iterator[tuple[int | None, str]]:
    """Where a log that lies there is refused, and why; nothing if it is a run of the protocol."""
    trace = Trace(Net(net), watched=False)
    told = [(record, json.loads(record["body"])) for record in records]
    known, seq = _known(told), None
    try:
        for message in messages:
            if known is None or message["number"] <= known:
                trace.arrived(message["number"], message["channel"])
        for record, body in told:
            seq = record["seq"]
            trace.record(record, body)
        for message in messages:
            if known is not None and message["number"] > known:
                trace.arrived(message["number"], message["channel"])
    except (Refused, Unbound, Lawless) as why:
        yield seq, str(why)


def _known(told: Sequence[tuple[Row, Mapping[str, Any]]]) -> int | None:
    """How many messages had come when it ended, as its last record says; None before the end.

    Their times say nothing, for clocks may jump; their numbers are in the order of arrival.
    """
    if not told or told[-1][0]["kind"] != _FINISHED:
        return None
    taken = sum(bool(body.get("m")) for _, body in told)
    return taken + told[-1][1].get("unread", 0)
