"""A state as bytes and back: what a checkpoint in the execution row holds. Values stay raw.

A checkpoint only saves time: folding the whole log gives the same state, and the audit does so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from ..model.marking import Entry, Token
from ..model.net import Net
from .kernel import Opened, State

Raw = msgspec.Raw


class _Entry(msgspec.Struct, array_like=True):
    site: str
    seq: int
    key: str
    arguments: list[Raw]
    known: bool
    result: list[Raw]  # none or one: `Raw | None` would read back as null alone


class _Token(msgspec.Struct, array_like=True):
    place: str
    seq: int
    at: int
    frame: dict[str, Raw]
    stacks: dict[str, list[_Entry]]


class _Opened(msgspec.Struct, array_like=True):
    seq: int
    at: int
    key: str
    lacks: bool = False


class _State(msgspec.Struct):
    tokens: list[_Token]
    calls: dict[str, tuple[int, int]]
    intents: dict[str, _Opened]


def encode(net: Net, state: State) -> bytes:
    """The bytes of a state."""
    tokens = [_token(net, place, token) for place, token in sorted(state.marking.items())]
    intents = {site: _Opened(*opened) for site, opened in state.intents.items()}
    return msgspec.json.encode(_State(tokens, dict(state.calls), intents), order="deterministic")


def _token(net: Net, place: int, token: Token) -> _Token:
    frame: dict[str, Raw] = {}
    stacks: dict[str, list[_Entry]] = {}
    for name, value in token.frame.items():
        if isinstance(value, tuple):
            stacks[name] = [_entry(e) for e in cast("tuple[Entry, ...]", value)]
        else:
            frame[name] = Raw(value.raw)
    return _Token(net.places[place].name, token.seq, token.at, frame, stacks)


def _entry(entry: Entry) -> _Entry:
    result = [] if entry.result is None else [Raw(entry.result.raw)]
    arguments = [Raw(a.raw) for a in entry.arguments]
    return _Entry(entry.site, entry.seq, entry.key, arguments, entry.known, result)


def decode(net: Net, raw: bytes, value: Callable[[str, str, bytes], Any]) -> State:
    """The state of a checkpoint; `value(variable, site, raw)` makes frame values."""
    stored = msgspec.json.decode(raw, type=_State)
    marking: dict[int, Token] = {}
    for token in stored.tokens:
        frame: dict[str, Any] = {n: value(n, "", bytes(r)) for n, r in token.frame.items()}
        for name, entries in token.stacks.items():
            frame[name] = tuple(_read(net, e, value) for e in entries)
        marking[net.place[token.place]] = Token(frame, token.seq, token.at)
    intents: Mapping[str, Opened] = {
        site: Opened(*msgspec.structs.astuple(o)) for site, o in stored.intents.items()
    }
    return State(marking, stored.calls, intents)


def _read(net: Net, entry: _Entry, value: Callable[[str, str, bytes], Any]) -> Entry:
    names = [variable for _, variable in net.site[entry.site].arguments]
    arguments = tuple(
        value(name, "", bytes(raw)) for name, raw in zip(names, entry.arguments, strict=True)
    )
    results = [value("$result", entry.site, bytes(raw)) for raw in entry.result]
    result = results[0] if results else None
    return Entry(entry.site, entry.seq, entry.key, arguments, entry.known, result)
