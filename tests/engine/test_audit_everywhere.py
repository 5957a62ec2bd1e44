"""The audit over every record of seventeen example histories: what is changed, removed, swapped or
forged anywhere is found, and what was not touched is not accused.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from perdure.console.cli.main import main
from perdure.engine.audit import Audited, History, Problem, audit, judge
from perdure.engine.definitions import read
from perdure.engine.records import NO_TRANSITION, Kind, Record, chain, genesis
from perdure.engine.sqlite import SqliteStore

from .example_logs import STATUS, dump, example, load

WIDTH = {"seq": 4, "tenure": 4, "kind": 1, "transition": 4, "at": 8}
"""Bytes of a field in the header of a record."""


class Case(NamedTuple):
    """One stored history, and the definition of its net."""

    definition: bytes
    history: History


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples as a store."""
    return load(dump(example()), tmp_path_factory.mktemp("examples") / "examples.db")


@pytest.fixture(scope="module")
def cases(file: Path) -> dict[str, Case]:
    """The examples in memory, as the audit reads them."""
    return asyncio.run(histories(file))


async def histories(file: Path) -> dict[str, Case]:
    """Everything the audit looks at, per execution."""
    store = SqliteStore(file, create=False)
    await store.open()
    found: dict[str, Case] = {}
    for row in await store.list():
        definition = await store.definition(row.net)
        assert definition is not None
        sql = "select lower(hex(digest)), body from payload where execution = ?"
        with sqlite3.connect(file) as db:
            payloads = dict(db.execute(sql, (row.id,)).fetchall())
        db.close()
        log, mail = await store.log(row.id), await store.messages(row.id)
        effects = await store.effects(row.id)
        found[row.key] = Case(definition, History(row, log, mail, effects, payloads))
    await store.close()
    return found


def judged(case: Case, records: Sequence[Record]) -> list[Problem]:
    """What the audit says of a history with these records in the place of its own."""
    return judge(case.definition, case.history._replace(records=records))


def rehashed(history: History, records: Sequence[Record], since: int = 0) -> list[Record]:
    """The same contents with gapless numbers and the hashes that they would have; before `since`
    they have them."""
    row, made = history.row, list(records[:since])
    previous = genesis(row.key, row.workflow, row.net, row.input_digest)
    previous = made[-1].hash if made else previous
    for seq, r in enumerate(records[since:], since):
        previous = chain(previous, seq, r.tenure, r.kind, r.transition, r.at, r.body)
        made.append(r._replace(seq=seq, hash=previous))
    return made


def test_the_examples_are_honest_and_show_every_word(cases: dict[str, Case]) -> None:
    """Each of the kinds that this engine writes occurs, and the audit finds nothing."""
    assert {key: case.history.row.status for key, case in cases.items()} == STATUS
    for key, case in cases.items():
        assert judged(case, case.history.records) == [], key
    kinds = {record.kind for case in cases.values() for record in case.history.records}
    other = {Kind.EMITTED, Kind.DELIVERED, Kind.MIGRATED, Kind.CLAIMED}  # written by later parts
    assert kinds == set(Kind) - other
    assert any(case.history.row.checkpoint for case in cases.values())
    assert any(case.history.payloads for case in cases.values())
    outcomes = {e.outcome for case in cases.values() for e in case.history.effects}
    assert outcomes == {"landed", "refused", "in-doubt", "voided", "undone", "stands"}


# --- a changed byte -------------------------------------------------------------------------------


def changed(record: Record) -> Iterator[Record]:
    """The record with each of its bytes changed in turn; a kind that does not exist is left out
    here, since no such record can be read (see the file)."""
    for field in ("body", "hash"):
        raw = getattr(record, field)
        for at in range(len(raw)):
            for flip in (0x01, 0xFF):
                new = raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]
                yield record._replace(**{field: new})
    for field, width in WIDTH.items():
        for bit in range(8 * width - 1):
            number = int(getattr(record, field)) ^ (1 << bit)
            if field != "kind":
                yield record._replace(**{field: number})
            elif number in set(Kind):
                yield record._replace(kind=Kind(number))


@pytest.mark.parametrize("key", STATUS)
def test_any_changed_byte_of_any_record_is_found(cases: dict[str, Case], key: str) -> None:
    """Every byte of bodies and hashes, every bit of the numbers: exactly one problem of the chain,
    at the record itself or right behind it."""
    case, count = cases[key], 0
    records = list(case.history.records)
    for seq, record in enumerate(records):
        for other in changed(record):
            found = judged(case, [*records[:seq], other, *records[seq + 1 :]])
            assert [problem.kind for problem in found] == ["chain"], other
            count += 1
    assert count > 200 * len(records)


class Damage(NamedTuple):
    """A byte of a column of a row of the log, and what is done to it."""

    row: int
    column: str
    byte: int
    flip: int


COLUMNS = ("execution", "seq", "tenure", "kind", "transition", "at", "body", "hash")
damages = st.builds(
    Damage,
    st.integers(0, 10_000),
    st.sampled_from(COLUMNS),
    st.integers(0, 10_000),
    st.integers(1, 255),
)


def damage(db: sqlite3.Connection, planned: Damage) -> str:
    """Change one byte in the file; the key of the execution whose log it stood in."""
    rows = db.execute("select execution, seq from log").fetchall()
    execution, seq = rows[planned.row % len(rows)]
    where, at = "where execution = ? and seq = ?", (execution, seq)
    ((old,),) = db.execute(f"select {planned.column} from log {where}", at).fetchall()
    if isinstance(old, bytes):
        byte = planned.byte % len(old)
        new = old[:byte] + bytes([old[byte] ^ planned.flip]) + old[byte + 1 :]
    else:
        new = old ^ (planned.flip << 8 * (planned.byte % WIDTH.get(planned.column, 4)))
    if isinstance(new, int) and new >= 1 << 63:
        new -= 1 << 64
    db.execute(f"update log set {planned.column} = ? {where}", (new, *at))
    return db.execute("select key from execution where id = ?", (execution,)).fetchone()[0]


def damaged(file: Path, path: Path, planned: Damage) -> str | None:
    """Copy the store and damage the copy behind the back of its triggers; whose log it was. None
    when the changed row cannot be stored beside the others."""
    with sqlite3.connect(file) as source, sqlite3.connect(path) as db:
        source.backup(db)
        guards = db.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        for name, _ in guards:
            db.execute(f"drop trigger {name}")
        try:
            key = damage(db, planned)
        except sqlite3.IntegrityError:
            key = None
        for _, sql in guards:
            db.execute(sql)
    source.close()
    db.close()
    return key


def audited(path: Path) -> dict[str, Audited]:
    """What the audit says of each execution in a file."""

    async def look() -> list[Audited]:
        store = SqliteStore(path, create=False)
        try:
            return [await audit(store, row) for row in await store.list()]
        finally:
            await store.close()

    return {found.key: found for found in asyncio.run(look())}


@settings(max_examples=80, deadline=None)
@given(planned=damages)
def test_any_changed_byte_in_the_file_is_found_in_its_execution_alone(
    file: Path, tmp_path_factory: pytest.TempPathFactory, planned: Damage
) -> None:
    """Whatever row of the table and column of the row it stands in: a record that moves to another
    execution is missing in its own; one that cannot be read at all is told, not stumbled over."""
    path = tmp_path_factory.mktemp("damaged") / "damaged.db"
    key = damaged(file, path, planned)
    if key is None:
        return
    found = audited(path)
    assert found[key].problems
    others = {k for k, f in found.items() if f.problems} - {key}
    assert len(others) <= (planned.column == "execution"), "only where a row has moved to"


WILD = [
    (c, n) for c in ("tenure", "transition", "at", "kind") for n in (-1, 1 << 31, 1 << 62, "'x'")
]


@pytest.mark.parametrize(("column", "value"), WILD)
def test_what_no_record_can_hold_is_told(
    file: Path, tmp_path: Path, column: str, value: int | str
) -> None:
    """Numbers beyond the width of the header, and texts where numbers stand."""
    path = tmp_path / "wild.db"
    with sqlite3.connect(file) as source, sqlite3.connect(path) as db:
        source.backup(db)
        (old,) = db.execute("select sql from sqlite_master where name = 'log_never_changes'")
        db.execute("drop trigger log_never_changes")
        db.execute(f"update log set {column} = {value} where execution = 1 and seq = 1")
        db.execute(old[0])
    source.close()
    db.close()
    told = {key: [p.kind for p in each.problems] for key, each in audited(path).items()}
    assert told == {key: ["chain"] if key == "killed" else [] for key in STATUS}


def test_the_command_line_says_so_and_ends_with_1(file: Path, tmp_path: Path) -> None:
    """`perdure audit` of the honest store holds; a byte changed, it names the execution."""
    told = CliRunner().invoke(main, ["audit", "--db", str(file)])
    assert told.exit_code == 0, told.output
    path = tmp_path / "one.db"
    key = damaged(file, path, Damage(33, "body", 5, 1))
    told = CliRunner().invoke(main, ["audit", "--db", str(path)])
    assert told.exit_code == 1 and key is not None and key in told.output and "chain" in told.output


# --- removed, swapped, doubled --------------------------------------------------------------------


@pytest.mark.parametrize("key", STATUS)
def test_any_removed_record_is_found(cases: dict[str, Case], key: str) -> None:
    """As a gap; with the gap closed and hashed anew, by the row, the ledger, a message or the net.
    Only what leaves no trace can be missed: the end of a log that goes on, and a stall, which
    changes nothing (see the audit's docstring)."""
    case = cases[key]
    records = list(case.history.records)
    for seq, record in enumerate(records):
        rest, last = [*records[:seq], *records[seq + 1 :]], seq == len(records) - 1
        if not last:
            assert [p.kind for p in judged(case, rest)] == ["chain"]
        traceless = record.kind is Kind.STALLED or (last and not case.history.row.status.final)
        closed = rehashed(case.history, rest, seq)
        assert judged(case, closed) or traceless, record


@pytest.mark.parametrize("key", STATUS)
def test_any_swapped_pair_is_found(cases: dict[str, Case], key: str) -> None:
    """Any two records of a log, neighbours or not, whole or under each other's number; and a record
    that stands there twice."""
    case = cases[key]
    records = list(case.history.records)
    for first in range(len(records)):
        for second in range(first):
            a, b = records[first], records[second]
            for one, two in ((a, b), (a._replace(seq=b.seq), b._replace(seq=a.seq))):
                swapped = list(records)
                swapped[second], swapped[first] = one, two
                assert [p.kind for p in judged(case, swapped)] == ["chain"]
        twice = [*records[: first + 1], *records[first:]]
        assert [p.kind for p in judged(case, twice)] == ["chain"]
        assert judged(case, rehashed(case.history, twice, first))


# --- well hashed, and no run of the net -----------------------------------------------------------


def forged(case: Case) -> Iterator[tuple[Record, list[Record]]]:
    """For each record, every other transition of the net under every word, chained anew."""
    transitions = len(read(case.definition).net.transitions)
    records = list(case.history.records)
    for seq, record in enumerate(records):
        for transition in range(NO_TRANSITION, transitions + 1):
            for kind in Kind:
                if (transition, kind) != (record.transition, record.kind):
                    other = record._replace(transition=transition, kind=kind)
                    log = [*records[:seq], other, *records[seq + 1 :]]
                    yield other, rehashed(case.history, log, seq)


SHORT = [key for key in STATUS if key != "counts"]


@pytest.mark.parametrize("key", SHORT)
def test_any_other_firing_in_a_records_place_is_found(cases: dict[str, Case], key: str) -> None:
    """Every transition under every word in the place of every record, with all hashes right."""
    case, count, missed = cases[key], 0, Counter[str]()
    names = [t.name for t in read(case.definition).net.transitions]
    for other, records in forged(case):
        count += 1
        if not judged(case, records):
            missed[f"{other.kind.word} {[*names, '-'][other.transition]} at {other.seq}"] += 1
    assert count > 100 and not missed
