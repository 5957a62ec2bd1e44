"""Lives drawn from a seed, and the ports that end them: at the moment that was planned, not before.

Whole campaigns over real processes stand in tests/console/test_killing.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest
from perdure.chaos.deadly import Fatal
from perdure.chaos.kills import NAMED, STANDING, Fate, Meeting, Moment, fates


def test_a_seed_plans_the_same_lives_again_and_another_one_others() -> None:
    """The plan is data: what is drawn does not depend on how many are asked for."""
    assert list(fates(7, 50)) == list(fates(7, 50))
    assert list(fates(7, 90))[:50] == list(fates(7, 50))
    assert list(fates(7, 50)) != list(fates(8, 50))


@pytest.mark.parametrize("seed", range(5))
def test_every_named_moment_comes_and_some_have_no_name(seed: int) -> None:
    """In a hundred lives; no process is stopped where it surely holds the only writer."""
    lives = list(fates(seed, 100))
    kills = Counter(life.kill.moment for life in lives)
    assert set(kills) == set(Moment)
    stops = [life.stop.moment for life in lives if life.stop is not None]
    assert 5 < len(stops) < 50 and set(stops) <= set(STANDING)
    assert set(STANDING) == set(Moment) - {Moment.IN_TRANSACTION}


def test_a_plan_survives_the_way_to_another_process() -> None:
    """It is told as JSON."""
    for fate in fates(1, 20):
        assert msgspec.json.decode(msgspec.json.encode(fate), type=Fate) == fate


def test_only_a_random_moment_has_a_delay() -> None:
    """Named moments are counted, never waited for."""
    for fate in fates(2, 100):
        for meeting in (fate.kill, fate.stop):
            if meeting is not None:
                assert (meeting.delay > 0) <= (meeting.moment is Moment.ANY)
                assert meeting.count >= 1


def test_a_signal_comes_at_the_count_and_a_stop_comes_before_the_kill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counting begins anew behind the stop; behind the kill nothing is left to come."""
    sent: list[int] = []
    said: list[tuple[str, Moment]] = []

    def kill(pid: int, number: int) -> None:
        sent.append(number)

    monkeypatch.setattr(os, "kill", kill)
    fate = Fate(Meeting(Moment.AFTER_COMMIT, 2), Meeting(Moment.BEFORE_COMMIT, 2))
    fatal = Fatal(fate, lambda kind, moment: said.append((kind, moment)))
    for _ in range(4):
        fatal.meet(Moment.BEFORE_COMMIT)
        fatal.meet(Moment.AFTER_COMMIT)
    assert sent == [signal.SIGSTOP, signal.SIGKILL]
    assert said == [("stop", Moment.BEFORE_COMMIT), ("kill", Moment.AFTER_COMMIT)]


def test_without_a_fate_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last lives of a campaign work in peace."""

    def never(*told: object) -> None:
        pytest.fail(f"a signal, or a word: {told}")

    monkeypatch.setattr(os, "kill", never)
    fatal = Fatal(None, never)
    for moment in Moment:
        fatal.meet(moment)


LIFE = """
    import asyncio, sys
    from pathlib import Path
    from perdure import Engine, compensatable, irreversible, saga, transactional, workflow
    from perdure.chaos.deadly import DeadlyStore, DeadlyWorld, Fatal
    from perdure.chaos.kills import Fate, Meeting, Moment

    @transactional
    async def note(tx, n: int) -> int:
        return n

    @compensatable
    async def hold(n: int) -> int:
        return n

    @hold.undo
    async def let_go(held: int | None, n: int) -> None:
        return None

    class No(Exception):
        pass

    @irreversible(refused=(No,))
    async def pay(n: int) -> int:
        raise No("declined")

    @workflow
    async def buy(n: int) -> int:
        n = await note(n)
        async with saga():
            n = await hold(n)
            n = await pay(n)
        return n

    async def main(db, moment):
        store = DeadlyStore(db)
        store.fatal = Fatal(Fate(Meeting(moment)), lambda kind, at: print(kind, at, flush=True))
        async with Engine(db, store=store, world=DeadlyWorld(store.fatal)) as engine:
            await engine.run(buy(1), id="a")

    asyncio.run(main(sys.argv[1], Moment(sys.argv[2])))
"""


@pytest.mark.parametrize("moment", [Moment.IN_TRANSACTION, Moment.UNDONE, Moment.BEFORE_OUTCOME])
def test_a_real_process_dies_where_it_was_planned(moment: Moment, tmp_path: Path) -> None:
    """It says so, and is gone: by SIGKILL, not by an exception that somebody could catch."""
    script = tmp_path / "life.py"
    script.write_text(dedent(LIFE))
    command = [sys.executable, str(script), str(tmp_path / "a.db"), moment.value]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == f"kill {moment}\n"


def test_every_moment_has_a_name_or_is_random() -> None:
    """The two kinds together are all."""
    assert {*NAMED, Moment.ANY} == set(Moment)
