"""Compiled workflows run as Python runs them, and their nets are safe and sound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from perdure.model.compiler.compile import compile_workflow
from perdure.model.firing import fire_with_glue
from perdure.model.language.decorators import compensatable, idempotent, irreversible
from perdure.model.language.effects import Retry
from perdure.model.language.scopes import saga
from perdure.model.language.waits import Elapsed, Signal, after, first, together
from perdure.model.language.workflows import Workflow, workflow
from perdure.model.marking import RESULT, Moment, Token, Wiring, candidates, wire
from perdure.model.net import FINAL, Net, PlaceKind
from perdure.model.net import TransitionKind as T
from perdure.model.program import Program

TRACE: list[str] = []


class Bad(Exception):
    """What steps of these tests raise."""


class Worse(Bad):
    """A kind of it."""


@idempotent(retry=Retry(attempts=1))
async def add(a: int, b: int = 1) -> int:
    TRACE.append(f"add {a} {b}")
    return a + b


@idempotent(retry=Retry(attempts=1))
async def fail(text: str) -> int:
    TRACE.append(f"fail {text}")
    raise Worse(text)


@idempotent(retry=Retry(attempts=None))
async def say(what: str) -> str:
    TRACE.append(f"say {what}")
    return what.upper()


@compensatable(refused=(Bad,))
async def hold(n: int) -> int:
    TRACE.append(f"hold {n}")
    if n < 0:
        raise Bad("negative")
    return n * 10


@hold.undo
async def release(got: int | None, n: int) -> None:
    TRACE.append(f"release {got} {n}")


@irreversible(refused=(Bad,))
async def charge(n: int) -> str:
    TRACE.append(f"charge {n}")
    if n > 100:
        raise Bad("too much")
    return f"c{n}"


# --- a small engine: fires whatever is next, steps run at once, no faults ---------------------


def run(program: Program, *inputs: Any, mail: dict[str, list[Any]] | None = None) -> Any:
    """Fire until a final place is marked; returns the value or raises the error."""
    net = program.net
    wiring, queue = wire(net), {k: deque(v) for k, v in (mail or {}).items()}
    given = {v: program.codecs[v].seal(x) for v, x in zip(program.inputs, inputs, strict=True)}
    marking: Mapping[int, Token] = {net.place[net.initial]: Token(given, 0, 0)}
    for seq in range(1, 2000):
        for place in marking:
            found = net.places[place]
            if found.kind in FINAL:
                frame = marking[place].frame
                if found.kind is PlaceKind.FAILED:
                    raise frame["$error"].get()
                return frame["$value"].get() if frame else None
        number, brings = _next(program, wiring, marking, queue)
        fired = fire_with_glue(program, marking, number, brings, Moment(seq, seq, f"k{seq}"))
        marking = fired.marking
    raise AssertionError("it does not end")


def _next(
    program: Program, wiring: Wiring, marking: Mapping[int, Token], queue: dict[str, deque[Any]]
) -> tuple[int, dict[str, Any]]:
    net = program.net
    able = [(i, net.transitions[i]) for i in candidates(wiring, marking)]
    for kind in (T.INTENT, T.UNDO, T.UNDONE, T.LANDED, T.STEP):
        for i, t in able:
            if t.kind is not kind:
                continue
            frame = marking[net.place[t.take[0]]].frame
            if kind in (T.UNDO, T.UNDONE):
                stack = frame[t.stack]
                if kind is T.UNDONE and not stack:
                    return i, {}
                if kind is T.UNDO and stack and stack[-1].site == t.site:
                    entry = stack[-1]
                    undo = program.steps[t.site].undo_step
                    values = [a.get() for a in entry.arguments]
                    assert undo is not None
                    asyncio.run(undo.fn(*undo.values(entry.result.get(), tuple(values))))
                    return i, {}
                continue
            if kind is T.INTENT:
                return i, {}
            return _called(program, able, t, frame)
    for i, t in able:
        if t.kind is T.RECEIVE and queue.get(net.site[t.site].target):
            value = queue[net.site[t.site].target].popleft()
            sealed = program.channels[net.site[t.site].target].seal(value)
            return i, {t.binds: sealed} if t.binds else {}
    for i, t in able:
        if t.kind not in (T.RECEIVE, T.DUE, T.CANCEL, T.RAISES, T.REFUSED, T.CRASH, T.RETRY):
            return i, {}
    for i, t in able:
        if t.kind is T.DUE:
            waits = net.site[t.site].target in ("after", "at")
            value = Elapsed() if waits else None
            return i, {t.binds: program.codecs[t.binds].seal(value)} if t.binds else {}
    raise AssertionError(f"stuck in {[net.places[p].name for p in marking]}")


def _called(program: Program, able: Any, t: Any, frame: Any) -> tuple[int, dict[str, Any]]:
    step, site = program.steps[t.site], program.net.site[t.site]
    args, kwargs = step.spread(tuple(frame[v].get() for _, v in site.arguments))
    good = (T.STEP, T.LANDED)
    try:
        result = program.results[t.site].seal(asyncio.run(step.fn(*args, **kwargs)))
    except Exception as error:
        i, to = next(
            (i, x) for i, x in able if x.site == t.site and x.kind in (T.RAISES, T.REFUSED)
        )
        return i, {to.binds: program.codecs["$error"].seal(error)}
    i, to = next((i, x) for i, x in able if x.site == t.site and x.kind in good)
    return i, {to.binds or RESULT: result}


# --- a brute-force check of the control net ---------------------------------------------------


def judge(net: Net) -> list[str]:
    """What is wrong with a net: unsafe, stuck, improper or dead."""
    start = frozenset([net.initial])
    seen, todo, used = {start}, deque([start]), set[int]()
    back: dict[frozenset[str], list[frozenset[str]]] = {}
    while todo:
        at = todo.popleft()
        for i, t in enumerate(net.transitions):
            if not at.issuperset((*t.take, *t.read)):
                continue
            used.add(i)
            rest = at - set(t.take)
            if rest & set(t.put):
                return [f"unsafe: {t.name}"]
            new = rest | set(t.put)
            back.setdefault(new, []).append(at)
            if new not in seen:
                seen.add(new)
                todo.append(new)
    finals = [m for m in seen if m & set(net.finals)]
    wrong = [f"improper end {sorted(m)}" for m in finals if len(m) > 1]
    good, todo = set(finals), deque(finals)
    while todo:
        for m in back.get(todo.popleft(), ()):
            if m not in good:
                good.add(m)
                todo.append(m)
    wrong += [f"cannot end: {sorted(m)}" for m in seen - good]
    wrong += [f"dead: {t.name}" for i, t in enumerate(net.transitions) if i not in used]
    vanishing = {p.name for p in net.places if p.kind is PlaceKind.VANISHING}
    wrong += [f"two vanishing: {sorted(m)}" for m in seen if len(m & vanishing) > 1]
    return wrong


# --- workflows --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """Something with a field."""

    n: int


note = Signal[Item]("note")


@workflow
async def straight(x: int) -> str:
    y = await add(x * 2)
    z = await add(b=y, a=x) + await add(y) * 2
    await say("unused")
    name = f"{z}!"
    return (await say(name)) + name


@workflow
async def nothing() -> None:
    """It does nothing."""


@workflow
async def tangled(x: int) -> int:
    xs = [x, x + 1]
    got = (await add(xs[0])) + len(xs) * (await add(xs[1])) if x > 0 else await add(x)
    both = x > 1 and (await add(got)) > 5
    return max(await add(got, b=await add(1)), got, int(both))


def mark(n: int) -> int:
    """Leaves a trace of when it was evaluated."""
    TRACE.append(f"mark {n}")
    return n


@workflow
async def ordered(x: int) -> int:
    y = mark(1) + await add(mark(2), b=mark(3)) * mark(4) + await add(mark(5)) - mark(6)
    xs = [mark(7), await add(mark(8)), mark(9), *[mark(10)]]
    if (mark(x) > 0 and (await add(mark(11))) > mark(12)) or (await add(mark(13))) < 0:
        y += mark(14) + await add(xs[0], mark(15))
    d = {mark(16): await add(mark(17)), mark(18): mark(19)}
    z = (w := mark(20)) + await add(w) if await add(x) > 1 else -(await add(mark(21)))
    return max(y, z, len(d), await add(mark(22)), mark(23))


@workflow
async def loops(n: int) -> int:
    total = 0
    for i in range(n):
        if i == 1:
            continue
        if i == 5:
            break
        total += await add(total, i)
    else:
        total = -total
    k = 0
    while k < 3:
        k = k + 1
        if k == 2:
            await say("two")
    for a, b in [(1, 2), (3, 4)]:
        for c in (a, b):
            total = await add(total, c)
    return total


@workflow
async def guarded(x: int) -> str:
    seen = ""
    try:
        seen = "a"
        y = await fail("one") if x else await add(1)
        seen = f"{y}"
    except Worse as error:
        try:
            seen += await say(str(error))
            raise
        except (ValueError, Bad) as again:
            return f"{seen} {again}"
    except Bad:
        seen = "never"
    else:
        seen = "else"
    return seen


@workflow
async def checks(x: int) -> int:
    try:
        await say("in")
        assert x > 0, "small"
        if x > 5:
            raise Bad(f"big {x}")
        y = {1: 10}[x]
        return await add(y)
    except AssertionError:
        return -1
    except KeyError:
        return -2


@workflow
async def booking(n: int, m: int) -> str:
    try:
        async with saga():
            a = await hold(n)
            b, _ = await together(hold(m), say("side"))
            if a == 70:
                return "early"
            paid = await charge(a + b)
    except Bad as error:
        return f"undone: {error}"
    await say(paid)
    return paid


@workflow
async def waiting(limit: int) -> str:
    out = ""
    while True:
        got = await first(note.wait(), after(timedelta(days=1)))
        match got:
            case Item(n=n) if n > limit:
                return f"{out} over {n}"
            case Item(n):
                out += f"{n} "
            case Elapsed():
                return out + "late"


@workflow
async def race(n: int) -> int:
    match await first(add(n), after(timedelta(hours=1))):
        case int(x):
            return x
        case _:
            return -1


@workflow
async def spinning(n: int) -> int:
    while n > 0:
        n -= 1
        if n == 2:
            n = await add(n, -1)
    return n


CASES: list[tuple[Workflow[..., Any], list[tuple[Any, ...]]]] = [
    (straight, [(3,), (0,)]),
    (nothing, [()]),
    (tangled, [(0,), (1,), (7,)]),
    (ordered, [(0,), (1,), (-1,)]),
    (loops, [(0,), (2,), (4,), (9,)]),
    (guarded, [(0,), (1,)]),
    (checks, [(0,), (1,), (3,), (9,)]),
    (booking, [(1, 2), (7, 1), (-1, 2), (1, -2), (9, 9)]),
    (race, [(4,)]),
    (spinning, [(0,), (5,)]),
]


@pytest.mark.parametrize("flow", [*(c[0] for c in CASES), waiting], ids=lambda f: f.name)
def test_emitted_nets_are_safe_and_sound(flow: Workflow[..., Any]) -> None:
    """C3: safe, every reachable marking can end, ends hold one token, nothing is dead."""
    assert judge(compile_workflow(flow).net) == []


@pytest.mark.parametrize(
    ("flow", "inputs"),
    [(flow, inputs) for flow, many in CASES for inputs in many],
    ids=lambda v: getattr(v, "name", str(v)),
)
def test_a_net_does_what_the_function_does(flow: Workflow[..., Any], inputs: Any) -> None:
    """Result or exception, and the order of all steps and undos, equal plain Python's."""

    def outcome(call: Any) -> tuple[Any, list[str]]:
        TRACE.clear()
        try:
            got = call()
        except Exception as error:
            got = (type(error), error.args)
        return got, list(TRACE)

    program = compile_workflow(flow)
    assert outcome(lambda: run(program, *inputs)) == outcome(
        lambda: asyncio.run(_direct(flow, inputs))
    )


async def _direct(flow: Workflow[..., Any], inputs: Any) -> Any:
    return await flow.direct(*inputs)


def test_waiting_takes_what_comes_first() -> None:
    """Messages in order, then the timer; a guard chooses among the cases."""
    program = compile_workflow(waiting)
    assert run(program, 5, mail={"note": [Item(1), Item(2)]}) == "1 2 late"
    assert run(program, 1, mail={"note": [Item(1), Item(2)]}) == "1  over 2"
