"""What a store of this revision holds: its tables by name, and the triggers that keep logs
append-only.

What a trigger does, no code path can forget (rule 64); a store reads their presence back when it
opens. The columns are in tables.py.
"""

from __future__ import annotations

REVISION = 2
TABLES = frozenset({
    "attempt", "definition", "effect", "execution", "log", "message", "payload", "perdure_schema",
    "serving", "session",
})  # fmt: skip
_FINAL = "('done', 'failed', 'cancelled')"
_OWNED_BY_EXECUTION = ("log", "message", "effect", "attempt", "payload")

SQLITE_TRIGGERS: dict[str, str] = {
    "log_never_changes": (
        "CREATE TRIGGER log_never_changes BEFORE UPDATE ON log "
        "BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END"
    ),
    "log_goes_with_its_execution": (
        "CREATE TRIGGER log_goes_with_its_execution BEFORE DELETE ON log "
        "WHEN EXISTS (SELECT 1 FROM execution WHERE id = OLD.execution) "
        "BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END"
    ),
    "execution_goes_when_final": (
        "CREATE TRIGGER execution_goes_when_final BEFORE DELETE ON execution "
        f"WHEN OLD.status NOT IN {_FINAL} "
        "BEGIN SELECT RAISE(ABORT, 'this execution is not final'); END"
    ),
    "execution_takes_its_rows": (
        "CREATE TRIGGER execution_takes_its_rows AFTER DELETE ON execution BEGIN "
        + " ".join(f"DELETE FROM {t} WHERE execution = OLD.id;" for t in _OWNED_BY_EXECUTION)
        + " END"
    ),
    "execution_stays_itself": (
        "CREATE TRIGGER execution_stays_itself BEFORE UPDATE OF id, key, input_digest ON execution "
        "BEGIN SELECT RAISE(ABORT, 'an execution keeps its key and input'); END"
    ),
    "execution_stays_final": (
        "CREATE TRIGGER execution_stays_final BEFORE UPDATE OF status ON execution "
        f"WHEN OLD.status IN {_FINAL} AND NEW.status <> OLD.status "
        "BEGIN SELECT RAISE(ABORT, 'this execution is final'); END"
    ),
    "session_stays_fenced": (
        "CREATE TRIGGER session_stays_fenced BEFORE UPDATE OF id, fenced ON session "
        "WHEN OLD.fenced IS NOT NULL OR NEW.id <> OLD.id "
        "BEGIN SELECT RAISE(ABORT, 'a fenced session stays fenced'); END"
    ),
    "session_stays_known": (
        "CREATE TRIGGER session_stays_known BEFORE DELETE ON session WHEN OLD.fenced IS NULL "
        "BEGIN SELECT RAISE(ABORT, 'this session is not fenced'); END"
    ),
}
