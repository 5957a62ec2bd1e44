"""What a step keeps of its function, and which functions are refused as steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure import (
    Compensatable,
    DefinitionError,
    Effect,
    Idempotent,
    Irreversible,
    Landed,
    Observed,
    Pure,
    Retry,
    Transactional,
    Voided,
    compensatable,
    idempotent,
    irreversible,
    observe,
    pure,
    seconds,
    transactional,
    workflow,
)

DECORATORS: dict[Effect, tuple[Any, type[Any]]] = {
    Effect.PURE: (pure, Pure),
    Effect.OBSERVE: (observe, Observed),
    Effect.IDEMPOTENT: (idempotent, Idempotent),
    Effect.TRANSACTIONAL: (transactional, Transactional),
    Effect.COMPENSATABLE: (compensatable, Compensatable),
    Effect.IRREVERSIBLE: (irreversible, Irreversible),
}


class Declined(Exception):
    """A refusal."""


async def over_there(tx: Any, order: str, *, count: int = 1) -> str:
    """Do it."""
    return order * count


def over_here(tx: Any, order: str, *, count: int = 1) -> str:
    """Do it."""
    return order * count


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("options", [{}, {"timeout": seconds(3)}])
@pytest.mark.parametrize("fn", [over_there, over_here])
def test_every_decorator_keeps_the_function_and_its_promise(
    effect: Effect, options: dict[str, Any], fn: Callable[..., Any]
) -> None:
    """Each class works bare and with options, on def and async def, and names the function."""
    decorator, kind = DECORATORS[effect]
    if effect is Effect.TRANSACTIONAL:
        options = {"retry": Retry(attempts=2)} if options else {}
    step = decorator(**options)(fn) if options else decorator(fn)
    assert type(step) is kind
    assert (step.effect, step.fn, step.__wrapped__) == (effect, fn, fn)
    assert (step.name, step.qualname, step.module) == (fn.__name__, fn.__qualname__, fn.__module__)
    assert step.reference == f"{fn.__module__}:{fn.__name__}"
    assert step.__doc__ == "Do it."
    assert step.is_async is (fn is over_there)
    assert step.timeout == options.get("timeout")
    assert step.undo_step is None
    assert step.probe_step is None


def test_effect_letters_are_distinct_and_only_two_classes_have_intents() -> None:
    """A drawing's letter tells the class; compensatable and irreversible have an intent."""
    assert len({e.letter for e in Effect}) == len(Effect) == 6
    assert [e for e in Effect if e.intent] == [Effect.COMPENSATABLE, Effect.IRREVERSIBLE]


def test_default_retry_is_that_of_engine_rule_84() -> None:
    """Classes without lasting effects get five attempts, all others one; an option overrules."""
    for effect, (decorator, _) in DECORATORS.items():
        harmless = effect in (Effect.PURE, Effect.OBSERVE, Effect.IDEMPOTENT)
        assert decorator(over_there).retry.attempts == (5 if harmless else 1), effect
    default = idempotent(over_there).retry
    assert [default.wait_seconds(n) for n in (1, 2, 6, 7, 9)] == [1, 2, 32, 60, 60]
    assert idempotent(retry=Retry(attempts=None))(over_here).retry.attempts is None


def test_transactional_step_hides_its_transaction() -> None:
    """A workflow passes what stands after tx; the signature says so, to inspect as well."""
    step = transactional(over_there)
    assert str(step.signature) == "(order: 'str', *, count: 'int' = 1) -> 'str'"
    assert inspect.signature(step) == step.signature


def test_bind_gives_all_values_in_order_and_spread_is_its_inverse() -> None:
    """Defaults are applied, keyword-only parameters go back by keyword."""
    step = transactional(over_there)
    assert step.bind(("a",), {}) == ("a", 1)
    assert step.bind((), {"count": 2, "order": "b"}) == ("b", 2)
    assert step.spread(("b", 2)) == (("b",), {"count": 2})
    with pytest.raises(TypeError, match=r"over_there\(order.*missing a required argument"):
        step.bind((), {})


def test_named_step_shares_everything_with_the_original() -> None:
    """Only the place's name differs; an undo given later holds for both."""

    @compensatable
    async def reserve(order: str) -> int:
        return 1

    second = reserve.named("second try")

    @reserve.undo
    async def release(count: int | None, order: str) -> None: ...

    assert (second.place_name, reserve.place_name) == ("second try", None)
    assert second.undo_step is reserve.undo_step is not None
    assert type(second) is Compensatable
    assert second.fn is reserve.fn
    for bad in ("", " x", "a\nb"):
        with pytest.raises(DefinitionError, match="PD412"):
            reserve.named(bad)


def undo_result(result: Any) -> None:
    """Take the result."""


async def undo_unknown_two(result: Any, order: str, count: int) -> None:
    """Take the result and all arguments."""


def undo_maybe(result: int | None) -> None:
    """Take a result that nobody may know."""


@pytest.mark.parametrize(
    ("undo", "arity", "unknown"),
    [
        (undo_result, 2, False),
        (undo_unknown_two, 2, True),
        (undo_result, 0, False),
        (undo_maybe, 0, True),
        (undo_maybe, 2, False),
    ],
)
def test_form_of_an_undo_follows_from_its_parameters(
    undo: Callable[..., Any], arity: int, unknown: bool
) -> None:
    """One parameter: the result; one more than the step has: result or None, and the arguments."""

    async def two(order: str, count: int) -> int:
        return count

    async def none() -> int:
        return 0

    step: Compensatable[..., int] = compensatable(two if arity else none)
    given = step.undo(undo)
    found = step.undo_step
    assert found is not None
    assert (found.fn, found.name, found.unknown) == (undo, undo.__name__, unknown)
    assert found.is_async is (undo is undo_unknown_two)
    assert found.values(7, ("a", 2)) == ((7, "a", 2) if unknown else (7,))
    assert given.effect is Effect.IDEMPOTENT
    assert given.retry.attempts is found.retry.attempts is None


def test_probe_takes_the_parameters_of_its_step() -> None:
    """A fitting probe becomes an observe step; a misfit is refused by name."""

    @irreversible
    def charge(order: str, *, cents: int) -> str:
        return order

    @charge.probe
    async def look(order: str, *, cents: int) -> Landed[str] | Voided:
        return Voided()

    assert charge.probe_step is not None
    assert (charge.probe_step.takes, charge.probe_step.is_async) == (("order", "cents"), True)
    assert look.effect is Effect.OBSERVE


async def two_parameters(order: str, count: int) -> int:
    """Be a step's function."""
    return count


def generator() -> Any:
    """Yield."""
    yield 1


async def async_generator() -> Any:
    """Yield."""
    yield 1


def no_parameters() -> None:
    """Take nothing."""


def many(*orders: str) -> None:
    """Take any number."""


def by_keyword(*, result: int) -> None:
    """Take a result by keyword."""


# The checkers would refuse these mistakes first; here the run time has to.
unchecked: dict[str, Any] = {
    "irreversible": irreversible,
    "transactional": transactional,
    "workflow": workflow,
    "Retry": Retry,
}


def _step() -> Any:
    return compensatable(two_parameters)


def _twice(role: str, fn: Callable[..., Any]) -> None:
    step = _step()
    getattr(step, role)(fn)
    getattr(step, role)(fn)


REFUSED: list[tuple[str, str, Callable[[], object]]] = [
    ("PD401", "never retried", lambda: unchecked["irreversible"](retry=Retry())),
    ("PD404", "takes 0 parameters, not 1 or 3", lambda: _step().undo(no_parameters)),
    ("PD404", "takes 2 parameters, not 1 or 3", lambda: _step().undo(two_parameters)),
    ("PD404", "by keyword", lambda: _step().undo(by_keyword)),
    ("PD405", "other parameters than two_parameters", lambda: _step().probe(undo_result)),
    ("PD406", "second undo", lambda: _twice("undo", undo_result)),
    ("PD406", "second probe", lambda: _twice("probe", two_parameters)),
    ("PD407", "generator yields", lambda: pure(generator)),
    ("PD407", "async_generator yields", lambda: observe(async_generator)),
    ("PD407", "must be a function", lambda: pure(Retry)),
    ("PD113", r"takes \*orders", lambda: idempotent(many)),
    (
        "PD408",
        "not <class 'int'>",
        lambda: unchecked["irreversible"](refused=(int,))(no_parameters),
    ),
    ("PD408", "not <class 'SystemExit'>", lambda: unchecked["Retry"](give_up_on=(SystemExit,))),
    ("PD409", "attempts=0", lambda: Retry(attempts=0)),
    ("PD409", "factor=0.5", lambda: Retry(factor=0.5)),
    ("PD409", "factor=nan", lambda: Retry(factor=float("nan"))),
    ("PD409", "ceiling=", lambda: Retry(first=seconds(90))),
    ("PD409", "first=", lambda: Retry(first=seconds(-1))),
    ("PD410", "no time to run", lambda: pure(timeout=seconds(0))(no_parameters)),
    ("PD411", "takes no tx", lambda: unchecked["transactional"](no_parameters)),
    ("PD415", "not an `async def`", lambda: unchecked["workflow"](no_parameters)),
    (
        "PD101",
        "async_generator yields",
        lambda: unchecked["workflow"](async_generator).direct(),
    ),
    ("PD416", "version 0", lambda: workflow(version=0)(two_parameters)),
    ("PD412", "cannot name a workflow", lambda: workflow(name=" x")(two_parameters)),
]


@pytest.mark.parametrize(("code", "words", "declare"), REFUSED)
def test_impossible_declaration_is_refused_with_code_and_fix(
    code: str, words: str, declare: Callable[[], object]
) -> None:
    """What cannot work is refused at import, saying what, why and what to write instead."""
    with pytest.raises(DefinitionError, match=words) as caught:
        declare()
    assert caught.value.code == code
    assert caught.value.why
    assert caught.value.fix
    assert str(caught.value).count("\n") == 2


def test_refusal_says_where_the_function_stands() -> None:
    """File and line of the guilty function are in the message."""
    with pytest.raises(DefinitionError, match=r"test_language_steps\.py:\d+: PD404"):
        _step().undo(no_parameters)


def test_refused_types_are_kept() -> None:
    """`refused` reaches the step, for both classes with an intent."""
    assert irreversible(refused=(Declined,))(over_here).refused == (Declined,)
    assert compensatable(refused=(Declined,))(over_here).refused == (Declined,)


@given(
    first=st.floats(0, 100),
    factor=st.floats(1, 10),
    extra=st.floats(0, 1000),
    attempt=st.integers(1, 10**6),
)
def test_waits_grow_up_to_the_ceiling_and_never_overflow(
    first: float, factor: float, extra: float, attempt: int
) -> None:
    """wait_seconds is monotone in the attempt, starts at `first` and stays below `ceiling`."""
    retry = Retry(
        first=timedelta(seconds=first), factor=factor, ceiling=timedelta(seconds=first + extra)
    )
    ceiling = retry.ceiling.total_seconds()
    here, later = retry.wait_seconds(attempt), retry.wait_seconds(attempt + 1)
    assert 0 <= here <= later * (1 + 1e-9) <= ceiling * (1 + 1e-8)
    assert retry.wait_seconds(1) == pytest.approx(min(ceiling, retry.first.total_seconds()))


def test_giving_up_counts_attempts_and_knows_hopeless_errors() -> None:
    """The last attempt and an error of `give_up_on` end the attempts; None never does."""
    retry = Retry(attempts=2, give_up_on=(Declined,))
    assert [retry.gives_up(n, ValueError()) for n in (1, 2, 3)] == [False, True, True]
    assert retry.gives_up(1, Declined())
    assert not Retry(attempts=None).gives_up(10**9, ValueError())
