"""What the last long runs counted: data that they write anew, for the pages that say it. Nothing is
run here.

A run of an ordinary day keeps nothing: its figures are those that its own test asserts.
"""

from __future__ import annotations

import fcntl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).with_name("kept.json")


def read() -> dict[str, Any]:
    """Name of a run -> what it counted."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Any])


def keep(name: str, counted: dict[str, Any], file: Path = FILE) -> None:
    """Keep what a run counted, in place of what the one before it did; others may do so too."""
    with file.open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        known = msgspec.json.decode(stream.read(), type=dict[str, Any])
        known[name] = {"on": datetime.now(UTC).date().isoformat(), **counted}
        raw = msgspec.json.encode(dict(sorted(known.items())))
        stream.seek(0)
        stream.truncate()
        stream.write(msgspec.json.format(raw, indent=1) + b"\n")
