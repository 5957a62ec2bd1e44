"""Rule 17: who lost an execution writes nothing of it any more, and what it still learns is told.

A charge is held open while its caller loses the execution: fenced, or given back and claimed again
by the same session. Then the answer comes, before or after somebody decided what became of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from msgspec.structs import replace
from perdure import (
    Engine,
    InDoubt,
    Landed,
    Signal,
    Voided,
    effect_key,
    idempotent,
    irreversible,
    together,
    workflow,
)
from perdure.engine.desk import Case, cases
from perdure.engine.looking import view
from perdure.engine.post import EVIDENCE
from perdure.engine.records import Kind
from perdure.engine.store import Append, Appended

from .ledger import Ledger, until
from .stage import Beside, Stage, one, outside, waiting

go = Signal[str]("go")
ODD: list[bool] = [False]


@irreversible
async def pay(n: int) -> str:
    got = await outside().attempt("pay", n)
    return cast("Any", object()) if ODD[0] and outside().count("called", "pay") == 1 else got


@pay.probe
async def ask(n: int) -> Landed[str] | Voided | InDoubt:
    """A receiver that says what the test tells it, and closes no key."""
    outside().note("probed", "pay", n)
    match outside().probes[0]:
        case "landed":
            return Landed("pay by the probe")
        case "voided":
            return Voided()
        case _:
            return InDoubt("come back later")


@idempotent
async def tick(n: int) -> str:
    return await outside().attempt("tick", n)


@workflow
async def pays(n: int, stays: bool) -> str:
    paid, _ = await together(pay(n), tick(n))
    if stays:
        await go.wait()
    return paid


class GivingBack(Beside):
    """Refuses what follows the tick, once: the execution is given back and read anew."""

    done = False

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        ticked = self._stage.out.count("lands", "tick") > 0
        if ticked and not self.done and any(r.kind is Kind.FIRED for a in batch for r in a.records):
            self.done = True
            batch = [replace(a, previous=b"?" * 16) for a in batch]
        return await super().append(session, batch)


class Late(NamedTuple):
    """How the caller lost the execution, and what was decided before its answer came."""

    loss: str
    probe: str
    stays: bool  # the execution still lives then
    answer: str = "gate"

    def __str__(self) -> str:
        alive = "alive" if self.stays else "ended"
        return f"{self.loss}, {self.probe}, {alive}, {self.answer}"


LOSSES = ("fenced", "given back")


async def lose(engine: Engine, stage: Stage, late: Late) -> int:
    """The execution is claimed anew while its charge is under way; the tenure it had before."""
    await stage.until(lambda: stage.out.count("called", "pay") and stage.out.count("lands", "tick"))
    before = (await stage.row()).tenure
    if late.loss == "fenced":
        await stage.store.fence(engine.worker.session)

    async def again() -> bool:
        return (await stage.row()).tenure > before

    await stage.until(again)
    return before


def play(late: Late, act: Any) -> Stage:
    """A life in which the charge loses its execution, and then what the test does."""
    stage = Stage()
    ODD[:] = [late.answer == "odd"]
    answer = "gate" if late.answer == "odd" else late.answer
    stage.out.script["pay"] = deque([answer])
    stage.out.probes.append(late.probe)

    async def main(engine: Engine) -> None:
        session = engine.worker.session
        await engine.start(pays(1, late.stays), id="e")
        tenure = await lose(engine, stage, late)
        assert (engine.worker.session == session) == (late.loss == "given back")
        await act(engine, stage)
        records = await stage.store.log((await stage.row()).id)
        assert [r.tenure for r in records] == sorted(r.tenure for r in records)
        assert any(r.tenure > tenure for r in records), "the answer came to a tenure that is over"

    stage.play(main, store=GivingBack(stage).port if late.loss == "given back" else None)
    asyncio.run(stage.lawful())
    return stage


@pytest.mark.parametrize("loss", LOSSES)
def test_an_answer_before_the_decision_settles_the_doubt(loss: str) -> None:
    """Nobody but the caller can know: it is evidence, and no second call is made."""

    async def act(engine: Engine, stage: Stage) -> None:
        await stage.at("in doubt pay")
        stage.out.gate("pay").set()
        status, _ = await engine.ended("e")
        assert status == "done"
        assert await stage.ledger() == [("pay", "landed", "evidence")]
        assert await waiting(stage) == []

    stage = play(Late(loss, "in doubt", False), act)
    assert stage.out.count("called", "pay") == stage.out.count("lands", "pay") == 1


@pytest.mark.parametrize("answer", ["gate, raises", "odd"])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_answer_without_a_value_leaves_the_doubt_where_it_is(loss: str, answer: str) -> None:
    """An exception says nothing, and a value that cannot be stored is none: a person decides."""

    async def act(engine: Engine, stage: Stage) -> None:
        await stage.at("in doubt pay")
        stage.out.gate("pay").set()
        await stage.until(lambda: stage.out.count("probed") == 5)
        case = await one(stage, "in-doubt")
        mail = [m.channel for m in await stage.mail()]
        assert mail == ([EVIDENCE] if answer == "odd" else [])
        await engine.decide("e", case.key, "landed", value=b'"x"', by="ada", reason="seen it")
        assert (await engine.ended("e"))[0] == "done"

    play(Late(loss, "in doubt", False, answer), act)


@pytest.mark.parametrize("stays", [True, False], ids=["alive", "ended"])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_answer_that_says_nothing_new_is_not_even_kept(loss: str, stays: bool) -> None:
    """The probe said that it landed: no message, no record, nothing on the desk, ever."""

    async def act(engine: Engine, stage: Stage) -> None:
        await _settled(stage, "landed")
        await _rests(stage)
        words = await stage.words()
        stage.out.gate("pay").set()
        await stage.until(lambda: stage.out.count("lands", "pay") == 1)
        await asyncio.sleep(10)
        assert await stage.words() == words and await stage.mail() == []
        assert await waiting(stage) == []
        await _go(engine, stays)

    play(Late(loss, "landed", stays), act)


@pytest.mark.parametrize("answer", ["gate", "odd"])
@pytest.mark.parametrize("stays", [True, False], ids=["alive", "ended"])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_answer_of_a_voided_attempt_is_an_alarm(loss: str, stays: bool, answer: str) -> None:
    """It landed although the receiver said that it never would, and was called again: whether the
    execution still runs or has ended, whether its value is of any use, a person is told."""

    async def act(engine: Engine, stage: Stage) -> None:
        await _settled(stage, "voided")
        first = (await stage.effects())[0].key
        await stage.until(lambda: stage.out.count("lands", "pay") == 1)
        await _rests(stage)
        assert (await stage.row()).status == ("active" if stays else "done")
        assert await waiting(stage) == []
        words, ledger = await stage.words(), await stage.ledger()
        stage.out.gate("pay").set()
        alarm = await one(stage, "alarm")
        assert (alarm.site, alarm.key, alarm.verdicts) == ("pay", first, ())
        assert "after it was voided by probe" in alarm.why
        assert (await stage.words(), await stage.ledger()) == (words, ledger)
        await _go(engine, stays)
        assert [c.key for c in await waiting(stage)] == [first], "it stays after the end"

    stage = play(Late(loss, "voided", stays, answer), act)
    assert stage.out.stands("pay", 1) == 2, "that is what the alarm is about"


@pytest.mark.parametrize("loss", LOSSES)
def test_an_exception_of_a_voided_attempt_is_no_alarm(loss: str) -> None:
    """It did not say that it landed; that the key is refused is what `voided` means."""

    async def act(engine: Engine, stage: Stage) -> None:
        await _settled(stage, "voided")
        await engine.ended("e")
        stage.out.gate("pay").set()
        await asyncio.sleep(10)
        assert await stage.mail() == [] and await waiting(stage) == []

    play(Late(loss, "voided", False, "gate, raises"), act)


async def _settled(stage: Stage, outcome: str) -> None:
    async def there() -> bool:
        return (await stage.effects())[0].outcome == outcome

    await stage.until(there)


async def _rests(stage: Stage) -> None:
    """It is parked, or has ended."""

    async def nobodys() -> bool:
        return (await stage.row()).owner is None

    await stage.until(nobodys)


async def _go(engine: Engine, stays: bool) -> None:
    if stays:
        await engine.send("e", go, "on")
        assert (await engine.ended("e"))[0] == "done"


# --- a thread that was given up, in a process that never lost anything ---------------------------

GATE = threading.Event()
KEYS: list[str] = []


@irreversible(timeout=timedelta(milliseconds=20))
def charge(n: int) -> str:
    KEYS.append(effect_key())
    if len(KEYS) == 1:
        GATE.wait(60)
    return f"charged {len(KEYS)}"


@charge.probe
async def look(n: int) -> Landed[str] | Voided | InDoubt:
    return Voided()


@workflow
async def charges(n: int, stays: bool) -> str:
    got = await charge(n)
    if stays:
        await go.wait()
    return got


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    KEYS.clear()
    GATE.clear()
    yield Ledger(tmp_path)
    GATE.set()


async def alarms(engine: Engine) -> list[Case]:
    """What is on the desk."""
    return [c for c in cases(await view(engine.store, "c")) if c.kind == "alarm"]


@pytest.mark.parametrize("stays", [True, False], ids=["alive", "ended"])
async def test_a_lost_threads_charge_after_voided_is_an_alarm(ledger: Ledger, stays: bool) -> None:
    """Timed out, voided by its probe, called again: then the first thread comes back with a
    receipt. Nothing of the log changes, and the desk shows which key landed after all."""
    async with Engine(ledger.url) as engine:
        run = await engine.start(charges(1, stays), id="c")
        if stays:
            await until(lambda: ledger.rows("select 1 from execution where waits = 'go'"))
        else:
            assert await run.result() == "charged 2"
        assert await alarms(engine) == [] and len(set(KEYS)) == 2
        words = ledger.words("c")
        GATE.set()
        await until(lambda: ledger.rows("select 1 from message where channel = ?", EVIDENCE))
        (alarm,) = await alarms(engine)
        assert (alarm.site, alarm.key) == ("charge", KEYS[0]) and ledger.words("c") == words
        if stays:
            await run.send(go, "on")
            assert await run.result() == "charged 2"
            assert [c.key for c in await alarms(engine)] == [KEYS[0]]
    await ledger.sound()
