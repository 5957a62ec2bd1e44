"""C25, C30, C31: a frame is a tree of values, and inference is right about them at run time."""

from __future__ import annotations

import asyncio
import copy
import textwrap
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from perdure import Elapsed
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.firing import GlueStuck
from perdure.model.values.shapes import class_of

from . import differential_world as world
from . import kinds_world as kw
from .differential_runs import Mail, Outcome, load, logged, run_net, run_python
from .kinds_table import HEAD, PARAMETERS, ROWS
from .test_compiler_runs import run

SHELF = kw.Line("a", 2, Decimal("1.50"), "note")
ORDER = kw.Order(1, [SHELF], {"t": 1}, SHELF)
VALUES: dict[str, Any] = {
    "n": 2, "f": 2.5, "b": True, "s": "2026-01-02", "d": Decimal("2.50"),
    "t": datetime(2026, 1, 2, 3, tzinfo=UTC), "day": date(2026, 1, 2), "span": timedelta(hours=3),
    "xs": [3, 1], "fs": [0.5, 1.5], "ds": [Decimal(1)], "pairs": [("a", 1)], "m": {"A": 2, "a": 1},
    "order": ORDER, "line": SHELF, "some": SHELF, "outcome": kw.Paid(Decimal(3)),
    "point": kw.Point(1, 2.0), "row": {"id": 1, "name": "a", "note": "x"},
    "event": kw.Event(datetime(2026, 1, 1, tzinfo=UTC), "e"), "box": kw.Box(4), "names": {"a", "b"},
    "triple": (1, "a", 2.5), "anys": (1, 2), "color": kw.Color.RED, "level": kw.Level.LOW,
    "uid": 7, "u": 5, "lines": [SHELF], "deep": {"a": [1]}, "raw": b"ab",
}  # fmt: skip
OTHERS = {"b": False, "some": None, "outcome": kw.Refused("r"), "u": "text", "n": 0, "xs": [1, 1]}
MAIL: Mail = (("answer", kw.Paid(Decimal(1)), 0), ("word", "w", 0))


def told(value: Any) -> str:
    """A value in words: types told apart, order of dicts and sets left out."""
    kind = class_of(value).__name__
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return f"{{{', '.join(sorted(f'{told(k)}: {told(v)}' for k, v in pairs))}}}"
    if isinstance(value, (set, frozenset)):
        return f"{kind}({sorted(map(told, cast('set[Any]', value)))})"
    if isinstance(value, (list, tuple)):
        return f"{kind}({', '.join(map(told, cast('list[Any]', value)))})"
    return repr(value)


def _scope() -> dict[str, Any]:
    scope: dict[str, Any] = {n: v for n, v in vars(kw).items() if not n.startswith("__")}
    scope["__annotations__"] = dict(kw.__annotations__)
    exec(HEAD, scope)
    return scope | {"told": told, "Elapsed": Elapsed}


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of its own for `.direct`."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def _both(text: str, loop: asyncio.AbstractEventLoop, values: dict[str, Any]) -> list[Outcome]:
    flow = load(text, 0, _scope())
    program = compile_workflow(flow)
    one, two = (copy.deepcopy(tuple(values.values())) for _ in range(2))
    return [run_python(loop, flow, one, MAIL), run_net(program, two, MAIL, resume=True)]


def test_every_value_fits_the_type_that_was_inferred_for_it(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """The whole table, kept over an await and read back from bytes: as plain Python, or PD20x.

    Never a refusal when it runs: then inference would have said what is not so.
    """
    kept, codes = 0, set[str]()
    for body, wanted in ROWS:
        if "x: float" in body or "RATE" in body:  # annotated: their int is kept as the float
            continue
        if "while" in body:  # these are for reading: some of them would not end
            continue
        lines = [body, "await tell('')", f"return told(({', '.join(wanted)},))"]
        text = f"async def w({PARAMETERS}) -> str | None:\n"
        text = f"@workflow\n{text}{textwrap.indent(chr(10).join(lines), '    ')}\n"
        for values in (VALUES, VALUES | OTHERS):
            try:
                python, net = _both(text, loop, values)
            except CompileError as refused:
                codes |= {f.code for f in refused.findings if not f.warning}
                continue
            kept += 1
            if net.how == "stalled" and net.what[0] == "ValueRefused":
                assert "without a time zone" in net.what[1][0], (body, net)
            elif net.how == "stalled":
                assert (python.how, python.what) == ("raised", net.what), body
            else:
                assert net == python, body
    assert kept > 600
    assert codes <= {"PD201", "PD202", "PD203", "PD204", "PD207", "PD116"}, codes


# --- a tree of values ----------------------------------------------------------------------------

MUTATING = """\
@idempotent
async def spoil(xs: list[int]) -> list[int]:
    xs.append(99)
    return xs

@idempotent
async def spoil_order(order: Order) -> None:
    order.lines.clear()

@workflow
async def w(xs: list[int], order: Order) -> str:
    got = await spoil(xs)
    first, second = await together(spoil.named("one")(xs), spoil.named("two")(xs))
    await spoil_order(order)
    got.append(1)
    nested = [xs, xs]
    await tell("")
    nested[0].append(7)
    return told((xs, got, first, second, order.lines, nested))
"""


def test_a_step_that_changes_its_argument_is_seen_by_no_other_reader() -> None:
    """Not by glue, not by a parallel branch, not by a list that holds it twice; resumed or not."""
    flow = load(MUTATING, 0, _scope() | {"idempotent": kw.idempotent})
    program = compile_workflow(flow)
    for resume in (False, True):
        made = run_net(program, ([1], kw.Order(1, [SHELF])), (), resume)
        assert made.how == "value"
        assert made.what == (
            "tuple(list(1), list(1, 99, 1), list(1, 99), list(1, 99), "
            f"list({SHELF!r}), list(list(1, 7), list(1)))"
        )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("float('nan')", "nan has no JSON"),
        ("float('inf')", "inf has no JSON"),
        ("[1.5, float('nan')]", "[1]: nan has no JSON"),
        ("'a\\ud800'", "a lone surrogate has no bytes"),
        ("{'k': '\\udfff'}", "['k']: a lone surrogate has no bytes"),
        ("Line('\\udfff', 1, d)", ".sku: a lone surrogate has no bytes"),
    ],
)
def test_a_value_that_would_not_come_back_is_refused_with_its_name(value: str, why: str) -> None:
    """Before the commit: the variable, the place in the source, the way inside, the reason."""
    body = f"    bad = {value}\n    await tell('')\n    return told(bad)\n"
    text = f"@workflow\nasync def w(s: str, d: Decimal) -> str:\n{body}"
    program = compile_workflow(load(text, 0, _scope()))
    with pytest.raises(GlueStuck) as caught:
        run(program, "a", Decimal(1))
        raise AssertionError("it was kept")
    assert "`bad`" in caught.value.reason and why in caught.value.reason
    assert "from <generated 0>:3 on" in caught.value.reason


# --- the firing record ---------------------------------------------------------------------------

THRIFTY = """\
@workflow
async def w(name: str, order: Order, n: int) -> str:
    total = await count(n)
    held = await hold(1, total)
    paid = await charge(2, total)
    for _ in range(2):
        await tell(name)
    if total > 1 and held:
        await tell(paid)
    return told((name, order, total))
"""


def test_a_step_with_a_small_result_costs_at_most_60_bytes() -> None:
    """C36: a record tells the way and what was assigned, nothing that stands in the net or before.

    The frame holds a name of 400 letters and an order all the way: no record repeats them.
    """
    scope = _scope() | {"hold": world.hold, "charge": world.charge}
    program = compile_workflow(load(THRIFTY, 0, scope))
    records = logged(program, ("n" * 400, ORDER, 2), ())
    started, *fired, end = records
    assert len(started[1]) > 400 and len(end[1]) > 400  # the inputs, the result
    assert len(fired) == 10, [name for name, _ in fired]
    assert not [(name, body) for name, body in fired if len(body) > 60]
