"""The audit finds what was planted into stored histories, and nothing in honest ones."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from perdure import (
    Engine,
    InDoubt,
    Landed,
    Signal,
    Voided,
    compensatable,
    idempotent,
    irreversible,
    saga,
    workflow,
)
from perdure.engine.audit import Audited, audit
from perdure.engine.definitions import read
from perdure.engine.records import Kind, chain, genesis
from perdure.engine.sqlite import SqliteStore
from perdure.model.net import TransitionKind

go = Signal[str]("go")
BANK: dict[str, bool] = {}


class Refused(Exception):
    """The bank says no, and nothing has happened."""


@compensatable
async def hold(name: str) -> str:
    return f"held for {name}"


@hold.undo
async def release(got: str | None, name: str) -> None:
    BANK[f"released {name}"] = True


@irreversible(refused=(Refused,))
async def pay(name: str) -> str:
    if name == "poor":
        raise Refused("no money")
    if name == "unlucky" and "charged" not in BANK:
        BANK["charged"] = True
        raise RuntimeError("the line died")
    return "paid"


@pay.probe
async def ask(name: str) -> Landed[str] | Voided | InDoubt:
    return Landed("paid after all")


@idempotent
async def mail(text: str) -> None: ...


@workflow
async def shop(name: str) -> str:
    word = await go.wait()
    async with saga():
        await hold(name)
        paid = await pay(name)
    await mail(paid)
    return word + " " + paid


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with four histories: done, failed and undone, settled by a probe, cancelled."""
    path = tmp_path_factory.mktemp("audit") / "honest.db"

    async def fill() -> None:
        async with Engine(f"sqlite:///{path}") as engine:
            runs = {n: await engine.start(shop(n), id=n) for n in ("rich", "poor", "unlucky", "x")}
            await runs["x"].cancel(reason="test")
            for name in ("rich", "poor", "unlucky"):
                await runs[name].send(go, "hello")
            for name in runs:
                await engine.ended(name)

    asyncio.run(fill())
    return path


def audited(path: Path) -> dict[str, Audited]:
    """The judgement of every history in a file."""

    async def look() -> list[Audited]:
        store = SqliteStore(path, create=False)
        await store.open()
        try:
            return [await audit(store, row) for row in await store.list()]
        finally:
            await store.close()

    return {found.key: found for found in asyncio.run(look())}


Plant = Callable[[sqlite3.Connection, int], None]


def planted(honest: Path, tmp_path: Path, key: str, plant: Plant) -> list[tuple[str, str]]:
    """Copy the store, plant something with the triggers off, audit: kind and words for `key`.

    The other histories must stay without a problem.
    """
    path = tmp_path / "planted.db"
    with sqlite3.connect(honest) as source, sqlite3.connect(path) as db:
        source.backup(db)
        rows = db.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        for name, _ in rows:
            db.execute(f"drop trigger {name}")
        ((execution,),) = db.execute("select id from execution where key = ?", (key,)).fetchall()
        plant(db, execution)
        for _, sql in rows:
            db.execute(sql)
    found = audited(path)
    assert not [f for k, f in found.items() if k != key and f.problems]
    return [(p.kind, p.says) for p in found[key].problems]


def seq_of(db: sqlite3.Connection, execution: int, kind: Kind) -> int:
    """The first record of a kind."""
    sql = "select min(seq) from log where execution = ? and kind = ?"
    return int(db.execute(sql, (execution, kind)).fetchone()[0])


def rehash(db: sqlite3.Connection, execution: int) -> None:
    """Give a log the hashes that its contents would have."""
    row = db.execute(
        "select key, workflow, net, input_digest from execution where id = ?", (execution,)
    ).fetchone()
    previous = genesis(*row)
    sql = "select seq, tenure, kind, transition, at, body from log where execution = ? order by seq"
    for record in db.execute(sql, (execution,)).fetchall():
        previous = chain(previous, *record)
        change = "update log set hash = ? where execution = ? and seq = ?"
        db.execute(change, (previous, execution, record[0]))


def test_honest_histories_have_no_problem(honest: Path) -> None:
    """Done, failed with undo, doubt settled by a probe, cancelled: all legal."""
    found = audited(honest)
    assert set(found) == {"rich", "poor", "unlucky", "x"}
    assert {key: f.problems for key, f in found.items()} == dict.fromkeys(found, ())
    with sqlite3.connect(honest) as db:
        outcomes = {o for (o,) in db.execute("select outcome from effect")}
    assert {"landed", "undone", "refused"} <= outcomes, "the histories show too little"


@pytest.mark.parametrize("column", ["body", "at", "tenure", "transition", "kind", "hash"])
def test_a_changed_byte_of_a_record_is_found(honest: Path, tmp_path: Path, column: str) -> None:
    """Whatever column it stands in, a record is not what it was chained as."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        where = "where execution = ? and seq = 2"
        ((old,),) = db.execute(f"select {column} from log {where}", (execution,)).fetchall()
        new = old[:-1] + bytes([old[-1] ^ 1]) if isinstance(old, bytes) else old + 1
        db.execute(f"update log set {column} = ? {where}", (new, execution))

    (problem,) = planted(honest, tmp_path, "rich", plant)
    assert problem[0] == "chain" and " 2 " in problem[1] + " "


def test_a_kind_that_no_engine_writes_is_found(honest: Path, tmp_path: Path) -> None:
    """A record that cannot even be read is a problem, not a crash."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        db.execute("update log set kind = 99 where execution = ? and seq = 2", (execution,))

    (problem,) = planted(honest, tmp_path, "rich", plant)
    assert problem[0] == "chain"


@pytest.mark.parametrize("seq", [0, 3])
def test_a_removed_record_is_found(honest: Path, tmp_path: Path, seq: int) -> None:
    """A gap in the numbers."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        db.execute("delete from log where execution = ? and seq = ?", (execution, seq))

    (problem,) = planted(honest, tmp_path, "rich", plant)
    assert problem == ("chain", f"record {seq} is missing: {seq + 1} follows {seq - 1}")


def test_a_removed_record_whose_gap_was_closed_is_found(honest: Path, tmp_path: Path) -> None:
    """Renumbering and hashing anew make the chain whole, and still no run of the net."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        seq = seq_of(db, execution, Kind.INTENT)
        db.execute("delete from log where execution = ? and seq = ?", (execution, seq))
        later = "select seq from log where execution = ? and seq > ? order by seq"
        for (each,) in db.execute(later, (execution, seq)).fetchall():
            move = "update log set seq = ? where execution = ? and seq = ?"
            db.execute(move, (each - 1, execution, each))
        rehash(db, execution)

    problems = planted(honest, tmp_path, "rich", plant)
    assert problems[0][0] == "firing" and "no token in" in problems[0][1]


def test_a_removed_end_is_found(honest: Path, tmp_path: Path) -> None:
    """The chain is whole up to there, but the row says that it ended."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        last = "select max(seq) from log where execution = ?"
        db.execute(f"delete from log where seq = ({last}) and execution = ?", (execution,) * 2)

    problems = planted(honest, tmp_path, "rich", plant)
    assert ("row", "the row says done, the log that it has not ended") in problems


def test_a_swapped_pair_is_found(honest: Path, tmp_path: Path) -> None:
    """Two neighbours exchange their places; each still has its own hash."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        for old, new in ((2, -1), (3, 2), (-1, 3)):
            move = "update log set seq = ? where execution = ? and seq = ?"
            db.execute(move, (new, execution, old))

    (problem,) = planted(honest, tmp_path, "rich", plant)
    assert problem[0] == "chain"


def test_a_well_hashed_but_illegal_firing_is_found(honest: Path, tmp_path: Path) -> None:
    """The charge is said to land once more, with every hash right: the net does not allow it."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        ((raw,),) = db.execute(
            "select d.body from definition d join execution e on e.net = d.net where e.id = ?",
            (execution,),
        ).fetchall()
        transitions = read(raw).net.transitions
        landed = next(
            i
            for i, t in enumerate(transitions)
            if t.kind is TransitionKind.LANDED and t.site == "pay"
        )
        seq = seq_of(db, execution, Kind.INTENT)  # of `hold`: nothing is paid yet
        forged = "update log set transition = ?, kind = ? where execution = ? and seq = ?"
        db.execute(forged, (landed, Kind.FIRED, execution, seq + 1))
        rehash(db, execution)

    problems = planted(honest, tmp_path, "rich", plant)
    assert [kind for kind, _ in problems] == ["firing"]
    assert "no token in 'during pay'" in problems[0][1]


def test_a_word_that_does_not_fit_its_transition_is_found(honest: Path, tmp_path: Path) -> None:
    """An intent that calls itself fired hides that a call was open."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        seq = seq_of(db, execution, Kind.INTENT)
        sql = "update log set kind = ? where execution = ? and seq = ?"
        db.execute(sql, (Kind.FIRED, execution, seq))
        rehash(db, execution)

    ((kind, says),) = planted(honest, tmp_path, "rich", plant)
    assert kind == "firing" and "its word is intent, not fired" in says


def test_an_effect_key_of_somebody_else_is_found(honest: Path, tmp_path: Path) -> None:
    """The key of an intent follows from the history; another one would be another charge."""

    def plant(db: sqlite3.Connection, execution: int) -> None:
        seq = seq_of(db, execution, Kind.INTENT)
        where = "where execution = ? and seq = ?"
        ((raw,),) = db.execute(f"select body from log {where}", (execution, seq)).fetchall()
        body = {**msgspec.json.decode(raw), "k": "0" * 32}
        db.execute(f"update log set body = ? {where}", (msgspec.json.encode(body), execution, seq))
        rehash(db, execution)

    ((kind, says),) = planted(honest, tmp_path, "rich", plant)
    assert kind == "firing" and "effect key" in says


BESIDE = {
    "an outcome": ("update effect set outcome = 'voided' where execution = ?", "ledger"),
    "a lost line": ("delete from effect where execution = ? and site = 'pay'", "ledger"),
    "a decider": ("update effect set decided_by = 'desk:eve' where execution = ?", "ledger"),
    "another line": (
        "insert into effect select execution, 'k', site, effect, 1, 'landed', 2, 'call', '' "
        "from effect where execution = ? limit 1",
        "ledger",
    ),
    "a message given back": (
        "update message set consumed_at = null where execution = ?",
        "message",
    ),
    "a message lost": ("delete from message where execution = ?", "message"),
    "another channel": ("update message set channel = 'stop' where execution = ?", "message"),
    "a status": ("update execution set status = 'failed' where id = ?", "row"),
    "a tenure": ("update execution set tenure = 0 where id = ?", "row"),
}


@pytest.mark.parametrize("what", BESIDE)
def test_what_lies_beside_the_log_must_agree_with_it(
    honest: Path, tmp_path: Path, what: str
) -> None:
    """Ledger, messages and row are kept for speed; the log is the truth they are held against."""
    sql, kind = BESIDE[what]

    def plant(db: sqlite3.Connection, execution: int) -> None:
        assert db.execute(sql, (execution,)).rowcount > 0

    problems = planted(honest, tmp_path, "unlucky", plant)
    assert kind in [k for k, _ in problems], problems


def test_a_net_that_was_changed_is_not_believed(honest: Path, tmp_path: Path) -> None:
    """Without the net of the digest nothing can be judged, and the audit says so."""
    path = tmp_path / "planted.db"
    with sqlite3.connect(honest) as source, sqlite3.connect(path) as db:
        source.backup(db)
        db.execute("update definition set body = '{}'")
    problems = [p for f in audited(path).values() for p in f.problems]
    assert {p.kind for p in problems} == {"definition"} and len(problems) == 4
