"""Rule 33: an execution that kills its worker is found and stalled; its neighbours finish."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from perdure import Engine, InDoubt, Landed, Voided, idempotent, irreversible, workflow
from perdure.chaos.simulation import SimClock, SimLoop, Time, run
from perdure.engine.client import enqueue
from perdure.engine.quarantine import ALONE_SECONDS
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import SUSPECT_RECOVERIES, ExecutionRow, Status
from perdure.engine.worker import RECOVERIES_MAX
from perdure.engine.world import Invocation, UserWorld
from perdure.model.compiler import compile_workflow
from perdure.model.language.waits import seconds, sleep

DEATHS_MAX = 8


@idempotent
async def work(name: str, round: int) -> int:
    """One round of work."""
    return round


@workflow
async def job(name: str) -> int:
    """Three rounds."""
    total = 0
    for round in range(3):
        total += await work(name, round)
    return total


@irreversible
async def charge(name: str) -> str:
    """Kills its process after landing."""
    return name


@charge.probe
async def charged(name: str) -> Landed[str] | Voided | InDoubt:
    """Cannot tell for a long time."""
    return InDoubt("not yet")


@workflow
async def sale(name: str) -> str:
    """One charge."""
    return await charge(name)


@workflow
async def sleeper(name: str) -> None:
    """Sleeps, parked, through it all."""
    await sleep(seconds(3600))


# --- simulated lives ------------------------------------------------------------------------------


class Killed(SystemExit):
    """Ends the loop in the middle of a turn, as SIGKILL would."""


class Deadly(UserWorld):
    """Calls that end the process, hang, or run; and which were made."""

    def __init__(self, does: Callable[[Invocation], str]) -> None:
        super().__init__()
        self.does = does
        self.seen: list[str] = []

    async def call(self, invocation: Invocation) -> Any:
        """What the table says of this call."""
        self.seen.append(f"{invocation.role} {invocation.order[0]}")
        what = self.does(invocation)
        if what == "kill":
            raise Killed
        if what == "linger":
            await asyncio.sleep(10 * ALONE_SECONDS)
        return await super().call(invocation)


class Village:
    """Executions in a file, and one life of a worker after the other in simulated time."""

    def __init__(self, path: Path, does: Callable[[Invocation], str]) -> None:
        self.path, self.time = path, Time()
        self.does: Callable[[Invocation], str] = does
        self.order: list[str] = []

    def settle(self, **inhabitants: Any) -> None:
        """Create executions: name -> workflow."""

        async def create() -> None:
            store = self.store()
            await store.open()
            for name, flow in inhabitants.items():
                program = compile_workflow(flow)
                value = program.codecs["name"].seal(name)
                await enqueue(store, program, name, {"name": value})
            await store.close()

        run(SimLoop(self.time), create())

    def store(self) -> SqliteStore:
        return SqliteStore(self.path, now=self.time.database)

    def life(self, until: Callable[[dict[str, ExecutionRow]], bool]) -> bool:
        """One worker, until all is as wished (True) or it died (False)."""
        loop, world = SimLoop(self.time), Deadly(self.does)

        async def main() -> bool:
            store = self.store()
            clock = SimClock(self.time, loop)
            engine = Engine("", store=store, world=world, clock=clock)
            await engine.__aenter__()
            await engine.serve(job, sale, sleeper)
            while not until({row.key: row for row in await store.list()}):
                await asyncio.sleep(0.05)
            await engine.__aexit__()
            return True

        try:
            return run(loop, main())
        except Killed:
            return False
        finally:
            self.order = world.seen
            loop.abandon()

    def rows(self) -> dict[str, ExecutionRow]:
        async def look() -> dict[str, ExecutionRow]:
            store = self.store()
            await store.open()
            rows = {row.key: row for row in await store.list()}
            await store.close()
            return rows

        return run(SimLoop(self.time), look())

    def deaths(self, until: Callable[[dict[str, ExecutionRow]], bool]) -> int:
        """Live until all is as wished; how many workers died before."""
        for number in range(100):
            if self.life(until):
                return number
        raise AssertionError("they die and die")


def all_ended(rows: dict[str, ExecutionRow]) -> bool:
    """Nobody is active."""
    return all(row.status is not Status.ACTIVE for row in rows.values())


def kills(*names: str) -> Callable[[Invocation], str]:
    """These kill their process at every call."""
    return lambda invocation: "kill" if invocation.order[0] in names else ""


@pytest.mark.parametrize("place", [0, 17, 39])
def test_a_killer_is_stalled_after_five_deaths_and_nobody_else_is_blamed(
    tmp_path: Path, place: int
) -> None:
    """Wherever it stands in the order of claims: its own two losses, then three under its name."""
    village = Village(tmp_path / "v.db", kills("killer"))
    names = [f"n{number}" for number in range(39)]
    names.insert(place, "killer")
    village.settle(**dict.fromkeys(names, job))
    assert village.deaths(all_ended) == RECOVERIES_MAX <= DEATHS_MAX
    rows = village.rows()
    assert rows.pop("killer").status is Status.STALLED
    assert {row.status for row in rows.values()} == {Status.DONE}
    assert max(row.recoveries for row in rows.values()) <= SUSPECT_RECOVERIES


def test_each_of_several_killers_is_found(tmp_path: Path) -> None:
    """Two shared losses, then three for each; the others are done."""
    killers = ("k1", "k2", "k3")
    village = Village(tmp_path / "v.db", kills(*killers))
    village.settle(**dict.fromkeys([*(f"n{n}" for n in range(20)), *killers], job))
    assert village.deaths(all_ended) <= 2 * len(killers) + 3 * len(killers)
    statuses = Counter((row.status, name in killers) for name, row in village.rows().items())
    assert statuses == {(Status.DONE, False): 20, (Status.STALLED, True): 3}


def test_a_suspect_runs_alone_and_named_and_the_others_after_it(tmp_path: Path) -> None:
    """In a later life the first call of what was lost is the killer's, nothing is called beside
    it, and the row of the session names it before. Newcomers run until it is claimed."""
    village = Village(tmp_path / "v.db", kills("killer"))
    village.settle(**dict.fromkeys(["killer", *(f"n{n}" for n in range(10))], job))
    for _ in range(SUSPECT_RECOVERIES):
        assert not village.life(all_ended)
    village.settle(**dict.fromkeys((f"late{n}" for n in range(10)), job))
    assert not village.life(all_ended)
    assert [call for call in village.order if "late" not in call] == ["step killer"]
    assert village.order[-1] == "step killer"

    async def named() -> list[int | None]:
        store = village.store()
        await store.open()
        found = [row.suspect for row in await store.sessions()]
        await store.close()
        return found

    assert run(SimLoop(village.time), named()) == [village.rows()["killer"].id]


def test_a_suspect_that_takes_its_time_does_not_stop_the_others(tmp_path: Path) -> None:
    """After some seconds alone the others run beside it; it stays named, and it finishes."""

    def does(invocation: Invocation) -> str:
        if invocation.order[0] == "killer" and village.time.now < 60_000_000:
            return "kill"
        return "linger" if invocation.order[0] == "slow" else ""

    village = Village(tmp_path / "v.db", does)
    village.settle(killer=job, slow=job, **dict.fromkeys((f"n{n}" for n in range(5)), job))

    def others_ended(rows: dict[str, ExecutionRow]) -> bool:
        return all(row.status is Status.DONE for key, row in rows.items() if key[0] == "n")

    deaths = village.deaths(others_ended)
    rows = village.rows()
    assert deaths >= SUSPECT_RECOVERIES and rows["slow"].status is Status.ACTIVE
    village.deaths(all_ended)
    assert village.rows()["slow"].status is Status.DONE


def test_waiting_for_a_probe_or_a_moment_is_not_blamed(tmp_path: Path) -> None:
    """What is parked is nobody's when the worker dies: only the killer's count rises."""
    village = Village(tmp_path / "v.db", kills("killer"))
    village.settle(asleep=sleeper, doubtful=sale)

    def parked(rows: dict[str, ExecutionRow]) -> bool:
        return all(row.owner is None and row.waits is not None for row in rows.values())

    village.does = lambda call: "kill" if call.role == "step" else ""
    assert village.deaths(parked) == 1, "the charge, which is in doubt now"
    before = {name: row.recoveries for name, row in village.rows().items()}
    village.does = kills("killer")
    village.settle(killer=job)

    def stalled(rows: dict[str, ExecutionRow]) -> bool:
        return rows["killer"].status is Status.STALLED

    assert village.deaths(stalled) == RECOVERIES_MAX
    after = {name: row.recoveries for name, row in village.rows().items() if name in before}
    assert after == before and before["asleep"] == 0


# --- real processes -----------------------------------------------------------------------------

WORKER = """
import asyncio, os, signal, sys
from perdure import Engine, idempotent, workflow

@idempotent
async def work(name: str, round: int) -> int:
    if name == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    return round

@workflow
async def job(name: str) -> int:
    total = 0
    for round in range(3):
        total += await work(name, round)
    return total

async def main():
    async with Engine(f"sqlite:///{sys.argv[1]}") as engine:
        names = [*(f"n{n}" for n in range(50)), "killer", *(f"n{n}" for n in range(50, 99))]
        runs = await asyncio.gather(*(engine.start(job(name), id=name) for name in names))
        for run in runs:
            await engine.ended(run.id)

asyncio.run(main())
"""


def test_one_killer_among_hundred_in_real_processes(tmp_path: Path) -> None:
    """SIGKILL in a step: 99 finish, 1 is stalled, at most 8 workers die."""
    path, script = tmp_path / "real.db", tmp_path / "worker.py"
    script.write_text(WORKER)
    deaths = 0
    while (done := subprocess.run([sys.executable, script, path])).returncode == -9:
        deaths += 1
        assert deaths <= DEATHS_MAX
    assert done.returncode == 0

    async def look() -> list[ExecutionRow]:
        store = SqliteStore(path)
        await store.open()
        rows = await store.list()
        await store.close()
        return rows

    rows = asyncio.run(look())
    assert Counter(row.status for row in rows) == {Status.DONE: 99, Status.STALLED: 1}
    assert [row.key for row in rows if row.status is Status.STALLED] == ["killer"]
    assert deaths == RECOVERIES_MAX
