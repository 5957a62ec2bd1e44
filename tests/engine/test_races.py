"""Losers of races, of each class and at each moment (rule 37; C19), and races behind a pivot.

Races under crashes and cancels are in `tests/crash/test_races.py`; what the compiler makes of a
race is in `tests/model`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

import pytest
from perdure import (
    Elapsed,
    Engine,
    Landed,
    Retry,
    Signal,
    Tx,
    Voided,
    after,
    compensatable,
    effect_key,
    first,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    seconds,
    together,
    transactional,
    workflow,
)

from .stage import Refused, Stage, ended, one, outside, play

LONG = Retry(attempts=9, first=seconds(60), factor=1.0)
GIVEN_UP = 10  # seconds, when the timer wins
ASKED = 60  # seconds, when a probe may be asked
go = Signal[str]("go")


async def act(site: str, n: int) -> str:
    return await outside().attempt(site, n)


async def take_back(site: str, n: int) -> None:
    out = outside()
    if out.script.get(f"undo {site}"):
        out.note("tried", site, n)
        raise OSError(out.script[f"undo {site}"].popleft())
    out.closed.add(effect_key())
    out.note("undone", site, n)


@pure
async def think(n: int) -> str:
    return await act("think", n)


@observe(retry=LONG)
async def read(n: int) -> str:
    return await act("read", n)


@idempotent(retry=LONG)
async def put(n: int) -> str:
    return await act("put", n)


@transactional
async def write(tx: Tx, n: int) -> str:
    return await act("write", n)


@compensatable(refused=(Refused,), retry=LONG)
async def hold(n: int) -> str:
    return await act("hold", n)


@hold.undo
async def release(got: str | None, n: int) -> None:
    await take_back("hold", n)


@compensatable(refused=(Refused,), retry=LONG, timeout=seconds(ASKED))
async def asked(n: int) -> str:
    return await act("asked", n)


@asked.undo
async def release_asked(got: str) -> None:
    await take_back("asked", int(got.split()[1]))


@asked.probe
async def ask(n: int) -> Landed[str] | Voided:
    out = outside()
    out.note("probed", "asked", n)
    out.closed.add(effect_key())
    landed = any((h.what, h.key) == ("lands", effect_key()) for h in out.seen)
    return Landed(f"asked {n}") if landed else Voided()


@compensatable(refused=(Refused,), retry=LONG)
async def plain(n: int) -> str:
    return await act("plain", n)


@plain.undo
async def release_plain(got: str) -> None:
    await take_back("plain", int(got.split()[1]))


@idempotent
async def behind(n: int) -> None:
    outside().note("behind", "behind", n)


def told(winner: Elapsed | str) -> str:
    return winner if isinstance(winner, str) else "elapsed"


@workflow
async def race_think(n: int) -> str:
    got = await first(think(n), after(seconds(GIVEN_UP)))
    await behind(n)
    return told(got)


@workflow
async def race_read(n: int) -> str:
    got = await first(read(n), after(seconds(GIVEN_UP)))
    await behind(n)
    return told(got)


@workflow
async def race_put(n: int) -> str:
    got = await first(put(n), after(seconds(GIVEN_UP)))
    await behind(n)
    return told(got)


@workflow
async def race_write(n: int) -> str:
    got = await first(write(n), after(seconds(1.5)))  # less than a transaction may take
    await behind(n)
    return told(got)


@workflow
async def race_hold(n: int) -> str:
    got = await first(hold(n), after(seconds(GIVEN_UP)))
    await behind(n)
    return told(got)


@workflow
async def race_asked(n: int) -> str:
    got = await first(asked(n), after(seconds(GIVEN_UP)))
    await behind(n)
    return told(got)


@workflow
async def race_plain(n: int) -> str:
    got = await first(plain(n), after(seconds(GIVEN_UP)))
    await behind(n)
    return told(got)


FLOWS: dict[str, Any] = {
    "think": race_think,
    "read": race_read,
    "put": race_put,
    "write": race_write,
    "hold": race_hold,
    "asked": race_asked,
    "plain": race_plain,
}
FREE = ("think", "read", "put")
UNDOABLE = ("hold", "asked", "plain")


class Loser(NamedTuple):
    """A contender at a moment, and what must have come of it before the code behind the race."""

    site: str
    moment: str
    script: str
    ledger: list[str]  # outcomes of its effects
    lands: int = 0
    undone: int = 0
    decided: str = ""  # by a person

    def __str__(self) -> str:
        return f"{self.site} {self.moment}"


LOSERS = [
    *(Loser(site, "before its next attempt", "raises", []) for site in FREE[1:]),
    *(Loser(site, "in flight", "gate", []) for site in FREE),
    *(Loser(site, "landed", "lands, gate", [], lands=1) for site in FREE),
    Loser("write", "in flight", "gate", []),
    *(Loser(site, "before its next intent", "refuses", ["refused"]) for site in UNDOABLE),
    *(Loser(site, "in flight", "gate", ["undone"], 1, 1) for site in UNDOABLE),
    *(Loser(site, "in flight, refused", "gate, refuses", ["refused"]) for site in UNDOABLE),
    *(Loser(site, "landed", "lands, gate", ["undone"], 1, 1) for site in UNDOABLE),
    Loser("asked", "in doubt, landed", "lands, raises", ["undone"], 1, 1),
    Loser("asked", "in doubt, not landed", "raises", ["voided"]),
    Loser("hold", "in doubt, landed", "lands, raises", ["undone"], 1, 1),
    Loser("hold", "in doubt, not landed", "raises", ["undone"], 0, 1),
    Loser("plain", "in doubt, landed", "lands, raises", ["undone"], 1, 1, decided="landed"),
    Loser("plain", "in doubt, not landed", "raises", ["voided"], decided="voided"),
]


@pytest.mark.parametrize("loser", LOSERS, ids=str)
def test_who_loses_is_settled_by_its_class_before_the_race_returns(loser: Loser) -> None:
    """pure, observe, idempotent: cut; transactional: rolled back; compensatable: awaited, its doubt
    settled, then undone at once. It is called once, and nothing behind the race runs before."""
    stage = Stage()
    stage.out.script[loser.site] = deque([loser.script])
    if loser.site == "hold" and "doubt" in loser.moment:  # else it is settled before it has lost
        stage.out.script["undo hold"] = deque(["not yet"] * 4)

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(FLOWS[loser.site](7), id="e")
        if loser.decided:
            case = await one(stage, "in-doubt")
            await asyncio.sleep(2 * GIVEN_UP)
            assert stage.out.count("behind") == 0
            value = b'"plain 7"' if loser.decided == "landed" else None
            await engine.decide("e", case.key, loser.decided, value=value, by="ada", reason="seen")
        elif "gate" in loser.script:
            await asyncio.sleep(2 * GIVEN_UP)
            assert stage.out.count("behind") == (loser.site not in UNDOABLE)
            stage.out.gate(loser.site).set()
        assert await ended(run) == ("done", "elapsed")
        await asyncio.sleep(2 * ASKED)
        assert [e.outcome for e in await stage.effects()] == loser.ledger
        may = [b.may for b in await stage.bodies() if b.may]
        assert may == ([True] if loser.site == "put" else []), "it may have happened: said so"

    play(stage, main)
    out = stage.out
    assert (out.count("called"), out.count("lands", loser.site)) == (1, loser.lands), out.seen
    assert out.count("undone") == loser.undone
    assert out.count("behind") == 1
    if loser.site in UNDOABLE:
        assert out.seen[-1].what == "behind", "nothing of the loser comes later"
        assert out.stands(loser.site, 7) == 0


@pytest.mark.parametrize("site", FLOWS)
def test_who_is_first_wins_and_stands(site: str) -> None:
    """Of each class: its result is the race's, and nothing is undone."""
    stage = Stage()

    async def main(engine: Engine, stage: Stage) -> None:
        assert await (await engine.start(FLOWS[site](7), id="e")).result() == f"{site} 7"

    play(stage, main)
    assert stage.out.count("undone") == 0 and stage.out.stands(site, 7) == 1


# --- in sagas -------------------------------------------------------------------------------------


@workflow
async def won_then_failed(n: int) -> str:
    try:
        async with saga():
            await plain(0)
            await first(hold(1), asked(2))
            await plain.named("later")(3)
            await go.wait()
            raise Refused("after all")
    except Refused:
        return "undone"


@pytest.mark.parametrize("cancelled", [False, True], ids=["failed", "cancelled"])
@pytest.mark.parametrize("slow", ["hold", "asked"])
def test_a_winner_is_undone_in_its_turn_when_its_saga_fails(slow: str, cancelled: bool) -> None:
    """The loser goes back at once; the winner's entry has its place in the order of the saga."""
    stage = Stage()
    stage.out.script[slow] = deque(["gate"])

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(won_then_failed(0), id="e")
        await asyncio.sleep(GIVEN_UP)
        assert stage.out.count("called", "plain") == 1, "the race has not returned"
        stage.out.gate(slow).set()
        await stage.at("waiting for go")
        lost = {"hold": "undone hold 1", "asked": "undone asked 2"}
        assert stage.out.told("undone") == [lost.pop(slow)]
        await (run.cancel(reason="x") if cancelled else run.send(go, "on"))
        assert (await ended(run))[0] == ("ExecutionCancelled" if cancelled else "done")
        assert stage.out.told("undone")[1:] == ["undone plain 3", *lost.values(), "undone plain 0"]

    play(stage, main)


def test_a_race_that_is_cancelled_undoes_what_was_in_flight() -> None:
    """Nobody has won; both are awaited, both go back, and the execution ends cancelled."""
    stage = Stage()
    stage.out.script |= {"hold": deque(["gate"]), "asked": deque(["gate"])}

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(won_then_failed(0), id="e")
        await stage.until(lambda: stage.out.count("called") == 3)
        await run.cancel(reason="x")
        await asyncio.sleep(GIVEN_UP)
        assert stage.out.count("undone") == 0
        for site in ("hold", "asked"):
            stage.out.gate(site).set()
        assert (await ended(run))[0] == "ExecutionCancelled"
        back = stage.out.told("undone")
        assert sorted(back[:2]) == ["undone asked 2", "undone hold 1"]
        assert back[2:] == ["undone plain 0"]

    play(stage, main)


# --- behind a pivot -------------------------------------------------------------------------------


@irreversible
async def pay(n: int) -> str:
    return await act("pay", n)


@observe(retry=Retry(attempts=None))
async def look(n: int) -> str:
    return await act("look", n)


@workflow
async def race_behind_the_pivot(n: int) -> str:
    async with saga():
        await pay(n)
        got = await first(look(n), go.wait())
    then = await go.wait()
    return f"{got}, then {then}"


@pytest.mark.parametrize("winner", ["look", "word"])
@pytest.mark.parametrize("cancelled", [False, True], ids=["", "cancelled meanwhile"])
def test_a_race_behind_a_pivot_hears_no_cancel_and_gives_its_losers_up(
    winner: str, cancelled: bool
) -> None:
    """Shielded from a cancel is not shielded from having lost: a losing call does not hold the race
    up, and a losing wait is over, so that it takes no message of the wait behind it."""
    stage = Stage()
    stage.out.script["look"] = deque(["gate"])

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(race_behind_the_pivot(1), id="e")
        await stage.until(lambda: stage.out.count("called", "look"))
        if cancelled:
            await run.cancel(reason="x")
            await asyncio.sleep(GIVEN_UP)
            assert (await stage.words()).count("finished") == 0
        if winner == "word":
            await run.send(go, "word")
        else:
            stage.out.gate("look").set()
        if cancelled:
            end, error = await ended(run)
            assert (end, error.landed) == ("ExecutionCancelled", ("pay",))
            return
        await stage.until(lambda: _outside_the_saga(stage))
        await run.send(go, "late")
        assert (
            await run.result() == {"look": "look 1, then late", "word": "word, then late"}[winner]
        )

    play(stage, main)


# --- moments beside a running call ----------------------------------------------------------------


@workflow
async def beside_a_long_call(n: int) -> list[str]:
    return [*await together(pay(1), asked(2), hold(3))]


def test_a_moment_is_kept_beside_a_call_that_runs_longer() -> None:
    """A probe and the next attempt of a refused call come when they are due, though the execution
    is not parked: another branch of it is being called all the while."""
    stage = Stage()
    stage.out.script |= {
        "pay": deque(["gate"]),
        "asked": deque(["raises"]),
        "hold": deque(["refuses"]),
    }

    async def main(engine: Engine, stage: Stage) -> None:
        run = await engine.start(beside_a_long_call(0), id="e")
        await stage.until(lambda: stage.out.count("lands") == 2)
        assert stage.out.told("probed", "lands") == [
            "probed asked 2",
            "lands asked 2",
            "lands hold 3",
        ]
        assert stage.time.now / 1e6 < 2 * ASKED
        stage.out.gate("pay").set()
        assert await run.result() == ["pay 1", "asked 2", "hold 3"]

    play(stage, main)


async def _outside_the_saga(stage: Stage) -> bool:
    return "in saga" not in await stage.marked() and "pay" in [
        e.site for e in await stage.effects() if e.outcome == "landed"
    ]
