"""Calls: made without running, handed over once, refused where nothing can run them."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import pytest
from perdure import (
    DefinitionError,
    PlacementError,
    Signal,
    after,
    at,
    days,
    effect_key,
    effect_order,
    first,
    hours,
    idempotent,
    minutes,
    now,
    saga,
    seconds,
    sleep,
    sleep_until,
    together,
    workflow,
)
from perdure.model.language.calls import Call
from perdure.model.language.vocabulary import STEP_WORDS, VOCABULARY, WORKFLOW_WORDS

T = TypeVar("T")
signal = Signal[int | str]("answers")


@idempotent
async def tell(who: str, what: str = "hello") -> str:
    """Tell."""
    return what


@workflow(version=3, name="talk")
async def talking(who: str) -> str:
    """Talk to somebody."""
    return await tell(who)


def as_call(made: object) -> Call[Any]:
    """Return what a step gives as what it is at run time."""
    assert isinstance(made, Call)
    return cast("Call[Any]", made)


def test_call_hands_over_target_and_arguments_once() -> None:
    """The second taker is refused: one call is one effect."""
    call = as_call(tell("me", what="bye"))
    assert isinstance(call, Coroutine)
    assert (call.target, call.args, call.kwargs) == (tell, ("me",), {"what": "bye"})
    assert call.take() == (tell, ("me",), {"what": "bye"})
    with pytest.raises(PlacementError, match="PD604"):
        call.take()


def test_workflow_keeps_name_version_and_documentation() -> None:
    """The log refers to name and version; the console shows the documentation."""
    assert (talking.name, talking.version, talking.doc) == ("talk", 3, "Talk to somebody.")
    assert talking.reference == f"{__name__}:talking"
    assert talking.bind(("me",), {}) == ("me",)
    assert as_call(talking("you")).take() == (talking, ("you",), {})


@pytest.mark.parametrize(
    "make",
    [lambda: tell("me"), lambda: talking("me"), lambda: sleep(days(1)), lambda: signal.wait()],
)
def test_awaiting_outside_a_workflow_is_refused_with_the_way_to_run_it(
    make: Callable[[], Coroutine[Any, Any, Any]],
) -> None:
    """Awaited, or driven by a plain event loop, a call says how it can run."""

    async def wait() -> None:
        await make()

    for coroutine in (wait(), make()):
        with pytest.raises(PlacementError, match=r"engine\.run.*\n?.*\.direct"):
            asyncio.run(coroutine)


def test_saga_outside_a_workflow_is_refused() -> None:
    """A saga needs somebody who remembers what to undo."""

    async def enter() -> None:
        async with saga():
            pass

    with pytest.raises(PlacementError, match="PD601"):
        asyncio.run(enter())


@pytest.mark.parametrize("word", [effect_key, effect_order, now])
def test_ambient_words_are_refused_where_nothing_runs(word: Callable[[], object]) -> None:
    """Outside a step there is no effect, outside a firing no moment."""
    with pytest.raises(PlacementError, match=rf"PD60[23] {word.__name__}\(\)"):
        word()


def test_dropped_call_warns_and_one_handed_over_does_not() -> None:
    """Whoever forgets an await hears of it; a closed, taken or combined call is silent."""
    with pytest.warns(RuntimeWarning, match="call of tell was never awaited"):
        _drop(tell("me"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_call(tell("me")).take()
        tell("me").close()
        both = together(tell("a"), tell("b"))
        both.close()
        gc.collect()


def _drop(call: object) -> None:
    del call
    gc.collect()


def test_forks_take_calls_only_and_at_least_two() -> None:
    """A plain coroutine in a fork would be lost in a restart."""

    async def plain() -> int:
        return 1

    loose: Any = first
    with pytest.raises(PlacementError, match="PD105"):
        loose(plain(), sleep(days(1)).close())
    alone = tell("me")
    with pytest.raises(DefinitionError, match="PD414"):
        loose(alone)
    alone.close()


def test_spans_are_what_they_say() -> None:
    """The four words make spans."""
    assert days(1) == hours(24) == minutes(24 * 60) == seconds(86400)


def test_waits_refuse_what_is_no_span_and_moments_without_a_zone() -> None:
    """A number of what, and noon where? Both are refused when written."""
    for word in cast("list[Any]", [sleep, after]):
        with pytest.raises(TypeError, match="takes a span"):
            word(30)
    for word in cast("list[Any]", [sleep_until, at]):
        with pytest.raises(TypeError, match="takes a datetime"):
            word(days(1))
        with pytest.raises(ValueError, match="no time zone"):
            word(datetime(2026, 1, 1))
        word(datetime(2026, 1, 1, tzinfo=UTC)).close()


def test_signal_knows_its_name_and_payload() -> None:
    """The type between the brackets is what arrives; without brackets it is refused."""
    assert (signal.name, signal.payload_type) == ("answers", int | str)
    bare: Any = Signal
    with pytest.raises(DefinitionError, match="PD413"):
        _ = bare("bare").payload_type
    with pytest.raises(DefinitionError, match="PD413"):
        _ = bare[T]("generic").payload_type
    with pytest.raises(DefinitionError, match="PD412"):
        Signal[int]("")


def test_vocabulary_names_every_word_by_its_object() -> None:
    """A compiler resolves renamed imports by identity; the table's names are the functions'."""
    assert all(getattr(word, "__name__", "") == name for word, name in VOCABULARY.items())
    assert not WORKFLOW_WORDS.keys() & STEP_WORDS.keys()
    assert len(VOCABULARY) == 14
