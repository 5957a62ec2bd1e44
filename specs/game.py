"""The token game of a stored net, once more and differently: with values as JSON, and with causes.

Written from the description of nets, not from the engine: a token carries its variables and the set
of records in its causal past (bits of an integer). No user code runs and nothing is decided: which
way a choice went is in the record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

_SPAN = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?")
_AGAIN = ("voided", "undid", "retry")  # the same call once more, under a key of its own
_KEYED = ("idempotent", "compensatable", "irreversible")
_SCOPES = ("in", "ending")  # read and put back by parallel branches: no cause between them


class Lawless(Exception):
    """A record that is no firing of the net here."""


class Token(NamedTuple):
    """What rests in a place."""

    past: int  # bit n: record n is among its causes
    at: int  # time of the record that put it
    frame: Mapping[str, Any]


class Net:
    """A stored net, by names."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.kinds: dict[str, str] = {p["name"]: p["kind"] for p in told["places"]}
        self.calls: dict[str, str] = {
            p["name"]: p["site"] for p in told["places"] if p["kind"] == "before"
        }
        self.frames: dict[str, list[str]] = {p["name"]: p["frame"] for p in told["places"]}
        self.transitions: Sequence[Mapping[str, Any]] = told["transitions"]
        self.sites: dict[str, Mapping[str, Any]] = {s["name"]: s for s in told["sites"]}
        self.initial: str = told["initial"]
        self.leaving: dict[str, list[Mapping[str, Any]]] = {name: [] for name in self.kinds}
        for transition in self.transitions:
            for place in transition["take"]:
                self.leaving[place].append(transition)


@lru_cache(maxsize=64)
def read_net(definition: bytes) -> Net:
    """The net in a stored definition, read once for all histories of the same workflow."""
    return Net(json.loads(definition)["net"])


@lru_cache(maxsize=4096)
def read_body(raw: bytes) -> Mapping[str, Any]:
    """The body of a record; many histories write the same bytes."""
    return json.loads(raw)


class Entry(NamedTuple):
    """A compensatable call that may have to be undone."""

    key: str
    seq: int  # of its intent
    past: int  # causes of its intent


class Game:
    """A marking, and by saga what may have to be undone.

    With an `origin`, the key of the execution, it also knows the keys of the calls it came to.
    """

    def __init__(self, net: Net, inputs: Mapping[str, Any], at: int, origin: str = "") -> None:
        self.net, self.origin = net, origin
        self.marking: dict[str, Token] = {net.initial: Token(1, at, inputs)}
        self.stacks: dict[str, list[Entry]] = {}
        self.forgotten: set[str] = set()
        self.keys: dict[str, str] = {}  # site -> key of its latest intent
        self.reached: dict[str, str] = {}  # key of a call that the marking came to -> site
        self.next: dict[str, str] = {}  # site -> key of the latest of them
        self._counts: dict[str, tuple[int, int]] = {}  # site -> occurrence, voided attempts of it

    @property
    def end(self) -> str:
        """The status that the marking says, or "active"."""
        kinds = {self.net.kinds[place] for place in self.marking}
        return next((k for k in ("done", "failed", "cancelled") if k in kinds), "active")

    def taken(self, number: int) -> list[Token]:
        """The tokens that a transition takes first."""
        places = [p for p in self._told(number)["take"] if self.net.kinds[p] != "vanishing"]
        missing = [p for p in places if p not in self.marking]
        if missing:
            raise Lawless(f"{self._told(number)['name']!r} takes a token from {missing}")
        return [self.marking[p] for p in places if self.net.kinds[p] not in _SCOPES]

    def fire(
        self, number: int, seq: int, at: int, body: Mapping[str, Any]
    ) -> list[Mapping[str, Any]]:
        """Fire what record `seq` says; the transitions that were gone through. `Lawless`."""
        told = self._told(number)
        cause = 1 << seq
        for token in self.taken(number):
            cause |= token.past
        given = dict(body.get("d", {}))
        bound = told["binds"] or "$result"
        for name in ("r", "e"):
            if name in body:
                given.setdefault(bound, body[name])
        exits = list(body.get("p", ()))
        env: dict[str, Any] = {}
        gone = [told]
        pending = self._move(told, env, cause, at, given, seq, body.get("k", ""))
        while pending:
            told = self._way_out(pending, exits)
            gone.append(told)
            pending = self._move(told, env, cause, at, given, seq, "")
        if exits:
            raise Lawless(f"record {seq} has {len(exits)} exits too many")
        if self.origin:
            self._arrive(gone)
        return gone

    def _arrive(self, gone: Sequence[Mapping[str, Any]]) -> None:
        """Note the keys of the calls that a firing came to: a call is known by what it is about."""
        for place in [p for told in gone for p in told["put"] if p in self.net.calls]:
            site = self.net.calls[place]
            if self.net.sites[site]["effect"] not in _KEYED:
                continue
            occurrence, voids = self._counts.get(site, (0, 0))
            again = gone[0]["kind"] in _AGAIN and gone[0]["site"] == site
            counts = (occurrence, voids + 1) if again else (occurrence + 1, 0)
            text = "\0".join((self.origin, site, *map(str, counts)))
            key = blake2b(text.encode(), digest_size=16).hexdigest()
            self._counts[site], self.next[site], self.reached[key] = counts, key, site

    def moment(self, site: str, token: Token) -> int:
        """When a timer that a token waits for is due, in microseconds since 1970."""
        told = self.net.sites[site]
        given = token.frame[told["arguments"][0][1]]
        if told["target"] in ("at", "sleep_until"):
            return round(datetime.fromisoformat(given).timestamp() * 1e6)
        return token.at + _microseconds(given)

    def _told(self, number: int) -> Mapping[str, Any]:
        if not 0 <= number < len(self.net.transitions):
            raise Lawless(f"there is no transition {number}")
        return self.net.transitions[number]

    def _way_out(self, place: str, exits: list[int]) -> Mapping[str, Any]:
        out = self.net.leaving[place]
        numbers = {t["exit"] for t in out}
        if len(numbers) > 1 and not exits:
            raise Lawless(f"no exit is recorded at {place!r}")
        number = exits.pop(0) if len(numbers) > 1 else out[0]["exit"]
        found = [
            t
            for t in out
            if t["exit"] == number
            and all(p == place or p in self.marking for p in (*t["take"], *t["read"]))
        ]
        if len(found) != 1:
            raise Lawless(f"exit {number} of {place!r} leads to {len(found)} transitions")
        return found[0]

    def _move(
        self,
        told: Mapping[str, Any],
        env: dict[str, Any],
        cause: int,
        at: int,
        given: Mapping[str, Any],
        seq: int,
        key: str,
    ) -> str:
        for place in told["take"]:
            if self.net.kinds[place] != "vanishing":
                if place not in self.marking:
                    raise Lawless(f"{told['name']!r} takes a token from {place!r}")
                env.update(self.marking.pop(place).frame)
        if any(place not in self.marking for place in told["read"]):
            raise Lawless(f"{told['name']!r} reads a token that is not there")
        self._stack(told, seq, cause, key)
        pending = ""
        for place in told["put"]:
            if self.net.kinds[place] == "vanishing":
                pending = place
                continue
            if place in self.marking:
                raise Lawless(f"a second token in {place!r}")
            known = {**env, **given}
            frame = {name: known[name] for name in self.net.frames[place] if name in known}
            self.marking[place] = Token(cause, at, frame)
        return pending

    def _stack(self, told: Mapping[str, Any], seq: int, cause: int, key: str) -> None:
        op, name, site = told["stack_op"], told["stack"], told["site"]
        if told["kind"] == "intent":
            self.keys[site] = key
        if not op:
            return
        stack = self.stacks.setdefault(name, [])
        if op == "open":
            self.stacks[name] = []
        elif op == "push":
            stack.append(Entry(key, seq, cause))
        elif op == "drop":
            stack[:] = [entry for entry in stack if entry.key != self.keys.get(site)]
        elif op == "pop":
            self.stacks[name] = popped(stack, key)
        elif op == "hand over":
            self.stacks.setdefault(told["outer_stack"], []).extend(stack)
            self.stacks[name] = []
        elif op == "forget":
            self.forgotten |= {entry.key for entry in stack}
            self.stacks[name] = []


def _microseconds(span: str) -> int:
    match = _SPAN.fullmatch(span)
    if match is None:
        raise Lawless(f"{span!r} is no span of time")
    sign, days, hours, minutes, seconds = match.groups()
    whole = timedelta(int(days or 0), float(seconds or 0), 0, 0, int(minutes or 0), int(hours or 0))
    return 0 if sign else whole // timedelta(microseconds=1)


def popped(stack: list[Entry], key: str) -> list[Entry]:
    """The stack without this entry; `Lawless` while something that rests on it is still there."""
    found = [entry for entry in stack if entry.key == key]
    if len(found) != 1:
        raise Lawless(f"{key} is undone, and it is not among what may be undone")
    others = [entry for entry in stack if entry.key != key]
    later = [entry.key for entry in others if entry.past >> found[0].seq & 1]
    if later:
        raise Lawless(f"{key} is undone before {later}, which came after it")
    return others
