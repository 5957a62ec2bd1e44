"""Small workflows whose nets are kept as text in `golden/`: one per group of constructs.

No test lives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from perdure import (
    Elapsed,
    Retry,
    Signal,
    after,
    compensatable,
    first,
    idempotent,
    irreversible,
    observe,
    saga,
    sleep,
    together,
    workflow,
)


class Refused(Exception):
    """What a bank says."""


@dataclass(frozen=True)
class Answer:
    """What a person says."""

    yes: bool
    by: str


answer = Signal[Answer]("answer")


@idempotent
async def greet(name: str) -> str:
    """Say hello."""
    return f"Hello, {name}!"


@idempotent(retry=Retry(attempts=None))
async def tell(text: str) -> None:
    """Tell somebody, without end."""


@observe
async def price(item: str) -> int:
    """Look it up."""
    return len(item)


@compensatable(refused=(Refused,))
async def hold(item: str, count: int) -> str:
    """Put aside."""
    return item


@hold.undo
async def release(got: str | None, item: str, count: int) -> None:
    """Put back."""


@irreversible(refused=(Refused,))
async def charge(amount: int) -> str:
    """Take money."""
    return "c"


@workflow
async def hello(name: str) -> str:
    """One step."""
    return await greet(name)


@workflow
async def approval(item: str) -> str:
    """A deferred choice: whoever comes first; captures; an exception that is meant."""
    await tell(f"please look at {item}")
    match await first(answer.wait(), after(timedelta(days=2))):
        case Answer(yes=True, by=by):
            return f"{item} by {by}"
        case Elapsed():
            raise TimeoutError(item)
        case _:
            return "no"


@workflow
async def basket(items: list[str]) -> int:
    """A loop with its position, an argument that is computed once, a result that is dropped."""
    total = 0
    for number, item in enumerate(items):
        if not item:
            continue
        total += await price(item)
        await tell(f"{number}: {total}")
    else:
        await sleep(timedelta(seconds=len(items)))
    return total


@workflow
async def order(item: str, count: int) -> str:
    """A saga with a fork and a pivot; a handler around it; a copy of the way out per exit."""
    try:
        async with saga():
            held, cost = await together(hold(item, count), price(item))
            if cost > 100:
                return "too dear"
            paid = await charge(cost * count)
    except Refused as refused:
        await tell(str(refused))
        return "refused"
    return f"{held} {paid}"


@workflow
async def quickest(item: str) -> int:
    """A race of a step against a clock: branches, a winner, one join."""
    found = await first(price(item), after(timedelta(seconds=1)))
    if isinstance(found, int):
        return found
    return 0
