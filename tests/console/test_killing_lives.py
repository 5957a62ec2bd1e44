"""Lives of workers that go otherwise than planned, in the campaign of `perdure chaos --kill`.

The processes are scripted here; real ones are in test_killing.py. Nothing waits for time.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest
from perdure.chaos.kills import Fate, Meeting, Moment, fates
from perdure.console import killing
from perdure.console.demo.crew import Crew, GivenUp
from perdure.console.kill_worker import UNBORN, Life, main
from perdure.console.killing import STILLBORN_MAX, Campaign, Killer
from perdure.engine.client import enqueue
from perdure.engine.errors import StoreUnavailable
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Identity
from perdure.model.program import Program
from perdure.model.values import Value

Said = Sequence[Mapping[str, Any] | None]
READY: Mapping[str, Any] = {"ready": {}}
KILLED = -int(signal.SIGKILL)


class Scripted:
    """A process that says what is written for its life, and has ended with a code."""

    def __init__(self, life: Life, said: Said, code: int = KILLED) -> None:
        self.name, self.life, self.code = life.name, life, code
        self.signals: list[signal.Signals] = []
        self._said = list(said)

    def hears(self, seconds: float) -> Mapping[str, Any] | None:
        """The next thing; nothing behind the last."""
        return self._said.pop(0) if self._said else None

    def send(self, number: signal.Signals) -> None:
        """Note it."""
        self.signals.append(number)

    def kill(self) -> int:
        """What it had ended with."""
        return self.code


Script = Callable[[Life], Scripted]


class Played:
    """A campaign over scripted processes."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, script: Script) -> None:
        self.lives: list[Scripted] = []
        self.said: list[str] = []
        self._patch = patch

        def process(crew: Crew, life: Life, port: int) -> Scripted:
            self.lives.append(script(life))
            return self.lives[-1]

        # Nobody fulfils an order here: what is left is given up at once, and what stands still too.
        patch.setattr(killing, "_Process", process)
        patch.setattr(killing, "UNSETTLED_SECONDS", 0.0)
        patch.setattr(killing, "ZOMBIE_SECONDS", 0.0)
        self.killer = Killer(Crew(), self.said.append, folder, 0, unprotected=False)

    def run(self, kills: int, fate: Fate | None = None) -> Campaign:
        """Play it in one place; every life with this fate, or as the seed says."""
        if fate is not None:
            given: Iterator[Fate] = iter([fate] * kills)

            def planned(seed: int, count: int) -> Iterator[Fate]:
                return given

            self._patch.setattr(killing, "fates", planned)
        self.killer.run(kills, 1, 3)
        return self.killer.campaign


Play = Callable[[Script], Played]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Make a campaign of a script."""

    def made(script: Script) -> Played:
        return Played(tmp_path, monkeypatch, script)

    return made


def lives(life: Life) -> Scripted:
    """It comes up, and waits for its end."""
    return Scripted(life, [READY])


def test_the_fate_of_a_stillborn_life_is_the_next_ones(play: Play) -> None:
    """Nobody is said to be killed who never lived, and no fate is left out."""
    played = play(lambda life: Scripted(life, [], UNBORN) if life.name == "life 1" else lives(life))
    campaign = played.run(2)
    assert campaign.kills.total() == 2 and campaign.problems == []
    first, second = fates(3, 2)
    assert [one.life.fate for one in played.lives[:3]] == [first, first, second]
    assert played.said[-1].startswith("SIGKILL 2 of 2")


@pytest.mark.parametrize("said", [[], [{"unborn": {"why": "locked"}}]])
def test_who_is_never_born_ends_the_campaign(play: Play, said: Said) -> None:
    """So many in a row, silent or not: a problem, and no endless row of processes."""
    played = play(lambda life: Scripted(life, said, UNBORN))
    campaign = played.run(5)
    name = f"life {STILLBORN_MAX + 1}"
    assert campaign.problems == [f"{name} ended by itself, with code {UNBORN}"]
    assert played.lives[-1].name == name and campaign.kills.total() == 0
    assert not campaign.good


def test_stillborn_lives_are_counted_in_a_row(play: Play) -> None:
    """One that comes up in between makes up for those before it."""
    numbers: Iterator[int] = iter(range(1000))
    played = play(lambda life: lives(life) if next(numbers) % 10 == 9 else Scripted(life, [], 1))
    campaign = played.run(3)
    assert campaign.problems == [] and campaign.kills.total() == 3
    assert len(played.lives) >= 30 > STILLBORN_MAX


def test_a_life_that_ends_by_itself_is_a_problem(play: Play) -> None:
    """It had come up, and its end is no signal of ours: what is left is finished, and told."""
    played = play(lambda life: Scripted(life, [READY], 1))
    campaign = played.run(9)
    assert campaign.problems == ["life 1 ended by itself, with code 1"]
    assert len(played.lives) == 1 and not campaign.good


def test_moments_are_those_that_were_met(play: Play) -> None:
    """A moment that did not come, or that of the other signal, counts as a random one."""
    moment = Moment.BEFORE_CALL
    fate = Fate(Meeting(moment), Meeting(moment))
    meets = {kind: {"meets": {"signal": kind, "moment": moment.value}} for kind in ("stop", "kill")}
    lines: list[Said] = [
        [READY, meets["stop"], meets["kill"]],
        [READY, meets["kill"], None],
        [READY],
    ]
    said = iter(lines)
    played = play(lambda life: Scripted(msgspec.structs.replace(life, fate=fate), next(said, ())))
    campaign = played.run(3, fate)
    assert campaign.kills == {moment: 1, Moment.ANY: 2}
    assert campaign.stops == {moment: 1, Moment.ANY: 2}
    assert (campaign.zombies, campaign.writers) == (0, 3), "nobody fenced them"
    stopped = [signal.SIGSTOP, signal.SIGCONT]
    assert [one.signals for one in played.lives[:3]] == [stopped] * 3
    assert campaign.kills.total() == 3


def test_a_stopped_life_that_is_fenced_wakes_as_a_zombie(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest of its sessions counts."""
    fate = Fate(Meeting(Moment.ANY), Meeting(Moment.ANY))

    def registers(life: Life) -> Scripted:
        async def fenced() -> None:
            store = SqliteStore(life.db)
            await store.open()
            session = await store.register(Identity(life.name, "host", "boot", "", 1, 1))
            await store.fence(session)
            await store.close()

        asyncio.run(fenced())
        return lives(life)

    played = play(registers)
    monkeypatch.setattr(killing, "ZOMBIE_SECONDS", 60.0)
    campaign = played.run(1, fate)
    assert (campaign.zombies, campaign.writers) == (1, 0)


def test_an_order_that_cannot_be_written_is_written_again(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stands still may hold the writer: the same order, later, and none of it twice."""
    tries: list[str] = []
    written = Event()

    async def unreliable(
        store: SqliteStore, program: Program, key: str, inputs: Mapping[str, Value]
    ) -> object:
        tries.append(key)
        if len(tries) == 1:
            raise StoreUnavailable("the store", "locked")
        written.set()
        return await enqueue(store, program, key, inputs)

    def patiently(life: Life) -> Scripted:
        assert written.wait(60)
        return lives(life)

    monkeypatch.setattr(killing, "enqueue", unreliable)
    played = play(patiently)
    assert played.run(1).problems == []
    ordered = [order.id for order in played.killer.orders]
    assert tries[0] == tries[1] == ordered[0] and len(set(ordered)) == len(ordered)


def test_a_defect_of_the_campaign_is_told_and_raised(play: Play) -> None:
    """It is no silent end of a thread."""

    def breaks(life: Life) -> Scripted:
        raise ZeroDivisionError(life.name)

    played = play(breaks)
    with pytest.raises(ZeroDivisionError):
        played.run(2)
    (problem,) = played.killer.campaign.problems
    assert problem == "the campaign itself failed: ZeroDivisionError('life 1')"


def test_what_is_given_up_is_no_problem(play: Play) -> None:
    """Ctrl-C: nobody is started any more, and the run ends instead of waiting for them."""

    def given_up(life: Life) -> Scripted:
        raise GivenUp

    campaign = play(given_up).run(2)
    assert campaign.problems == [] and campaign.kills.total() == 0


# --- a real worker that cannot begin --------------------------------------------------------------


def test_a_worker_that_cannot_begin_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody holds the writer longer than it waits: no trace, a code of its own, never ready."""
    path = str(tmp_path / "locked.db")

    async def prepared() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.close()

    asyncio.run(prepared())
    monkeypatch.setattr("perdure.engine.sqlite_link.PATIENCE_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert main(msgspec.json.encode(Life(path, "life 1", 1.0)).decode()) == UNBORN
    said = capfd.readouterr()
    (line,) = said.out.splitlines()
    assert "locked by process" in json.loads(line)["unborn"]["why"]
    assert "Traceback" not in said.err
