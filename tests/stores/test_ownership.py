"""Rules 1, 2 and 5: who may append, under everything that live and dead sessions can do.

A machine swaps executions between sessions that live side by side, and a model says who owns what.
Then the orders of append, claim and fence on one file, with the lock held open in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from perdure.engine import sqlite_append, sqlite_sessions
from perdure.engine.records import Kind, broken, genesis
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Fenced

from .conftest import NET, Execution, Lab, creation, identity, record

if TYPE_CHECKING:
    from perdure.engine.sqlite_link import Link

KEYS = ("a", "b")
NOTHING = multiple(*list[Execution]())


class Owned(NamedTuple):
    """What the model knows of an execution: its owner now, its tenure, and its head."""

    owner: int | None
    tenure: int
    seq: int


class Swapping(RuleBasedStateMachine):
    """Sessions come, claim, write, park, hand over and are fenced; stale ones go on trying."""

    sessions: Bundle[int] = Bundle("sessions")
    held: Bundle[Execution] = Bundle("held")  # what some worker holds in memory, stale or not

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.lab = Lab(":memory:")
        self.do(self.lab.store.open())
        self.alive: set[int] = set()
        self.model: dict[str, Owned] = {}
        self.orders: dict[str, list[tuple[int, int]]] = {key: [] for key in KEYS}
        self.named: dict[str, list[int]] = {key: [] for key in KEYS}

    def do(self, work: Awaitable[Any]) -> Any:
        """Wait for the store."""

        async def waiting() -> Any:
            return await work

        return self.runner.run(waiting())

    def teardown(self) -> None:
        self.do(self.lab.store.close())
        self.runner.close()

    @rule(target=sessions)
    def registers(self) -> int:
        """One more session that lives beside the others."""
        session: int = self.do(self.lab.session())
        self.alive.add(session)
        return session

    @rule(target=held, session=sessions, key=st.sampled_from(KEYS))
    def starts(self, session: int, key: str) -> Any:
        """A new execution, once each, owned by the session that makes it."""
        if key in self.model or session not in self.alive:
            return NOTHING
        self.model[key] = Owned(session, 1, 0)
        return self.do(self.lab.owned(session, key))

    @rule(target=held, session=sessions)
    def claims(self, session: int) -> Any:
        """Takes what is due and nobody's; each claim raises the tenure by one."""
        free = {key for key, known in self.model.items() if known.owner is None}
        if free and session not in self.alive:
            with pytest.raises(Fenced):
                self.do(self.lab.claim(session))
            return NOTHING
        claimed = self.do(self.lab.claim(session))
        assert {each.row.key for each in claimed} == free
        for each in claimed:
            known = self.model[each.row.key]
            assert each.row.tenure == known.tenure + 1 and each.row.owner == session
            self.model[each.row.key] = Owned(session, each.row.tenure, known.seq)
            self.named[each.row.key].append(session)
        return multiple(*(self.lab.taken(each, session) for each in claimed))

    @rule(execution=held)
    def appends(self, execution: Execution) -> None:
        """Holds exactly when the session lives, owns it in this tenure, and knows the head."""
        known = self.model[execution.key]
        mine = (known.owner, known.tenure, known.seq)
        fits = mine == (execution.session, execution.tenure, execution.seq)
        if execution.session not in self.alive:
            with pytest.raises(Fenced):
                self.do(self.lab.write(execution, execution.record()))
            return
        done = self.do(self.lab.write(execution, execution.record()))
        assert done.ok == fits, done
        if fits:
            self.model[execution.key] = known._replace(seq=known.seq + 1)
            self.orders[execution.key].append((execution.tenure, execution.seq))

    @rule(execution=held)
    def parks(self, execution: Execution) -> None:
        """Gives it up, due at once; whoever does not own it gives nothing up."""
        if execution.session not in self.alive:
            return
        known = self.model[execution.key]
        done = self.do(self.lab.park(execution, wake_at=self.lab.time))
        assert done.ok == ((known.owner, known.tenure) == (execution.session, execution.tenure))
        if done.ok:
            self.model[execution.key] = known._replace(owner=None)

    @rule(session=sessions)
    def is_fenced(self, session: int) -> None:
        """Everything it owns is nobody's, at once."""
        self.do(self.lab.store.fence(session))
        self.alive.discard(session)
        for key, known in self.model.items():
            if known.owner == session:
                self.model[key] = known._replace(owner=None)

    @rule(target=sessions, session=sessions)
    def hands_over(self, session: int) -> int:
        """What it still owns goes to the next session, one tenure on; what it lost does not."""
        mine = {key for key, known in self.model.items() if known.owner == session}
        next, tenures = self.do(self.lab.store.handover(session, identity()))
        self.alive = (self.alive - {session}) | {next}
        assert sorted(tenures.values()) == sorted(self.model[key].tenure + 1 for key in mine)
        for key in mine:
            known = self.model[key]
            self.model[key] = Owned(next, known.tenure + 1, known.seq)
            self.named[key].append(next)
        return next

    @invariant()
    def rows_and_logs_are_as_the_model_says(self) -> None:
        """One owner, tenures and orders that only rise, a chain without a hole."""
        for key, known in self.model.items():
            row = self.do(self.lab.row(key))
            assert (row.owner, row.tenure) == (known.owner, known.tenure)
            log = self.do(self.lab.store.log(row.id))
            assert len(log) == known.seq + 1
            assert broken(genesis(key, "flow", NET, b"input"), log) is None
            assert [r.tenure for r in log] == sorted(r.tenure for r in log)
            orders = self.orders[key]
            assert orders == sorted(set(orders)), "an effect order fell"


def test_whoever_owns_it_in_this_tenure_appends_and_nobody_else() -> None:
    """After any history of sessions: claims raise the tenure by one, appends hold exactly for the
    living owner at the head, rows and logs are what the model says, and no order falls."""
    steps = settings(max_examples=60, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(Swapping, settings=steps)


async def test_sessions_fall_and_tenures_do_not(lab: Lab) -> None:
    """Why the session is no fencing token: of two that live, the older one inherits."""
    older, younger = await lab.session(), await lab.session()
    a = await lab.owned(older)
    written = [(a.session, a.tenure)]
    for session in (younger, older, younger, older):
        await lab.park(a, wake_at=lab.time)
        a = await lab.claim_one(session)
        assert (await lab.write(a, a.record(Kind.CLAIMED))).ok
        written.append((a.session, a.tenure))
    assert [tenure for _, tenure in written] == [1, 2, 3, 4, 5]
    assert [session for session, _ in written] != sorted(session for session, _ in written)


# --- append, claim and fence, with the lock held open ---------------------------------------------


class Contending(NamedTuple):
    """Another process: it waits for the lock in a thread with a loop of its own."""

    path: str
    waits: list[float]

    async def does(self, work: Callable[[SqliteStore], Awaitable[Any]]) -> Any:
        """Do something through a store of its own."""

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            await asyncio.sleep(0.001)

        async def main() -> Any:
            store = SqliteStore(self.path, sleep=sleep, now=lambda: 1_000_000)
            try:
                return await work(store)
            finally:
                await store.close()

        return await asyncio.to_thread(asyncio.run, main())

    async def until_it_waits(self) -> None:
        """It has found the lock taken, and more than once."""
        while len(self.waits) < 3:
            await asyncio.sleep(0.001)


def _append(link: Link, a: Execution) -> Any:
    return sqlite_append.write_batch(link, a.session, [a.append(a.record())], 1_000_000)[0].ok


def _create(link: Link, a: Execution) -> Any:
    """The append that makes an owned execution: the fence must find this one too."""
    start = record(genesis("new", "flow", NET, b"input"), 0, 1, Kind.STARTED)
    made = Append(0, 1, b"", [start], creation("new", a.session))
    return sqlite_append.write_batch(link, a.session, [made], 1_000_000)[0].ok


def _claim(link: Link, a: Execution) -> Any:
    return len(sqlite_sessions.claim(link, a.session, [NET], 9, 1_000_000)) == 1


ACTS: dict[str, Callable[[Link, Execution], Any]] = {
    "append": _append,
    "create": _create,
    "claim": _claim,
}


async def prepared(lab: Lab) -> Execution:
    """A session with one execution, and another that is due and nobody's."""
    await lab.store.open()
    a = await lab.owned(await lab.session())
    start = lab.record(b"g", 0, 1, Kind.STARTED)
    assert await lab.store.start(lab.creation("free", None, 1), start) is None
    return a


async def nobody_is_owned_by_the_dead(lab: Lab, expected: int) -> None:
    """Every execution can be claimed, and goes on from its head."""
    heir = await lab.session()
    claimed = await lab.claim(heir)
    assert len(claimed) == expected
    for each in claimed:
        mine = lab.taken(each, heir)
        assert (await lab.write(mine, mine.record())).ok
    assert all(row.owner == heir for row in await lab.store.list())


@pytest.mark.parametrize("act", ACTS)
async def test_a_fence_waits_for_what_began_before_it_and_releases_that_too(
    tmp_path: Path, act: str
) -> None:
    """Append, creation or claim in flight; the fence comes, and waits; they commit: what they
    wrote is there, and what they own is nobody's the moment the fence has returned."""
    lab = Lab(str(tmp_path / "o.db"))
    a = await prepared(lab)
    other = Contending(str(tmp_path / "o.db"), [])
    async with lab.store.links.write() as link:
        assert ACTS[act](link, a)
        fence = asyncio.ensure_future(other.does(lambda store: store.fence(a.session)))
        await other.until_it_waits()
        assert not fence.done()
    assert await fence == (1 if act == "append" else 2)
    assert all(row.owner is None for row in await lab.store.list())
    assert await lab.seqs(a) == ([0, 1] if act == "append" else [0])
    await nobody_is_owned_by_the_dead(lab, 3 if act == "create" else 2)
    await lab.store.close()


@pytest.mark.parametrize("act", ACTS)
async def test_what_waits_behind_a_fence_writes_nothing(tmp_path: Path, act: str) -> None:
    """The fence is in flight; append, creation or claim come, and wait; it commits: Fenced."""
    lab = Lab(str(tmp_path / "o.db"))
    a = await prepared(lab)
    other = Contending(str(tmp_path / "o.db"), [])
    start = record(genesis("new", "flow", NET, b"input"), 0, 1, Kind.STARTED)
    batches = {
        "append": a.append(a.record()),
        "create": Append(0, 1, b"", [start], creation("new", a.session)),
    }

    async def late(store: SqliteStore) -> Any:
        if act == "claim":
            return await store.claim(a.session, [NET], 9)
        return await store.append(a.session, [batches[act]])

    async with lab.store.links.write() as link:
        assert sqlite_sessions.fence(link, a.session, 1_000_000) == 1
        trying = asyncio.ensure_future(other.does(late))
        await other.until_it_waits()
        assert not trying.done()
    with pytest.raises(Fenced):
        await trying
    assert await lab.seqs(a) == [0] and await lab.store.find("new") is None
    await nobody_is_owned_by_the_dead(lab, 2)
    await lab.store.close()
