"""Workflows that stand still in interesting places, for the tests of views. No test lives here."""

from __future__ import annotations

from perdure import (
    Elapsed,
    InDoubt,
    Landed,
    Retry,
    Signal,
    Voided,
    after,
    days,
    first,
    hours,
    idempotent,
    irreversible,
    workflow,
)

answer = Signal[str]("answer")


@workflow
async def race(name: str) -> str:
    """Wait for an answer, or two days."""
    got = await first(answer.wait(), after(days(2)))
    match got:
        case Elapsed():
            return f"{name} was not answered"
        case said:
            return said


@idempotent(retry=Retry(attempts=None, first=hours(1), ceiling=hours(1)))
async def never_works() -> None:
    """Fail, always."""
    raise RuntimeError("it never works")


@workflow
async def stubborn() -> None:
    """Try for ever."""
    await never_works()


@workflow
async def fails(why: str) -> None:
    """Fail at once."""
    raise ValueError(why)


@irreversible
async def pay() -> str:
    """The line dies while the money may be on its way."""
    raise RuntimeError("the line is dead")


@pay.probe
async def was_paid() -> Landed[str] | Voided | InDoubt:
    """The bank does not answer."""
    return InDoubt("no answer")


@workflow
async def doubtful() -> str:
    """Pay, and nobody knows."""
    return await pay()
