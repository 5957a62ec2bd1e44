"""How an execution stands, by its rows: ended, on the desk, waiting in vain, stalled by whom.

Nothing is judged here, and no history is played.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import engine
from ..specs.oracle import Rows

ENDED = ("done", "failed", "cancelled")
_ENGINE = str(Path(engine.__file__).resolve().parent)
Row = Mapping[str, Any]


def on_desk(row: Row) -> bool:
    """It lies there for a person, and nobody owns it."""
    waits = (row["waits"] or "").split(",")
    return row["status"] == "active" and row["owner"] is None and "$desk" in waits


def told(row: Row) -> str:
    """How it stands, in words."""
    if row["status"] != "active":
        return str(row["status"])
    return "on the desk" if on_desk(row) else "waiting"


def waits_in_vain(row: Row, rows: Rows) -> bool:
    """It is stalled, or waits for a message where none is left that it hears, and for no moment."""
    if row["status"] == "stalled":
        return True
    if row["owner"] is not None or row["wake_at"] is not None or not row["waits"]:
        return False
    heard = set(row["waits"].split(","))
    unread = (m for m in rows["message"] if m["consumed_at"] is None)
    return not any(m["execution"] == row["id"] and m["channel"] in heard for m in unread)


def why_stalled(row: Row, rows: Rows) -> str:
    """What its last record says; nothing where it is not stalled."""
    if row["status"] != "stalled":
        return ""
    last = max((r for r in rows["log"] if r["execution"] == row["id"]), key=lambda r: r["seq"])
    return str(json.loads(bytes(last["body"])).get("why", ""))


def lost_too_often(row: Row, rows: Rows) -> bool:
    """It is stalled because no worker that had it wrote a record, so many times; that is so where
    two fence each other, and by itself no fault of the workflow or of the engine."""
    return re.fullmatch(r"recovered \d+ times without progress", why_stalled(row, rows)) is not None


def stalled_by_us(row: Row, rows: Rows) -> str:
    """Why it is stalled, if an error rose in a line of the engine; a workflow's own do not."""
    why = why_stalled(row, rows)
    lines = re.findall(r'^ *File "(.*)", line', why, re.MULTILINE)
    ours = bool(lines) and str(Path(lines[-1]).resolve()).startswith(_ENGINE)
    return f"{row['key']} is stalled: {why}" if ours else ""
