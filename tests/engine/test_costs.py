"""What durability costs, counted: commits, row updates, bytes of the write-ahead log. No times."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from perdure import Engine, Signal, idempotent, observe, pure, workflow
from perdure.chaos.simulation import SimClock, SimLoop, Time, run
from perdure.engine import calls
from perdure.engine.bodies import decode
from perdure.engine.client import enqueue, new_instance
from perdure.engine.instance import Instance
from perdure.engine.kernel import State
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import ExecutionRow, Status
from perdure.model.compiler import compile_workflow
from perdure.model.values import Value

from .ledger import HANG_SECONDS

SIZE = 10
note = Signal[int]("note")


@idempotent
async def save(number: int) -> int:
    """A call that may be repeated."""
    return number


@pure
async def think(number: int) -> int:
    """A call that nobody sees."""
    return number


@observe
async def look(number: int) -> int:
    """A call that changes nothing."""
    return number


@workflow
async def saves(count: int) -> int:
    """Dependent calls with an effect."""
    total = 0
    for number in range(count):
        total += await save(number + total)
    return total


@workflow
async def thinks(count: int) -> int:
    """Calls without one, then one with."""
    total = 0
    for number in range(count):
        total += await think(number) + await look(number)
    return await save(total)


class Traced(sqlite3.Connection):
    """A connection that notes its statements."""

    statements: ClassVar[list[str]] = []

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.set_trace_callback(Traced.statements.append)


def traced(path: Path) -> SqliteStore:
    """A store whose statements are noted."""
    Traced.statements = []

    def creator() -> sqlite3.Connection:
        return sqlite3.connect(
            path, timeout=0, check_same_thread=False, isolation_level=None, factory=Traced
        )

    return SqliteStore(path, creator=creator)


def since(mark: int, word: str) -> int:
    """How many statements since a mark begin with a word; one with a trigger is traced twice."""
    return len({s for s in Traced.statements[mark:] if s.strip().upper().startswith(word)})


def sealed(flow: Any, count: int) -> dict[str, Value]:
    return {"count": compile_workflow(flow).codecs["count"].seal(count)}


async def begun(engine: Engine, flow: Any, key: str, here: bool) -> None:
    """Start it in this worker, or leave it to whoever serves it."""
    if here:
        await engine.start(flow(SIZE), id=key)
    else:
        await engine.serve(flow)
        await enqueue(engine.store, compile_workflow(flow), key, sealed(flow, SIZE))
        engine.worker.kick()


@pytest.mark.parametrize("here", [True, False], ids=["started here", "claimed"])
@pytest.mark.parametrize(("flow", "commits"), [(saves, SIZE + 1), (thinks, 2)])
def test_commits_of_an_execution_alone(tmp_path: Path, flow: Any, commits: int, here: bool) -> None:
    """Rule 24: n + 1 for n dependent idempotent calls, 2 for any number of pure ones before one
    effect. The glue before the first call rides with `started`; in a claimed execution it is a
    record, and the first commit of the claimer's, as `started` was the sender's."""
    time = Time()  # moves only when nothing else can: no count depends on the machine
    loop = SimLoop(time)

    async def main() -> int:
        store = SqliteStore(tmp_path / "c.db", now=time.database)
        async with Engine("", store=store, clock=SimClock(time, loop)) as engine:
            await engine.serve(flow)
            batches = engine.worker.committer.batches
            await begun(engine, flow, "x", here)
            assert (await engine.ended("x"))[0] is Status.DONE
            return engine.worker.committer.batches - batches

    assert run(loop, main()) == commits


@pure
async def ponder(number: int) -> int:
    """A call that nobody sees, and that takes a millisecond."""
    await asyncio.sleep(0.001)
    return number


@workflow
async def ponders(count: int) -> int:
    """Such calls in a row."""
    total = 0
    for number in range(count):
        total += await ponder(number)
    return total


def test_outcomes_nobody_waits_for_share_a_commit_though_they_take_time(tmp_path: Path) -> None:
    """Hundred pure calls of a millisecond: a commit for each ten of them, not for each."""
    time, calls = Time(), 100
    loop = SimLoop(time)

    async def main() -> int:
        store = SqliteStore(tmp_path / "p.db", now=time.database)
        async with Engine("", store=store, clock=SimClock(time, loop)) as engine:
            assert await engine.run(ponders(calls), id="x") == sum(range(calls))
            return engine.worker.committer.batches

    assert 5 <= run(loop, main()) <= 2 + calls / 5


@pytest.mark.parametrize("here", [True, False], ids=["started here", "claimed"])
async def test_ten_steps_in_one_tenure_touch_the_row_at_most_twice(
    tmp_path: Path, here: bool
) -> None:
    """Rule 8: the log is the head; the row changes with the claim and with the end."""
    async with Engine("", store=traced(tmp_path / "u.db")) as engine:
        await engine.serve(saves)
        mark = len(Traced.statements)
        await begun(engine, saves, "x", here)
        assert (await engine.ended("x"))[0] is Status.DONE
        records = sum("INTO log" in s for s in Traced.statements[mark:])
        assert records >= SIZE, "the trace sees what is written"
        assert since(mark, "UPDATE EXECUTION") == (1 if here else 2)


async def test_the_first_glue_is_durable_before_the_first_call(tmp_path: Path) -> None:
    """Rule 24: a claimed execution has the arguments of its first call in a record of its own."""
    held: list[list[int]] = []
    store = traced(tmp_path / "g.db")

    @idempotent
    async def seen(number: int) -> int:
        held.append([len(decode(r.body).d) for r in await store.log(1)])
        return number

    @workflow
    async def glued(count: int) -> int:
        doubled = 2 * count
        return await seen(doubled)

    async with Engine("", store=store) as engine:
        await begun(engine, glued, "x", False)
        assert (await engine.ended("x"))[0] is Status.DONE
    assert held == [[0, 1]]


# --- a step in Python ---------------------------------------------------------------------------

AT_ONCE = 50
CALLS_MAX = 75
"""Python functions of ours that one idempotent step enters, its share of a commit of fifty with it.
It was 97 when what a firing does was searched for each time; here it is 72."""
ROOT = str(Path(calls.__file__).resolve().parents[1])


class Counted(asyncio.Task[Any]):
    """A task that is counted."""

    made = 0

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        Counted.made += 1


@workflow
async def steps(count: int) -> int:
    """Calls with an effect, whose results nobody looks at."""
    for number in range(count):
        await save(number)
    return count


def entered(path: Path, count: int) -> int:
    """How many functions of ours are entered while fifty executions make so many calls each."""
    time = Time()
    loop = SimLoop(time)
    found = 0

    def seen(frame: Any, event: str, _: object) -> None:
        nonlocal found
        found += event == "call" and frame.f_code.co_filename.startswith(ROOT)

    async def main() -> None:
        store = SqliteStore(path, now=time.database)
        async with Engine("", store=store, clock=SimClock(time, loop)) as engine:
            await engine.serve(steps)
            sys.setprofile(seen)
            await asyncio.gather(*(engine.run(steps(count), id=f"x{n}") for n in range(AT_ONCE)))
            sys.setprofile(None)

    run(loop, main())
    return found


def test_a_step_is_one_task_and_few_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ten more steps of each cost: a table in the net, not a search, says what to do next."""
    monkeypatch.setattr(asyncio, "Task", Counted)
    found: list[tuple[int, int]] = []
    for count in (5, 15):
        Counted.made = 0
        found.append((entered(tmp_path / f"{count}.db", count), Counted.made))
    (few, tasks_of_few), (many, tasks_of_many) = found
    assert tasks_of_many - tasks_of_few == 10 * AT_ONCE
    assert (many - few) / (10 * AT_ONCE) <= CALLS_MAX


async def test_executions_leave_nothing_to_the_collector_of_cycles(tmp_path: Path) -> None:
    """What they were made of is gone with the last reference, so a collector finds nothing."""
    async with Engine(f"sqlite:///{tmp_path}/c.db") as engine:
        await engine.run(steps(SIZE), id="first")
        gc.collect()
        gc.disable()
        try:
            runs = [engine.run(steps(SIZE), id=f"x{n}") for n in range(AT_ONCE)]
            await asyncio.gather(*runs)
            assert gc.collect() < AT_ONCE
        finally:
            gc.enable()


# --- the write-ahead log ------------------------------------------------------------------------

LIMIT = 1024 * 1024


async def written(store: SqliteStore, commits: int, idle: bool, beside: Callable[[], Any]) -> int:
    """The most bytes that the write-ahead log had while so many payloads were written."""
    most = 0
    for number in range(commits):
        await store.keep(1, number.to_bytes(8, "big"), b"x" * 20_000)
        store.tidy(idle)
        await beside()
        most = max(most, Path(f"{store.path}-wal").stat().st_size)
    return most


@pytest.mark.parametrize("idle", [True, False])
async def test_the_write_ahead_log_is_bounded_under_load(tmp_path: Path, idle: bool) -> None:
    """Rule 77: busy or idle, with a console that looks at everything in between."""
    store = SqliteStore(tmp_path / "w.db", wal_bytes_max=LIMIT)
    await store.open()

    async def console() -> None:
        await store.list()
        await store.log(1)

    most = await written(store, 600, idle, console)
    await store.close()
    assert LIMIT / 2 < most < 2 * LIMIT, "it would be twelve times as long"


async def test_a_reader_that_stays_open_delays_it_and_no_longer(tmp_path: Path) -> None:
    """A page in some browser holds the log back; when it is gone, the next batches fold it."""
    store = SqliteStore(tmp_path / "w.db", wal_bytes_max=LIMIT)
    await store.open()
    reader = sqlite3.connect(tmp_path / "w.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM log").fetchall()

    async def nothing() -> None:
        return None

    held = await written(store, 200, False, nothing)
    reader.execute("ROLLBACK")
    await written(store, 20, False, nothing)
    after = Path(f"{store.path}-wal").stat().st_size
    reader.close()
    await store.close()
    assert held > 2 * LIMIT and after <= LIMIT


async def test_an_engine_folds_its_log_when_it_is_idle(tmp_path: Path) -> None:
    """After some hundred commits the committer asks for it by itself."""
    async with Engine("", store=traced(tmp_path / "e.db")) as engine:
        for number in range(30):
            await engine.run(saves(SIZE), id=f"x{number}")
        asked = [s for s in Traced.statements if "wal_checkpoint" in s]
    assert asked and set(asked) == {"PRAGMA wal_checkpoint(PASSIVE)"}


# --- stalls ---------------------------------------------------------------------------------------


@workflow
async def listens(count: int) -> int:
    """Waits for messages."""
    total = 0
    for _ in range(count):
        total += await note.wait()
    return total // (total - 3)


async def row_of(engine: Engine) -> ExecutionRow:
    row = await engine.store.find("x")
    assert row is not None
    return row


def born(engine: Engine) -> Instance:
    """An execution that begins in this worker, and has not gone on yet."""
    worker = engine.worker
    inputs = sealed(listens, 2)
    program = compile_workflow(listens)
    instance = new_instance(program, "x", inputs, worker.session, worker.store.now())
    worker.instances["x"] = instance
    worker.committer.dirty(instance)
    return instance


async def test_a_dead_marking_is_stalled_with_the_reason(tmp_path: Path) -> None:
    """Rule 36: nothing enabled, nothing running, nobody waits: a person is told at once."""
    async with Engine(f"sqlite:///{tmp_path}/d.db") as engine:
        await engine.serve(listens)
        instance = born(engine)
        instance.state = State({}, {}, {})
        engine.worker.driver.pump(instance)
        async with asyncio.timeout(HANG_SECONDS):  # a dead marking that nobody tells is silence
            status, body = await engine.ended("x")
        assert status is Status.STALLED and body.why.startswith("nothing can happen")


async def test_messages_to_a_stalled_execution_are_kept_and_taken_after_resume(
    tmp_path: Path,
) -> None:
    """Stalled is not final: what arrives waits in its order, over a restart too."""
    url = f"sqlite:///{tmp_path}/m.db"
    async with Engine(url) as engine:
        await engine.serve(listens)
        engine.worker.driver.stall(born(engine), "by hand")
        steered = engine.find(listens, "x")
        assert (await engine.ended("x"))[0] is Status.STALLED
        await steered.send(note, 5)
        await steered.send(note, 7)
        assert (await row_of(engine)).status is Status.STALLED
    async with Engine(url) as engine:
        await engine.serve(listens)
        await asyncio.sleep(0)
        assert [m.consumed_at for m in await engine.store.messages(1)] == [None, None]
        assert await engine.resume("x")
        assert await engine.find(listens, "x").result() == 12 // 9
        taken = [m.consumed_at for m in await engine.store.messages(1)]
        assert None not in taken and taken == sorted(t for t in taken if t is not None)
