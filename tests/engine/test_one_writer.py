"""Rules 1 and 2: one writer per log. Who reaches the insert is a law over the source; that nobody
else changes a log is tried at every commit of a run; that orders never fall, with two live owners.
"""

from __future__ import annotations

import ast
import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
from perdure import Engine, Signal, effect_order, idempotent, irreversible, seconds, sleep, workflow
from perdure.chaos.simulation import SimLoop
from perdure.engine import post
from perdure.engine.bodies import decode
from perdure.engine.client import enqueue
from perdure.engine.desk import cases, decide
from perdure.engine.looking import view
from perdure.engine.records import Record
from perdure.engine.store import ExecutionRow
from perdure.model.compiler import compile_workflow

from .stage import Beside, Stage, StageClock, outside

ROOT = Path(__file__).parents[2]
ROOMS = ("model", "engine", "specs", "versioning", "chaos", "console")
INSERT = re.compile(r"(insert|replace)\s+(or\s+\w+\s+)?into\s+log\b", re.IGNORECASE)
CORE = re.compile(r"\b_?log\.insert\(|\binsert\((\w+\.)*_?log\b")

# What leads to the insert -> everything that refers to it. Nobody may be added without a reason.
REACHED: dict[str, set[str]] = {
    # the two statements, and what puts a batch together
    "_INSERT_LOG": {"engine/sqlite_append.py:_insert"},
    "_INSERT_AFTER": {"engine/sqlite_append.py:_insert_firsts"},
    "_insert_firsts": {"engine/sqlite_append.py:_insert"},
    "_insert": {"engine/sqlite_append.py:_write"},
    "_write": {"engine/sqlite_append.py:write_batch", "engine/sqlite_append.py:write_start"},
    "write_each": {"engine/sqlite.py:append", "engine/sqlite_step.py:append"},
    "write_batch": {
        "engine/sqlite_append.py:write_each",
        "engine/sqlite.py:append",
        "engine/sqlite_step.py:append",
    },
    # the creator: record 0, and no other
    "write_start": {"engine/sqlite_inbox.py:start"},
    "sqlite_inbox.start": {"engine/sqlite.py:start"},
    "store.start": {"engine/client.py:enqueue"},
    # the committer; beside it, under the same guards: the stall of an execution whose instance was
    # dropped, and two releases, which write no record
    "store.append": {
        "engine/committer.py:_append",
        "engine/refused.py:stall",
        "engine/refused.py:_give_back",
        "engine/recovery.py:_let_go",
    },
    # the transactional step
    "store.transaction": {"engine/calls.py:_transact"},
    "transaction.append": {"engine/calls.py:_transact"},
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the house but its tests, by its path."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions, those of classes and inside others too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def spoken(node: ast.AST) -> str | None:
    """What a reference says: a name, or the last two words of an attribute."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return node.id
    if isinstance(node, ast.Attribute):
        left = node.value
        owner = left.attr if isinstance(left, ast.Attribute) else getattr(left, "id", "")
        return f"{owner.lstrip('_')}.{node.attr}"
    return None


def references() -> dict[str, set[str]]:
    """What leads to the insert -> the functions that refer to it, as they stand in the source."""
    found: dict[str, set[str]] = {name: set() for name in REACHED}
    for path, tree in sources():
        for function in functions(tree):
            for node in ast.walk(function):
                told = spoken(node)
                # A bare name means what it means in the room of the engine only.
                if told in found and ("." in told or path.startswith("engine/")):
                    found[told].add(f"{path}:{function.name}")
    return found


def test_only_the_committer_the_creator_and_the_transactional_step_reach_the_insert() -> None:
    """Step by step from the statement upwards, everybody who refers to it is in the table."""
    assert references() == REACHED


def test_no_other_statement_puts_a_row_into_a_log() -> None:
    """Neither as text nor through SQLAlchemy's tables, in any room."""
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and CORE.search(ast.unparse(node)))
        or (isinstance(node, ast.Constant) and INSERT.search(str(node.value)))
    ]
    assert {line.split(":")[0] for line in wrong} == {"engine/sqlite_append.py"}
    assert len(wrong) == 2, wrong


def test_the_law_sees_who_breaks_it() -> None:
    """A planted writer is told: by name, by attribute, and by the text of its statement."""
    planted = ast.parse(
        "async def cheat(self):\n    await self._store.append(1, [])\n    _insert()"
    )
    told = {spoken(node) for node in ast.walk(planted)}
    assert {"store.append", "_insert"} <= told
    for text in ("insert into log select 1", "INSERT OR REPLACE INTO  log VALUES (1)"):
        assert INSERT.search(text)
    assert not INSERT.search("insert into log_book values (1)")
    assert CORE.search("insert(tables.log).values(seq=1)") and CORE.search("log.insert()")
    assert not CORE.search("parts.insert(0, log)")


# --- everybody else sends messages ----------------------------------------------------------------

go = Signal[str]("go")


@irreversible(timeout=seconds(10))
async def pay(n: int) -> str:
    return await outside().attempt("pay", n)


@workflow
async def deals(n: int) -> str:
    word = await go.wait()
    await sleep(seconds(3))
    return word + await pay(n)


async def signals(stage: Stage) -> None:
    """`perdure signal`, on a channel that is waited for once, and on another."""
    await stage.store.send("e", "noise", f"m{stage.time.now}", b'"x"')


async def cancels(stage: Stage) -> None:
    """`perdure cancel`."""
    wish = post.Wish("enough", "ada")
    await stage.store.send("e", post.CANCEL, "cancel", msgspec.json.encode(wish))


async def starts(stage: Stage) -> None:
    """`perdure start`, of what exists."""
    program = compile_workflow(deals)
    assert not await enqueue(stage.store, program, "e", {"n": program.codecs["n"].seal(1)})


async def resumes(stage: Stage) -> None:
    """`perdure resume`, of what is not stalled."""
    assert not await stage.store.resume("e")


async def decides(stage: Stage) -> None:
    """`perdure desk decide`, as soon as there is something to decide."""
    for case in cases(await view(stage.store, "e")):
        await decide(stage.store, "e", case.key, "landed", value=b'"said"', by="ada")


VERBS: list[Callable[[Stage], Awaitable[None]]] = [signals, cancels, starts, resumes, decides]


async def written(stage: Stage) -> tuple[list[Record], ExecutionRow | None]:
    """The log, and what says who may write it."""
    row = await stage.store.find("e")
    if row is None:
        return [], None
    return await stage.store.log(row.id), row._replace(mail=0, wake_at=None)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_verb_at_every_commit_writes_nothing_into_the_log(
    verb: Callable[[Stage], Awaitable[None]],
) -> None:
    """Before and after each write of a run, and while it is parked: log, owner, tenure and status
    are as they were; the run goes on to its end, and every record has a tenure that was owned."""
    stage = Stage()
    stage.out.script["pay"] = deque(["raises"])
    tried = 0

    async def beside(edge: str, number: int) -> None:
        nonlocal tried
        before = await written(stage)
        if before[1] is None or before[1].status.final:
            return
        await verb(stage)
        tried += 1
        assert await written(stage) == before

    async def main(engine: Engine) -> None:
        await engine.start(deals(1), id="e")
        ended = asyncio.ensure_future(engine.ended("e"))
        await engine.store.send("e", "go", "go", b'"gone "')
        while not ended.done():
            await beside("parked", 0)
            if verb is not cancels and "in doubt pay" in await stage.marked():
                await decides(stage)
            engine.worker.kick()
            await asyncio.sleep(1)
        assert ended.result()[0] == ("cancelled" if verb is cancels else "done")

    stage.play(main, store=Beside(stage, beside).port)
    asyncio.run(stage.lawful())
    assert tried >= 3


# --- orders that a receiver may compare -----------------------------------------------------------

ORDERS: list[tuple[str, int, int]] = []


@idempotent
async def tell(n: int) -> int:
    ORDERS.append(effect_order())
    return await asyncio.sleep(0.5, n)


@workflow
async def rounds(count: int) -> int:
    total = 0
    for _ in range(count):
        await go.wait()
        total += await tell(await tell(1))
    return total


def test_orders_never_fall_while_two_live_sessions_swap_an_execution() -> None:
    """Rule 1: it goes to and fro between two workers that both live; session numbers fall, tenures
    and effect orders never do, and the first record of each tenure names the session."""
    stage, turns = Stage(), 6
    ORDERS.clear()

    async def parked() -> bool:
        return (await stage.row()).owner is None

    async def main(one: Engine) -> None:
        clock = StageClock(stage.time, cast("SimLoop", asyncio.get_running_loop()))
        async with Engine("sqlite://", store=stage.store, clock=clock) as other:
            engines = (one, other)
            for engine in engines:
                await engine.serve(rounds)
            await one.start(rounds(turns), id="e")
            for turn in range(turns):
                for engine in engines:
                    engine.worker.concurrency = int(engine is engines[turn % 2])
                await stage.until(parked)
                await stage.store.send("e", "go", f"m{turn}", b'"on"')
                for engine in engines:
                    engine.worker.kick()
                await stage.until(lambda turn=turn: len(ORDERS) == 2 * (turn + 1))
            assert (await other.ended("e"))[0] == "done"
        records = await stage.store.log(1)
        named = [s for r in records if (s := decode(r.body).s)]
        assert len(set(named)) == 2 and named != sorted(named), "sessions fall"
        assert [r.tenure for r in records] == sorted(r.tenure for r in records)
        first = {r.tenure: decode(r.body).s for r in reversed(records)}
        assert all(first.values()), "the first record of a tenure names its session"

    stage.play(main)
    assert sorted(set(ORDERS)) == ORDERS and len(ORDERS) == 2 * turns
    assert len({tenure for _, tenure, _ in ORDERS}) == turns
