"""What a log says is what happened: folding it gives the marking that was in memory."""

from __future__ import annotations

from typing import Any

from perdure import Engine, Signal, compensatable, effect_key, idempotent, saga, workflow
from perdure.engine import checkpoint, kernel
from perdure.engine.bodies import decode
from perdure.engine.loading import fold, values_of
from perdure.engine.records import NO_TRANSITION, Record
from perdure.model.compiler import compile_workflow
from perdure.model.program import Program

news = Signal[int]("news")


@idempotent
async def measure(number: int) -> int:
    """Give a number back."""
    return number


@workflow
async def adds_to_a_result(number: int) -> int:
    """The glue behind a step changes the variable its result is bound to."""
    found = await measure(number)
    found += 1
    return await measure(found)


@workflow
async def adds_to_a_message(number: int) -> int:
    """The same for a message."""
    told = await news.wait()
    told += number
    return await measure(told)


def frames(program: Program, records: list[Record]) -> list[dict[str, Any]]:
    """The variables in the marking after each prefix of a log, decoded."""
    found: list[dict[str, Any]] = []
    for end in range(1, len(records) + 1):
        state = fold(program, None, records[:end], values_of(program))
        tokens = [t.frame for t in state.marking.values()]
        found.append({name: v.get() for frame in tokens for name, v in frame.items()})
    return found


async def log_of(engine: Engine, key: str) -> list[Record]:
    """The records of an execution."""
    row = await engine.store.find(key)
    assert row is not None
    return await engine.store.log(row.id)


def before(program: Program, records: list[Record], variable: str) -> list[Any]:
    """The values a variable has in the foldings that hold it."""
    return [f[variable] for f in frames(program, records) if variable in f]


async def test_what_glue_makes_of_a_result_wins_over_the_result() -> None:
    """A recovered execution goes on with `found + 1`, not with what the step returned."""
    async with Engine("sqlite://") as engine:
        assert await engine.run(adds_to_a_result(41), id="r") == 42
        records = await log_of(engine, "r")
    program = compile_workflow(adds_to_a_result)
    assert set(before(program, records, "found")) == {42}


async def test_what_glue_makes_of_a_message_wins_over_the_message() -> None:
    """The same for what a message brought."""
    async with Engine("sqlite://") as engine:
        run = await engine.start(adds_to_a_message(40), id="m")
        await run.send(news, 2)
        assert await run.result() == 42
        records = await log_of(engine, "m")
    program = compile_workflow(adds_to_a_message)
    assert set(before(program, records, "told")) == {42}


async def test_a_record_keeps_the_result_and_the_change() -> None:
    """The log shows both what the step returned and what the glue made of it."""
    async with Engine("sqlite://") as engine:
        await engine.run(adds_to_a_result(41), id="b")
        records = await log_of(engine, "b")
    bodies = [decode(r.body) for r in records if r.transition != NO_TRANSITION]
    (both,) = [b for b in bodies if "found" in b.d]
    assert (bytes(both.r), bytes(both.d["found"])) == (b"41", b"42")


@workflow
async def drops_a_message(number: int) -> int:
    """A message that no variable is bound to."""
    await news.wait()
    return await measure(number)


async def test_a_message_bound_to_nothing_is_folded() -> None:
    """Reading the log back does not need a variable for what it took."""
    async with Engine("sqlite://") as engine:
        run = await engine.start(drops_a_message(7), id="d")
        await run.send(news, 2)
        assert await run.result() == 7
        records = await log_of(engine, "d")
    found = frames(compile_workflow(drops_a_message), records)
    assert found[-1] == {"$value": 7}


@compensatable
async def reserve(number: int) -> int | None:
    """Something that can be undone, with a result that may be None."""
    return number or None


@reserve.undo
async def release(made: int | None) -> None:
    """Undo it."""


@workflow
async def keeps_an_undo(number: int) -> None:
    """An undo stack holds entries while the saga waits."""
    async with saga():
        await reserve(0)
        await reserve(number)
        await news.wait()


async def test_a_checkpoint_keeps_what_the_undo_stack_holds() -> None:
    """State to bytes and back is the same state, landed undo entries and None results included."""
    async with Engine("sqlite://") as engine:
        run = await engine.start(keeps_an_undo(5), id="c")
        await run.send(news, 1)
        await run.result()
        records = await log_of(engine, "c")
    program = compile_workflow(keeps_an_undo)
    value = values_of(program)
    held: list[int] = []
    for end in range(1, len(records) + 1):
        state = fold(program, None, records[:end], value)
        again = checkpoint.decode(program.net, checkpoint.encode(program.net, state), value)
        assert again == state
        held += [len(v) for t in state.marking.values() for v in t.frame.values() if is_stack(v)]
    assert max(held) == 2


def is_stack(value: object) -> bool:
    """Undo stacks are the only tuples in a frame."""
    return isinstance(value, tuple)


KEYS: list[str] = []


@idempotent
async def count(number: int) -> int:
    """One more, and under which key."""
    KEYS.append(effect_key())
    return number + 1


@workflow
async def counts(number: int) -> int:
    """The same call site again, right behind itself."""
    while number < 3:
        number = await count(number)
    return number


async def test_a_call_site_that_is_met_again_makes_a_new_call() -> None:
    """A loop counts its calls; only what was voided or undone makes the same one anew."""
    KEYS.clear()
    async with Engine("sqlite://") as engine:
        assert await engine.run(counts(0), id="c") == 3
    expected = [kernel.effect_key("c", "count", number, 0) for number in (1, 2, 3)]
    assert list(KEYS) == expected  # no attempt was voided


def test_an_execution_begins_with_one_token_of_record_zero() -> None:
    """Whether a token's record is durable is asked by that number."""
    program = compile_workflow(counts)
    state = kernel.begin(program, {}, 7)
    (place,) = state.marking
    assert program.net.places[place].name == program.net.initial
    assert (state.marking[place].seq, state.marking[place].at) == (0, 7)
    assert not state.calls and not state.intents
