"""Rule 13, where it is hardest: large values that are there before their execution is.

A payload belongs to an id, and the id comes with the commit of record 0: until then nothing can be
stored for it, and pure steps do not wait for that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from perdure import Engine, Signal, irreversible, observe, pure, together, workflow
from perdure.engine.bodies import decode
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended, Status
from perdure.model.errors import ExecutionConflict
from perdure.model.values import PAYLOAD_BYTES_MIN

from .ledger import HANG_SECONDS, Ledger
from .stage import Beside, Stage, waiting

SIZE = 100_000
go = Signal[str]("go")
CALLS: Counter[str] = Counter()


@pure
async def text(letter: str, size: int) -> str:
    """A text of that size, at once."""
    CALLS[f"text {letter}"] += 1
    return letter * size


@observe
async def seen(letter: str, size: int) -> str:
    """The same, of the other class that waits for nothing."""
    CALLS[f"seen {letter}"] += 1
    return letter * size


@irreversible
async def send(body: str) -> str:
    """A call with an intent, which answers what it was given."""
    CALLS[f"send {len(body)}"] += 1
    return body


@workflow
async def one_pure(size: int) -> str:
    return await text("a", size)


@workflow
async def one_observe(size: int) -> str:
    return await seen("b", size)


@workflow
async def glue_alone(size: int) -> str:
    made = "g" * size
    return await text(made[:1], 1) + made


@workflow
async def several(size: int) -> str:
    one = await text("a", size)
    other = await seen("b", size + 1)
    return one + other + await text("a", size)


@workflow
async def beside(size: int) -> str:
    one, other = await together(text("a", size), seen("b", size))
    return one + other


@workflow
async def rests(size: int) -> str:
    made = await text("a", size)
    return await go.wait() + made


@workflow
async def charges(size: int) -> str:
    return await send(await text("a", size))


@workflow
async def raises(size: int) -> str:
    raise ValueError(await text("e", size))


FLOWS = {
    "one_pure": (one_pure, "a" * SIZE),
    "one_observe": (one_observe, "b" * SIZE),
    "glue_alone": (glue_alone, "g" + "g" * SIZE),
    "several": (several, "a" * SIZE + "b" * (SIZE + 1) + "a" * SIZE),
    "beside": (beside, "a" * SIZE + "b" * SIZE),
    "rests": (rests, "on" + "a" * SIZE),
    "charges": (charges, "a" * SIZE),
    "raises": (raises, "e" * SIZE),
}


class Noted(SqliteStore):
    """A store that keeps what was appended, and what was stored beside it."""

    def __init__(self, path: Path, **settings: Any) -> None:
        super().__init__(path, **settings)
        self.batches: list[list[Append]] = []
        self.kept: list[int] = []

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        self.batches.append(list(batch))
        return await super().append(session, batch)

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        self.kept.append(execution)
        await super().keep(execution, digest, body)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    CALLS.clear()
    return Ledger(tmp_path)


async def outcome(engine: Engine, name: str, size: int = SIZE, key: str = "x") -> str:
    """Start and signal an execution of a flow; its value, or the words of its error."""
    run = await engine.start(FLOWS[name][0](size), id=key)
    if name == "rests":
        await run.send(go, "on", message_id="m")
    try:
        return await run.result()
    except ValueError as error:
        return str(error)


def nothing_but_what_is_referred_to(ledger: Ledger) -> None:
    """The payloads that are stored are those that the records of the only execution name."""
    bodies = [decode(body) for (body,) in ledger.rows("select body from log")]
    referred = {digest for body in bodies for digest in body.x.values()}
    stored = ledger.rows("select hex(digest), execution from payload order by digest")
    assert stored == [(digest.upper(), 1) for digest in sorted(referred)] and referred


@pytest.mark.parametrize("name", FLOWS)
async def test_no_record_holds_a_large_value_however_early_it_comes(
    ledger: Ledger, name: str
) -> None:
    """Every body is small, each value is stored once under the id of its execution, the chain is
    whole, and what comes out in this process and in the next is what went in."""
    async with Engine("", store=Noted(ledger.path)) as engine:
        assert await outcome(engine, name) == FLOWS[name][1]
    assert ledger.one("select max(length(body)) from log") < PAYLOAD_BYTES_MIN
    nothing_but_what_is_referred_to(ledger)
    async with Engine(ledger.url) as engine:
        await engine.serve(FLOWS[name][0])
        again = engine.find(FLOWS[name][0], "x").result()
        if name == "raises":
            with pytest.raises(ValueError, match=FLOWS[name][1][:99]):
                await again
        else:
            assert await again == FLOWS[name][1]
    await ledger.sound()


async def test_only_a_large_value_makes_the_creation_a_commit_of_its_own(ledger: Ledger) -> None:
    """The limit is exact: up to 8 KiB all of it is one commit; a byte more, and record 0 goes
    first, the payload after it, and then what refers to it."""
    store = Noted(ledger.path)
    async with Engine("", store=store) as engine:
        await engine.run(one_pure(PAYLOAD_BYTES_MIN - 2), id="small")
        assert [[len(a.records) for a in batch] for batch in store.batches] == [[4]]
        assert store.kept == []
        store.batches.clear()
        await engine.run(one_pure(PAYLOAD_BYTES_MIN - 1), id="large")
    assert [[len(a.records) for a in batch] for batch in store.batches] == [[1], [3]]
    assert store.kept == [2]
    (first,), (second,) = store.batches
    assert first.create is not None and first.payloads == {} and second.create is None
    assert second.previous == first.records[0].hash and len(second.payloads) == 1
    await ledger.sound()


async def test_a_start_that_meets_its_key_leaves_no_payload(ledger: Ledger) -> None:
    """Two engines start one key with large values: one execution, its payloads and no others; of
    another input nothing is kept either."""
    async with Engine(ledger.url) as one, Engine(ledger.url) as other:
        starts = [e.run(several(SIZE), id="x") for e in (one, other) for _ in range(5)]
        assert set(await asyncio.gather(*starts)) == {FLOWS["several"][1]}
        for engine in (one, other):
            with pytest.raises(ExecutionConflict):
                await engine.run(several(SIZE + 7), id="x")
    assert ledger.one("select count(*) from execution") == 1
    nothing_but_what_is_referred_to(ledger)
    await ledger.sound()


# --- the process or its session ends on the way ---------------------------------------------------


class Mortal:
    """The stage's store, behind which the process ends before or after its nth write."""

    def __init__(self, stage: Stage, write: int, edge: str) -> None:
        self._stage, self._left, self._edge = stage, write, edge
        self.dead = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage.store, name)

    @property
    def port(self) -> Any:
        """As a Store: everything but the writes is handed on."""
        return self

    async def _dies(self, edge: str) -> None:
        if self._left == 0 and self._edge == edge:
            self.dead.set()
            await asyncio.Event().wait()

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        self._left -= 1
        await self._dies("before")
        done = await self._stage.store.append(session, batch)
        await self._dies("after")
        return done

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        self._left -= 1
        await self._dies("before")
        await self._stage.store.keep(execution, digest, body)
        await self._dies("after")


def life_until(stage: Stage, name: str, write: int, edge: str) -> bool:
    """One life that ends at a write; whether it came to that."""
    mortal = Mortal(stage, write, edge)

    async def main(engine: Engine) -> bool:
        work = asyncio.ensure_future(outcome(engine, name))
        death = asyncio.ensure_future(mortal.dead.wait())
        await asyncio.wait({work, death}, return_when=asyncio.FIRST_COMPLETED)
        return death.done()

    return stage.play_and_die(main, store=mortal.port)


@pytest.mark.parametrize("edge", ["before", "after"])
@pytest.mark.parametrize("name", ["several", "charges", "rests", "raises"])
def test_a_crash_at_every_write_is_survived(name: str, edge: str) -> None:
    """Between the creation, the payloads and what refers to them nothing is lost, no reference
    points to nothing, and the next life ends it with the same value; nothing is charged twice."""
    write, came = 0, True
    while came:
        write, stage = write + 1, Stage()
        CALLS.clear()
        came = life_until(stage, name, write, edge)

        async def again(engine: Engine, stage: Stage = stage) -> str:
            if await stage.store.find("x") is not None:
                await stage.lawful("x")
            ending = asyncio.ensure_future(outcome(engine, name))
            if name == "charges":
                await settle(engine, stage)
            return await ending

        assert stage.play(again) == FLOWS[name][1]
        asyncio.run(stage.lawful("x"))
        assert CALLS[f"send {SIZE}"] <= 1
    assert write > 4, "the creation, two payloads at least, and two batches"


async def settle(engine: Engine, stage: Stage) -> None:
    """Say of a charge in doubt that it landed; nothing when its outcome is known."""

    async def known() -> bool:
        row = await stage.store.find("x")
        ended = row is not None and row.status is Status.DONE
        return ended or (row is not None and bool(await waiting(stage, "x")))

    await stage.until(known)
    for case in await waiting(stage, "x"):
        value = msgspec.json.encode("a" * SIZE)
        assert await engine.decide("x", case.key, "landed", value=value, by="me")


@pytest.mark.parametrize("name", FLOWS)
def test_a_session_that_ends_on_the_way_keeps_its_starts(name: str) -> None:
    """Fenced right before each commit in turn: a start that nobody can have seen is written anew
    under the next session, payloads and all."""
    write, came = 0, True
    while came:
        write, stage, came = write + 1, Stage(), False

        async def fence(edge: str, number: int, write: int = write, stage: Stage = stage) -> None:
            nonlocal came
            if edge == "before" and number == write:
                came = True
                await stage.store.fence((await stage.store.sessions())[-1].id)

        async def main(engine: Engine, stage: Stage = stage) -> str:
            ending = asyncio.ensure_future(outcome(engine, name))
            if name == "charges":
                await settle(engine, stage)
            return await ending

        assert stage.play(main, store=Beside(stage, fence).port) == FLOWS[name][1]
        asyncio.run(stage.lawful("x"))
    assert write > 2


async def test_a_late_answer_that_an_earlier_record_holds_is_told_as_evidence(
    ledger: Ledger,
) -> None:
    """The receipt of a charge is a large value that is stored already, so the outcome brings no
    payload of its own: fenced before that outcome commits, the caller testifies all the same."""

    class Fencing(SqliteStore):
        """Ends the session right before an outcome would be written."""

        fenced = 0

        async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
            landed = any(e.outcome == "landed" for a in batch for e in a.effects)
            if landed and not self.fenced:
                self.fenced = await self.fence(session)
            return await super().append(session, batch)

    store = Fencing(ledger.path)
    async with Engine("", store=store) as engine:
        run = await engine.start(charges(SIZE), id="x")
        assert await run.result(timeout=timedelta(seconds=HANG_SECONDS)) == "a" * SIZE
    assert store.fenced == 1 and CALLS[f"send {SIZE}"] == 1
    assert ledger.rows("select outcome, decided_by from effect") == [("landed", "evidence")]
    await ledger.sound()
