"""One stored exception as a note of another: done on the bytes, so that no class has to be found.

A fork raises the first error by log order; the others must not be lost (C19). No exception is made
or raised here, and no codec is asked.
"""

from __future__ import annotations

import msgspec

_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Told(msgspec.Struct):
    type: str
    text: str
    notes: list[str] = []


_TOLD = msgspec.json.Decoder(_Told).decode


def noted(first: bytes, later: bytes, branch: int) -> bytes:
    """The first exception with a note that says what branch number `branch` (from 0) raised."""
    parts, told = _DECODE(first), _TOLD(later)
    name = told.type.rpartition(":")[2].rpartition(".")[2]
    note = f"branch {branch + 1} failed too: {name}: {told.text}"
    notes = [*_TOLD(first).notes, note]
    parts["notes"] = msgspec.Raw(msgspec.json.encode(notes))
    return msgspec.json.encode(parts)
