"""A bad and a good example for each code about what a workflow says; both are compiled by a test.

`perdure explain` and the docs show them. Why a code exists stands in `codes.py`, never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Example(NamedTuple):
    """A workflow that gets the code, and one that says the same without it."""

    bad: str
    good: str


PRELUDE = '''\
import asyncio
import random
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure import (
    Elapsed,
    Signal,
    after,
    first,
    idempotent,
    irreversible,
    now,
    observe,
    saga,
    seconds,
    sleep,
    together,
    workflow,
)


class Declined(Exception):
    """The bank says no."""


class Unreachable(Exception):
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection


@irreversible(refused=(Declined,))
async def charge(order: str, cents: int = 100) -> str: ...


@idempotent
async def mail(order: str, text: str = "thank you") -> None: ...


@observe
async def price(order: str) -> int: ...


@observe
async def orders(page: int = 0) -> list[str]: ...


answer = Signal[bool]("answer")
STEPS = {"mail": mail}


def shipped() -> Iterator[str]: ...


async def bank_of(order: str) -> str: ...


def discount(order: str) -> int: ...
'''
"""What the examples rest on."""


def _flow(body: str, head: str = "order: str", gives: str = "None") -> str:
    lines = "\n".join(f"    {line}".rstrip() for line in body.strip("\n").split("\n"))
    return f"@workflow\nasync def flow({head}) -> {gives}:\n{lines}\n"


def _pair(bad: str, good: str, head: str = "order: str", gives: str = "None") -> Example:
    return Example(_flow(bad, head, gives), _flow(good, head, gives))


EXAMPLES: Mapping[str, Example] = {
    "PD101": Example(
        _flow("yield await price(order)", gives="Iterator[int]"),
        _flow("return [await price(order)]", gives="list[int]"),
    ),
    "PD102": _pair(
        "async for order in shipped():\n    await mail(order)",
        "for order in await orders():\n    await mail(order)",
    ),
    "PD103": _pair(
        "async with socket.create_server((order, 80)):\n    await mail(order)", "await mail(order)"
    ),
    "PD104": _pair(
        "with socket.create_server((order, 80)):\n    await mail(order)", "await mail(order)"
    ),
    "PD105": _pair(
        "await asyncio.sleep(3)\nawait asyncio.gather(mail(order), price(order))",
        "await sleep(seconds(3))\nawait together(mail(order), price(order))",
    ),
    "PD106": _pair(
        "return [await price(order) for order in await orders()]",
        "found: list[int] = []\nfor order in await orders():\n"
        "    found.append(await price(order))\nreturn found",
        "page: int",
        "list[int]",
    ),
    "PD107": _pair(
        'return max(await price(order), discount(order), await price("all"))',
        "mine = await price(order)\n"
        'return max(mine, discount(order), await price.named("of all")("all"))',
        gives="int",
    ),
    "PD108": _pair(
        'cents: int = eval("100 + 50")\nawait charge(order, cents)',
        "cents = 100 + 50\nawait charge(order, cents)",
    ),
    "PD109": _pair(
        "global total\ntotal = await price(order)",
        "total = await price(order)\nawait charge(order, total)",
    ),
    "PD110": _pair("mail(order)", "await mail(order)"),
    "PD111": _pair(
        "if not await answer.wait():\n    await flow(order)",
        "while not await answer.wait():\n    await mail(order)",
    ),
    "PD112": Example(
        'exec("@workflow\\nasync def flow(order: str) -> None: ...")\n', _flow("await mail(order)")
    ),
    "PD113": _pair("await charge(*[order, 100])", "await charge(order, 100)"),
    "PD114": _pair(
        'await STEPS["mail"](order)',
        'match order:\n    case "quiet":\n        return\n    case _:\n        await mail(order)',
    ),
    "PD115": _pair(
        "for order in shipped():\n    await mail(order)",
        "for order in await orders():\n    await mail(order)",
    ),
    "PD116": _pair(
        "try:\n    await charge(order)\nfinally:\n    await mail(order)",
        'try:\n    await charge(order)\nexcept Declined:\n    await mail(order, "declined")',
    ),
    "PD206": _pair(
        "await mail(order)\nawait charge(order)\nawait mail(order)",
        'await mail(order)\nawait charge(order)\nawait mail.named("mail receipt")(order)',
    ),
    "PD213": _pair(
        "todo = await orders()\nfor order in todo:\n"
        "    if await price(order):\n        todo.append(order)",
        "todo = await orders()\nagain: list[str] = []\nfor order in todo:\n"
        "    if await price(order):\n        again.append(order)",
        "page: int",
    ),
    "PD220": _pair(
        "print(order)\nif random.random() < 0.5:\n    await mail(order)",
        "if now() > datetime.fromtimestamp(0, now().tzinfo):\n    await mail(order)",
    ),
    "PD230": _pair(
        "try:\n    await charge(order)\nexcept BaseException:\n    await mail(order)",
        "try:\n    await charge(order)\nexcept Declined:\n    await mail(order)",
    ),
    "PD231": _pair(
        "try:\n    await charge(order)\nexcept Unreachable:\n    await mail(order)",
        "try:\n    await charge(order)\nexcept Declined:\n    await mail(order)",
    ),
}
"""By code. `PRELUDE` stands above each."""
