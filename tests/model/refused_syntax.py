"""Workflows that are refused or warned about for what they are made of; the places are marked.

Under the line that is meant stands a comment with carets, the code, and words of the message. What
is not marked must not be found. The files are text, so that linters and type checkers leave the
mistakes alone. No test lives here.
"""

from __future__ import annotations

PRELUDE = """
import asyncio
import contextlib
import os
import queue
import random
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import perdure
from perdure import (
    Elapsed, Signal, after, at, effect_key, first, hours, idempotent, irreversible, now, saga,
    seconds, sleep, together, workflow,
)

@idempotent
async def a(x: int = 0) -> int:
    return x

@idempotent
async def b(x: int = 0, y: int = 0) -> int:
    return x

@idempotent
async def rows() -> list[int]:
    return []

@idempotent
async def names() -> set[str]:
    return set()

note = Signal[int]("note")
STEPS = {"a": a}
LOCK = asyncio.Lock()
EVENT = asyncio.Event()

async def plain(x: int = 0) -> int:
    return x

async def stream() -> AsyncIterator[int]:
    yield 1

def lazily() -> Iterator[int]:
    yield 1

def fetch(url: str) -> str:
    return urllib.request.urlopen(url).read().decode()

def careful(url: str) -> str:
    return urllib.parse.quote(url)

@dataclass
class Box:
    n: int

def effect(x: int) -> int:
    return x

def unsettle(found: dict[str, list[int]]) -> int:
    found["x"] = []
    return 1

@workflow
async def other(x: int) -> int:
    return await a(x)

class Declined(Exception):
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

class Named(Exception):
    def __init__(self, *, why: str) -> None:
        self.why = why

class Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
"""

SYNTAX = """
@workflow
async def pages(x: int) -> None:
    await a(x)
    yield x
#   ^^^^^^^ PD101 cannot yield

@workflow
async def streamed(x: int) -> int:
    async for y in stream():
#   ^^^^^^^^^^^^^^^^^^^^^^^ PD102 would wait inside Python
        x += y
    return x

@workflow
async def collected() -> list[int]:
    return [y async for y in stream()]
#                       ^^^^^^^^^^^^^ PD102 would wait inside Python

@workflow
async def locked(x: int) -> int:
    async with LOCK:
#   ^^^^^^^^^^^^^^^ PD103 holds a live resource
        return await a(x)

@workflow
async def opened(x: int) -> int:
    with open("rates") as file:
#   ^^^^^^^^^^^^^^^^^^^^^^^^^^ PD104 `with` around an await
        x = await a(x)
    return x

@workflow
async def squares(xs: list[int]) -> list[int]:
    return [await a(x) for x in xs]
#           ^^^^^^^^^^ PD106 a comprehension

@workflow
async def shown(x: int) -> str:
    return f"got {await a(x)}"
#                 ^^^^^^^^^^ PD106 an f-string

@workflow
async def asserted(x: int) -> int:
    assert await a(x)
#          ^^^^^^^^^^ PD106 an assert
    return x

@workflow
async def between(x: int) -> bool:
    return 1 < x < await a(x)
#                  ^^^^^^^^^^ PD106 a chained comparison

@workflow
async def stored(x: int) -> list[int]:
    xs = [1, 2]
    xs[await a(x)] = 3
#      ^^^^^^^^^^ PD106 a target
    return xs

@workflow
async def removed(x: int) -> list[int]:
    xs = [1, 2]
    del xs[await a(x)]
#          ^^^^^^^^^^ PD106 a del
    return xs

@workflow
async def added(x: int) -> list[int]:
    xs = [1, 2]
    xs[0] += await a(x)
#   ^^^^^^^^^^^^^^^^^^^ PD106 is read before this await
    return xs

@workflow
async def defaulted(x: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    found.setdefault("x", []).append(await a(x))
#   ^^^^^^^^^^^^^^^^^^^^^^^^^ PD106 is looked up before this await
    return found

@workflow
async def disturbed(x: int) -> dict[str, list[int]]:
    found = {"x": [1]}
    found["x"].append(unsettle(found) + await a(x))
#   ^^^^^^^^^^ PD106 is looked up before this await
    return found

@workflow
async def indexed(x: int) -> list[list[int]]:
    xs = [[1], [2]]
    xs[x - 1].append(await a(x))
#   ^^^^^^^^^ PD106 is looked up before this await
    return xs

@workflow
async def guarded(x: int) -> int:
    match x:
        case 1 if await a(x):
#                 ^^^^^^^^^^ PD106 a guard
            return 1
    return 2

@workflow
async def nested(x: int) -> int:
    async def inner() -> int:
#   ^^^^^^^^^^^^^^^ PD108 an `async def` inside
        return 1
    return await a(x)

@workflow
async def local_class(x: int) -> int:
    class Pair:
#   ^^^^^^^^^^ PD108 a class inside
        pass
    return await a(x)

@workflow
async def decorated(x: int) -> int:
    @contextlib.contextmanager
#    ^^^^^^^^^^^^^^^^^^^^^^^^^ PD108 is decorated each time
    def inner() -> Iterator[int]:
        yield 1
    return await a(x)

@workflow
async def evaluated(x: int) -> int:
    y: int = eval("x + 1")
#            ^^^^^^^^^^^^^ PD108 cannot see inside `eval`
    return await a(y)

@workflow
async def looked(x: int) -> int:
    y: int = locals()["x"]
#            ^^^^^^^^ PD108 cannot see inside `locals`
    return await a(y)

@workflow
async def counted(x: int) -> int:
    global COUNT
#   ^^^^^^^^^^^^ PD109 `global`
    COUNT = await a(x)
    return x

@workflow
async def inner_count(x: int) -> int:
    def more() -> None:
        nonlocal x
#       ^^^^^^^^^^ PD109 `nonlocal`
        x += 1
    more()
    return await a(x)

@workflow
async def imported(x: int) -> int:
    import math
#   ^^^^^^^^^^^ PD116 an import
    return await a(math.floor(x))

@workflow
async def cleaned(x: int) -> int:
    try:
        x = await a(x)
    finally:
#   ^^^^^^^ PD116 `finally` around an await
        x = 0
    return x

@workflow
async def grouped(x: int) -> int:
    try:
#   ^^^^ PD116 `except*`
        x = await a(x)
    except* ValueError:
        x = 1
    return x

@workflow
async def misread(x: int) -> int:
    return max(await a(x), effect(x), await b(x))
#                          ^^^^^^^^^ PD107 warning easy to misread

@workflow
async def behind(x: int) -> int:
    return max(await a(x), effect(x))
#                          ^^^^^^^^^ PD107 warning only after the await

@workflow
async def umlauts(x: int) -> str:
    return "äöü€𝄞" + f"{await a(x)}"
#                       ^^^^^^^^^^ PD106 an f-string
"""

LOOPS = """
@workflow
async def once(x: int) -> int:
    for y in lazily():
#            ^^^^^^^^ PD115 is no list
        x = await a(x + y)
    return x

@workflow
async def generated(xs: list[int]) -> int:
    x = 0
    for y in (z + 1 for z in xs):
#            ^^^^^^^^^^^^^^^^^^^ PD115 a generator
        x = await a(x)
    return x

@workflow
async def unordered(x: int) -> int:
    for name in {"b", "a"}:
#               ^^^^^^^^^^ PD115 a set
        x = await a(len(name))
    return x

@workflow
async def mapped_over(xs: list[int]) -> int:
    x = 0
    for y in map(effect, xs):
#            ^^^^^^^^^^^^^^^ PD115 `map(...)`
        x = await a(x)
    return x

@workflow
async def zipped(xs: list[int]) -> int:
    x = 0
    for y, z in zip(xs, iter(xs)):
#               ^^^^^^^^^^^^^^^^^ PD115 `iter(...)`
        x = await a(x)
    return x

@workflow
async def growing(xs: list[int]) -> int:
    for x in xs:
        if await a(x):
            xs.append(x)
#           ^^^^^^^^^^^^ PD213 warning changes inside the loop
    return len(xs)

@workflow
async def shrinking(xs: dict[str, int]) -> int:
    for name in xs.keys():
        await a(1)
        del xs[name]
#           ^^^^^^^^ PD213 warning changes inside the loop
    return len(xs)
"""

COPIES = """
@workflow
async def grown(rows: list[list[int]]) -> int:
    for row in rows:
        row.append(await a(len(row)))
#       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ PD212 warning is a copy of what `rows` holds
    return len(rows[0])

@workflow
async def marked(boxes: dict[str, Box]) -> int:
    for name, box in sorted(boxes.items()):
        box.n = await a(box.n)
#       ^^^^^ PD212 warning is a copy of what `boxes` holds
    return boxes["x"].n

@workflow
async def put_back(rows: list[list[int]]) -> list[list[int]]:
    out: list[list[int]] = []
    for i in range(len(rows)):
        rows[i].append(await a(i))
    for row in list(rows):
        row = [*row, await b(1)]
        row.append(2)
        out.append(row)
    return out

@workflow
async def spent(rows: list[list[int]]) -> int:
    x = 0
    for row in rows:
        row.append(await a(len(row)))
        x += len(row)
    return x
"""

HANDLERS = """
@workflow
async def everything(x: int) -> int:
    try:
        x = await a(x)
    except:
#   ^^^^^^^ PD230 a bare `except:`
        x = 0
    return x

@workflow
async def base(x: int) -> int:
    try:
        x = await a(x)
    except BaseException:
#          ^^^^^^^^^^^^^ PD230 `except BaseException`
        x = 0
    return x

@workflow
async def cancelled(x: int) -> int:
    try:
        x = await a(x)
    except (ValueError, asyncio.CancelledError):
#                       ^^^^^^^^^^^^^^^^^^^^^^ PD230 `except asyncio.CancelledError`
        x = 0
    return x

@workflow
async def unkept(x: int) -> int:
    try:
        x = await a(x)
    except Declined:
#          ^^^^^^^^ PD231 its `__init__` takes socket
        x = 0
    return x

@workflow
async def by_keyword(x: int) -> int:
    try:
        x = await a(x)
    except Named:
#          ^^^^^ PD231 by keyword only
        x = 0
    return x
"""
