"""Doubt: what becomes of a call with an intent, for every answer of the world and every way to
settle it, forward and on the way back (rules 25 to 31, 86; C13, C14).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple, cast

import pytest
from perdure import (
    Engine,
    InDoubt,
    Landed,
    Voided,
    compensatable,
    effect_key,
    idempotent,
    irreversible,
    saga,
    seconds,
    workflow,
)
from perdure.model.language.workflows import Workflow

from .stage import FOREVER, QUIET_SECONDS, Refused, Stage, ended, outside

TIMEOUT = 10
ANSWERS = ("lands", "refuses", "raises", "lands, raises", "hangs", "lands late")


async def _probe(site: str, n: int) -> Landed[str] | Voided | InDoubt:
    out, key = outside(), effect_key()
    out.note("probed", site, n)
    match out.probes[0] if out.probes else "honest":
        case "in doubt":
            return InDoubt("come back later")
        case "raises":
            raise OSError("no connection")
        case "hangs":
            await asyncio.sleep(FOREVER)
        case "nonsense":
            return cast("Any", "what?")
        case "wrong type":
            return cast("Any", Landed(object()))
        case _:
            pass
    if any((h.what, h.key) == ("lands", key) for h in out.seen):
        return Landed(f"{site} {n}")
    out.closed.add(key)
    return Voided()


async def _undo(site: str, n: int) -> None:
    out = outside()
    out.closed.add(effect_key())
    out.note("undone", site, n)


@irreversible(timeout=seconds(TIMEOUT), refused=(Refused,))
async def pay(n: int) -> str:
    return await outside().attempt("pay", n)


@pay.probe
async def ask_bank(n: int) -> Landed[str] | Voided | InDoubt:
    return await _probe("pay", n)


@irreversible(timeout=seconds(TIMEOUT), refused=(Refused,))
async def pay_bare(n: int) -> str:
    return await outside().attempt("pay_bare", n)


@compensatable(timeout=seconds(TIMEOUT), refused=(Refused,))
async def hold(n: int) -> str:
    return await outside().attempt("hold", n)


@hold.undo
async def release(got: str) -> None:
    await _undo("hold", int(got.split()[1]))


@hold.probe
async def ask_shop(n: int) -> Landed[str] | Voided | InDoubt:
    return await _probe("hold", n)


@compensatable(timeout=seconds(TIMEOUT), refused=(Refused,))
async def hold_none(n: int) -> str:
    return await outside().attempt("hold_none", n)


@hold_none.undo
async def release_none(got: str | None, n: int) -> None:
    assert got in (None, f"hold_none {n}")
    await _undo("hold_none", n)


@compensatable(timeout=seconds(TIMEOUT), refused=(Refused,))
async def hold_plain(n: int) -> str:
    return await outside().attempt("hold_plain", n)


@hold_plain.undo
async def release_plain(got: str) -> None:
    await _undo("hold_plain", int(got.split()[1]))


@idempotent
async def rest(n: int) -> None:
    """A resting place: here a cancel is delivered."""


@workflow
async def paying(n: int) -> str:
    async with saga():
        got = await pay(n)
    await rest(n)
    return got


@workflow
async def paying_bare(n: int) -> str:
    async with saga():
        got = await pay_bare(n)
    await rest(n)
    return got


@workflow
async def holding(n: int) -> str:
    async with saga():
        got = await hold(n)
        await rest(n)
    return got


@workflow
async def holding_none(n: int) -> str:
    async with saga():
        got = await hold_none(n)
        await rest(n)
    return got


@workflow
async def holding_plain(n: int) -> str:
    async with saga():
        got = await hold_plain(n)
        await rest(n)
    return got


class Way(NamedTuple):
    """A step with the way in which its doubts are settled."""

    flow: Workflow[..., Any]
    site: str
    settles: str  # "probe", "undo" or "desk"
    probe: str = ""  # how its probe answers

    def __str__(self) -> str:
        return f"{self.site}{' ' if self.probe else ''}{self.probe}"


WAYS = [
    *(Way(paying, "pay", *s) for s in (("probe", "honest"), ("desk", "in doubt"))),
    Way(paying, "pay", "desk", "raises"),
    Way(paying, "pay", "desk", "hangs"),
    Way(paying, "pay", "desk", "nonsense"),
    Way(paying, "pay", "desk", "wrong type"),
    Way(paying_bare, "pay_bare", "desk"),
    *(Way(holding, "hold", *s) for s in (("probe", "honest"), ("desk", "in doubt"))),
    Way(holding, "hold", "desk", "raises"),
    Way(holding_none, "hold_none", "undo"),
    Way(holding_plain, "hold_plain", "desk"),
]


class Expected(NamedTuple):
    """What must have happened in the end."""

    end: str
    stands: int
    calls: int
    probes: int
    undone: int
    ledger: list[tuple[str, str]]  # outcome, by whom


def expected(way: Way, answer: str, back: bool) -> Expected:
    """The rules, written down once more: what an answer leads to."""
    undoable = way.site.startswith("hold")
    end = "ExecutionCancelled" if back else "done"
    landed = Expected(end, 1, 1, 0, 0, [("landed", "call")])
    probes = {"honest": 1, "": 0}.get(way.probe, 5)
    if answer == "refuses":
        return Expected("Refused", 0, 1, 0, 0, [("refused", "call")])
    if answer == "lands":
        told = landed
    elif way.settles == "undo":
        told = Expected(end, 1, 2, 0, 1, [("undone", "undo"), ("landed", "call")])
        if back:
            return Expected(end, 0, 1, 0, 1, [("undone", "undo")])
    else:
        late = answer == "lands late" and way.settles == "desk"
        by = "probe" if way.settles == "probe" else "desk:ada"
        if answer == "lands, raises" or late:
            told = landed._replace(probes=probes, ledger=[("landed", by)])
        else:
            again = [("voided", by), ("landed", "call")]
            told = Expected(end, 1, 2, probes, 0, again)
            if back:
                return Expected(end, 0, 1, probes, 0, [("voided", by)])
    if back and undoable:
        return told._replace(stands=0, undone=1, ledger=[("undone", "undo")])
    return told


@pytest.mark.parametrize("back", [False, True], ids=["forward", "on the way back"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_answer_of_the_world_ends_as_the_rules_say(way: Way, answer: str, back: bool) -> None:
    """No occurrence stands twice; only a probe, an undo or a person settles a doubt; a new key
    only after voided or undone; a probe waits for the timeout and is asked at most five times."""
    stage = Stage()
    stage.out.script[way.site] = deque([answer])
    stage.out.probes.extend([way.probe] if way.probe else [])

    async def main(engine: Engine) -> tuple[str, Any]:
        run = await engine.start(way.flow(7), id="e")
        if back:
            await stage.until(lambda: stage.out.count("called"))
            await engine.cancel("e", reason="changed my mind")
        if way.settles == "desk" and answer not in ("lands", "refuses"):
            await _decide(stage, engine, way, answer)
        return await ended(run)

    async def look() -> None:
        await stage.lawful()
        rows = await stage.effects()
        assert [(e.outcome, e.decided_by) for e in rows] == wanted.ledger

    wanted = expected(way, answer, back)
    told, value = stage.play(main)
    asyncio.run(look())
    out = stage.out
    assert (told, out.stands(way.site, 7)) == (wanted.end, wanted.stands), out.seen
    counted = tuple(out.count(what) for what in ("called", "probed", "undone"))
    assert counted == (wanted.calls, wanted.probes, wanted.undone), out.seen
    if told == "done":
        assert value == f"{way.site} 7"
    if told == "ExecutionCancelled":
        assert value.landed == ((way.site,) if wanted.stands else ())
    _keys_and_times(stage, way)


async def _decide(stage: Stage, engine: Engine, way: Way, answer: str) -> None:
    """It waits on the desk, and stays there; then a person says what is true."""
    out = stage.out
    probes = 5 if way.probe else 0
    await stage.at(f"in doubt {way.site}")
    await stage.until(lambda: out.count("probed") >= probes)
    await asyncio.sleep(QUIET_SECONDS)
    row = await stage.row()
    assert (row.status, row.owner, row.wake_at) == ("active", None, None), "parked for a person"
    (effect,) = await stage.effects()
    assert effect.outcome == "in-doubt" and effect.decided_by == ""
    assert out.count("called") == 1 and out.count("probed") == probes
    if out.stands(way.site, 7):
        value = f'"{way.site} 7"'.encode()
        await engine.decide("e", effect.key, "landed", value=value, by="ada", reason="seen it")
    else:
        out.closed.add(effect.key)
        await engine.decide("e", effect.key, "voided", by="ada", reason="they refuse it now")


def _keys_and_times(stage: Stage, way: Way) -> None:
    out = stage.out
    called = [h.key for h in out.seen if h.what == "called"]
    assert len(set(called)) == len(called), "a second attempt has a new key"
    first = next(h.at for h in out.seen if h.what == "called")
    for happened in out.seen:
        if happened.what == "probed":
            assert happened.key == called[0], "a probe has the key of the call concerned"
            assert happened.at >= first + TIMEOUT, "not before the attempt's timeout"
        if happened.what == "undone":
            assert happened.key in called, "an undo has the key of the call concerned"
    assert out.count("lands") == out.stands(way.site, 7) + sum(
        1 for h in out.seen if h.what == "undone" and _landed(stage, h.key)
    )


def _landed(stage: Stage, key: str) -> bool:
    return any((h.what, h.key) == ("lands", key) for h in stage.out.seen)
