"""Where an execution stands, read from a store: against the execution that was driven there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from perdure import Engine, NoSuchExecution
from perdure.console import view
from perdure.engine.bodies import Body
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Status

from . import cli_shop, view_flows


def tokens(seen: view.View) -> list[view.Document]:
    """Its marking, which must be known."""
    assert seen.net is not None and seen.state is not None
    return view.marking(seen.net, seen.state)


async def until(store: SqliteStore, key: str, holds: Callable[[view.View], object]) -> view.View:
    """Look again and again until the execution is as wanted."""
    async with asyncio.timeout(60):
        while not holds(seen := await view.view(store, key)):
            await asyncio.sleep(0.001)
    return seen


async def reached(store: SqliteStore, key: str, place: str) -> view.View:
    """Look until there is a token in that place."""
    return await until(store, key, lambda seen: place in [t["place"] for t in tokens(seen)])


@pytest.fixture
async def engine(tmp_path: Path) -> Engine:
    """An engine on a store of its own."""
    return Engine(f"sqlite:///{tmp_path / 'view.db'}")


def store_of(engine: Engine) -> SqliteStore:
    assert isinstance(engine.store, SqliteStore)
    return engine.store


async def test_a_wait_is_told_with_its_signal_its_timer_and_its_moment(engine: Engine) -> None:
    """A race waits for both contenders since the same moment, and the timer says when it is due."""
    async with engine:
        await engine.start(view_flows.race("Ada"), id="r")
        seen = await reached(store_of(engine), "r", "first answer, timer")
        told = {w["for"]: w for w in view.waits(seen)}
        assert set(told) == {"signal answer", "timer after"}
        assert told["signal answer"]["since"] == told["timer after"]["since"]
        assert told["signal answer"]["due"] is None
        assert told["timer after"]["due"] > told["timer after"]["since"]
        (token,) = [t for t in tokens(seen) if t["kind"] == "waiting"]
        assert token["frame"]["name"] == "Ada"


async def test_a_doubt_is_told_with_its_key_its_probe_and_since_when(engine: Engine) -> None:
    """What a person on the desk has to know to decide it."""
    async with engine:
        await engine.start(cli_shop.buy("Bad"), id="b")
        seen = await reached(store_of(engine), "b", "in doubt charge")
        (doubt,) = view.doubts(seen)
        (effect,) = await store_of(engine).effects(seen.row.id)
        assert (doubt["site"], doubt["key"], doubt["probe"]) == ("charge", effect.key, False)
        assert doubt["effect"] == "irreversible" and doubt["since"].endswith("Z")
        assert view.effect(effect, "b")["outcome"] == "in-doubt"
        (wait,) = view.waits(seen)
        assert (wait["place"], wait["for"]) == ("in doubt charge", "a person (perdure desk)")
        assert wait["since"] is not None and wait["since"] >= doubt["since"]


async def test_a_doubt_with_a_probe_waits_for_the_probe_first(engine: Engine) -> None:
    """A probe that cannot tell: `show` says who is asked next, before anybody asks the desk."""
    async with engine:
        await engine.start(view_flows.doubtful(), id="d")
        seen = await reached(store_of(engine), "d", "in doubt pay")
        (wait,) = view.waits(seen)
        assert wait["for"] == "its probe, else a person (perdure desk)"
        assert view.doubts(seen)[0]["probe"] is True


async def test_what_fails_and_is_tried_again_shows_its_tries(engine: Engine) -> None:
    """Attempts: how many, the last error, and when the next one is due."""
    async with engine:
        await engine.start(view_flows.stubborn(), id="s")
        seen = await until(store_of(engine), "s", lambda seen: seen.attempts)
        (attempt,) = view.attempts(seen)
        assert attempt["site"] == "never_works" and attempt["tries"] >= 1
        assert "it never works" in attempt["error"] and attempt["next"] >= attempt["first"]


async def test_messages_that_nobody_took_are_counted_by_channel(engine: Engine) -> None:
    """Two answers for one question: one is consumed, one stays, and is seen until the end."""
    async with engine:
        run = await engine.start(view_flows.race("Ada"), id="r")
        await reached(store_of(engine), "r", "first answer, timer")
        await run.send(view_flows.answer, "yes", message_id="1")
        assert await run.result() == "yes"
    store = store_of(engine)
    await store.open()
    seen = await view.view(store, "r")
    assert dict(seen.unread) == {}
    assert (seen.row.status, view.ended(seen)["value"]) == (Status.DONE, "yes")
    assert view.waits(seen) == []
    await store.close()


async def test_an_end_tells_its_error_and_the_log_tells_every_record(engine: Engine) -> None:
    """Failed: the error as stored. Each record names its transition and says its fields."""
    async with engine:
        run = await engine.start(view_flows.fails("boom"), id="f")
        with pytest.raises(ValueError, match="boom"):
            await run.result()
        seen = await view.view(store_of(engine), "f")
        assert "boom" in str(view.ended(seen)["error"])
        records = await store_of(engine).log(seen.row.id)
    told = [view.record(seen.net, r) for r in records]
    assert [r["seq"] for r in told] == list(range(len(told)))
    assert told[0]["word"] == "started" and told[0]["says"].startswith("workflow fails 1")
    assert told[-1]["word"] == "finished" and "failed" in told[-1]["says"]
    assert len({r["hash"] for r in told}) == len(told)
    bare = [view.record(None, r) for r in records]
    assert [r["word"] for r in bare] == [r["word"] for r in told]


async def test_the_state_at_each_record_is_the_state_there_was(engine: Engine) -> None:
    """Folding up to a record gives a marking; the last one is the view's own."""
    async with engine:
        await (await engine.start(cli_shop.buy("Ada"), id="a")).result()
        seen = await view.view(store_of(engine), "a")
        assert seen.definition is not None and seen.state is not None and seen.net is not None
        store = store_of(engine)
        records = await store.log(seen.row.id)
        states = [
            await view.state_at(store, seen.row, seen.definition, records, n)
            for n in range(len(records))
        ]
    places = [[t["place"] for t in view.marking(seen.net, state)] for state in states]
    assert places[0] == ["start"]
    assert places[-1] == [t["place"] for t in tokens(seen)] == ["done"]
    assert any("during charge" in marking for marking in places)


async def test_an_execution_whose_net_is_not_stored_is_shown_without_its_marking(
    engine: Engine,
) -> None:
    """The row and the log are still told; nothing is guessed."""
    async with engine:
        await (await engine.start(cli_shop.buy("Ada"), id="a")).result()
    store = store_of(engine)
    await store.open()
    async with store.links.write() as link:
        link.run("DELETE FROM definition")
    seen = await view.view(store, "a")
    assert (seen.net, seen.state, view.waits(seen), view.doubts(seen)) == (None, None, [], [])
    assert view.ended(seen)["value"] == "Hello, Ada! charged Ada"
    await store.close()


async def test_an_unknown_id_is_refused(engine: Engine) -> None:
    """`required` and `view` raise the error that the command line turns into exit 2."""
    async with engine:
        for look in (view.required, view.view):
            with pytest.raises(NoSuchExecution):
                await look(store_of(engine), "nobody")


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00.000Z"),
        (1_500, "1970-01-01T00:00:00.001Z"),
        (int(timedelta(days=20_000).total_seconds()) * 10**6, "2024-10-04T00:00:00.000Z"),
    ],
)
def test_times_are_iso_8601_in_utc(at: int | None, says: str | None) -> None:
    """Milliseconds and a Z, in every zone of the machine."""
    assert view.when(at) == says


def test_what_a_record_says_is_one_short_line() -> None:
    """A long value is cut, a stack trace is its last line, absent fields are not told."""
    body = Body(why="Traceback:\n  File x\nValueError: no\n", by="Eve", status="failed")
    assert view.says(body) == "by Eve, failed, ValueError: no"
    assert view.says(Body()) == ""
