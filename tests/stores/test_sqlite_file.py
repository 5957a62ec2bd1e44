"""What only SQLite has to show: its triggers, settings, schema, one writer, ambiguous commits."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from perdure.engine import schema, sqlite, tables
from perdure.engine.errors import (
    NetworkFileSystem,
    SchemaMismatch,
    StoreUnavailable,
    WeakDurability,
)
from perdure.engine.records import Kind
from perdure.engine.sqlite import SqliteStore
from perdure.engine.sqlite_link import Links, database_path, network_mount
from perdure.engine.store import Ambiguous, RowChange, Status
from sqlalchemy import text

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.asyncio
FORBIDDEN = [
    "UPDATE log SET body = x'00'",
    "UPDATE log SET seq = seq + 10",
    "DELETE FROM log",
    "DELETE FROM log WHERE seq = 1",
    "INSERT OR REPLACE INTO log SELECT execution, seq, 9, 9, 9, 9, x'', x'' FROM log",
    "REPLACE INTO log SELECT * FROM log",
    "UPDATE OR REPLACE log SET seq = 0",
    "INSERT INTO log SELECT * FROM log WHERE true ON CONFLICT DO UPDATE SET body = x'00'",
    "DELETE FROM execution",
    "UPDATE execution SET id = 77",
    "UPDATE execution SET key = 'other'",
    "UPDATE execution SET input_digest = x'00'",
    "INSERT OR REPLACE INTO execution SELECT * FROM execution",
    "DELETE FROM session",
    "UPDATE session SET id = 77",
]


def connect(path: str, factory: type[sqlite3.Connection]) -> Callable[[], sqlite3.Connection]:
    """A way to open connections of a given class, as the store itself would."""

    def creator() -> sqlite3.Connection:
        return sqlite3.connect(
            path, timeout=0, check_same_thread=False, isolation_level=None, factory=factory
        )

    return creator


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store.db")


# --- triggers and schema ------------------------------------------------------------------------


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_database_itself_refuses(lab: Lab, statement: str) -> None:
    """Rule 64: on our connections no statement changes or removes what a live log says."""
    a = await lab.owned(await lab.session())
    await lab.write(a, a.record())
    before = await lab.store.log(a.id)
    with pytest.raises(sqlite3.IntegrityError):
        async with lab.store.links.write() as link:
            link.run(statement)
    assert await lab.store.log(a.id) == before and await lab.store.find("a")


async def test_final_and_fenced_stay_so(lab: Lab) -> None:
    """No statement makes a finished execution live or a fenced session alive again."""
    a = await lab.owned(await lab.session())
    await lab.write(a, a.record(), change=RowChange(status=Status.DONE, mail_seen=0))
    await lab.store.fence(a.session)
    for statement in (
        "UPDATE execution SET status = 'active'",
        "UPDATE session SET fenced = NULL",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            async with lab.store.links.write() as link:
                link.run(statement)


async def test_a_final_execution_goes_with_all_its_rows(lab: Lab) -> None:
    """All or none is the database's doing: one DELETE takes log, messages and payloads; the
    neighbour keeps its own, and the number is not used again."""
    me = await lab.session()
    a, b = await lab.owned(me, "a"), await lab.owned(me, "b")
    for one in (a, b):
        await lab.store.send(one.key, "news", "m", b"")
        await lab.store.keep(one.id, b"d", b"large")
    await lab.write(b, b.record(), change=RowChange(status=Status.DONE, mail_seen=1))
    async with lab.store.links.write() as link:
        link.run("DELETE FROM execution WHERE key = 'b'")
    assert await lab.store.log(b.id) == [] == await lab.store.messages(b.id)
    assert await lab.store.payload(b.id, b"d") is None
    assert await lab.seqs(a) == [0] and len(await lab.store.messages(a.id)) == 1
    assert (await lab.owned(me, "b")).id > b.id


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE perdure_schema SET revision = revision + 1",
        "DELETE FROM perdure_schema",
        "DROP TRIGGER log_never_changes",
        "DROP TABLE payload",
    ],
)
async def test_another_schema_is_refused_at_open(path: str, damage: str) -> None:
    """A revision, trigger or table that is not this code's ends in SchemaMismatch."""
    store = SqliteStore(path)
    await store.open()
    async with store.links.write() as link:
        link.run(damage)
    await store.close()
    with pytest.raises(SchemaMismatch):
        await SqliteStore(path).open()


async def test_a_file_of_someone_else_is_shared_or_refused(path: str) -> None:
    """Tables of the user stay beside ours; a table with one of our names is not taken over."""
    with sqlite3.connect(path) as own:
        own.execute("CREATE TABLE orders (id INTEGER)")
    store = SqliteStore(path)
    await store.open()
    await store.close()
    other = f"{path}-2"
    with sqlite3.connect(other) as own:
        own.execute("CREATE TABLE log (line TEXT)")
    with pytest.raises(SchemaMismatch):
        await SqliteStore(other).open()


async def test_the_tables_that_are_read_back_are_those_that_are_made() -> None:
    """Their names are kept twice, so that opening a store does not load what makes one."""
    assert frozenset(tables.metadata.tables) == schema.TABLES


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["journal_mode", "synchronous", "recursive_triggers"])
async def test_a_setting_that_does_not_take_is_refused(path: str, setting: str) -> None:
    """Rule 76: what was set is read back on each connection; a weaker one opens nothing."""

    class Weak(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql.startswith(f"PRAGMA {setting} ="):
                sql = f"PRAGMA {setting} = {'DELETE' if setting == 'journal_mode' else 0}"
            return super().execute(sql, parameters)

    with pytest.raises(WeakDurability):
        await SqliteStore(path, creator=connect(path, Weak)).open()


@pytest.mark.parametrize("setting", ["journal_mode", "synchronous", "recursive_triggers"])
@pytest.mark.parametrize("role", ["writer", "reader", "beat"])
async def test_each_connection_is_read_back_by_itself(
    path: str, laboratory: type[Lab], role: str, setting: str
) -> None:
    """Rule 76: a connection that is opened later, and alone is weak, is refused; so is one that
    loses a setting when all connections are opened anew. Those that are whole go on."""
    weak = {
        "journal_mode": "SELECT 'delete'",  # what a file answers that others hold open
        "synchronous": "PRAGMA synchronous = NORMAL",
        "recursive_triggers": "PRAGMA recursive_triggers = OFF",
    }
    planted: list[str] = []

    class Sometimes(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if planted and sql.startswith(f"PRAGMA {setting} ="):
                sql = weak[setting]
            return super().execute(sql, parameters)

    lab = laboratory(path, creator=connect(path, Sometimes))
    await lab.store.open()
    a = await lab.owned(await lab.session())
    lab.store.links.close()
    for other in ("writer", "reader", "beat"):
        if other == role:
            planted.append(other)
        try:
            lab.store.links.link(other)
        except WeakDurability as refused:
            assert other == role and setting in str(refused)
        else:
            assert other != role
        planted.clear()
    assert (await lab.write(a, a.record())).ok, "without the fault it opens again"


async def test_weaker_than_full_must_be_asked_for_by_name_and_shows(path: str) -> None:
    """OFF is refused; NORMAL is taken and told in `weak`; FULL is the default on all links."""
    with pytest.raises(WeakDurability):
        SqliteStore(path, synchronous="OFF")
    assert SqliteStore(path, synchronous="NORMAL").weak
    store = SqliteStore(path)
    await store.open()
    for role in ("writer", "reader", "beat"):
        assert store.links.link(role).rows("PRAGMA synchronous") == [(2,)]
    assert not store.weak


async def test_a_network_file_system_is_refused_where_it_can_be_told(tmp_path: Path) -> None:
    """The longest mount point above the file decides."""
    mounts = "/dev/a / ext4 rw\nsrv:/x /net nfs4 rw\n/dev/b /net/local ext4 rw\nb /a\\040b cifs rw"
    assert network_mount("/net/store.db", mounts) == ("nfs4", "/net")
    assert network_mount("/a b/store.db", mounts) == ("cifs", "/a b")
    assert network_mount("/net/local/store.db", mounts) is None
    assert network_mount("/nets/store.db", mounts) is None
    table = tmp_path / "mounts"
    table.write_text(f"srv:/x {tmp_path} nfs rw\n")
    links = Links(str(tmp_path / "store.db"), "FULL", None, asyncio.sleep)
    with pytest.raises(NetworkFileSystem):
        links.refuse_network(table)


@pytest.mark.parametrize("url", ["sqlite:///a/b.db", "sqlite:////a/b.db", "a/b.db", Path("a/b.db")])
async def test_a_database_is_named_by_path_or_url(url: str | Path) -> None:
    """Three slashes are relative, four absolute, as SQLAlchemy reads them."""
    expected = Path("/a/b.db") if "////" in str(url) else Path.cwd() / "a/b.db"
    assert database_path(url) == str(expected)
    assert database_path("sqlite://") == ":memory:" == database_path("sqlite:///:memory:")


# --- one writer ---------------------------------------------------------------------------------


async def everything(lab: Lab) -> None:
    """Each transaction of the port at least once."""
    store, me = lab.store, await lab.session()
    a, b = await lab.owned(me, "a"), await lab.owned(me, "b")
    await store.start(lab.creation("c", None, 1), lab.record(b"", 0, 0, Kind.STARTED))
    await store.send("a", "news", "m", b"")
    await lab.write(a, a.record(), consumed=[(1, 1)])
    await store.append(me, [a.append(a.record(), consumed=[(9, 2)]), b.append(b.record())])
    async with store.transaction(me) as step:
        await step.run(lambda tx: tx.execute(text("CREATE TABLE orders (id INTEGER)")))
        assert step.append(a.append(a.record()))[0].ok
    await store.suspect(me, a.id)
    assert store.beat(me)
    await store.define("net", "flow", 1, b"")
    await store.keep(a.id, b"", b"")
    me, _ = await store.handover(me, lab.identity())
    assert len(await lab.claim(me)) == 1
    await store.fence(me)
    await lab.claim(await lab.session())
    assert not await store.resume("a")


async def test_every_write_stands_in_a_begin_immediate(path: str, laboratory: type[Lab]) -> None:
    """Rule 6: in the trace of all connections no write follows a plain BEGIN or stands alone."""
    traces: list[list[str]] = []

    class Traced(sqlite3.Connection):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            traces.append([])
            self.set_trace_callback(traces[-1].append)

    lab = laboratory(path, creator=connect(path, Traced))
    await lab.store.open()
    await everything(lab)
    await lab.store.close()
    writes = 0
    for trace in traces:
        immediate = False
        for statement in trace:
            word = statement.split()[0].upper()
            if word == "BEGIN":
                assert statement == "BEGIN IMMEDIATE"
                immediate = True
            elif word == "COMMIT" or statement == "ROLLBACK":
                immediate = False
            elif word in ("INSERT", "UPDATE", "DELETE", "CREATE", "REPLACE", "SAVEPOINT"):
                assert immediate, statement
                writes += 1
    assert writes > 60


async def test_a_writer_that_waits_too_long_says_so_and_a_free_one_goes_on(
    path: str, laboratory: type[Lab]
) -> None:
    """Rule 19: own back-off of 0.5 to 5 ms in the store's own time, then StoreUnavailable."""
    waits: list[float] = []
    other = sqlite3.connect(path, isolation_level=None)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5000:
            other.execute("ROLLBACK")

    lab = laboratory(path, sleep=sleep)
    await lab.store.open()
    me = await lab.session()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await lab.owned(me)
    assert min(waits) == 0.0005 and max(waits) == 0.005 and 4.9 < sum(waits) < 5.1
    waits.extend([0.0] * (4990 - len(waits)))
    assert (await lab.owned(me)).id == 1
    other.close()


async def test_a_full_disk_is_nobodys_fault_and_leaves_nothing(
    path: str, laboratory: type[Lab]
) -> None:
    """An error of the machine before COMMIT is StoreUnavailable; afterwards all goes on."""
    lab = laboratory(path)
    await lab.store.open()
    a = await lab.owned(await lab.session())
    link = lab.store.links.link("writer")
    pages = link.rows("PRAGMA page_count")[0][0]
    link.run(f"PRAGMA max_page_count = {pages}")
    one = a.record(body=b"x" * 100_000)
    with pytest.raises(StoreUnavailable):
        await lab.store.append(a.session, [a.append(one)])
    link.run("PRAGMA max_page_count = 1000000")
    assert await lab.seqs(a) == [0] and (await lab.write(a, one)).ok


class Cut(sqlite3.Connection):
    """A connection whose COMMIT fails when told to, before or after the file has it."""

    when = ""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        when = Cut.when if sql == "COMMIT" else ""
        cursor = super().execute(sql, parameters) if when != "before" else None
        if when or cursor is None:
            Cut.when = ""
            raise sqlite3.OperationalError("disk I/O error")
        return cursor


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_failed_commit_ends_in_a_handover_that_finds_the_truth(
    path: str, laboratory: type[Lab], when: str
) -> None:
    """Rule 10: Ambiguous, all connections closed; after the handover the heads tell what holds."""
    lab = laboratory(path, creator=connect(path, Cut))
    await lab.store.open()
    a = await lab.owned(await lab.session())
    one, before = a.record(), lab.store.links.link("writer")
    Cut.when = when
    with pytest.raises(Ambiguous):
        await lab.store.append(a.session, [a.append(one)])
    next, tenures = await lab.store.handover(a.session, lab.identity())
    assert lab.store.links.link("writer") is not before and tenures == {a.id: 2}
    assert await lab.seqs(a) == ([0] if when == "before" else [0, 1])
    head = (await lab.store.log(a.id))[-1]
    a.session, a.tenure, a.head, a.seq = next, 2, head.hash, head.seq
    assert (await lab.write(a, a.record())).ok


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_start_or_send_with_a_failed_commit_repeats_itself(
    path: str, laboratory: type[Lab], when: str
) -> None:
    """Key and message id make the repetition harmless: one execution, one message."""
    lab = laboratory(path, creator=connect(path, Cut))
    await lab.store.open()
    Cut.when = when
    await lab.store.start(lab.creation("a", None, 1), lab.record(b"", 0, 0, Kind.STARTED))
    Cut.when = when
    assert await lab.store.send("a", "news", "m", b"") == 1
    row = await lab.row("a")
    assert row.mail == 1 and len(await lab.store.messages(row.id)) == 1


STARTER = """
import asyncio, sys
from perdure.engine.records import Kind, Record
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Create

async def main():
    store = SqliteStore(sys.argv[1])
    await store.open()
    made = 0
    for number in range(50):
        create = Create(f"k{number}", "flow", 1, "net", b"", None, 1)
        made += await store.start(create, Record(0, 0, Kind.STARTED, 0, 1, b"", b"h")) is None
        await store.send(f"k{number}", "news", sys.argv[2], b"")
    print(made)

asyncio.run(main())
"""


async def test_four_processes_starting_the_same_keys_create_each_once(path: str) -> None:
    """Rules 57 and 80: the file is made once, each key once, no message of any process is lost."""
    command = [sys.executable, "-c", STARTER, path]
    racers = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    made = [int(racer.communicate()[0]) for racer in racers]
    assert sum(made) == 50 and all(racer.returncode == 0 for racer in racers)
    store = SqliteStore(path)
    await store.open()
    rows = await store.list()
    assert len(rows) == 50 and all(row.mail == 4 for row in rows)


async def test_changes_tell_the_commits_of_others_only(path: str, laboratory: type[Lab]) -> None:
    """A poll sees another store's commit and stays quiet after the own ones."""
    lab, other = laboratory(path), laboratory(path)
    await lab.store.open()
    await other.store.open()
    before = lab.store.changes()
    await lab.session()
    assert lab.store.changes() == before
    await other.session()
    assert lab.store.changes() != before


async def test_another_connection_tells_of_a_change(path: str, laboratory: type[Lab]) -> None:
    """What others committed between two connections of a store is seen, though SQLite counts anew
    for each of them."""
    other = laboratory(path)
    await other.store.open()
    lab = laboratory(path)
    await lab.store.open()
    before = lab.store.changes()
    lab.store.links.close()
    await other.session()
    assert lab.store.changes() != before


async def test_a_small_record_takes_at_most_100_bytes(path: str, laboratory: type[Lab]) -> None:
    """Pages of the whole file, counted over 20,000 records with bodies of 24 bytes."""
    lab = laboratory(path)
    await lab.store.open()
    a = await lab.owned(await lab.session())
    count = 20_000

    def pages() -> int:
        return lab.store.links.link("writer").rows("PRAGMA page_count")[0][0]

    before = pages()
    for _ in range(count // 1000):
        records = [a.record(body=b"b" * 24)]
        for _ in range(999):
            last = records[-1]
            records.append(lab.record(last.hash, last.seq + 1, 1, Kind.FIRED, b"b" * 24))
        assert (await lab.write(a, *records)).ok
    assert (pages() - before) * 4096 / count <= 100


@pytest.mark.parametrize("page", [1, 2, 3, 7, 8, 9])
async def test_a_log_read_page_by_page_is_the_whole_log(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Rule 77: no record is left out or read twice, wherever a page ends."""
    a = await lab.owned(await lab.session())
    for _ in range(7):
        assert (await lab.write(a, a.record())).ok
    monkeypatch.setattr(sqlite, "LOG_PAGE", page)
    for after in range(-1, 9):
        assert [r.seq for r in await lab.store.log(a.id, after)] == list(range(after + 1, 8))
