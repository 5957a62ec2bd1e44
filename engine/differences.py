"""Whether two inputs of one id are the same, and how they differ, in words for
`ExecutionConflict`. Nothing is stored or read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from ..model.values import Value

SHOWN = 60


def input_digest(inputs: Mapping[str, bytes]) -> bytes:
    """What makes two inputs the same: the JSON of each name, the order of keys left aside."""
    state = blake2b(digest_size=16)
    for name in sorted(inputs):
        state.update(name.encode() + b"\0" + _in_order(inputs[name]) + b"\0")
    return state.digest()


def _in_order(raw: bytes) -> bytes:
    if b"{" not in raw:
        return raw
    return msgspec.json.encode(msgspec.json.decode(raw), order="sorted")


def difference(stored: bytes, inputs: Mapping[str, Value]) -> str:
    """Name the parameters whose values differ, with both values, shortened."""
    old = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
    said: list[str] = []
    for name in sorted(set(old) | set(inputs)):
        before = _in_order(bytes(old[name])).decode() if name in old else "absent"
        after = _in_order(inputs[name].raw).decode() if name in inputs else "absent"
        if before != after:
            said.append(f"{name} was {_short(before)} and is {_short(after)}")
    return "; ".join(said)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
