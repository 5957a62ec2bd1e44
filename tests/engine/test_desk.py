"""The desk: who decides about an effect or an undo, once, by whom, why, and what is refused
(rules 17, 26, 31).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import msgspec
import pytest
from perdure import (
    Engine,
    InDoubt,
    Landed,
    Signal,
    Voided,
    compensatable,
    irreversible,
    saga,
    seconds,
    workflow,
)
from perdure.engine import checkpoint
from perdure.engine.desk import decide, fate
from perdure.engine.errors import DecisionRefused
from perdure.engine.looking import view
from perdure.engine.post import DESK, EVIDENCE, Decision
from perdure.engine.stored import stored

from .stage import Act, Stage, one, outside, play, waiting

go = Signal[str]("go")


@irreversible(timeout=seconds(10))
async def pay(n: int) -> str:
    return await outside().attempt("pay", n)


@irreversible(timeout=seconds(10))
async def pay_asked(n: int) -> str:
    return await outside().attempt("pay_asked", n)


@pay_asked.probe
async def ask(n: int) -> Landed[str] | Voided | InDoubt:
    outside().note("probed", "pay_asked", n)
    return InDoubt("come back later")


@irreversible
async def pay_odd(n: int) -> str:
    await outside().attempt("pay_odd", n)
    return object()  # pyright: ignore[reportReturnType]  # what a careless step returns


@pay_odd.probe
async def ask_odd(n: int) -> Landed[str] | Voided | InDoubt:
    outside().note("probed", "pay_odd", n)
    return Voided()


@compensatable
async def hold_odd(n: int) -> str:
    await outside().attempt("hold_odd", n)
    return object()  # pyright: ignore[reportReturnType]  # what a careless step returns


@hold_odd.undo
async def release_odd(got: str | None, n: int) -> None:
    outside().note("undone", "hold_odd", n)


@workflow
async def buys(n: int) -> str:
    return await pay(n)


@workflow
async def asks(n: int) -> str:
    return await pay_asked(n)


@workflow
async def odd(n: int) -> str:
    return await pay_odd(n)


@workflow
async def holds_odd(n: int) -> str:
    async with saga():
        got = await hold_odd(n)
        await go.wait()
    return got


# --- effects in doubt ---------------------------------------------------------------------------


def test_the_first_valid_decision_counts_and_the_second_person_is_told_who_was_first() -> None:
    """Both were durable before either was read: one is consumed, one is refused by name (31)."""
    stage = Stage()
    stage.out.script["pay"] = deque(["lands, raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(buys(1), id="e")
        case = await one(stage, "in-doubt")
        assert case.verdicts == ("landed", "voided")
        ada = decide(stage.store, "e", case.key, "landed", value=b'"by ada"', by="ada", reason="a")
        bob = decide(stage.store, "e", case.key, "voided", by="bob", reason="b")
        first, second = await ada, await bob
        engine.worker.kick()
        assert await run.result() == "by ada"
        told, other = [await fate(stage.store, "e", n) for n in (first, second)]
        assert told is not None and other is not None
        assert told.refused == "" and "pay was settled before by desk:ada: landed" in other.refused
        with pytest.raises(DecisionRefused, match="settled before by desk:ada"):
            await engine.decide("e", case.key, "voided", by="bob")
        assert await stage.ledger() == [("pay", "landed", "desk:ada")]
        assert [m.consumed_at is not None for m in await stage.mail()] == [True, True]

    play(stage, act)


def test_two_people_at_once_through_engines_one_wins_one_is_refused() -> None:
    """`Engine.decide` raises at whoever came second, with the winner's name."""
    stage = Stage()
    stage.out.script["pay"] = deque(["lands, raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(buys(1), id="e")
        case = await one(stage, "in-doubt")
        told = await asyncio.gather(
            engine.decide("e", case.key, "landed", value=b'"x"', by="ada"),
            engine.decide("e", case.key, "landed", value=b'"y"', by="bob"),
            return_exceptions=True,
        )
        assert await run.result() in ("x", "y")
        winner = (await stage.effects())[0].decided_by
        (refused,) = [t for t in told if t is not True]
        assert isinstance(refused, DecisionRefused) and winner in refused.why

    play(stage, act)


@pytest.mark.parametrize("evidence_first", [True, False])
def test_a_decision_races_late_evidence_and_one_of_them_counts(evidence_first: bool) -> None:
    """The caller's own late answer wakes a parked doubt and settles it, unless a person did."""
    stage = Stage()
    stage.out.script["pay"] = deque(["lands, raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(buys(1), id="e")
        case = await one(stage, "in-doubt")

        async def evidence() -> None:
            body = msgspec.json.encode(Decision(case.key, "landed", msgspec.Raw(b'"late"')))
            await stage.store.send("e", EVIDENCE, f"evidence:{case.key}", body)

        async def person() -> None:
            await decide(stage.store, "e", case.key, "landed", value=b'"said"', by="ada")

        for send in (evidence, person) if evidence_first else (person, evidence):
            await send()
        engine.worker.kick()
        assert await run.result() == ("late" if evidence_first else "said")
        by = "evidence" if evidence_first else "desk:ada"
        assert await stage.ledger() == [("pay", "landed", by)]

    play(stage, act)


def test_evidence_alone_wakes_a_parked_doubt() -> None:
    """Nobody has to decide what the caller itself knows (rule 17)."""
    stage = Stage()
    stage.out.script["pay"] = deque(["lands, raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(buys(1), id="e")
        case = await one(stage, "in-doubt")
        await stage.until(lambda: not engine.worker.instances)
        body = msgspec.json.encode(Decision(case.key, "landed", msgspec.Raw(b'"late"')))
        await stage.store.send("e", EVIDENCE, f"evidence:{case.key}", body)
        engine.worker.kick()
        assert await run.result() == "late"

    play(stage, act)


def test_evidence_of_a_voided_attempt_is_an_alarm_on_the_desk() -> None:
    """It landed although the receiver was said to refuse it: nobody may overlook that."""
    stage = Stage()
    stage.out.script["pay"] = deque(["raises", "gate"])

    async def act(engine: Engine, stage: Stage) -> None:
        await engine.start(buys(1), id="e")
        case = await one(stage, "in-doubt")
        await engine.decide("e", case.key, "voided", by="ada", reason="they refuse it")
        body = msgspec.json.encode(Decision(case.key, "landed", msgspec.Raw(b'"late"')))
        await stage.store.send("e", EVIDENCE, f"evidence:{case.key}", body)
        engine.worker.kick()
        alarm = await one(stage, "alarm")
        assert (alarm.site, alarm.key) == ("pay", case.key) and "voided by desk:ada" in alarm.why
        stage.out.gate("pay").set()
        await stage.until(lambda: stage.out.count("lands") == 1)

    stage.play(lambda engine: _awaited(act, engine, stage))


async def _awaited(act: Act, engine: Engine, stage: Stage) -> None:
    await act(engine, stage)


@pytest.mark.parametrize(
    ("verdict", "options", "says"),
    [
        ("landed", {}, "needs the result"),
        ("landed", {"value": b"12"}, "does not fit the result of pay"),
        ("landed", {"value": b"{"}, "no JSON"),
        ("voided", {"value": b'"x"'}, "belongs to 'landed'"),
        ("retry", {}, "'retry' cannot be said of pay"),
        ("done", {"reason": "by hand"}, "'done' cannot be said of pay"),
        ("probe", {}, "'probe' cannot be said of pay"),
        ("anything", {}, "cannot be said"),
    ],
)
def test_what_cannot_be_said_is_refused_at_the_sender(
    verdict: str, options: dict[str, Any], says: str
) -> None:
    """No message, no record; there is no plain retry of an effect in doubt."""
    stage = Stage()
    stage.out.script["pay"] = deque(["raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        await engine.start(buys(1), id="e")
        case = await one(stage, "in-doubt")
        words = await stage.words()
        with pytest.raises(DecisionRefused, match=says):
            await engine.decide("e", case.key, verdict, by="ada", **options)
        with pytest.raises(DecisionRefused, match="no effect with this key"):
            await engine.decide("e", "nonsense", "voided", by="ada")
        assert await stage.words() == words and await stage.mail() == []

    play(stage, act)


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b'{"k":"KEY","verdict":"landed","r":12}',
        b'{"k":"KEY","verdict":"landed"}',
        b'{"k":"KEY","verdict":"retry"}',
        b'{"k":"other","verdict":"voided"}',
        b'{"k":"KEY","verdict":"voided","seq":1}',
    ],
)
def test_what_passes_the_sender_and_does_not_fit_is_refused_by_the_owner(body: bytes) -> None:
    """Decoded strictly; refused with a record, blocking nobody; the doubt stays a doubt."""
    stage = Stage()
    stage.out.script["pay"] = deque(["raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(buys(1), id="e")
        case = await one(stage, "in-doubt")
        raw = body.replace(b"KEY", case.key.encode())
        number = await stage.store.send("e", DESK, "m", raw)
        engine.worker.kick()
        await stage.until(lambda: fate(stage.store, "e", number))
        told = await fate(stage.store, "e", number)
        assert told is not None and "refused" in told.refused
        assert [c.key for c in await waiting(stage)] == [case.key]
        await engine.decide("e", case.key, "landed", value=b'"x"', by="ada")
        assert await run.result() == "x"

    play(stage, act)


def test_asking_the_probe_again_is_recorded_and_gives_it_five_more_questions() -> None:
    """Who asked and why is in the log; without a decision nobody asks a sixth time (30, 31)."""
    stage = Stage()
    stage.out.script["pay_asked"] = deque(["raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        await engine.start(asks(1), id="e")
        await stage.until(lambda: stage.out.count("probed") == 5)
        await asyncio.sleep(100)
        assert stage.out.count("probed") == 5
        case = await one(stage, "in-doubt")
        assert case.tries == 5 and case.verdicts == ("landed", "voided", "probe")
        assert await engine.decide("e", case.key, "probe", by="ada", reason="they are back")
        await stage.until(lambda: stage.out.count("probed") == 10)
        await asyncio.sleep(100)
        assert stage.out.count("probed") == 10
        said = [b for b in await stage.bodies() if b.by == "desk:ada"]
        assert len(said) == 1 and said[0].why == "the probe is asked again: they are back"
        assert (await stage.words()).count("decided") == 1

    play(stage, act)


def test_the_next_doubt_of_a_site_is_probed_anew_after_a_person_settled_one() -> None:
    """Five answers per attempt, not per call site: counters go with the doubt they counted."""
    stage = Stage()
    stage.out.script["pay_asked"] = deque(["lands, raises"])

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(asks(1), id="e")
        await stage.until(lambda: stage.out.count("probed") == 5)
        case = await one(stage, "in-doubt")
        stage.out.script["pay_asked"] = deque(["lands, raises"])
        await engine.decide("e", case.key, "voided", by="ada", reason="wrongly")
        await stage.until(lambda: stage.out.count("probed") == 10)
        again = await one(stage, "in-doubt")
        assert again.key != case.key and again.tries == 5
        await engine.decide("e", again.key, "landed", value=b'"x"', by="ada")
        assert await run.result() == "x"
        assert await stage.store.attempts((await stage.row()).id) == []

    play(stage, act)


# --- a result that cannot be stored (rule 26) ----------------------------------------------------


@pytest.mark.parametrize(("flow", "site"), [(odd, "pay_odd"), (holds_odd, "hold_odd")])
def test_a_result_that_cannot_be_stored_waits_for_its_value_and_nothing_else(
    flow: Any, site: str
) -> None:
    """It landed: no probe is asked, nothing is undone or called again; only its value is taken."""
    stage = Stage()

    async def act(engine: Engine, stage: Stage) -> None:
        run = await engine.start(flow(1), id="e")
        case = await one(stage, "in-doubt")
        assert case.verdicts == ("landed",) and "<object object" in case.why
        await asyncio.sleep(200)
        told = tuple(stage.out.count(w) for w in ("called", "probed", "undone"))
        assert told == (1, 0, 0), stage.out.seen
        with pytest.raises(DecisionRefused, match="cannot be said"):
            await engine.decide("e", case.key, "voided", by="ada")
        await engine.decide("e", case.key, "landed", value=b'"found it"', by="ada")
        if flow is holds_odd:
            await run.send(go, "on")
        assert await run.result() == "found it"
        assert await stage.ledger() == [(site, "landed", "desk:ada")]

    play(stage, act)


def test_a_missing_value_is_still_missing_after_a_restart() -> None:
    """The log says that it landed: the next process does not ask, undo or call either."""
    stage = Stage()

    async def begin(engine: Engine) -> None:
        await engine.start(odd(1), id="e")
        await one(stage, "in-doubt")

    async def go_on(engine: Engine) -> None:
        (program,) = await engine.serve(odd)
        assert program.net.name
        await asyncio.sleep(60)
        case = await one(stage, "in-doubt")
        assert case.verdicts == ("landed",)
        assert (stage.out.count("called"), stage.out.count("probed")) == (1, 0)
        await engine.decide("e", case.key, "landed", value=b'"x"', by="ada")
        assert await engine.find(odd, "e").result() == "x"

    stage.play_and_die(begin)
    stage.play(go_on)
    asyncio.run(stage.lawful())


def test_a_missing_value_is_still_missing_in_a_checkpoint() -> None:
    """What a checkpoint keeps of a state is the whole state, this word included."""
    stage = Stage()

    async def act(engine: Engine, stage: Stage) -> None:
        await engine.start(odd(1), id="e")
        await one(stage, "in-doubt")
        seen = await view(stage.store, "e")
        assert seen.net is not None and seen.state is not None
        again = checkpoint.decode(seen.net, checkpoint.encode(seen.net, seen.state), stored)
        assert again.intents == seen.state.intents
        assert [opened.lacks for opened in again.intents.values()] == [True]

    play(stage, act)
