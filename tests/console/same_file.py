"""A program that is also a worker's target: it kills its process once, in the middle.

What it keeps over the kill are objects of classes of its own: a dataclass, a union, an exception.
No test lives here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from perdure import Engine, Retry, idempotent, workflow


@dataclass(frozen=True)
class Order:
    """Kept in the frame."""

    name: str


@dataclass(frozen=True)
class Paid:
    """One outcome."""

    amount: int


@dataclass(frozen=True)
class Free:
    """Another: a union is told apart by class names."""

    why: str


class Declined(Exception):
    """Kept as an exception."""


@idempotent
async def make(name: str) -> Order:
    """An object of a class of this file."""
    return Order(name)


@idempotent
async def judge(order: Order) -> Paid | Free:
    """A union of two."""
    return Free(order.name)


@idempotent(retry=Retry(attempts=1))
async def risk(order: Order) -> None:
    """Raises an exception of this file."""
    raise Declined(order.name)


@idempotent
async def die_once(order: Order) -> None:
    """Kill the process, unless one has been killed already."""
    if not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)


@workflow
async def hello(name: str) -> str:
    """The classes are compared by identity: another process's must be this one's."""
    order = await make(name)
    outcome = await judge(order)
    caught: Declined | None = None
    try:
        await risk(order)
    except Declined as declined:
        caught = declined
    await die_once(order)
    known = type(order) is Order, isinstance(outcome, Free), isinstance(caught, Declined)
    return f"{order.name} {all(known)} {caught}"


async def main() -> None:
    """Run the workflow, or go on with it."""
    async with Engine(os.environ["PERDURE_DB"]) as engine:
        print(await engine.run(hello("Ada"), id="a"))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
