"""The desk at the terminal: listed, decided once, refused by name, and seen in every verb."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from perdure import Engine, Signal, compensatable, irreversible, saga, workflow
from perdure.console.cli.main import main
from perdure.engine.decisions import Decision
from perdure.engine.looking import view
from perdure.engine.post import EVIDENCE
from perdure.model.language.workflows import Workflow

go = Signal[int]("go")
STUCK: list[bool] = [True]
PAYS: list[bool] = [False]


@irreversible
async def pay(name: str) -> str:
    if PAYS[0]:
        return f"paid by {name}"
    raise OSError("the line died")


@compensatable
async def hold(name: str) -> str:
    return f"held for {name}"


@hold.undo
async def release(got: str | None, name: str) -> None:
    if STUCK[0]:
        raise OSError("the shop is closed")


@workflow
async def buys(name: str) -> str:
    return await pay(name)


@workflow
async def gives_up(name: str) -> str:
    try:
        async with saga():
            await hold(name)
            raise ValueError("after all")
    except ValueError:
        return "undone"


@workflow
async def listens(name: str) -> int:
    return await go.wait()


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The store that every verb of the test uses."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("PERDURE_DB", url)
    STUCK[:], PAYS[:] = [True], [False]
    yield url


def perdure(*arguments: str, code: int = 0) -> str:
    """Run a verb; what it says on both streams."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, (done.output, done.stderr, done.exception)
    assert "Traceback" not in done.output + done.stderr
    return done.output + done.stderr


def document(*arguments: str) -> Any:
    """The JSON document on stdout."""
    done = CliRunner().invoke(main, [*arguments, "--format", "json"])
    assert done.exit_code == 0, (done.output, done.stderr)
    return json.loads(done.stdout)


def live(url: str, flow: Workflow[..., Any], until: Callable[[Engine], Awaitable[Any]]) -> Any:
    """One life of a worker that serves a workflow, until something has happened."""

    async def life() -> Any:
        async with Engine(url) as engine:
            await engine.serve(flow)
            return await until(engine)

    return asyncio.run(life())


async def tried(engine: Engine, count: int) -> None:
    """Wait until an undo has failed so often, its waits cut short by asking again."""
    while True:
        counted = {a.site: a.tries for a in (await view(engine.store, "e")).attempts}
        if counted.get("hold!", 0) >= count:
            return
        await asyncio.sleep(0.02)


def doubt(url: str) -> None:
    """An effect in doubt, and no worker."""

    async def until(engine: Engine) -> None:
        await engine.start(buys("Ada"), id="e")
        while not [e for e in await engine.store.effects() if e.outcome == "in-doubt"]:
            await asyncio.sleep(0.02)

    live(url, buys, until)


def test_a_doubt_is_listed_decided_by_the_first_and_refused_to_the_second(db: str) -> None:
    """Both wrote before a worker looked; a third is told at once, with the winner's name."""
    doubt(db)
    (case,) = document("desk")
    assert (case["kind"], case["site"], case["verdicts"]) == (
        "in-doubt",
        "pay",
        ["landed", "voided"],
    )
    assert "the line died" in case["why"]
    assert "landed, voided" in perdure("desk")
    landed = ["desk", "decide", "e", "landed", "--wait", "0", "--value", '"paid"']
    first = document(*landed, "--by", "ada", "--reason", "at the bank")
    assert first["taken"] is False and first["message"] == 1
    said = perdure(*landed, "--by", "bob", "--reason", "me too")
    assert "a worker has not taken yet" in said

    async def ended(engine: Engine) -> Any:
        return await engine.find(buys, "e").result()

    assert live(db, buys, ended) == "paid"
    late = perdure("desk", "decide", "e", "voided", "--effect", "pay", "--reason", "x", code=1)
    assert "PD710" in late and "desk:ada" in late and "landed" in late
    (effect,) = document("effects", "e")
    told = (effect["outcome"], effect["decided_by"], effect["evidence"])
    assert told == ("landed", "desk:ada", "at the bank")
    log = perdure("log", "e")
    assert "by desk:ada" in log and "at the bank" in log and "the decision is refused" in log
    assert document("desk") == [] and document("audit")["verdict"] == "holds"


@pytest.mark.parametrize("verdict", ["done", "stand"])
def test_an_undo_that_fails_is_listed_and_ended_by_a_person(
    db: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its verbs are shown; who and why are in `effects` and `log`."""
    monkeypatch.setattr("perdure.engine.desk.UNDOS_SHOWN", 1)

    async def stuck(engine: Engine) -> None:
        await engine.start(gives_up("Ada"), id="e")
        await tried(engine, 1)

    live(db, gives_up, stuck)
    (case,) = document("desk")
    assert (case["kind"], case["verdicts"]) == ("undo", ["retry", "done", "stand"])
    assert "the shop is closed" in case["why"]
    decide = ["desk", "decide", "e", verdict, "--wait", "0", "--by", "ada", "--reason", "ticket 17"]
    perdure(*decide)

    async def ended(engine: Engine) -> Any:
        return await engine.find(gives_up, "e").result()

    assert live(db, gives_up, ended) == "undone"
    (effect,) = document("effects", "e")
    outcome = {"done": "undone", "stand": "stands"}[verdict]
    told = (effect["outcome"], effect["decided_by"], effect["evidence"])
    assert told == (outcome, "desk:ada", "ticket 17")
    assert "ticket 17" in perdure("log", "e") and document("audit")["verdict"] == "holds"


def test_what_cannot_be_said_is_a_mistake_with_its_fix(db: str) -> None:
    """Exit 2: another verb, a value that does not fit; nothing is sent."""
    doubt(db)
    decide = ["desk", "decide", "e"]
    assert "open are" in perdure(*decide, "retry", "--reason", "x", code=2)
    assert "does not fit" in perdure(*decide, "landed", "--value", "1", "--reason", "x", code=2)
    assert "needs the result" in perdure(*decide, "landed", "--reason", "x", code=2)
    assert len(document("desk")) == 1 and document("show", "e")["unread"] == {}


def test_a_late_answer_after_the_end_is_an_alarm_on_the_desk(db: str) -> None:
    """Decided as voided, called again, done; then the first call says that it landed: the desk
    shows it beside what still runs, and there is nothing to decide."""
    doubt(db)
    (case,) = document("desk")
    document("desk", "decide", "e", "voided", "--wait", "0", "--reason", "closed", "--by", "ada")
    PAYS[:] = [True]

    async def ended(engine: Engine) -> Any:
        return await engine.find(buys, "e").result()

    assert live(db, buys, ended) == "paid by Ada" and document("desk") == []

    async def contradict(engine: Engine) -> None:
        said = msgspec.json.encode(Decision(case["key"], "landed"))
        await engine.store.send("e", EVIDENCE, "late", said)
        await engine.store.send("e", EVIDENCE, "foreign", b"no decision")

    live(db, buys, contradict)
    (alarm,) = document("desk")
    told = {name: alarm[name] for name in ("kind", "id", "site", "key", "verdicts")}
    assert told == {"kind": "alarm", "id": "e", "site": "pay", "key": case["key"], "verdicts": []}
    assert "it landed, after it was voided by desk:ada" in alarm["why"]
    assert "alarm" in perdure("desk") and document("audit")["verdict"] == "holds"


def test_a_message_that_cannot_be_read_is_on_the_desk(db: str) -> None:
    """With its channel, its id and why; it is no question, so there is no verb."""

    async def unreadable(engine: Engine) -> None:
        run = await engine.start(listens("Ada"), id="e")
        await engine.store.send("e", "go", "bad", b'"no number"')
        engine.worker.kick()
        while not (await run.look()).attempts:
            await asyncio.sleep(0.02)

    live(db, listens, unreadable)
    (case,) = document("desk")
    assert (case["kind"], case["site"], case["key"]) == ("unreadable", "go", "bad")
    assert case["verdicts"] == [] and "int" in case["why"]
