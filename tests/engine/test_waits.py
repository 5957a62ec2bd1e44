"""Which wait gets which message, over random forks and arrivals, with crashes in between (41).

Order of arrival on one channel is in `test_messages.py`; races are in `tests/crash/test_races.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from perdure import Engine, Signal, together, workflow
from perdure.model.language.workflows import Workflow

from ..model.differential_runs import load
from .stage import Stage

CHANNELS = {name: Signal[int](name) for name in ("one", "two", "three")}
_FILES = [0]

Forks = list[list[str]]
"""One `together` after another; of each the channel that every branch waits for."""
forks = st.lists(
    st.lists(st.sampled_from(sorted(CHANNELS)), min_size=1, max_size=5), min_size=1, max_size=3
)


def readers(shape: Forks) -> Workflow[..., Any]:
    """A workflow that returns what every wait got, in the order of the source."""
    lines = ["@workflow", "async def w(n: int) -> list[int]:", "    got: list[int] = []"]
    for channels in shape:
        waits = ", ".join(f"{name}.wait()" for name in channels)
        lines += [
            f"    got.extend(await together({waits}))"
            if len(channels) > 1
            else f"    got.append(await {waits})"
        ]
    _FILES[0] += 1
    scope = {**CHANNELS, "together": together, "workflow": workflow}
    return load("\n".join([*lines, "    return got", ""]), 920_000 + _FILES[0], scope)


def meant(shape: Forks, mail: list[tuple[str, int]]) -> list[int]:
    """The rule, written down once more: the wait that was entered first gets the first message."""
    left = {name: deque(n for channel, n in mail if channel == name) for name in CHANNELS}
    return [left[name].popleft() for channels in shape for name in channels]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), shape=forks)
def test_the_wait_that_was_entered_first_gets_the_first_message(
    data: st.DataObject, shape: Forks
) -> None:
    """Whatever waits beside it, in whichever order the channels are served, and whether the process
    dies between two messages: a resume gives every message to the same wait."""
    needed = Counter(name for channels in shape for name in channels)
    extra = data.draw(st.lists(st.sampled_from(sorted(CHANNELS)), max_size=3))
    order = data.draw(st.permutations([*needed.elements(), *extra]))
    mail = [(name, number) for number, name in enumerate(order)]
    deaths = data.draw(st.sets(st.integers(1, len(mail)), max_size=3))
    flow, stage, sent = readers(shape), Stage(), 0

    async def some(engine: Engine) -> None:
        run = await engine.start(flow(0), id="e")
        nonlocal sent
        for channel, number in mail[sent:]:
            row = await stage.store.find("e")
            if row is not None and row.status.final:
                break
            await run.send(CHANNELS[channel], number)
            sent += 1
            if sent in deaths:
                await asyncio.sleep(data.draw(st.sampled_from([0, 2])))
                return

    async def rest(engine: Engine) -> list[int]:
        await some(engine)
        result: list[int] = await engine.find(flow, "e").result()
        return result

    for _ in range(len(deaths)):
        stage.play_and_die(some)
    deaths.clear()
    assert stage.play(rest) == meant(shape, mail)
    asyncio.run(stage.lawful())
