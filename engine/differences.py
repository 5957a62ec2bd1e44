"""How two inputs of one id differ, in words for `ExecutionConflict`. Nothing is compared for safety
here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..model.values import Value

SHOWN = 60


def difference(stored: bytes, inputs: Mapping[str, Value]) -> str:
    """Name the parameters whose values differ, with both values, shortened."""
    old = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
    said: list[str] = []
    for name in sorted(set(old) | set(inputs)):
        before = bytes(old[name]).decode() if name in old else "absent"
        after = inputs[name].raw.decode() if name in inputs else "absent"
        if before != after:
            said.append(f"{name} was {_short(before)} and is {_short(after)}")
    return "; ".join(said)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
