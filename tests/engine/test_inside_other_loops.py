"""Rule 78: the engine inside programs whose loop is somebody else's: a web application with its
handlers, a notebook with its cells, code that nests one in the other.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest
from perdure import Engine, ExecutionConflict, Run, Signal, idempotent, pure, workflow
from perdure.model.errors import PlacementError

from .ledger import HANG_SECONDS, Ledger

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
go = Signal[str]("go")
LOOPS: set[asyncio.AbstractEventLoop] = set()


@pure
async def double(n: int) -> int:
    LOOPS.add(asyncio.get_running_loop())
    return 2 * n


@idempotent
async def greet(name: str) -> str:
    """Steps use clients that belong to the loop of the application."""
    LOOPS.add(asyncio.get_running_loop())
    return f"hello {name}"


@workflow
async def doubled(n: int) -> int:
    return await double(n)


@workflow
async def waits(name: str) -> str:
    word = await go.wait()
    return f"{word} " + await greet(name)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    LOOPS.clear()
    yield Ledger(tmp_path)


class Application:
    """An ASGI application as frameworks make them: opened at startup, closed at shutdown."""

    def __init__(self, ledger: Ledger) -> None:
        self.engine, self.ledger = Engine(ledger.url, lease_seconds=2.0), ledger
        self.routes: dict[str, Callable[[str], Coroutine[Any, Any, Any]]] = {
            "double": self.double,
            "start": self.start,
            "send": self.send,
            "result": self.result,
            "blocks": self.blocks,
            "thread": self.thread,
            "wrong": self.wrong,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with self.engine:
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        _, route, argument = scope["path"].split("/")
        try:
            status, told = 200, await self.routes[route](argument)
        except (ExecutionConflict, PlacementError) as error:
            status, told = 409, str(error)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    async def double(self, n: str) -> int:
        return await self.engine.run(doubled(int(n)), id=f"double-{n}")

    async def start(self, name: str) -> str:
        return (await self.engine.start(waits(name), id=name)).id

    async def send(self, name: str) -> None:
        await self.engine.send(name, go, "well,", message_id="only")

    async def result(self, name: str) -> str:
        return await self.engine.find(waits, name).result()

    async def blocks(self, beats: str) -> int:
        """A handler that does not give the loop back until the session has beaten so often."""
        session, sql = self.engine.worker.session, "select beats from session where id = ?"
        before = self.ledger.one(sql, session)
        while self.ledger.one(sql, session) < before + int(beats):
            pass
        return session

    async def thread(self, n: str) -> int:
        """Plain code in a thread of the pool asks the loop, as the refusal says."""
        loop = asyncio.get_running_loop()

        def plain() -> int:
            with pytest.raises(PlacementError, match="run_coroutine_threadsafe"):
                asyncio.run(self.engine.run(doubled(1)))
            run = self.engine.run(doubled(int(n)), id=f"thread-{n}")
            return asyncio.run_coroutine_threadsafe(run, loop).result(HANG_SECONDS)

        return await asyncio.to_thread(plain)

    async def wrong(self, n: str) -> int:
        """The engine for code without a loop, used in a handler."""
        with Engine.blocking(self.ledger.url) as engine:
            return engine.run(doubled(int(n)))


class Server:
    """What runs an application: its lifespan, and requests beside each other."""

    def __init__(self, app: Application) -> None:
        self.app, self.inbox = app, asyncio.Queue[Message]()
        self.outbox = asyncio.Queue[Message]()

    async def __aenter__(self) -> Server:
        work = self.app({"type": "lifespan"}, self.inbox.get, self.outbox.put)
        self.life = asyncio.ensure_future(work)
        await self.inbox.put({"type": "lifespan.startup"})
        assert (await self.outbox.get())["type"] == "lifespan.startup.complete"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.inbox.put({"type": "lifespan.shutdown"})
        assert (await self.outbox.get())["type"] == "lifespan.shutdown.complete"
        await self.life

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and document of a request."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await asyncio.ensure_future(self.app({"type": "http", "path": path}, self.inbox.get, send))
        return sent[0]["status"], json.loads(sent[1]["body"])


async def test_handlers_share_the_engine_of_their_application(ledger: Ledger) -> None:
    """A hundred requests at once, in tasks of their own: each gets its own answer, twice the same
    is once, and every step ran in the loop of the application."""
    async with Server(Application(ledger)) as server:
        paths = [f"/double/{n % 50}" for n in range(100)]
        told = await asyncio.gather(*map(server.get, paths))
        assert told == [(200, 2 * (n % 50)) for n in range(100)]
        names = [f"n{n}" for n in range(20)]
        assert await asyncio.gather(*(server.get(f"/start/{n}") for n in names)) == [
            (200, n) for n in names
        ]
        results = [asyncio.ensure_future(server.get(f"/result/{n}")) for n in names]
        await asyncio.gather(*(server.get(f"/send/{n}") for n in names * 2))
        assert await asyncio.gather(*results) == [(200, f"well, hello {n}") for n in names]
        assert await server.get("/thread/21") == (200, 42)
    assert {asyncio.get_running_loop()} == LOOPS
    assert ledger.one("select count(*) from execution where status = 'done'") == 71
    await ledger.sound()


async def test_a_handler_that_blocks_the_loop_costs_time_and_nothing_else(ledger: Ledger) -> None:
    """It holds the loop for longer than a lease: the session is the same, no execution changed
    hands, and the requests that waited are answered."""
    async with Server(Application(ledger)) as server:
        await server.get("/start/a")
        blocked = asyncio.ensure_future(server.get("/blocks/6"))
        others = [asyncio.ensure_future(server.get(f"/double/{n}")) for n in range(5)]
        status, session = await blocked
        assert status == 200 and session == server.app.engine.worker.session
        assert await asyncio.gather(*others) == [(200, 2 * n) for n in range(5)]
        await server.get("/send/a")
        assert await server.get("/result/a") == (200, "well, hello a")
    assert ledger.one("select count(*) from session") == 1
    assert ledger.one("select max(lost) from execution") == 0
    await ledger.sound()


async def test_the_blocking_engine_is_refused_in_a_handler_with_the_fix(ledger: Ledger) -> None:
    """It would stand in the way of the loop it waits for; nothing was opened or written."""
    async with Server(Application(ledger)) as server:
        status, told = await server.get("/wrong/1")
        assert status == 409 and "PD607" in told and "async with Engine" in told
        assert await server.get("/double/1") == (200, 2)
    assert ledger.one("select count(*) from session") == 1


class Notebook:
    """A kernel whose loop runs all the time, in which one cell is awaited after the other."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def cell(self, code: Coroutine[Any, Any, T]) -> T:
        """Run a cell to its end."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(code, self.loop)
        return future.result(HANG_SECONDS)

    def close(self) -> None:
        """Shut the kernel down."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    made = Notebook()
    yield made
    made.close()


def test_an_engine_lives_over_the_cells_of_a_notebook(ledger: Ledger, notebook: Notebook) -> None:
    """Opened in one cell, used in others, closed in the last; the work goes on between them."""
    engine = Engine(ledger.url)
    assert notebook.cell(engine.__aenter__()) is engine
    run: Run[str] = notebook.cell(engine.start(waits("Ada"), id="a"))
    assert notebook.cell(engine.run(doubled(21))) == 42
    notebook.cell(run.send(go, "well,"))
    assert notebook.cell(run.result()) == "well, hello Ada"
    notebook.cell(engine.__aexit__(None, None, None))
    assert {notebook.loop} == LOOPS
    asyncio.run(ledger.sound())


def test_a_cell_is_told_what_to_write_instead(ledger: Ledger, notebook: Notebook) -> None:
    """The blocking engine in a cell is PD607; the engine of the notebook in another loop, PD606."""

    async def blocking() -> str:
        with pytest.raises(PlacementError) as raised:
            Engine.blocking(ledger.url).open()
        return str(raised.value)

    told = notebook.cell(blocking())
    assert "PD607" in told and "async with Engine" in told

    async def cell(engine: Engine) -> int:
        return await engine.run(doubled(1))

    engine = Engine(ledger.url)
    notebook.cell(engine.__aenter__())
    with pytest.raises(PlacementError, match="PD606 this engine is open in another event loop"):
        asyncio.run(cell(engine))
    assert notebook.cell(cell(engine)) == 2
    notebook.cell(engine.__aexit__(None, None, None))


async def test_a_blocking_engine_beside_a_loop_in_another_thread_is_fine(ledger: Ledger) -> None:
    """Nested use: the loop hands work to a thread, whose engine has a loop of its own; both engines
    share the file."""

    def plain() -> str:
        with Engine.blocking(ledger.url) as inner:
            run = inner.start(waits("Bob"), id="b")
            inner.send("b", go, "so,")
            return run.result()

    async with Engine(ledger.url) as outer:
        told = await asyncio.gather(asyncio.to_thread(plain), outer.run(doubled(4)))
        assert told == ["so, hello Bob", 8]
        assert await outer.find(waits, "b").result() == "so, hello Bob"
    await ledger.sound()
