"""A state as bytes and back: what a checkpoint in the execution row holds. Values stay raw.

A checkpoint only saves time: folding the whole log gives the same state, and the audit does so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import msgspec

from ..model.marking import Entry, Token
from ..model.net import Net
from ..model.values import is_payload, payload_digest
from .kept import Kept, Make
from .kernel import Opened, State

Raw = msgspec.Raw
_Held = list[Raw] | str
"""The one value of a list as it is, or the digest of its payload; a list of none is no value."""


class _Entry(msgspec.Struct, array_like=True):
    site: str
    seq: int
    key: str
    arguments: list[_Held]
    known: bool
    result: _Held


class _Token(msgspec.Struct, array_like=True):
    place: str
    seq: int
    at: int
    frame: dict[str, _Held]
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
    took: int = 0  # bytes of the payloads that were stored for it


class _Took(msgspec.Struct):
    took: int = 0


_DECODE = msgspec.json.Decoder(_State).decode


def cost(raw: bytes) -> int:
    """What a checkpoint took, with the payloads that were stored for it."""
    return len(raw) + msgspec.json.decode(raw, type=_Took).took


def like(net: Net, state: State, raw: bytes) -> bool:
    """Whether a checkpoint is that of a state, whatever it took."""
    found = msgspec.structs.replace(_state(net, state, {}), took=_DECODE(raw).took)
    return msgspec.json.encode(found, order="deterministic") == raw


def encode(
    net: Net,
    state: State,
    payloads: dict[str, bytes] | None = None,
    known: Collection[str] = frozenset(),
) -> bytes:
    """The bytes of a state; values above 8 KiB go to `payloads` by digest, unless `known`."""
    found: dict[str, bytes] = {}
    made = _state(net, state, found)
    new = {digest: body for digest, body in found.items() if digest not in known}
    if payloads is not None:
        payloads.update(new)
    made.took = sum(map(len, new.values()))
    return msgspec.json.encode(made, order="deterministic")


def _state(net: Net, state: State, found: dict[str, bytes]) -> _State:
    def held(value: Any) -> _Held:
        if value is None:
            return []
        if not is_payload(value.raw):
            return [Raw(value.raw)]
        digest = payload_digest(value.raw).hex()
        found[digest] = value.raw
        return digest

    tokens = [_token(net, place, token, held) for place, token in sorted(state.marking.items())]
    intents = {site: _Opened(*opened) for site, opened in state.intents.items()}
    return _State(tokens, dict(state.calls), intents)


def _token(net: Net, place: int, token: Token, held: Callable[[Any], _Held]) -> _Token:
    frame: dict[str, _Held] = {}
    stacks: dict[str, list[_Entry]] = {}
    for name, value in token.frame.items():
        if isinstance(value, tuple):
            stacks[name] = [_entry(e, held) for e in cast("tuple[Entry, ...]", value)]
        else:
            frame[name] = held(value)
    return _Token(net.places[place].name, token.seq, token.at, frame, stacks)


def _entry(entry: Entry, held: Callable[[Any], _Held]) -> _Entry:
    arguments = [held(a) for a in entry.arguments]
    return _Entry(entry.site, entry.seq, entry.key, arguments, entry.known, held(entry.result))


def decode(net: Net, raw: bytes, value: Make) -> State:
    """The state of a checkpoint; `value(variable, site, raw)` makes frame values.

    Values kept by digest are `Kept` in it, to be resolved like those of the records behind it.
    """
    stored = _DECODE(raw)

    def read(variable: str, site: str, found: _Held) -> Any:
        if isinstance(found, str):
            return Kept(variable, site, (found,))
        return value(variable, site, bytes(found[0])) if found else None

    marking: dict[int, Token] = {}
    for token in stored.tokens:
        frame: dict[str, Any] = {n: read(n, "", held) for n, held in token.frame.items()}
        for name, entries in token.stacks.items():
            frame[name] = tuple(_read(net, e, read) for e in entries)
        marking[net.place[token.place]] = Token(frame, token.seq, token.at)
    intents: Mapping[str, Opened] = {
        site: Opened(*msgspec.structs.astuple(o)) for site, o in stored.intents.items()
    }
    return State(marking, stored.calls, intents)


def _read(net: Net, entry: _Entry, read: Callable[[str, str, _Held], Any]) -> Entry:
    names = [variable for _, variable in net.site[entry.site].arguments]
    arguments = tuple(read(n, "", held) for n, held in zip(names, entry.arguments, strict=True))
    result = read("$result", entry.site, entry.result)
    return Entry(entry.site, entry.seq, entry.key, arguments, entry.known, result)
