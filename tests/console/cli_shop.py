"""Workflows that the tests of the command line serve. No test lives here."""

from __future__ import annotations

from dataclasses import dataclass

from perdure import Signal, idempotent, irreversible, workflow


@dataclass(frozen=True)
class Answer:
    approved: bool
    by: str


answer = Signal[Answer]("answer")


@idempotent
async def greet(name: str) -> str:
    """Say hello."""
    return f"Hello, {name}!"


@irreversible
async def charge(name: str) -> str:
    """Take the money; the line dies for Bad."""
    if name == "Bad":
        raise RuntimeError("the line is dead")
    return f"charged {name}"


@workflow
async def buy(name: str) -> str:
    """Greet, then charge."""
    hello = await greet(name)
    receipt = await charge(name)
    return hello + " " + receipt


@workflow
async def approve(name: str) -> str:
    """Wait for a yes."""
    got = await answer.wait()
    if got.approved:
        return await greet(name)
    raise ValueError(f"refused by {got.by}")
