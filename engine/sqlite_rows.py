"""From stored columns to the rows of the port. Columns come in the order of the fields.

No statement is run here.
"""

from __future__ import annotations

from typing import Any

from .records import Kind, Record
from .store import AttemptRow, EffectRow, ExecutionRow, Identity, MessageRow, SessionRow, Status

EXECUTION = ", ".join(ExecutionRow._fields)
MESSAGE = ", ".join(MessageRow._fields)
ATTEMPT = ", ".join(AttemptRow._fields)
EFFECT = ", ".join(EffectRow._fields)
SESSION = "id, worker, host, boot, namespace, pid, started, beats, suspect, fenced"
RECORD = ", ".join(Record._fields)
_STATUS = ExecutionRow._fields.index("status")
_LOST = ExecutionRow._fields.index("lost")


def execution_row(row: tuple[Any, ...]) -> ExecutionRow:
    """From the columns of `EXECUTION`."""
    values = list(row)
    values[_STATUS], values[_LOST] = Status(values[_STATUS]), bool(values[_LOST])
    return ExecutionRow(*values)


def record(row: tuple[Any, ...]) -> Record:
    """From the columns of `RECORD`."""
    seq, tenure, kind, transition, at, body, hash = row
    return Record(seq, tenure, Kind(kind), transition, at, body, hash)


def session_row(row: tuple[Any, ...]) -> SessionRow:
    """From the columns of `SESSION`."""
    id, *identity, beats, suspect, fenced = row
    return SessionRow(id, Identity(*identity), beats, suspect, fenced is not None)
