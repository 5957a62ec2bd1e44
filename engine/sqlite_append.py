"""The append on SQLite: the hot path, a few statements for a whole batch, guards included.

All functions run inside an open BEGIN IMMEDIATE, so what they read stays true until the commit.
Guards: the session is not fenced, it owns the execution in this tenure, and the record before the
first new one has the expected hash; the primary key refuses the rest. No commit is made here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from operator import length_hint
from typing import Any

import msgspec

from .errors import StoreUnavailable
from .records import Record
from .sqlite_link import Link, is_machine
from .sqlite_rows import EXECUTION, execution_row
from .store import Append, Appended, Fenced, Guard, RowChange, Status

_INSERT_LOG = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# A guard that does not hold leaves the tenure NULL, which the table refuses. An INSERT of what is
# selected from the table itself would make a temporary table for each row, at twice the price.
_INSERT_AFTER = """
INSERT INTO log VALUES (?1, ?2,
    (SELECT mine.tenure FROM log AS before JOIN execution AS mine ON mine.id = before.execution
    WHERE before.execution = ?1 AND before.seq = ?2 - 1 AND before.hash = ?9
        AND mine.owner = ?10 AND mine.tenure = ?3),
    ?4, ?5, ?6, ?7, ?8)"""
_INSERT_EXECUTION = """
INSERT INTO execution (id, key, workflow, version, net, input_digest, status, owner, tenure, mail,
    waits, wake_at, checkpoint, checkpoint_seq, lost, recoveries, created, updated)
VALUES (?, ?, ?, ?, ?, ?, 'active', ?, ?, 0, NULL, ?, NULL, -1, 0, 0, ?, ?)
ON CONFLICT (key) DO NOTHING"""
_CONSUME = (
    "UPDATE message SET consumed_at = ? WHERE execution = ? AND number = ? AND consumed_at IS NULL"
)
_EFFECT = """
INSERT INTO effect VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (execution, key) DO UPDATE SET
    site = excluded.site, effect = excluded.effect, intent_seq = excluded.intent_seq,
    outcome = excluded.outcome, outcome_seq = excluded.outcome_seq,
    decided_by = excluded.decided_by, evidence = excluded.evidence"""
_ATTEMPT = """
INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (execution, site) DO UPDATE SET
    tries = excluded.tries, first_at = excluded.first_at, next_at = excluded.next_at,
    error = excluded.error"""
_END = """
UPDATE execution SET status = ?, owner = NULL, wake_at = NULL, waits = NULL, updated = ?
WHERE id = ? AND owner IS ? AND tenure = ?"""
_CHANGE = """
UPDATE execution SET status = coalesce(?1, status), owner = iif(?2, NULL, owner),
    wake_at = iif(?2, ?3, coalesce(?3, wake_at)), waits = iif(?2, ?4, coalesce(?4, waits)),
    checkpoint = coalesce(?5, checkpoint),
    checkpoint_seq = iif(?5 IS NULL, checkpoint_seq, ?6), updated = ?7
WHERE id = ?8 AND owner IS ?9 AND tenure = ?10"""


class Misfit(Exception):
    """Something after the guards did not fit; which execution is guilty is found one by one."""


def is_value(error: Exception) -> bool:
    """One execution's values or rows may be at fault, so the others can be written without it.

    Everything but the machine's faults: whose fault it is, is found by writing each alone.
    """
    return not isinstance(error, StoreUnavailable) and not is_machine(error)


class _Member(msgspec.Struct, gc=False):
    index: int
    append: Append
    id: int


def require_session(link: Link, session: int) -> None:
    """Raise Fenced unless the session may append (read in the transaction of the append)."""
    if not link.rows("SELECT 1 FROM session WHERE id = ? AND fenced IS NULL", (session,)):
        raise Fenced(session)


def write_batch(link: Link, session: int, batch: Sequence[Append], now: int) -> list[Appended]:
    """Write what fits of a batch and say of each what became of it.

    Any error means that the whole batch must be undone by the caller; see `write_each`.
    """
    require_session(link, session)
    return _write(link, session, batch, now)


def write_start(link: Link, append: Append, now: int) -> Appended:
    """Create an execution for nobody in particular: the one append without a session (rule 2)."""
    return _write(link, 0, [append], now)[0]


def _write(link: Link, session: int, batch: Sequence[Append], now: int) -> list[Appended]:
    results = [Appended(append.execution, True) for append in batch]
    members: list[_Member] = []
    for index, append in enumerate(batch):
        why = malformed(append)
        if why:
            guard = Guard(append.execution, why, poison=True)
            results[index] = Appended(append.execution, False, guard=guard)
        else:
            members.append(_Member(index, append, append.execution))
    members = _create(link, members, results, now)
    members = _decide(link, session, members, results)
    members = _insert(link, session, members, results)
    _write_others(link, members)
    _change(link, session, members, now)
    return results


def write_each(link: Link, session: int, batch: Sequence[Append], now: int) -> list[Appended]:
    """Write each execution's part in its own savepoint: only the guilty fail (rule 9)."""
    require_session(link, session)
    results: list[Appended] = []
    for append in batch:
        link.run("SAVEPOINT alone")
        try:
            results += write_batch(link, session, [append], now)
        except Exception as error:
            if not is_value(error):
                raise
            link.run("ROLLBACK TO alone")
            poison = not isinstance(error, Misfit)
            guard = Guard(append.execution, f"{type(error).__name__}: {error}", poison)
            results.append(Appended(append.execution, False, guard=guard))
        link.run("RELEASE alone")
    return results


def malformed(append: Append) -> str | None:
    """What is wrong with an append before any database is asked: bugs of ours, never raised."""
    records, change = append.records, append.change
    begin = records[0].seq if records else None
    if append.create is not None and begin != 0:
        return "a new execution begins with record 0"
    if append.create is None and begin is not None and begin <= 0:
        return "record 0 exists already"
    expected = begin
    for seq, tenure, _, _, _, body, _ in records:
        if seq != expected:
            return f"record {expected} is missing before {seq}"
        if tenure != append.tenure:
            return f"record {seq} has tenure {tenure}, not {append.tenure}"
        if type(body) is not bytes:
            return f"record {seq} has a body of {type(body).__name__}, not bytes"
        expected = seq + 1
    if change is not None and conditional(change) and change.mail_seen is None:
        return "a release or an end must say which mail was seen"
    return None


def conditional(change: RowChange) -> bool:
    """The change holds only when no mail came since `mail_seen`."""
    if change.status is Status.STALLED:
        return False
    return change.release or (change.status is not None and change.status.final)


def _create(link: Link, members: list[_Member], results: list[Appended], now: int) -> list[_Member]:
    new = [member for member in members if member.append.create is not None]
    if not new:
        return members
    last = link.rows("SELECT seq FROM sqlite_sequence WHERE name = 'execution'")
    rows: list[tuple[Any, ...]] = []
    for number, member in enumerate(new, (last[0][0] if last else 0) + 1):
        create, member.id = member.append.create, number
        assert create is not None
        rows.append(
            (number, create.key, create.workflow, create.version, create.net, create.input_digest,
             create.owner, member.append.tenure, create.wake_at, now, now)
        )  # fmt: skip
        results[member.index] = Appended(number, True)
    if link.many(_INSERT_EXECUTION, rows) == len(new):
        return members
    keys = json.dumps([row[1] for row in rows])
    sql = f"SELECT {EXECUTION} FROM execution WHERE key IN (SELECT value FROM json_each(?))"
    found = {row[1]: execution_row(row) for row in link.rows(sql, (keys,))}
    taken: set[int] = set()
    for member in new:
        create = member.append.create
        assert create is not None
        row = found[create.key]
        if row.id != member.id:
            results[member.index] = Appended(row.id, False, existing=row)
            taken.add(member.index)
    return [member for member in members if member.index not in taken]


def _decide(
    link: Link, session: int, members: list[_Member], results: list[Appended]
) -> list[_Member]:
    """Take out releases and ends that meet new mail, and appends without a record to guard them."""
    asked: dict[int, _Member] = {}
    for member in members:
        append = member.append
        if append.create is None and (
            not append.records or (append.change is not None and conditional(append.change))
        ):
            asked[member.id] = member
    if not asked:
        return members
    sql = (
        "SELECT id, owner, tenure, mail FROM execution WHERE id IN (SELECT value FROM json_each(?))"
    )
    rows = {row[0]: row for row in link.rows(sql, (json.dumps(sorted(asked)),))}
    out: set[int] = set()
    for id, member in asked.items():
        row, change = rows.get(id), member.append.change
        if row is None or row[1] != session or row[2] != member.append.tenure:
            guard = Guard(id, "another session or tenure has this execution")
            results[member.index] = Appended(id, False, guard=guard)
            out.add(member.index)
        elif change is not None and conditional(change) and change.mail_seen != row[3]:
            results[member.index] = Appended(id, False, mail=True)
            out.add(member.index)
    return [member for member in members if member.index not in out]


def _insert(
    link: Link, session: int, members: list[_Member], results: list[Appended]
) -> list[_Member]:
    firsts = [member for member in members if _follows(member.append)]
    if firsts:
        guilty = _insert_firsts(link, session, firsts, results)
        if guilty:
            members = [member for member in members if member.index not in guilty]
    others: list[tuple[Any, ...]] = []
    for member in members:
        records = member.append.records
        begin = 1 if member.append.create is None else 0
        if len(records) > begin:
            others += [_row(member.id, record) for record in records[begin:]]
    if others:
        link.many(_INSERT_LOG, others)
    return members


def _insert_firsts(
    link: Link, session: int, firsts: list[_Member], results: list[Appended]
) -> set[int]:
    """Insert the first record of each behind the one it was made for; who is left out (rule 9)."""
    rows = [
        (*_row(m.id, m.append.records[0]), bytearray(m.append.previous), session) for m in firsts
    ]
    guilty: set[int] = set()
    left = iter(rows)  # taken one by one: at an error those before it are written
    while True:
        try:
            link.many(_INSERT_AFTER, left)
            return guilty
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_NOTNULL:
                raise
            member = firsts[len(firsts) - length_hint(left) - 1]
            seq = member.append.records[0].seq
            why = f"record {seq} does not follow the log, or the tenure is another's"
            results[member.index] = Appended(member.id, False, guard=Guard(member.id, why))
            guilty.add(member.index)


def _row(execution: int, record: Record) -> tuple[Any, ...]:
    """The columns of a record, of types that sqlite3 binds without looking for an adapter."""
    seq, tenure, kind, transition, at, body, hash = record
    return execution, seq, tenure, int(kind), transition, at, bytearray(body), bytearray(hash)


def _follows(append: Append) -> bool:
    """It has records, and they continue a log that exists."""
    return append.create is None and bool(append.records)


def _write_others(link: Link, members: list[_Member]) -> None:
    members = [m for m in members if _says_more(m.append)]
    if not members:
        return
    consumed = [(seq, m.id, number) for m in members for number, seq in m.append.consumed]
    if consumed and link.many(_CONSUME, consumed) != len(consumed):
        raise Misfit("a message to consume is not there or was consumed before")
    effects = [(m.id, *row[1:]) for m in members for row in m.append.effects]
    if effects:
        link.many(_EFFECT, effects)
    done = [(m.id, site) for m in members for site in m.append.attempts_done]
    if done:
        link.many("DELETE FROM attempt WHERE execution = ? AND site = ?", done)
    attempts = [(m.id, *row[1:]) for m in members for row in m.append.attempts]
    if attempts:
        link.many(_ATTEMPT, attempts)


def _says_more(append: Append) -> bool:
    """It has something beside its records."""
    return bool(append.consumed or append.effects or append.attempts or append.attempts_done)


def _change(link: Link, session: int, members: list[_Member], now: int) -> None:
    ends: list[tuple[Any, ...]] = []  # nearly all changes: a statement of their own costs less
    rows: list[tuple[Any, ...]] = []
    for member in members:
        append, change = member.append, member.append.change
        if change is None:
            continue
        owner = session if append.create is None else append.create.owner
        whose = (member.id, owner, append.tenure)
        over = change.status is not None and change.status is not Status.ACTIVE
        if over and change.checkpoint is None:
            ends.append((str(change.status), now, *whose))
            continue
        wake_at = None if change.wake_at is None else max(change.wake_at, now)
        left = (True, None, None) if over else (change.release, wake_at, change.waits)
        kept = (change.checkpoint, change.checkpoint_seq)
        rows.append((change.status, *left, *kept, now, *whose))
    changed = (link.many(_END, ends) if ends else 0) + (link.many(_CHANGE, rows) if rows else 0)
    if changed != len(ends) + len(rows):
        raise Misfit("the execution is not the session's in this tenure")
