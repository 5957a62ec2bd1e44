"""Workflows that are refused or warned about for what they call; marked as in refused_syntax.py.

No test lives here.
"""

from __future__ import annotations

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
async def alone(x: int) -> int:
    await together(a(x))
#         ^^^^^^^^^^^^^^ PD414 of 1 calls
    return x


@workflow
async def by_name(x: int) -> int:
    await together(a(x), b(x), c=3)
#                                ^ PD113 by position only
    return x


@workflow
async def timeless(x: int) -> int:
    await sleep()
#         ^^^^^^^ PD113 does not say what to wait for
    return x


@workflow
async def racing(x: int) -> int:
    await first(a(x), after(span=seconds(3)))
#                     ^^^^^^^^^^^^^^^^^^^^^^ PD113 does not say what to wait for
    return x


@workflow
async def filtered(x: int) -> int:
    await note.wait(3)
#         ^^^^^^^^^^^^ PD113 does not say what to wait for
    return x


@workflow
async def either(x: int) -> int:
    return await (a(x) if x else b(x))
#                 ^^^^^^^^^^^^^^^^^^^ PD114 decided at run time


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
async def keyed(x: int) -> int:
    return await a(len(effect_key()))
#                      ^^^^^^^^^^^^ PD602 is used outside a step

@workflow
async def numbered_anew(x: int) -> int:
    return await a(len(perdure.uuid4()))
#                      ^^^^^^^^^^^^^ PD116 `uuid4` is not supported yet

@workflow
async def noted(x: int) -> int:
    perdure.log.info("here")
#   ^^^^^^^^^^^^^^^^ PD116 `log` is not supported yet
    return await a(x)

@workflow
async def shielded(x: int) -> int:
    async with perdure.shield():
#              ^^^^^^^^^^^^^^ PD116 `shield` is not supported yet
        return await a(x)

@workflow
async def kept_tidy(x: int) -> int:
    async with perdure.on_cancel(a, x):
#              ^^^^^^^^^^^^^^^^^ PD116 `on_cancel` is not supported yet
        return await a(x)

@workflow
async def settled(xs: list[int]) -> int:
    return len(await perdure.settle(a, xs))
#                    ^^^^^^^^^^^^^^ PD116 `settle` is not supported yet

@workflow
async def asked_for(x: int) -> int:
    return await perdure.ask(int, of="lead", subject="x")
#                ^^^^^^^^^^^ PD116 `ask` is not supported yet

@workflow
async def asked_in_time(x: int) -> int:
    await first(perdure.ask(int, of="lead", subject="x"), after(seconds(1)))
#               ^^^^^^^^^^^ PD116 `ask` is not supported yet
    return x

@workflow
async def spawned(x: int) -> int:
    await perdure.spawn(other(x))
#         ^^^^^^^^^^^^^ PD116 `spawn` is not supported yet
    return x

@workflow
async def reminded(x: int) -> int:
    await perdure.remind(other, at=now())
#         ^^^^^^^^^^^^^^ PD116 `remind` is not supported yet
    return x

@workflow
async def two_scopes(x: int) -> int:
    async with saga(), saga():
#   ^^^^^^^^^^^^^^^^^^^^^^^^^ PD116 several scopes
        return await a(x)

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
async def got(x: int) -> int:
    where = os.environ.get("HOME", "")
#           ^^^^^^^^^^^^^^^^^^^^^^^^^^ PD220 warning settings
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
