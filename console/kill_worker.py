"""One life of a worker that `perdure chaos --kill` kills: it serves orders until its fate is met.

    python -m perdure.console.kill_worker '{"db": ..., "name": ..., "fate": ...}'

What it says on stdout is for its parent; whether what happened was right is not decided here.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from ..chaos.deadly import DeadlyStore, DeadlyWorld, Fatal
from ..chaos.kills import Fate, Moment
from ..engine.client import Engine
from ..engine.errors import StoreUnavailable
from .demo.lifeline import end_with_stdin
from .demo.moments import CallAgain, say
from .demo.order import fulfil_order

UNBORN = 4  # exit code: the store could not be used
AT_ONCE = 2  # executions that one worker holds, so that all have some


class Life(msgspec.Struct):
    """What a worker is told at birth."""

    db: str
    name: str
    lease_seconds: float
    fate: Fate | None = None
    unprotected: bool = False  # "in doubt" is taken for "not done": call again


async def live(life: Life) -> None:
    """Serve until the parent closes stdin, if nothing happens before."""

    def tell(kind: str, moment: Moment) -> None:
        say("meets", signal=kind, moment=moment.value)

    store = DeadlyStore(life.db)
    store.fatal = Fatal(life.fate, tell)
    world = DeadlyWorld(store.fatal, CallAgain(None, "") if life.unprotected else None)
    async with Engine(
        life.db,
        store=store,
        world=world,
        name=life.name,
        concurrency=AT_ONCE,
        lease_seconds=life.lease_seconds,
    ) as engine:
        await engine.serve(fulfil_order)
        say("ready")
        await asyncio.Event().wait()


def main(told: str) -> int:
    """Live; the exit code. Who cannot begin, since another holds the writer, says so and ends."""
    try:
        asyncio.run(live(msgspec.json.decode(told, type=Life)))
    except StoreUnavailable as away:
        say("unborn", why=str(away))
        return UNBORN
    return 0


if __name__ == "__main__":
    end_with_stdin()
    sys.exit(main(sys.argv[1]))
