"""Rule 25: whatever comes out of a call with an intent is a doubt, unless its type was declared as
a refusal. The table holds every kind of exception, raised after the effect landed and before.

ReadTimeout is the commonest double charge: nothing is called again, and nothing of the saga is
undone, before somebody has decided.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from perdure import (
    Engine,
    InDoubt,
    Retry,
    StepFailed,
    compensatable,
    idempotent,
    irreversible,
    saga,
    seconds,
    workflow,
)
from perdure.engine.errors import StoreUnavailable

from .ledger import Ledger, until
from .stage import FOREVER, QUIET_SECONDS, Refused, Stage, ended, one, outside


class Declined(Refused):
    """A kind of refusal."""


class Odd(BaseException):
    """No Exception at all."""


class NeedsTwo(Exception):
    """Cannot be made from its arguments again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("two")


class Silent(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class Wordy(Exception):
    """What it holds has no JSON."""

    def __init__(self) -> None:
        super().__init__(object(), "\ud800", float("nan"))


def deep() -> int:
    """A real one."""
    return deep() + 1


DOUBTS: dict[str, Callable[[], BaseException]] = {
    "OSError": lambda: OSError("reset by peer"),
    "ConnectionError": ConnectionError,
    "TimeoutError": TimeoutError,
    "futures.CancelledError": concurrent.futures.CancelledError,
    "futures.BrokenExecutor": concurrent.futures.BrokenExecutor,
    "ValueError": ValueError,
    "KeyError": lambda: KeyError("id"),
    "AttributeError": lambda: AttributeError("receipt"),
    "AssertionError": AssertionError,
    "NotImplementedError": NotImplementedError,
    "ZeroDivisionError": ZeroDivisionError,
    "UnicodeError": lambda: ValueError("\ud800".encode()),
    "MemoryError": MemoryError,
    "RecursionError": lambda: ValueError(deep()),
    "EOFError": EOFError,
    "ImportError": lambda: ImportError("late"),
    "StopIteration": lambda: StopIteration(1),
    "StopAsyncIteration": StopAsyncIteration,
    "CancelledError": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
    "SystemExit": lambda: SystemExit(3),
    "SystemExit without": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "another BaseException": Odd,
    "a group": lambda: ExceptionGroup("two", [OSError(), ValueError()]),
    "a group of the worst": lambda: BaseExceptionGroup("two", [SystemExit(), OSError()]),
    "a group with a refusal": lambda: ExceptionGroup("two", [Refused("no"), OSError()]),
    "what refusals derive from": lambda: Exception("no"),
    "cannot be made again": lambda: NeedsTwo(1, 2),
    "without a text": Silent,
    "without a JSON": Wordy,
    "one of ours": lambda: StepFailed("ReadTimeout", "by hand"),
    "the store's": lambda: StoreUnavailable("x.db", "as the step says"),
    "huge": lambda: ValueError("x" * 1_000_000),
}
REFUSALS: dict[str, Callable[[], BaseException]] = {
    "declared": lambda: Refused("no"),
    "a kind of the declared": lambda: Declined("no"),
}
RAISES = [*DOUBTS, "hangs"]
KIND: list[str] = [""]


async def burst(site: str, n: int, lands: bool) -> str:
    """One call: the first lands or does not, and raises; later ones land and answer."""
    out = outside()
    out.note("called", site, n)
    if out.count("called", site) > 1:
        out.note("lands", site, n)
        return f"{site} {n}"
    await asyncio.sleep(0.1)
    if lands:
        out.note("lands", site, n)
    if KIND[0] == "hangs":
        await asyncio.sleep(FOREVER)
    raise {**DOUBTS, **REFUSALS}[KIND[0]]()


@irreversible(refused=(Refused,), timeout=seconds(20))
async def pay(n: int, lands: bool) -> str:
    return await burst("pay", n, lands)


@compensatable(refused=(Refused,), timeout=seconds(20))
async def book(n: int, lands: bool) -> str:
    return await burst("book", n, lands)


@book.undo
async def unbook(got: str) -> None:
    outside().note("undone", "book", int(got.split()[1]))


@book.probe
async def ask(n: int, lands: bool) -> InDoubt:
    return InDoubt("nobody knows")


@compensatable
async def hold(n: int) -> str:
    outside().note("lands", "hold", n)
    return f"hold {n}"


@hold.undo
async def release(got: str) -> None:
    outside().note("undone", "hold", int(got.split()[1]))


@workflow
async def pays(n: int, lands: bool) -> str:
    async with saga():
        await hold(n)
        return await pay(n, lands)


@workflow
async def books(n: int, lands: bool) -> str:
    async with saga():
        await hold(n)
        return await book(n, lands)


FLOWS: dict[str, Any] = {"pay": pays, "book": books}


def begun(kind: str) -> Stage:
    """A stage on which the first call raises that."""
    KIND[:] = [kind]
    return Stage()


@pytest.mark.parametrize("verdict", ["landed", "voided"])
@pytest.mark.parametrize("site", FLOWS)
@pytest.mark.parametrize("kind", RAISES)
def test_an_exception_is_a_doubt_until_somebody_decides(kind: str, site: str, verdict: str) -> None:
    """It landed, or it did not, and raised: called once, nothing undone, until a person says which;
    then nothing stands twice, and no more is called than was decided."""
    stage, lands = begun(kind), verdict == "landed"
    out = stage.out

    async def main(engine: Engine) -> None:
        run = await engine.start(FLOWS[site](1, lands), id="e")
        session = engine.worker.session
        case = await one(stage, "in-doubt")
        await asyncio.sleep(QUIET_SECONDS)
        assert case.site == site and out.count("undone") == 0
        assert out.told("called") == [f"called {site} 1"]
        assert (await stage.row()).status == "active"
        value = f'"{site} 1"'.encode() if lands else None
        await engine.decide("e", case.key, verdict, value=value, by="ada", reason="seen")
        assert await ended(run) == ("done", f"{site} 1")
        assert engine.worker.session == session

    stage.play(main)
    asyncio.run(stage.lawful())
    assert out.count("called") == (1 if lands else 2) and out.count("undone") == 0
    assert out.stands(site, 1) == out.stands("hold", 1) == 1


@pytest.mark.parametrize("site", FLOWS)
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_declared_refusal_did_not_land_and_fails(kind: str, site: str) -> None:
    """The type itself and what derives from it: an ordinary failure, the saga is undone at once."""
    stage = begun(kind)

    async def main(engine: Engine) -> None:
        told, error = await ended(await engine.start(FLOWS[site](1, False), id="e"))
        assert (told, str(error)) == (type(REFUSALS[kind]()).__name__, "no")

    stage.play(main)
    asyncio.run(stage.lawful())
    assert stage.out.told("called", "undone") == [f"called {site} 1", "undone hold 1"]
    assert stage.out.stands(site, 1) == stage.out.stands("hold", 1) == 0


# --- the same out of a thread, and out of calls without an intent ---------------------------------

CALLS: Counter[str] = Counter()


def explode(kind: str) -> str:
    CALLS[kind] += 1
    raise DOUBTS[kind]()


@irreversible
def charge(kind: str) -> str:
    return explode(kind)


@idempotent(retry=Retry(attempts=1))
def tell(kind: str) -> str:
    return explode(kind)


@workflow
async def charges(kind: str) -> str:
    return await charge(kind)


@workflow
async def tells(kind: str) -> str:
    return await tell(kind)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    CALLS.clear()
    yield Ledger(tmp_path)


async def test_out_of_a_thread_every_exception_is_a_doubt_or_a_failure(ledger: Ledger) -> None:
    """One session meets them all: each charge is in doubt and was called once, each call that may
    be repeated has failed, and nothing hangs."""
    async with Engine(ledger.url, drain_seconds=0) as engine:
        session = engine.worker.session
        for kind in DOUBTS:
            await engine.start(charges(kind), id=f"c {kind}")
            assert (await ended(await engine.start(tells(kind), id=f"t {kind}")))[0] != "done"
        doubts = "select count(*) from effect where outcome = 'in-doubt'"
        await until(lambda: ledger.one(doubts) == len(DOUBTS))
        assert engine.worker.session == session
    failed = ledger.rows("select key from execution where status = 'failed'")
    assert {key for (key,) in failed} == {f"t {kind}" for kind in DOUBTS}
    assert dict.fromkeys(DOUBTS, 2) == CALLS
    await ledger.sound()
