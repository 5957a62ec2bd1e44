"""The six decorators that make a function a step, typed for `def` and `async def`.

There is no bare `@step`: whether something may be done again has no answer we could guess.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from ..errors import DefinitionError
from .effects import Retry
from .steps import Compensatable, Idempotent, Irreversible, Observed, Pure, Transactional

P = ParamSpec("P")
R = TypeVar("R")


class Transaction(Protocol):
    """What the first parameter of a transactional step must be able to do; `Tx` is the real one."""

    def execute(self, statement: Any, parameters: Any = ..., /) -> Any:
        """Run one statement."""
        ...


X = TypeVar("X", bound=Transaction)


class MakesPure(Protocol):
    """`@pure(...)`: waits for the function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Pure[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Pure[P, R]: ...


class MakesObserved(Protocol):
    """`@observe(...)`: waits for the function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Observed[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Observed[P, R]: ...


class MakesIdempotent(Protocol):
    """`@idempotent(...)`: waits for the function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Idempotent[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Idempotent[P, R]: ...


class MakesTransactional(Protocol):
    """`@transactional(...)`: waits for the function."""

    @overload
    def __call__(
        self, fn: Callable[Concatenate[X, P], Coroutine[Any, Any, R]], /
    ) -> Transactional[P, R]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[X, P], R], /) -> Transactional[P, R]: ...


class MakesCompensatable(Protocol):
    """`@compensatable(...)`: waits for the function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Compensatable[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Compensatable[P, R]: ...


class MakesIrreversible(Protocol):
    """`@irreversible(...)`: waits for the function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Irreversible[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Irreversible[P, R]: ...


@overload
def pure(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Pure[P, R]: ...
@overload
def pure(fn: Callable[P, R], /) -> Pure[P, R]: ...
@overload
def pure(*, timeout: timedelta | None = ...) -> MakesPure: ...
def pure(fn: Callable[..., Any] | None = None, /, *, timeout: timedelta | None = None) -> Any:
    """Make a step whose result depends on its arguments only.

    `timeout` is for one attempt; one that is late has failed and is made again, five in all.
    """

    def make(fn: Callable[..., Any]) -> Pure[..., Any]:
        return Pure(fn, timeout=timeout)

    return make if fn is None else make(fn)


@overload
def observe(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Observed[P, R]: ...
@overload
def observe(fn: Callable[P, R], /) -> Observed[P, R]: ...
@overload
def observe(*, retry: Retry | None = ..., timeout: timedelta | None = ...) -> MakesObserved: ...
def observe(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
) -> Any:
    """Make a step that only looks: a GET, a model's answer, a clock, dice.

    `timeout` is for one attempt; one that is late has failed. What fails is made again as `retry`
    says: five attempts in all where nothing is said.
    """

    def make(fn: Callable[..., Any]) -> Observed[..., Any]:
        return Observed(fn, retry=retry, timeout=timeout)

    return make if fn is None else make(fn)


@overload
def idempotent(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Idempotent[P, R]: ...
@overload
def idempotent(fn: Callable[P, R], /) -> Idempotent[P, R]: ...
@overload
def idempotent(
    *, retry: Retry | None = ..., timeout: timedelta | None = ...
) -> MakesIdempotent: ...
def idempotent(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
) -> Any:
    """Make a step that may be repeated: doing it twice is doing it once.

    `timeout` is for one attempt; one that is late has failed. What fails is made again as `retry`
    says, with the same `effect_key()`: five attempts in all where nothing is said.
    """

    def make(fn: Callable[..., Any]) -> Idempotent[..., Any]:
        return Idempotent(fn, retry=retry, timeout=timeout)

    return make if fn is None else make(fn)


@overload
def compensatable(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Compensatable[P, R]: ...
@overload
def compensatable(fn: Callable[P, R], /) -> Compensatable[P, R]: ...
@overload
def compensatable(
    *,
    retry: Retry | None = ...,
    timeout: timedelta | None = ...,
    refused: tuple[type[Exception], ...] = ...,
) -> MakesCompensatable: ...
def compensatable(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
    refused: tuple[type[Exception], ...] = (),
) -> Any:
    """Make a step that its `.undo` can take back.

    `refused` lists the exceptions that mean "nothing was done and nothing will be"; any other is
    a doubt, to be settled by the probe or by an undo that takes `(result | None, *arguments)`.
    An attempt that is later than `timeout` is a doubt, too. `retry` is about refusals: they end
    the step where nothing is said.
    """

    def make(fn: Callable[..., Any]) -> Compensatable[..., Any]:
        return Compensatable(fn, retry=retry, timeout=timeout, refused=refused)

    return make if fn is None else make(fn)


@overload
def irreversible(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Irreversible[P, R]: ...
@overload
def irreversible(fn: Callable[P, R], /) -> Irreversible[P, R]: ...
@overload
def irreversible(
    *,
    timeout: timedelta | None = ...,
    refused: tuple[type[Exception], ...] = ...,
    retry: None = ...,
) -> MakesIrreversible: ...
def irreversible(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    timeout: timedelta | None = None,
    refused: tuple[type[Exception], ...] = (),
    retry: object = None,
) -> Any:
    """Make a step that must not happen twice and cannot be taken back.

    `refused` lists the exceptions that mean "did not land and cannot any more"; any other is a
    doubt, not a failure, and so is a call that is later than `timeout`. There is no `retry`: it is
    refused (PD401).
    """
    if retry is not None:
        raise DefinitionError(
            "PD401",
            "@irreversible takes no retry",
            "",
            "an irreversible step is never retried by itself: a second call may land twice",
            "retry inside it only what you know has not landed, or add a probe",
        )

    def make(fn: Callable[..., Any]) -> Irreversible[..., Any]:
        return Irreversible(fn, timeout=timeout, refused=refused)

    return make if fn is None else make(fn)


@overload
def transactional(
    fn: Callable[Concatenate[X, P], Coroutine[Any, Any, R]], /
) -> Transactional[P, R]: ...
@overload
def transactional(fn: Callable[Concatenate[X, P], R], /) -> Transactional[P, R]: ...
@overload
def transactional(*, retry: Retry | None = ...) -> MakesTransactional: ...
def transactional(fn: Callable[..., Any] | None = None, /, *, retry: Retry | None = None) -> Any:
    """Make a step that writes only through the `tx` it gets first; both commit together or not.

    Serialization failures are repeated whatever `retry` says.
    """

    def make(fn: Callable[..., Any]) -> Transactional[..., Any]:
        return Transactional(fn, retry=retry)

    return make if fn is None else make(fn)
