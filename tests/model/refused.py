"""Workflows that are refused or warned about; the place of each finding is marked in the source.

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
    Elapsed, Signal, after, at, first, hours, idempotent, irreversible, now, saga, seconds, sleep,
    together, workflow,
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

def effect(x: int) -> int:
    return x

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

CALLS = """
@workflow
async def nap(x: int) -> int:
    await asyncio.sleep(3)
#         ^^^^^^^^^^^^^^^^ PD105 `asyncio.sleep` waits in this process only
    return x

@workflow
async def at_once(x: int) -> int:
    await asyncio.gather(a(x), b(x))
#         ^^^^^^^^^^^^^^^^^^^^^^^^^^ PD105 `asyncio.gather`
    return x

@workflow
async def whichever(x: int) -> int:
    await asyncio.wait({a(x), b(x)})
#         ^^^^^^^^^^^^^^^^^^^^^^^^^^ PD105 `asyncio.wait`
    return x

@workflow
async def limited(x: int) -> int:
    async with asyncio.timeout(3):
#              ^^^^^^^^^^^^^^^^^^ PD105 `asyncio.timeout`
        return await a(x)

@workflow
async def waited(x: int) -> int:
    return await asyncio.wait_for(a(x), 3)
#                ^^^^^^^^^^^^^^^^^^^^^^^^^ PD105 `asyncio.wait_for`

@workflow
async def group(x: int) -> int:
    async with asyncio.TaskGroup() as tasks:
#              ^^^^^^^^^^^^^^^^^^^ PD105 `asyncio.TaskGroup`
        x = await a(x)
    return x

@workflow
async def threaded(x: int) -> int:
    return await asyncio.to_thread(effect, x)
#                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ PD105 `asyncio.to_thread`

@workflow
async def queued(x: int) -> int:
    await a(x)
    channel = asyncio.Queue()
#             ^^^^^^^^^^^^^^^ PD105 `asyncio.Queue`
    return x

@workflow
async def event(x: int) -> int:
    await EVENT.wait()
#         ^^^^^^^^^^^^ PD105 `EVENT.wait`
    return x

@workflow
async def task(x: int) -> int:
    asyncio.create_task(a(x))
#   ^^^^^^^^^^^^^^^^^^^^^^^^^ PD105 `asyncio.create_task`
    return await b(x)

@workflow
async def undurable(x: int) -> int:
    return await plain(x)
#                ^^^^^^^^ PD105 `plain(x)` is not durable

@workflow
async def misspelt(x: int) -> int:
    return await row()
#                ^^^ PD105 `row` is not defined

@workflow
async def directly(x: int) -> int:
    return await a.direct(x)
#                ^^^^^^^^^^^ PD105 runs without a log

@workflow
async def uncalled(x: int) -> int:
    return await note
#                ^^^^ PD105 is awaited and not called

@workflow
async def branches(x: int) -> int:
    await together(a(x), plain(x))
#                        ^^^^^^^^ PD105 `plain(x)` is not durable
    return x

@workflow
async def forgotten(x: int) -> int:
    a(x)
#   ^^^^ PD110 nobody awaits
    return x

@workflow
async def kept(x: int) -> int:
    call = a(x)
#          ^^^^ PD110 nobody awaits
    return await call

@workflow
async def mapped(xs: list[int]) -> int:
    calls = [a(x) for x in xs]
#            ^^^^ PD110 nobody awaits
    return await b(len(calls))

@workflow
async def slept(x: int) -> int:
    sleep(hours(1))
#   ^^^^^^^^^^^^^^^ PD110 nobody awaits
    return await a(x)

@workflow
async def itself(x: int) -> int:
    return await itself(x - 1)
#                ^^^^^^^^^^^^^ PD111 contains itself

@workflow
async def spread(xs: list[int]) -> int:
    return await b(*xs)
#                ^^^^^^ PD113 do not fit

@workflow
async def keywords(xs: dict[str, int]) -> int:
    return await b(**xs)
#                ^^^^^^^ PD113 do not fit

@workflow
async def missing(x: int) -> int:
    return await b(x, z=1)
#                ^^^^^^^^^ PD113 there is no parameter 'z'

@workflow
async def many(xs: list[int]) -> int:
    await together(*[a(x) for x in xs])
#                  ^^^^^^^^^^^^^^^^^^^ PD113 hides which calls
    return 1

@workflow
async def looked_up(name: str) -> int:
    return await STEPS[name](1)
#                ^^^^^^^^^^^^^^ PD114 decided at run time

@workflow
async def chosen(x: int) -> int:
    step = a if x else b
    return await step(x)
#                ^^^^^^^ PD114 decided at run time

@workflow
async def child(x: int) -> int:
    return await other(x)
#                ^^^^^^^^ PD116 a workflow in a workflow

@workflow
async def forks(x: int) -> int:
    await together(a(x), first(note.wait(), after(seconds(1))))
#                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ PD116 as a branch
    return x

@workflow
async def late(x: int) -> int:
    async with deadline(hours(1)):
#              ^^^^^^^^ PD116 `deadline` is not supported yet
        return await a(x)

@workflow
async def every(xs: list[int]) -> int:
    await perdure.each(a, xs)
#         ^^^^^^^^^^^^ PD116 `each` is not supported yet
    return 1

@workflow
async def told(x: int) -> int:
    await publish(x)
#         ^^^^^^^ PD116 `publish` is not supported yet
    return 1

@workflow
async def seated(x: int) -> int:
    return await Entity.ref(x).call(x)
#                ^^^^^^^^^^^^^^^^^^ PD116 `Entity` is not supported yet

@workflow
async def named_saga(x: int) -> int:
    async with saga() as scope:
#                        ^^^^^ PD116 has no value
        return await a(x)

@workflow
async def again(x: int) -> int:
    x = await a(x)
    return await a(x)
#                ^^^^ PD206 warning a second time
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

OUTSIDE = """
@workflow
async def printed(x: int) -> int:
    print(x)
#   ^^^^^^^^ PD220 `print` reaches outside
    return await a(x)

@workflow
async def read(x: int) -> int:
    text = Path("rates").read_text()
#          ^^^^^^^^^^^^^^^^^^^^^^^^^ PD220 may be another
    return await a(len(text))

@workflow
async def posted(x: int) -> int:
    urllib.request.urlopen("https://example.org")
#   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ PD220 reaches outside
    return await a(x)

@workflow
async def ran(x: int) -> int:
    subprocess.run(["true"])
#   ^^^^^^^^^^^^^^^^^^^^^^^^ PD220 reaches outside
    return await a(x)

@workflow
async def connected(x: int) -> int:
    socket.create_connection(("example.org", 80))
#   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ PD220 reaches outside
    return await a(x)

@workflow
async def started(x: int) -> int:
    threading.Thread(target=effect).start()
#   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ PD220 reaches outside
    return await a(x)

@workflow
async def deleted(x: int) -> int:
    os.remove("rates")
#   ^^^^^^^^^^^^^^^^^^ PD220 reaches outside
    return await a(x)

@workflow
async def blocked(x: int) -> int:
    time.sleep(1)
#   ^^^^^^^^^^^^^ PD220 holds up the whole worker
    return await a(x)

@workflow
async def set_(x: int) -> int:
    os.environ["X"] = "1"
#   ^^^^^^^^^^^^^^^ PD220 is changed
    return await a(x)

@workflow
async def asked(x: int) -> int:
    where = os.environ["HOME"]
#           ^^^^^^^^^^^^^^^^^^ PD220 warning settings
    return await a(len(where))

@workflow
async def diced(x: int) -> int:
    return await a(random.randint(1, x))
#                  ^^^^^^^^^^^^^^^^^^^^ PD220 warning rolls dice

@workflow
async def clocked(x: int) -> int:
    return await a(int(time.time()))
#                      ^^^^^^^^^^^ PD220 warning reads the clock

@workflow
async def dated(x: int) -> int:
    if datetime.now(UTC).hour > 12:
#      ^^^^^^^^^^^^^^^^^ PD220 warning reads the clock
        x = await a(x)
    return x

@workflow
async def today(x: int) -> int:
    return await a(date.today().day)
#                  ^^^^^^^^^^^^ PD220 warning reads the clock

@workflow
async def numbered(x: int) -> int:
    return await a(len(str(uuid.uuid4())))
#                          ^^^^^^^^^^^^ PD220 warning rolls dice

@workflow
async def helped(url: str) -> int:
    text = fetch(url)
#          ^^^^^^^^^^ PD220 calls `urllib.request.urlopen`
    return await a(len(text))
"""

SEVERAL = """
@workflow
async def all_of_them(xs: list[int]) -> int:
    global TOTAL
#   ^^^^^^^^^^^^ PD109 `global`
    print(xs)
#   ^^^^^^^^^ PD220 reaches outside
    got = await asyncio.sleep(3)
#               ^^^^^^^^^^^^^^^^ PD105 `asyncio.sleep`
    again = got
    await a(1)
    for x in xs:
        try:
            a(x)
#           ^^^^ PD110 nobody awaits
            await a(x)
#                 ^^^^ PD206 warning a second time
        except BaseException:
#              ^^^^^^^^^^^^^ PD230 `except BaseException`
            pass
    async with LOCK:
#   ^^^^^^^^^^^^^^^ PD103 live resource
        await plain()
#             ^^^^^^^ PD105 is not durable
    return again + await b(2)
"""

GROUPS = {
    "syntax": SYNTAX,
    "calls": CALLS,
    "loops": LOOPS,
    "handlers": HANDLERS,
    "outside": OUTSIDE,
}
