"""Rule 55: a rolling deployment. Old and new code serve side by side, each its own nets; a step of
which the body alone changed is the same net; what nobody serves any more waits, and never fails.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import House

FLOW = """
import asyncio
from pathlib import Path
from perdure import Signal, idempotent, workflow

go = Signal[str]("go")

def leave(path: str, line: str) -> None:
    with Path(path).open("a") as file:
        file.write(line + "\\n")

@idempotent
async def begin(path: str, name: str) -> str:
    leave(path, "begin OLD " + name)
    return name

@idempotent
async def end(path: str, name: str) -> str:
    leave(path, "end OLD " + name)
    return name

@workflow
async def rolls(path: str, name: str) -> str:
    begun = await begin(path, name)
    await go.wait()
    return await end(path, begun)
"""
BODIES = FLOW.replace("OLD", "NEW")
REMOVED = BODIES.replace("    begun = await begin(path, name)\n", "    begun = name\n")
RENAMED = BODIES.replace("begin(", "start_it(")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def deploy(house: House, source: str) -> str:
    """Put this source in the place of what is there; processes keep what they have loaded."""
    path = house.trace.with_name("rolls.py")
    path.write_text(source)
    return str(path)


async def start(house: House, flows: str, id: str) -> None:
    """Start an execution of what is deployed now, from a terminal of its own."""
    given = json.dumps({"path": str(house.trace), "name": id})
    await terminal(house, "start", f"{flows}:rolls", "--input", given, "--id", id)


async def terminal(house: House, *words: str) -> None:
    """A verb in a process of its own, which loads the file as it is now."""
    command = [*words, "--db", house.ledger.url]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perdure", *command, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def send(house: House, id: str) -> None:
    """The message an execution waits for."""
    await asyncio.to_thread(house.run, "signal", id, "go", "--value", '"on"')


def unserved(house: House) -> set[str]:
    """Ids that the list calls unserved."""
    return {row["id"] for row in house.run("list") if row["unserved"]}


@pytest.mark.parametrize("new", [REMOVED, RENAMED], ids=["a step removed", "a step renamed"])
async def test_old_and_new_code_serve_side_by_side_each_its_own_net(house: House, new: str) -> None:
    """While both live everything ends on the code it began with; with the old one gone, its
    executions wait, listed, untouched, and end when it is deployed again."""
    flows = deploy(house, FLOW)
    old = house.worker(flows=flows)
    await old.serves()
    for id in ("a", "b"):
        await start(house, flows, id)
    await house.until(lambda: house.lines()["begin OLD a"] + house.lines()["begin OLD b"] == 2)
    deploy(house, new)
    newer = house.worker(flows=flows)
    await newer.serves()
    await start(house, flows, "c")
    await send(house, "a")
    await send(house, "c")
    await house.until(lambda: [house.ledger.status(id) for id in "ac"] == ["done"] * 2)
    assert house.lines()["end OLD a"] == house.lines()["end NEW c"] == 1
    assert await asyncio.to_thread(unserved, house) == set()
    old.signal(signal.SIGTERM)
    assert await old.ends() == 0
    await house.until(lambda: house.ledger.owner("b") is None)
    await send(house, "b")
    await start(house, flows, "d")
    await send(house, "d")
    await house.until(lambda: house.ledger.status("d") == "done")
    assert await asyncio.to_thread(unserved, house) == {"b"}
    assert house.ledger.status("b") == "active" and house.lines()["end NEW b"] == 0
    words = house.ledger.words("b")
    again = house.worker(flows=deploy(house, FLOW))
    await house.until(lambda: house.ledger.status("b") == "done")
    assert house.lines()["end OLD b"] == 1 and house.lines()["begin OLD b"] == 1
    assert house.ledger.words("b")[: len(words)] == words
    assert await asyncio.to_thread(unserved, house) == set()
    await again.serves()
    await house.ledger.sound()


async def test_a_body_that_changed_goes_on_with_what_the_old_one_began(house: House) -> None:
    """The same digest: the new worker takes over what the killed one had, and calls its own
    bodies from there."""
    flows = deploy(house, FLOW)
    old = house.worker(flows=flows)
    await old.serves()
    await start(house, flows, "a")
    await house.until(lambda: house.lines()["begin OLD a"] == 1)
    await house.until(lambda: house.ledger.owner("a") is None)
    newer = house.worker(flows=deploy(house, BODIES))
    await newer.serves()
    old.signal(signal.SIGKILL)
    await old.ends()
    assert await asyncio.to_thread(unserved, house) == set()
    await send(house, "a")
    await house.until(lambda: house.ledger.status("a") == "done")
    assert house.lines() == {"begin OLD a": 1, "end NEW a": 1}
    assert house.ledger.one("select count(distinct net) from execution") == 1
    await house.ledger.sound()
