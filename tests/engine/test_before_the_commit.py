"""Rule 81: before its commit nobody is shown a firing. What the verbs say while a commit is under
way is, word for word, what they would say had the machine been cut off at that moment.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from perdure import (
    Engine,
    Signal,
    compensatable,
    idempotent,
    irreversible,
    observe,
    pure,
    saga,
    workflow,
)
from perdure.console.cli.main import main
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Append, Appended
from perdure.model.language.workflows import Workflow

from .ledger import Ledger

go = Signal[str]("go")


@pure
async def think(n: int) -> int:
    return n + 1


@observe
async def look(size: int) -> str:
    return "x" * size


@idempotent
async def tell(n: int) -> int:
    return n + 1


@compensatable
async def hold(n: int) -> int:
    return n + 1


@hold.undo
async def release(got: int | None, n: int) -> None: ...


@irreversible
async def charge(n: int) -> int:
    return n + 1


@workflow
async def every_class(n: int) -> int:
    n = await think(n)
    n = await tell(n)
    async with saga():
        n = await hold(n)
        await go.wait()
        n = await charge(n)
    return await think(n)


@workflow
async def fails(n: int) -> int:
    async with saga():
        n = await hold(n)
        await go.wait()
        raise ValueError(await look(20_000))


@workflow
async def stumbles(n: int) -> int:
    n = await tell(n)
    await go.wait()
    table = {0: 1}
    return await think(table[n])


FLOWS: dict[str, tuple[Workflow[[int], int], str]] = {
    "every_class": (every_class, "done"),
    "fails": (fails, "failed"),
    "stumbles": (stumbles, "stalled"),
}
VERBS = (("list",), ("show", "x"), ("log", "x"), ("effects",), ("desk",), ("audit",))


def document(path: Path, *words: str) -> Any:
    """What a verb answers about a store; its exit code with it."""
    told = CliRunner().invoke(main, [*words, "--db", str(path), "--format", "json"])
    return told.exit_code, json.loads(told.stdout or "null"), told.stderr.replace(str(path), "")


def cut_off(path: Path, number: int) -> Path:
    """The store as a power cut at this moment would leave it: file and write-ahead log."""
    folder = path.with_name(f"cut-{number}")
    folder.mkdir()
    for suffix in ("", "-wal"):
        found = Path(f"{path}{suffix}")
        if found.exists():
            shutil.copyfile(found, Path(f"{folder / path.name}{suffix}"))
    return folder / path.name


class Watched(SqliteStore):
    """Looks at the store from outside before each commit of records."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.looks = self.ahead = 0
        self.wrong: list[str] = []
        self.engine: Engine | None = None
        self.run: asyncio.Task[Any] | None = None

    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        if self.engine is not None:
            ends = any(a.change is not None and a.change.status is not None for a in batch)
            if ends and self.run is not None and self.run.done():
                self.wrong.append("an end was told before it was true")
            await asyncio.to_thread(self.look, [r.seq for a in batch for r in a.records])
        return await super().append(session, batch)

    def look(self, pending: Sequence[int]) -> None:
        """Compare what is said of the store with what is said of it after a crash."""
        path = Path(self.path)
        cut = cut_off(path, self.looks)
        self.looks += 1
        for words in VERBS:
            now, after = document(path, *words), document(cut, *words)
            if now != after:
                self.wrong.append(f"{words}: {now}, and after a crash {after}")
        code, log, _ = document(path, "log", "x")
        shown = [record["seq"] for record in log] if code == 0 else []
        if set(pending) & set(shown):
            self.wrong.append(f"of records {pending} some are shown before their commit: {shown}")
        self.ahead += bool(pending)


@pytest.mark.parametrize("name", FLOWS)
async def test_what_is_shown_before_a_commit_is_what_a_crash_would_leave(
    tmp_path: Path, name: str
) -> None:
    """At every commit of an execution, `list`, `show`, `log`, `effects`, `desk` and `audit` agree
    on the living store and on its remains; no result is told before its record is durable."""
    ledger, (flow, end) = Ledger(tmp_path), FLOWS[name]
    store = Watched(ledger.path)
    async with Engine("", store=store) as engine:
        await engine.serve(flow)
        store.engine = engine
        run = await engine.start(flow(1), id="x")
        store.run = asyncio.ensure_future(run.result())
        await run.send(go, "on")
        await asyncio.wait({store.run})
        store.engine = None
    assert store.wrong == []
    assert ledger.status("x") == end
    assert store.ahead >= 3 and store.looks >= store.ahead
    assert (store.run.exception() is None) == (end == "done")
    await ledger.sound()
