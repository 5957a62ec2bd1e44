"""Rules 14, 16 and 17: who was fenced writes nothing and calls nothing more; his late answer is
the best witness there is.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from perdure import Engine, effect_order, idempotent, irreversible, workflow
from perdure.engine.clock import SystemClock
from perdure.engine.errors import StoreUnavailable
from perdure.engine.records import Kind
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended

from .ledger import Ledger, until
from .processes import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


async def test_a_stopped_worker_is_fenced_and_its_late_answer_settles_the_doubt(
    house: House,
) -> None:
    """SIGSTOP in the middle of a charge; the next worker takes over after the lease and calls
    nothing: it is in doubt. SIGCONT: the answer comes, as evidence, and the execution goes on.
    The stopped worker registers anew and works on."""
    stopped = house.worker("--lease", "1", "--name", "stopped")
    first = await stopped.serves()
    await house.start("buy", "a")
    await house.until(lambda: house.lines().total() == 1)
    await house.stop(stopped)
    second = house.worker("--lease", "1", "--name", "second")
    successor = await second.serves()
    await house.until(lambda: "in-doubt" in house.ledger.words("a"))
    await house.until(lambda: house.ledger.owner("a") is None)
    assert house.ledger.one("select fenced from session where id = ?", first)
    house.open("answer")
    stopped.signal(signal.SIGCONT)
    await house.until(lambda: house.ledger.status("a") == "done")
    (line,) = [x for x in house.lines() if x.startswith("charged a ")]
    assert house.lines()[line] == 1 and house.lines()["after receipt a"] == 1
    ((outcome, decided_by, key),) = house.ledger.rows("select outcome, decided_by, key from effect")
    assert (outcome, decided_by) == ("landed", "evidence") and line.endswith(key)
    assert (await house.result("a")) == "done receipt a"
    anew = "select count(*) from session where worker = 'stopped' and fenced is null"
    await house.until(lambda: house.ledger.one(anew) == 1)
    second.signal(signal.SIGTERM)
    assert await second.ends() == 0
    await house.start("buy", "b")
    await house.until(lambda: house.ledger.status("b") == "done")
    assert successor > first
    await house.ledger.sound()


async def test_an_answer_after_the_decision_changes_nothing(house: House) -> None:
    """The probe said what became of it; what the zombie brings later is not taken any more."""
    stopped = house.worker("--lease", "1")
    await stopped.serves()
    await house.start("buy_probed", "a")
    await house.until(lambda: house.lines()["begun a"] == 1)
    await house.stop(stopped)
    second = house.worker("--lease", "1")
    await second.serves()
    await house.until(lambda: house.ledger.status("a") == "done")
    told = [house.ledger.rows(f"select * from {table}") for table in ("log", "effect")]
    house.open("a")
    stopped.signal(signal.SIGCONT)
    sessions = "select count(*) from session where fenced is null"
    await house.until(lambda: house.ledger.one(sessions) == 2)
    stopped.signal(signal.SIGTERM)
    assert await stopped.ends() == 0
    assert told == [house.ledger.rows(f"select * from {table}") for table in ("log", "effect")]
    assert (await house.result("a")) == "done probed a"
    assert house.lines()["begun a"] == house.lines()["probed a"] == 1
    await house.ledger.sound()


async def test_a_killed_worker_is_followed_at_once(house: House) -> None:
    """Its process is provably gone: nobody waits for the lease of a thousand seconds."""
    killed = house.worker("--lease", "1000")
    await killed.serves()
    await house.start("w_idempotent", "a")
    await house.start("w_irreversible", "b")
    await house.until(lambda: house.lines().total() == 2)
    killed.signal(signal.SIGKILL)
    await killed.ends()
    house.open("a")
    second = house.worker("--lease", "1000")
    await second.serves()
    await house.until(lambda: house.ledger.status("a") == "done")
    await house.until(lambda: "in-doubt" in house.ledger.words("b"))
    assert house.lines() == {"begun a": 2, "begun b": 1, "after a": 1}


# --- the arithmetic of the lease, with the real loop ----------------------------------------------

CALLS: list[tuple[str, int]] = []
MAY_CALL: list[bool] = []
ENGINES: list[Engine] = []


def note(name: str) -> None:
    """Who calls under which tenure, and whether the lease permitted it."""
    CALLS.append((name, effect_order()[1]))
    worker = ENGINES[-1].worker
    MAY_CALL.append(worker.lease.may_call(worker.clock.monotonic()))


@idempotent
async def write(n: int) -> int:
    note("write")
    return n


@irreversible
async def pay(n: int) -> str:
    note("pay")
    return f"paid {n}"


@workflow
async def writes(n: int) -> int:
    return await write(n)


@workflow
async def pays(n: int) -> str:
    return await pay(n)


class Jumping(SystemClock):
    """The machine's clock, which goes on while the process is suspended."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Cut(SqliteStore):
    """A store whose beats do not get through while it is cut; after an intent time may jump."""

    def __init__(self, url: str, clock: Jumping) -> None:
        super().__init__(url)
        self.clock, self.cut, self.jumps_after_intent = clock, False, False

    def beat(self, session: int) -> bool:
        if self.cut:
            raise StoreUnavailable(self.path, "cut off")
        return super().beat(session)

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        done = await super().append(session, batch)
        if self.jumps_after_intent and any(r.kind is Kind.INTENT for a in batch for r in a.records):
            self.cut, self.clock.ahead = True, self.clock.ahead + 100
        return done


@pytest.fixture
def cut(tmp_path: Path) -> Iterator[Cut]:
    CALLS.clear()
    MAY_CALL.clear()
    yield Cut(Ledger(tmp_path).url, Jumping())
    ENGINES.clear()


def engine_on(store: Cut) -> Engine:
    ENGINES.append(Engine("", store=store, clock=store.clock, lease_seconds=1.0, drain_seconds=0))
    return ENGINES[-1]


async def test_no_call_starts_without_enough_of_the_lease(cut: Cut) -> None:
    """Out of reach of the database and past the lease: neither a call nor an intent; a beat that
    gets through lets both go on."""
    async with engine_on(cut) as engine:
        await engine.serve(writes, pays)
        cut.cut, cut.clock.ahead = True, 100.0
        one = await engine.start(writes(1), id="w")
        other = await engine.start(pays(2), id="p")
        instances = engine.worker.instances
        await until(lambda: {"w", "p"} <= set(instances) and instances["w"].running)
        rounds = engine.worker.store.now()
        await until(lambda: engine.worker.store.now() - rounds > 300_000)
        assert CALLS == [] and Kind.INTENT.word not in Ledger(Path(cut.path).parent).words("p")
        cut.cut = False
        assert (await one.result(), await other.result()) == (1, "paid 2")
    # Which of the two goes first is free.
    assert sorted(CALLS) == [("pay", 1), ("write", 1)] and MAY_CALL == [True, True]


async def test_a_call_that_waited_for_its_lease_is_not_made_when_its_execution_is_gone(
    cut: Cut,
) -> None:
    """Suspended between its intent and its call, fenced, taken over, awake again with a fresh
    session: the call of the lost tenure is never made; the doubt is somebody else's."""
    ledger = Ledger(Path(cut.path).parent)
    async with engine_on(cut) as engine:
        await engine.serve(pays)
        cut.jumps_after_intent = True
        await engine.start(pays(1), id="p")
        await until(lambda: "intent" in ledger.words("p"))
        fenced = engine.worker.session
        async with Engine(ledger.url, lease_seconds=1000.0) as other:
            await other.store.fence(fenced)
            await other.serve(pays)
            await until(lambda: "in-doubt" in ledger.words("p"))
            cut.jumps_after_intent = cut.cut = False
            await until(lambda: engine.worker.session != fenced)
            assert await engine.run(writes(3)) == 3
    assert CALLS == [("write", 1)]
    assert Counter(ledger.words("p"))["intent"] == 1
    await ledger.sound()
