"""Sessions on SQLite: register, beat, fence, handover, claim, each inside an open transaction.

The locks of rules 3 to 5 are one here: BEGIN IMMEDIATE admits a single writer.
No log row is written here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from .records import Kind, Record
from .sqlite_append import require_session
from .sqlite_link import Link
from .sqlite_rows import ATTEMPT, EXECUTION, MESSAGE, RECORD, execution_row, record
from .store import SUSPECT_RECOVERIES, AttemptRow, Claimed, Identity, MessageRow

_REGISTER = """
INSERT INTO session (worker, host, boot, namespace, pid, started, beats, registered)
VALUES (?, ?, ?, ?, ?, ?, 0, ?)"""
# Beside a suspect named before it ran, the others are lost without blame, and so are suspects that
# were not named (rule 33).
_RELEASE = f"""
UPDATE execution SET owner = NULL, wake_at = min(coalesce(wake_at, ?1), ?1), updated = ?1,
    lost = iif(?3 = id OR (?3 IS NULL AND recoveries < {SUSPECT_RECOVERIES}), 1, 2)
WHERE owner = ?2"""
# Owners come by steps through the index: there are few of them, and fenced sessions are many.
_DUE = """
WITH RECURSIVE owners (id) AS (
    SELECT min(owner) FROM execution WHERE owner IS NOT NULL
    UNION ALL
    SELECT (SELECT min(owner) FROM execution WHERE owner > owners.id) FROM owners
    WHERE owners.id IS NOT NULL),
due (id, wake_at) AS (
    SELECT id, wake_at FROM execution
    WHERE status = 'active' AND owner IS NULL AND wake_at <= ?1 AND wake_at IS NOT NULL
        AND net IN (SELECT value FROM json_each(?2))
    UNION ALL
    SELECT execution.id, coalesce(wake_at, 0) FROM owners
    JOIN session ON session.id = owners.id AND session.fenced IS NOT NULL
    JOIN execution ON execution.owner = owners.id
    WHERE status = 'active' AND net IN (SELECT value FROM json_each(?2)))
SELECT id FROM due ORDER BY wake_at, id LIMIT ?3"""
_TAKE = """
UPDATE execution SET owner = ?1, tenure = tenure + 1, lost = 0, wake_at = NULL, waits = NULL,
    recoveries = ?2, lost_head = ?3, updated = ?4
WHERE id = ?5"""
_OF_CLAIMED = "(SELECT value FROM json_each(?))"
# An owner that was fenced without a release (the second net of rule 5) counts as lost too.
_BLAMES = f"""
SELECT execution.id, CASE WHEN lost <> 0 OR owner IS NULL THEN lost
    WHEN suspect = execution.id OR (suspect IS NULL AND recoveries < {SUSPECT_RECOVERIES}) THEN 1
    ELSE 2 END, lost_head, recoveries
FROM execution LEFT JOIN session ON session.id = execution.owner
WHERE execution.id IN {_OF_CLAIMED}"""
_TAILS = f"""
SELECT log.execution, {", ".join("log." + name for name in Record._fields)}
FROM json_each(?) AS claimed CROSS JOIN execution ON execution.id = claimed.value
CROSS JOIN log ON log.execution = execution.id AND log.seq > execution.checkpoint_seq
ORDER BY log.execution, log.seq"""


def register(link: Link, identity: Identity, now: int) -> int:
    """Insert a session; its number."""
    one = identity
    values = (one.worker, one.host, one.boot, one.namespace, one.pid, one.started, now)
    number = link.run(_REGISTER, values).lastrowid
    assert number is not None
    return number


def beat(link: Link, session: int) -> bool:
    """Raise the counter in one statement of its own; False: fenced."""
    link.run("BEGIN IMMEDIATE")
    try:
        sql = "UPDATE session SET beats = beats + 1 WHERE id = ? AND fenced IS NULL"
        alive = link.run(sql, (session,)).rowcount == 1
        link.run("COMMIT")
    except BaseException:
        link.rollback()
        raise
    return alive


def suspect(link: Link, session: int, execution: int | None) -> None:
    """Name the execution that may kill the process; raises Fenced."""
    require_session(link, session)
    link.run("UPDATE session SET suspect = ? WHERE id = ?", (execution, session))


def serves(link: Link, session: int, nets: Sequence[str]) -> None:
    """Note which nets a session has the code of."""
    sql = "INSERT INTO serving (session, net) VALUES (?, ?) ON CONFLICT (session, net) DO NOTHING"
    link.many(sql, [(session, net) for net in nets])


def fence(link: Link, session: int, now: int) -> int:
    """End the session and release its executions; how many."""
    link.run("UPDATE session SET fenced = ? WHERE id = ? AND fenced IS NULL", (now, session))
    suspects = link.rows("SELECT suspect FROM session WHERE id = ?", (session,))
    suspect = suspects[0][0] if suspects else None
    return link.run(_RELEASE, (now, session, suspect)).rowcount


def handover(link: Link, session: int, identity: Identity, now: int) -> tuple[int, dict[int, int]]:
    """Fence the own session and move what it still owns to the next; tenures by execution."""
    link.run("UPDATE session SET fenced = ? WHERE id = ? AND fenced IS NULL", (now, session))
    number = register(link, identity, now)
    moved = "UPDATE execution SET owner = ?, tenure = tenure + 1, updated = ? WHERE owner = ?"
    link.run(moved, (number, now, session))
    tenures = link.rows("SELECT id, tenure FROM execution WHERE owner = ?", (number,))
    return number, dict(tenures)


def due(link: Link, nets: Sequence[str], limit: int, now: int) -> list[int]:
    """The executions that a claim would take."""
    return [id for (id,) in link.rows(_DUE, (now, json.dumps(list(nets)), limit))]


def claim(link: Link, session: int, nets: Sequence[str], limit: int, now: int) -> list[Claimed]:
    """Take due executions; tenure + 1 each."""
    require_session(link, session)
    order = due(link, nets, limit, now)
    if not order:
        return []
    ids = json.dumps(sorted(order))
    lost: dict[int, bool] = {}
    takes: list[tuple[int | None, ...]] = []
    for id, blame, lost_head, recoveries in link.rows(_BLAMES, (ids,)):
        lost[id] = bool(blame)
        if blame:
            head = _progress(link, id)
            if head != lost_head:
                recoveries = 1 if blame == 1 else min(recoveries, 1)
            elif blame == 1:
                recoveries += 1
            lost_head = head
        takes.append((session, recoveries, lost_head, now, id))
    link.many(_TAKE, takes)
    loaded = _load(link, ids, lost)
    return [loaded[id] for id in order]


def _progress(link: Link, execution: int) -> int:
    """The last seq beyond marks of claims: the same twice means a fruitless recovery."""
    sql = "SELECT seq FROM log WHERE execution = ? AND kind <> ? ORDER BY seq DESC LIMIT 1"
    found = link.rows(sql, (execution, int(Kind.CLAIMED)))
    return found[0][0] if found else -1


def _load(link: Link, ids: str, lost: dict[int, bool]) -> dict[int, Claimed]:
    """Rows, records after the checkpoint, unread messages and attempts: one query for each kind."""
    tails: dict[int, list[Record]] = defaultdict(list)
    for execution, *row in link.rows(_TAILS, (ids,)):
        tails[execution].append(record(tuple(row)))
    messages: dict[int, list[MessageRow]] = defaultdict(list)
    sql = f"SELECT {MESSAGE} FROM message WHERE execution IN {_OF_CLAIMED}"
    for row in link.rows(f"{sql} AND consumed_at IS NULL ORDER BY execution, number", (ids,)):
        messages[row[0]].append(MessageRow(*row))
    attempts: dict[int, list[AttemptRow]] = defaultdict(list)
    sql = f"SELECT {ATTEMPT} FROM attempt WHERE execution IN {_OF_CLAIMED} ORDER BY site"
    for row in link.rows(sql, (ids,)):
        attempts[row[0]].append(AttemptRow(*row))
    loaded: dict[int, Claimed] = {}
    sql = f"SELECT {EXECUTION} FROM execution WHERE id IN {_OF_CLAIMED}"
    for row in map(execution_row, link.rows(sql, (ids,))):
        tail = tails[row.id]
        last = tail[-1] if tail else _last(link, row.id)
        loaded[row.id] = Claimed(
            row, lost[row.id], tail, messages[row.id], attempts[row.id], last.hash, last.at
        )
    return loaded


def _last(link: Link, execution: int) -> Record:
    sql = f"SELECT {RECORD} FROM log WHERE execution = ? ORDER BY seq DESC LIMIT 1"
    return record(link.rows(sql, (execution,))[0])
