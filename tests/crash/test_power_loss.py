"""Power fails at any moment of a run, and the disk keeps of the unsynced what it likes (rule 76).

The engine, the store and SQLite are real; the file system below notes what it is asked to do
(`apsw_driver.py`), and `chaos/disk.py` says what a failure at each point may leave.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from perdure import (
    Engine,
    Signal,
    Tx,
    compensatable,
    idempotent,
    irreversible,
    saga,
    transactional,
    workflow,
)
from perdure.chaos.disk import Did, Disk, Failure, Loss, Operation, failures
from perdure.engine.audit import audit
from perdure.engine.errors import WeakForIntents
from perdure.engine.sqlite import SqliteStore
from perdure.engine.world import Invocation, UserWorld
from sqlalchemy import text

NAME = "power.db"
NIGHTLY = settings.get_current_profile_name() == "nightly"
SEEDS = range(10) if NIGHTLY else range(1)
WAL_BYTES_MAX = 16 * 4096  # so that the log is folded into the file several times on the way
Tables = dict[str, list[Any]]
WORD = Signal[str]("word")


@idempotent
async def tell(n: int) -> int:
    return n + 1


@compensatable
async def hold(n: int) -> int:
    return n + 1


@hold.undo
async def _let_go(held: int | None, n: int) -> None:
    return None


@transactional
async def book(tx: Tx, n: int) -> int:
    await tx.execute(text("insert into booked values (:n)"), {"n": n})
    return n + 1


@irreversible
async def pay(n: int) -> int:
    return n + 1


@workflow
async def every_kind(n: int) -> str:
    """A message, a transactional step, a saga with a pivot."""
    word = await WORD.wait()
    n = await tell(n)
    async with saga():
        n = await hold(n)
        n = await book(n)
        n = await pay(n)
    return f"{word} {n}"


@workflow
async def no_intents(n: int) -> int:
    """What may run where commits can be lost: done again, it is as done once."""
    n = await tell(n)
    return await tell.named("again")(n)


class Noting(UserWorld):
    """The user's own steps, and when each call left that needs an intent before it."""

    def __init__(self, power: Any) -> None:
        super().__init__()
        self._power = power
        self.called: list[tuple[int, str]] = []  # operations done, effect key

    async def call(self, invocation: Invocation) -> Any:
        """Note it, then do it."""
        if invocation.step in (hold, pay):
            self.called.append((len(self._power.operations), invocation.key))
        return await super().call(invocation)


class Run:
    """A finished run on the recording file system, and what the database was after each commit."""

    def __init__(self, power: Any, folder: Path, called: list[tuple[int, str]]) -> None:
        self.operations: list[Operation] = power.operations
        self.commits: list[int] = power.commits
        self.folder, self.called = folder, called
        self.states = list(self._states())
        self._known: dict[frozenset[tuple[str, bytes]], Tables] = {}

    def _states(self) -> Iterator[Tables]:
        """What the database holds after 0, 1, 2, ... commits, if nothing is lost."""
        disk, counts = Disk(), Counter(self.commits)
        yield {}
        for point, operation in enumerate(self.operations, 1):
            disk.do(operation)
            for _ in range(counts[point]):
                yield recovered(self.folder, disk.now())

    def came_back_as(self, failure: Failure) -> tuple[int, int]:
        """After how many commits the database stands now, and how many were acknowledged."""
        files = frozenset(failure.files.items())
        if files not in self._known:
            self._known[files] = recovered(self.folder, failure.files)
        found = self._known[files]
        assert found in self.states, f"{failure.loss} at {failure.point}: a state that never was"
        newest = max(n for n, state in enumerate(self.states) if state == found)
        return newest, sum(done <= failure.point for done in self.commits)


def recovered(folder: Path, files: dict[str, bytes]) -> Tables:
    """The rows of all tables that SQLite finds in these files, which must be whole.

    Shared memory is gone with the power; what a file of that name holds afterwards is noise.
    """
    path = folder / "after" / NAME
    path.parent.mkdir(exist_ok=True)
    noise = random.Random(1).randbytes(32768)
    for name in (NAME, f"{NAME}-wal", f"{NAME}-journal", f"{NAME}-shm"):
        path.with_name(name).unlink(missing_ok=True)
    for name, data in ({f"{NAME}-shm": noise} | files).items():
        path.with_name(name).write_bytes(data)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}


@pytest.fixture
def power(need: Callable[[object, str], None], folder: Path) -> Iterator[Any]:
    """A recording file system, in a folder of its own."""
    need(find_spec("apsw"), "apsw")
    from .apsw_driver import Power

    with TemporaryDirectory(dir=folder) as own:
        yield Power(Path(own))


async def run(power: Any, flow: Any, synchronous: str) -> Run:
    """Play a flow to its end."""
    path: Path = power.folder / NAME
    store = SqliteStore(
        path,
        synchronous=synchronous,
        creator=lambda: power.connect(path),
        wal_bytes_max=WAL_BYTES_MAX,
    )
    world = Noting(power)
    async with Engine("", store=store, world=world) as engine:
        store.links.link("writer").run("CREATE TABLE booked (n integer)")
        power.commits.append(len(power.operations))
        started = await engine.start(flow(1), id="a")
        if flow is every_kind:
            await started.send(WORD, "word", message_id="m")
        await started.result()
    return Run(power, power.folder, world.called)


async def test_with_full_nothing_acknowledged_is_lost_wherever_the_power_fails(power: Any) -> None:
    """At every boundary between two operations on the files, whatever of the unsynced is kept: the
    database comes back as it was after the last acknowledged commit, or the one that was under way,
    whole; and of every call that has left, the intent is there."""
    one = await run(power, every_kind, "FULL")
    did = Counter(o.did for o in one.operations)
    written = {o.name for o in one.operations if o.did is Did.WRITE}
    assert {NAME, f"{NAME}-wal"} <= written and did[Did.SYNC] > len(one.commits) > 10
    folds = [n for n, o in enumerate(one.operations) if o == Operation(Did.SYNC, NAME)]
    assert len([n for n in folds if one.commits[2] < n < one.commits[-1]]) >= 2, "not on the way"
    assert len(one.called) == 2
    count, kept = 0, Counter[int]()
    for seed in SEEDS:
        for failure in failures(one.operations, seed):
            found, acknowledged = one.came_back_as(failure)
            assert acknowledged <= found <= acknowledged + 1, failure[:2]
            kept[found - acknowledged] += 1
            keys = {row[1] for row in one.states[found].get("effect", ())}
            assert {key for point, key in one.called if point <= failure.point} <= keys
            count += 1
    assert count == len(SEEDS) * len(Loss) * (len(one.operations) + 1)
    assert kept[1], "a commit under way was kept"
    print(f"\n{len(one.operations)} operations, {len(one.commits)} commits, {count} failures")


async def test_every_state_that_comes_back_has_whole_logs(power: Any) -> None:
    """Each of the states that the theorem above allows passes the audit."""
    one = await run(power, every_kind, "FULL")
    counts = Counter(one.commits)
    disk, audited = Disk(), 0
    for point, operation in enumerate(one.operations, 1):
        disk.do(operation)
        if counts[point]:
            recovered(one.folder, disk.lost(Loss.ALL, random.Random(0)))
            store = SqliteStore(one.folder / "after" / NAME)
            await store.open()
            for row in await store.list():
                assert (await audit(store, row)).problems == ()
                audited += 1
            assert await store.damage() == []
            await store.close()
    assert audited > 10


async def test_with_normal_something_acknowledged_is_lost_and_the_rest_is_whole(power: Any) -> None:
    """What comes back is some earlier state, no mixture: so such a store is called weak, and a
    workflow that needs intents is refused there."""
    one = await run(power, no_intents, "NORMAL")
    lost = 0
    for failure in failures(one.operations, 0):
        found, acknowledged = one.came_back_as(failure)
        lost += found < acknowledged
    assert lost > 0
    store = SqliteStore(power.folder / "weak.db", synchronous="NORMAL")
    assert store.weak
    async with Engine("", store=store) as engine:
        with pytest.raises(WeakForIntents):
            await engine.start(every_kind(1), id="b")


async def test_a_disk_that_lies_about_its_syncs_is_found_out(power: Any) -> None:
    """The enumeration sees what it is there to see: with syncs that do nothing, FULL loses too."""
    one = await run(power, every_kind, "FULL")
    honest, lies = one.operations, f"{NAME}-wal"
    # What was asked before the first commit stays true, else there would be no database at all.
    asked = [
        o
        for n, o in enumerate(honest)
        if n < one.commits[1] or not (o.did is Did.SYNC and o.name == lies)
    ]
    left = next(f for f in failures(asked, 0) if f.point == len(asked) and f.loss is Loss.ALL)
    assert recovered(one.folder, left.files) != one.states[-1]
