"""Large values are stored once, by reference; lists that grow cost what they grew by (C36)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure import Engine, Signal, observe, transactional, workflow
from perdure.engine import checkpoint, kept
from perdure.engine.audit import Audited, audit
from perdure.engine.bodies import Body, Raw, decode, encode, fill, refer
from perdure.engine.loading import fold, resolve, values_of
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended, ExecutionRow, Status
from perdure.engine.transactional import Tx
from perdure.model.compiler import compile_workflow
from perdure.model.values import PAYLOAD_BYTES_MIN

LARGE = 5_000_000
go = Signal[str]("go")
GATE = asyncio.Event()


@observe
async def read(letter: str, size: int) -> str:
    """A text of that size."""
    return letter * size


@observe
async def measure(text: str) -> int:
    """Its length."""
    return len(text)


@workflow
async def carries(size: int) -> str:
    """A large value lives over a wait and comes out as result."""
    found = await read("a", size)
    again = await read("a", size)
    word = await go.wait()
    total = await measure(found + again)
    return word + found if total == 2 * size else "wrong"


@workflow
async def remembers(rounds: int, words: int) -> int:
    """An agent: its history grows with every turn, and it rests between them."""
    history: list[str] = []
    for number in range(rounds):
        history.append(await read("w", words) + str(number))
    await go.wait()
    return len(history)


@workflow
async def raises(size: int) -> None:
    """Fails with a large exception."""
    raise ValueError(await read("e", size))


@transactional
async def writes(tx: Tx, size: int) -> str:
    """A large value out of a transactional step."""
    return "t" * size


@workflow
async def transacts(size: int) -> str:
    """One transactional step."""
    return await writes(size)


def file_bytes(path: Path) -> int:
    """Pages in use, with the write-ahead log folded in."""
    store = SqliteStore(path)
    link = store.links.link("writer")
    link.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = link.rows("PRAGMA page_count")[0][0]
    store.links.dispose()
    return pages * 4096


async def row_of(engine: Engine, key: str) -> ExecutionRow:
    row = await engine.store.find(key)
    assert row is not None
    return row


async def parked(engine: Engine, key: str) -> ExecutionRow:
    """The row once nobody owns it and it waits."""
    while (row := await row_of(engine, key)).waits is None:
        await asyncio.sleep(0.001)
    return row


def audited(path: Path, key: str) -> Audited:
    """What the audit says of one execution, in a store opened for it."""

    async def look() -> Audited:
        store = SqliteStore(path)
        await store.open()
        row = await store.find(key)
        assert row is not None
        try:
            return await audit(store, row)
        finally:
            await store.close()

    return asyncio.run(look())


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """An execution with a value of five million characters, parked, and resumed to its end."""
    path = tmp_path / "large.db"

    async def first() -> None:
        async with Engine(f"sqlite:///{path}") as engine:
            await engine.start(carries(LARGE), id="x")
            await parked(engine, "x")

    async def second() -> None:
        async with Engine(f"sqlite:///{path}") as engine:
            await engine.serve(carries)
            run = engine.find(carries, "x")
            await run.send(go, "b")
            assert await run.result() == "b" + "a" * LARGE

    asyncio.run(first())
    assert file_bytes(path) < 1.2 * LARGE, "the same value twice is stored once"
    asyncio.run(second())
    return path


def test_a_large_value_survives_a_restart_and_is_stored_once(large: Path) -> None:
    """Records refer to it; the log itself is small, and the audit resolves the references."""
    assert audited(large, "x").problems == ()

    async def look() -> tuple[int, set[str], int]:
        store = SqliteStore(large)
        await store.open()
        records = await store.log(1)
        referred = {digest for r in records for digest in decode(r.body).x.values()}
        rows = await store.links.read(lambda link: link.rows("SELECT count(*) FROM payload"))
        await store.close()
        return sum(len(r.body) for r in records), referred, rows[0][0]

    log, referred, stored = asyncio.run(look())
    assert log < PAYLOAD_BYTES_MIN
    assert len(referred) == stored == 3, "the text, it twice, and the result"


def test_folding_in_a_process_without_the_users_code_resolves_references(large: Path) -> None:
    """The command line shows value and variables though it can import nothing of the user's."""
    cli = [sys.executable, "-m", "perdure"]

    def told(*words: str) -> str:
        done = subprocess.run(
            [*cli, *words, "--db", str(large)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = msgspec.json.decode(told("show", "x", "--format", "json"))
    assert shown["value"] == "b" + "a" * LARGE
    log = msgspec.json.decode(told("log", "x", "--at", "3", "--format", "json"))
    frames = [token["frame"] for token in log["marking"]]
    assert any(frame.get("found") == "a" * LARGE for frame in frames)
    assert "payload" in told("log", "x")
    told("audit", "--id", "x")


DAMAGE = {
    "lost": "DELETE FROM payload",
    "changed": "UPDATE payload SET body = CAST('\"other\"' AS BLOB)",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_payload_that_is_lost_or_changed_is_found(large: Path, how: str) -> None:
    """Its digest stands in a hashed record, so the content is bound by the chain."""

    async def damage() -> None:
        store = SqliteStore(large)
        await store.open()
        async with store.links.write() as link:
            link.run(DAMAGE[how])
        await store.close()

    asyncio.run(damage())
    assert {p.kind for p in audited(large, "x").problems} == {"payload"}


async def test_a_resume_whose_payload_is_gone_stalls_and_says_which(tmp_path: Path) -> None:
    """Nothing is guessed in the place of a value that is not there."""
    path = tmp_path / "gone.db"
    async with Engine(f"sqlite:///{path}") as engine:
        await engine.start(carries(20_000), id="x")
        await parked(engine, "x")
    store = SqliteStore(path)
    async with store.links.write() as link:
        link.run("DELETE FROM payload")
    async with Engine(f"sqlite:///{path}", store=store) as engine:
        await engine.serve(carries)
        await engine.find(carries, "x").send(go, "b")
        status, body = await engine.ended("x")
        assert status is Status.STALLED and "is not stored" in body.why


async def test_a_reference_is_never_written_before_its_payload(tmp_path: Path) -> None:
    """At every commit of a record that refers to something, it is there already."""
    seen = 0

    class Checked(SqliteStore):
        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            nonlocal seen
            for each in batch:
                for record in each.records:
                    for digest in decode(record.body).x.values():
                        held = await self.payload(each.execution, bytes.fromhex(digest))
                        assert held is not None
                        seen += 1
            return await super().append(session, batch)

    path = tmp_path / "order.db"
    async with Engine(f"sqlite:///{path}", store=Checked(path)) as engine:
        for size in (PAYLOAD_BYTES_MIN - 2, PAYLOAD_BYTES_MIN - 1, 100_000):
            run = await engine.start(carries(size), id=f"x{size}")
            await run.send(go, "b")
            assert await run.result() == "b" + "a" * size
            assert (await audit(engine.store, await row_of(engine, run.id))).problems == ()
    assert seen >= 4


async def test_large_exceptions_and_transactional_results_come_back(tmp_path: Path) -> None:
    """Every field of a record that can be large."""
    async with Engine(f"sqlite:///{tmp_path}/e.db") as engine:
        with pytest.raises(ValueError, match="e" * 100):
            await engine.run(raises(50_000), id="e")
        assert await engine.run(transacts(50_000), id="t") == "t" * 50_000
        for key in "et":
            assert (await audit(engine.store, await row_of(engine, key))).problems == ()


@pytest.mark.parametrize("words", [5, 20_000])
async def test_a_history_that_grows_costs_what_it_grew_by(tmp_path: Path, words: int) -> None:
    """Bytes are linear in the turns, small words or large: twice the turns, about twice the file;
    and the history comes back whole from checkpoint and tail."""
    sizes: list[int] = []
    rounds = 600 if words < 100 else 100
    for turns in (rounds, 2 * rounds):
        path = tmp_path / f"{turns}.db"
        async with Engine(f"sqlite:///{path}") as engine:
            await engine.start(remembers(turns, words), id="h")
            row = await parked(engine, "h")
            program = compile_workflow(remembers)
            value = values_of(program)
            records = await engine.store.log(row.id)
            state = await resolve(engine.store, row.id, fold(program, None, records, value), value)
            (history,) = [
                t.frame["history"] for t in state.marking.values() if "history" in t.frame
            ]
            assert history.get() == ["w" * words + str(n) for n in range(turns)]
            if row.checkpoint is not None:
                start = checkpoint.decode(program.net, row.checkpoint, value)
                tail = [r for r in records if r.seq > row.checkpoint_seq]
                short = fold(program, start, tail, value)
                assert await resolve(engine.store, row.id, short, value) == state
            assert (await audit(engine.store, row)).problems == ()
        async with Engine(f"sqlite:///{path}") as engine:
            await engine.serve(remembers)
            run = engine.find(remembers, "h")
            await run.send(go, "on")
            assert await run.result() == turns
        sizes.append(file_bytes(path))
    small, big = sizes
    assert big < 4 * small, "half of it may be the last checkpoint"
    assert big < 2.5 * 2 * rounds * (words + 400), "and not a copy for each turn"


@workflow
async def converses(rounds: int, words: int) -> int:
    """The same agent, parked between any two turns: each could be the time for a checkpoint."""
    history: list[str] = []
    for _ in range(rounds):
        history.append(await go.wait() * words)
    return len(history)


async def test_checkpoints_of_a_large_history_stay_linear(tmp_path: Path) -> None:
    """A checkpoint counts the payloads stored for it: all but the last take less than a quarter of
    what the log holds, though its own bytes are few."""
    took: list[int] = []

    class Noted(SqliteStore):
        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            for change in (each.change for each in batch):
                if change is not None and change.checkpoint is not None:
                    took.append(checkpoint.cost(change.checkpoint))
            return await super().append(session, batch)

    path, rounds, words = tmp_path / "c.db", 600, 1_000
    async with Engine("", store=Noted(path)) as engine:
        run = await engine.start(converses(rounds, words), id="h")
        for number in range(rounds):
            await parked(engine, "h")
            await run.send(go, "w")
            while (await engine.store.messages(1, number))[-1].consumed_at is None:
                await asyncio.sleep(0)
        assert await run.result() == rounds
    assert len(took) >= 2 and max(took) > 100_000, "the history is in payloads"
    assert 4 * sum(took[:-1]) < rounds * 2 * (words + 100)


# --- bytes alone --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=4), st.lists(JSON, min_size=1, max_size=4))
def test_what_a_list_grew_by_makes_it_whole_again(old: list[object], more: list[object]) -> None:
    """For every list of JSON values: suffix and join are inverse; an empty one is written whole."""
    a, b = msgspec.json.encode(old), msgspec.json.encode(old + more)
    part = kept.suffix(a, b)
    assert (part is None) is (old == [])
    if part is not None:
        assert kept.join(a, part) == b and msgspec.json.decode(part) == more


@given(JSON, JSON)
def test_what_did_more_than_grow_is_written_whole(old: object, new: object) -> None:
    """A suffix is found only where the new list begins with the whole old one."""
    part = kept.suffix(msgspec.json.encode(old), msgspec.json.encode(new))
    if part is not None:
        assert isinstance(old, list) and isinstance(new, list)
        assert new == old + msgspec.json.decode(part)


@given(st.dictionaries(st.sampled_from(["a", "b", "c d"]), st.integers(0, 20_000)), st.booleans())
def test_a_body_by_reference_is_filled_again(sizes: dict[str, int], grew: bool) -> None:
    """Whatever is large is taken out, nothing else; with the payloads it is the same body."""
    values = {name: Raw(msgspec.json.encode("x" * size)) for name, size in sizes.items()}
    one, two = (values, {}) if grew else ({}, values)
    body = Body(r=Raw(b"1"), k="key", g=one, d=two)
    slim, large = refer(body)
    over = [name for name, size in sizes.items() if size + 2 > PAYLOAD_BYTES_MIN]
    assert {field.split(" ", 1)[1] for field in slim.x} == set(over)
    assert encode(fill(slim, dict(large))) == encode(body)
