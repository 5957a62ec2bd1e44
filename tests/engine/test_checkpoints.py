"""Checkpoints: a resume reads little however long the history is, and the log stays the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perdure import Engine, Signal, compensatable, observe, saga, workflow
from perdure.engine import checkpoint
from perdure.engine.audit import audit
from perdure.engine.instance import CHECKPOINT_RECORDS, PARK_RECORDS, Tail
from perdure.engine.kernel import State
from perdure.engine.loading import fold, resolve, values_of
from perdure.engine.records import FIXED_BYTES
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended, Claimed, ExecutionRow, Status
from perdure.model.compiler import compile_workflow

ROUNDS = 2_000
go = Signal[int]("go")
GATES: dict[int, asyncio.Event] = {}
REACHED: dict[int, asyncio.Event] = {}


@observe
async def look(number: int) -> int:
    """Give the number back; at a gate, wait for it to open."""
    if number in GATES:
        REACHED[number].set()
        await GATES[number].wait()
    return number


@workflow
async def loops(rounds: int) -> int:
    """A long loop with a sum, then a wait."""
    total = 0
    for number in range(rounds):
        total += await look(number)
    return total + await go.wait()


@workflow
async def waits(rounds: int) -> int:
    """A long life of waiting: parked between any two messages."""
    total = 0
    for _ in range(rounds):
        total += await go.wait()
    return total


@dataclass
class Watched:
    """What went through a store: checkpoints written, claims served."""

    checkpoints: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # seq, bytes
    claims: list[Claimed] = field(default_factory=list[Claimed])

    def store(self, path: Path) -> SqliteStore:
        """A real store that notes what passes."""
        seen = self

        class Noted(SqliteStore):
            async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
                done = await super().append(session, batch)
                for each, result in zip(batch, done, strict=True):
                    change = each.change
                    if result.ok and change is not None and change.checkpoint is not None:
                        line = (change.checkpoint_seq, len(change.checkpoint))
                        seen.checkpoints.append(line)
                return done

            async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
                found = await super().claim(session, nets, limit)
                seen.claims.extend(found)
                return found

        return Noted(path)


def engine(watched: Watched, path: Path) -> Engine:
    """An engine over a noted store; it closes without waiting for a step that stands at a gate."""
    return Engine(f"sqlite:///{path}", store=watched.store(path), drain_seconds=0)


async def row_of(engine: Engine, key: str) -> ExecutionRow:
    """The row of an execution that exists."""
    row = await engine.store.find(key)
    assert row is not None
    return row


async def stopped_at(watched: Watched, path: Path, number: int) -> None:
    """Run the loop up to this step, then lose the session in the middle of it."""
    GATES[number], REACHED[number] = asyncio.Event(), asyncio.Event()
    try:
        async with engine(watched, path) as first:
            await first.start(loops(ROUNDS), id="long")
            await REACHED[number].wait()
            await first.worker.committer.close()
            await first.store.fence(first.worker.session)
    finally:
        del GATES[number], REACHED[number]


async def test_a_resume_reads_the_checkpoint_and_a_bounded_tail(tmp_path: Path) -> None:
    """After 1,990 of 2,000 iterations the heir reads at most 500 records; the sum is right."""
    path, watched = tmp_path / "long.db", Watched()
    await stopped_at(watched, path, ROUNDS - 10)
    async with engine(watched, path) as second:
        await second.serve(loops)
        run = second.find(loops, "long")
        await run.send(go, 1)
        assert await run.result() == sum(range(ROUNDS)) + 1
        row = await second.store.find("long")
        assert row is not None and len(await second.store.log(row.id)) > ROUNDS
        assert (await audit(second.store, row)).problems == ()
    [lost, *_] = watched.claims
    assert lost.row.checkpoint is not None and lost.row.checkpoint_seq > ROUNDS / 2
    assert len(lost.records) <= CHECKPOINT_RECORDS + 1
    read = len(lost.row.checkpoint) + sum(len(r.body) for r in lost.records)
    assert read < 100 * CHECKPOINT_RECORDS, "the whole log is four times as long"


async def test_the_bytes_of_all_checkpoints_are_linear_in_the_log(tmp_path: Path) -> None:
    """One for each 500 records and one at the park; together less than a quarter of the log."""
    path, watched = tmp_path / "linear.db", Watched()
    async with engine(watched, path) as one:
        run = await one.start(loops(ROUNDS), id="long")
        while (row := await row_of(one, "long")).waits is None:
            await asyncio.sleep(0)
        records = await one.store.log(row.id)
        await run.send(go, 0)
        await run.result()
    assert len(watched.checkpoints) in range(2, len(records) // CHECKPOINT_RECORDS + 2)
    assert watched.checkpoints[-1][0] == records[-1].seq, "the park keeps all of it"
    written = sum(size for _, size in watched.checkpoints)
    assert 4 * written < Tail.behind(records, 0).bytes


async def test_a_parked_execution_keeps_a_short_tail(tmp_path: Path) -> None:
    """Whoever is claimed for every message reads at most 100 records of its 400."""
    path, watched, rounds = tmp_path / "parked.db", Watched(), 8 * PARK_RECORDS
    async with engine(watched, path) as one:
        run = await one.start(waits(rounds), id="w")
        for number in range(rounds):
            while (await row_of(one, "w")).owner is not None:
                await asyncio.sleep(0)
            await run.send(go, number)
            while (await one.store.messages(1))[-1].consumed_at is None:
                await asyncio.sleep(0)
        assert await run.result() == sum(range(rounds))
        row = await one.store.find("w")
        assert row is not None and (await audit(one.store, row)).problems == ()
    assert len(watched.claims) > PARK_RECORDS, "it was parked again and again"
    assert max(len(c.records) for c in watched.claims) <= 2 * PARK_RECORDS
    assert len(watched.checkpoints) in range(4, 9)


async def test_every_checkpoint_is_what_the_log_leads_to(tmp_path: Path) -> None:
    """fold(log up to it) == checkpoint, byte for byte, for each that was ever written."""
    path, kept = tmp_path / "same.db", list[tuple[int, bytes]]()

    class Kept(SqliteStore):
        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            for each in batch:
                if each.change is not None and each.change.checkpoint is not None:
                    kept.append((each.change.checkpoint_seq, each.change.checkpoint))
            return await super().append(session, batch)

    async with Engine(f"sqlite:///{path}", store=Kept(path)) as one:
        run = await one.start(loops(ROUNDS), id="long")
        await run.send(go, 3)
        await run.result()
        row = await row_of(one, "long")
        records = await one.store.log(row.id)
        program = compile_workflow(loops)
        value = values_of(program)

        async def state(start: State | None, seqs: range) -> State:
            folded = fold(program, start, [r for r in records if r.seq in seqs], value)
            return await resolve(one.store, row.id, folded, value)

        assert len(kept) >= 2
        for seq, raw in kept:
            begun, rest = range(seq + 1), range(seq + 1, len(records))
            assert checkpoint.like(program.net, await state(None, begun), raw)
            start = checkpoint.decode(program.net, raw, value)
            whole = await state(None, range(len(records)))
            assert await state(start, rest) == whole


@compensatable
async def reserve(number: int) -> int:
    """Something that is undone at the end."""
    return number


UNDONE: list[int] = []


@reserve.undo
async def release(made: int) -> None:
    """Undo it."""
    UNDONE.append(made)


@workflow
async def grows(rounds: int) -> None:
    """A saga whose undo stack grows with every iteration, and all of it is undone."""
    async with saga():
        for number in range(rounds):
            await reserve(number)
        raise ValueError("no")


async def test_a_growing_state_is_not_rewritten_quadratically(tmp_path: Path) -> None:
    """The undo stack of 1,500 entries is checkpointed seldom: all but the last one take less than
    a quarter of the log."""
    path, watched, rounds = tmp_path / "grows.db", Watched(), 1_500
    UNDONE.clear()
    async with engine(watched, path) as one:
        run = await one.start(grows(rounds), id="g")
        assert (await one.ended(run.id))[0] is Status.FAILED
        row = await one.store.find("g")
        assert row is not None and (await audit(one.store, row)).problems == ()
        log = Tail.behind(await one.store.log(row.id), 0).bytes
    assert list(range(rounds))[::-1] == UNDONE
    sizes = [size for _, size in watched.checkpoints]
    assert len(sizes) >= 2 and 4 * sum(sizes[:-1]) < log


def test_a_checkpoint_is_worth_it_after_enough_records_and_bytes() -> None:
    """Both: 500 records, and four times what the last one took; a record taken off counts back."""
    tail = Tail(checkpoint_bytes=1_000)
    for _ in range(500):
        tail.grow(b"x" * 9)
    assert tail.bytes == 500 * (9 + FIXED_BYTES)
    assert not tail.worth(500), "too few records"
    tail.grow(b"x" * 9)
    assert tail.worth(500)
    tail.shrink(b"x" * 9)
    assert not tail.worth(500)
    costly = Tail(records=10_000, bytes=4_000, checkpoint_bytes=1_000)
    assert not costly.worth(500), "too few bytes"
