"""Compiled nets do what plain Python does, for random programs; and the test that says so sees.

What differs by design is not generated or counts as equal: an accident in glue stalls the net
where Python unwinds (C17). Behind the first error of a `together` nothing compensatable lands.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perdure.engine.client import Engine
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.errors import Stalled
from perdure.model.language.workflows import Workflow
from perdure.model.program import Program

from .compiled import compiled
from .differential_runs import Mail, Outcome, load, ordered, run_net, run_python, same, told
from .differential_world import TRACE, Item
from .miscompilations import PLANTED, Patch
from .programs import Source, generate

CHUNKS = 8
PROGRAMS = 2500 if settings.get_current_profile_name() == "nightly" else 200
"""Programs per chunk; the chunks can run beside each other."""
RUNS = 3
RARE = 0.02
ENGINE_RUNS = 60
Case = tuple[tuple[int, int], Mail]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of its own for `.direct`."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def case(r: random.Random) -> Case:
    """Inputs, and the messages that will come."""
    mail: list[tuple[str, Any, int]] = []
    for name in r.choices(["note", "word"], k=r.randint(0, 7)):
        value = Item(r.randint(0, 9)) if name == "note" else "w" * r.randint(0, 3)
        mail.append((name, value, r.choice([0, 0, 2, 5])))
    return (r.randint(0, 9), r.randint(0, 9)), tuple(mail)


def seeded(seed: int) -> tuple[Source, list[Case]]:
    """Program number `seed` with what it is run on."""
    r = random.Random(seed)
    source = generate(r)
    return source, [case(r) for _ in range(RUNS)]


def difference(
    loop: asyncio.AbstractEventLoop,
    source: Source,
    cases: list[Case],
    number: int,
    program: Program | None = None,
) -> str | None:
    """What a net does otherwise than Python, with the program; None when nothing. May refuse."""
    program = program or compile_workflow(load(source.text, number))
    flow: Workflow[..., Any] = program.workflow
    again = "re-raise" in source.constructs
    for inputs, mail in cases:
        python = run_python(loop, flow, inputs, mail)
        for resume, dice in ((False, None), (True, random.Random(number))):
            net = run_net(program, inputs, mail, resume, dice)
            if not same(python, net, again):
                words = "resumed after every firing" if resume else "in one go"
                return (
                    f"program {number}, inputs {inputs}, mail {mail}, {words}\n"
                    f"python {python}\nnet    {net}\n{source.text}"
                )
    return None


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_net_does_what_python_does(chunk: int, loop: asyncio.AbstractEventLoop) -> None:
    """Result or exception, and the trace; in one go, and from the log after every firing."""
    refused = 0
    for number in range(chunk * PROGRAMS, (chunk + 1) * PROGRAMS):
        source, cases = seeded(number)
        try:
            program = compiled(number)
            found = difference(loop, source, cases, number, program) if program else None
        except Exception as error:
            error.add_note(f"program {number}, cases {cases}\n{source.text}")
            raise
        refused += program is None
        assert found is None, found
    assert refused < PROGRAMS / 5


@given(st.randoms(use_true_random=False))
def test_a_net_does_what_python_does_for_programs_that_shrink(r: random.Random) -> None:
    """The same, with Hypothesis as dice: what fails is told by a small program."""
    source = generate(r)
    made = asyncio.new_event_loop()
    try:
        found = difference(made, source, [case(r)], 0)
    except CompileError:
        return
    finally:
        made.close()
    assert found is None, found


def test_every_construct_and_every_way_out_occurs(
    loop: asyncio.AbstractEventLoop, capsys: pytest.CaptureFixture[str]
) -> None:
    """How often each occurs in the programs above is printed; below 2 % the test is blind."""
    constructs, exits = Counter[str](), Counter[str]()
    pairs = Counter[tuple[str, str]]()
    total = CHUNKS * min(PROGRAMS, 200)
    for number in range(total):
        source, cases = seeded(number)
        constructs.update(source.constructs)
        pairs.update(source.pairs)
        flow = load(source.text, number)
        outcomes = [run_python(loop, flow, *each) for each in cases]
        exits.update({ending(o) for o in outcomes})
    with capsys.disabled():
        print(f"\n{total} programs, {total * RUNS} runs; per cent of programs with each")
        print("constructs", _shares(constructs, total))
        print("exits", _shares(exits, total))
        print("nested", _shares(Counter({" > ".join(k): n for k, n in pairs.items()}), total))
    rare = {name: n for name, n in (constructs + exits).items() if n < RARE * total}
    assert not rare
    wanted = [(a, b) for a in NESTING for b in (*NESTED, "return", "raise")]
    wanted += [(a, b) for a in NESTING for b in ("break", "continue")]
    missing = [f"{a} > {b}" for a, b in wanted if not pairs[a, b]]
    assert not missing


NESTING = ("if", "else", "elif", "while", "for", "try", "except", "try else", "saga", "match",
           "match on values")  # fmt: skip
NESTED = ("if", "while", "for over list", "for over range", "for over tuple", "for over view",
          "try", "saga", "together", "first", "race", "match on values", "retries")  # fmt: skip
"""Each of the second, and each way out, occurs directly in each of the first. There are more
pairs than programs could have 2 % of each: a pair must occur, and all are printed."""


def ending(outcome: Outcome) -> str:
    """The kind of a way out of a workflow."""
    return f"raised {outcome.what[0]}" if outcome.how == "raised" else outcome.how


def _shares(counts: Counter[str], total: int) -> str:
    return ", ".join(f"{name} {100 * n / total:.1f}" for name, n in counts.most_common())


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.__name__)
def test_a_planted_miscompilation_is_found(
    fault: Patch,
    loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Within 1,000 programs a net differs from Python, or does what no net may."""
    fault(monkeypatch)
    for number in range(1000):
        source, cases = seeded(number)
        try:
            found = difference(loop, source, cases, number)
        except CompileError:
            continue
        except Exception as broken:
            found = repr(broken)
        if found is not None:
            with capsys.disabled():
                print(f"\n{fault.__name__}: found by program {number + 1} of 1,000", end=" ")
            return
    pytest.fail(f"{fault.__name__} is not seen")


# --- the real engine ---------------------------------------------------------------------------

_TIMED = frozenset({"sleep", "sleep_until", "at", "now", "race", "first"})


def comparable(source: Source) -> bool:
    """Whether order and moments of a real run are not free: no clock, no branch that may fail."""
    forks = [line for line in source.text.splitlines() if "together(" in line]
    risky = any(word in line for line in forks for word in ("picky(", "hold(", "charge(", "sleep("))
    return not risky and not source.constructs & _TIMED


async def test_the_real_engine_does_what_python_does() -> None:
    """A sample with tasks, threads, commits and an in-memory database: the same once more."""
    done, number = 0, 0
    async with Engine("sqlite://") as engine:
        while done < ENGINE_RUNS:
            number += 1
            source, cases = seeded(number)
            if not comparable(source):
                continue
            flow = load(source.text, number)
            inputs, mail = cases[0]
            mail = tuple((name, value, 0) for name, value, _ in mail)
            python = await _python(flow, inputs, mail)
            if python.how == "blocked":
                continue
            real = await _real(engine, flow, inputs, mail, f"run-{number}")
            assert same(python, real, "re-raise" in source.constructs), source.text
            done += 1


async def _python(flow: Workflow[..., Any], inputs: tuple[int, int], mail: Mail) -> Outcome:
    def run() -> Outcome:
        made = asyncio.new_event_loop()
        try:
            return run_python(made, flow, inputs, mail)
        finally:
            made.close()

    return await asyncio.to_thread(run)


async def _real(
    engine: Engine, flow: Workflow[..., Any], inputs: tuple[int, int], mail: Mail, id: str
) -> Outcome:
    from . import differential_world as world

    TRACE.clear()
    run = await engine.start(flow(*inputs), id=id)
    try:
        for name, value, _ in mail:
            await run.send(getattr(world, name), value)
    except Exception as ended:
        assert type(ended).__name__ == "ExecutionFinished", ended
    try:
        how, what = "value", await run.result()
    except Stalled as stalled:
        how, what = "stalled", _accident(stalled)
    except Exception as error:
        how, what = "raised", told(error)
    return Outcome(how, what, ordered(TRACE))


def _accident(stalled: Stalled) -> Any:
    """Type and arguments of the accident, as the traceback tells them."""
    name, _, text = str(stalled).strip().splitlines()[-1].partition(": ")
    known: dict[str, Any] = {"KeyError": int, "IndexError": str, "ZeroDivisionError": str}
    return name, (known.get(name, str)(text),)
