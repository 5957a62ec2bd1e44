"""Steps: functions with a promise about what they do to the world, and their undo and probe.

The decorators that make them stand in `decorators.py`; what an engine does with a step does not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from ..errors import DefinitionError
from ..modules import stored_module
from . import bodies
from .bodies import Probe, Undo
from .calls import Call
from .effects import (
    DEFAULT_RETRY,
    WITHOUT_END,
    Effect,
    InDoubt,
    Landed,
    Retry,
    Voided,
    checked_exceptions,
)

P = ParamSpec("P")
R = TypeVar("R")


class Step(Generic[P, R]):
    """A function of the user together with its effect class; calling it makes a call.

    Crash, retry and doubt are treated as `effect` says; all else is policy. `signature` holds
    what a workflow passes (without `tx`). The subclasses are the six classes.
    """

    effect: ClassVar[Effect]

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        retry: Retry | None = None,
        timeout: timedelta | None = None,
        refused: tuple[type[Exception], ...] = (),
    ) -> None:
        signature = bodies.checked_function(fn, "step")
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name: str = fn.__name__
        self.module: str = fn.__module__
        self.qualname: str = fn.__qualname__
        self.is_async: bool = bodies.is_coroutine_function(fn)
        self.retry: Retry = retry if retry is not None else DEFAULT_RETRY[self.effect]
        self.timeout = _checked_timeout(timeout, fn)
        where = bodies.where_is(fn)
        self.refused = checked_exceptions(refused, f"{self.name}(refused=...)", where)
        self.signature: inspect.Signature = self._passed(signature)
        self.__signature__ = self.signature
        self._positional = bodies.positional(self.signature)
        self.place_name: str | None = None
        # Shared with the copies made by `named`, so that an undo added later holds for all.
        self._attached: dict[str, Undo | Probe] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Make a call of this step, to be awaited in a workflow."""
        return Call(self, args, kwargs)

    def named(self, place: str, /) -> Self:
        """Return this step under another name of its places: `before <place>` and so on."""
        if not place or place != place.strip() or not place.isprintable():
            raise DefinitionError(
                "PD412",
                f"{place!r} cannot name a place of {self.name}",
                "",
                "people type it at the console and in migrations",
                f'{self.name}.named("second try")',
            )
        clone = type(self).__new__(type(self))
        clone.__dict__.update(self.__dict__)
        clone.place_name = place
        return clone

    @property
    def reference(self) -> str:
        """`module:qualname`, by which another process finds the step."""
        return f"{stored_module(self.module)}:{self.qualname}"

    @property
    def undo_step(self) -> Undo | None:
        """What takes the effect back, if it was given."""
        undo = self._attached.get("undo")
        return undo if isinstance(undo, Undo) else None

    @property
    def probe_step(self) -> Probe | None:
        """What tells whether an effect in doubt happened, if it was given."""
        probe = self._attached.get("probe")
        return probe if isinstance(probe, Probe) else None

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return the values of all parameters in order, with defaults; TypeError if they misfit."""
        if len(args) == self._positional and not kwargs:
            return args
        return bodies.bound(self.name, self.signature, args, kwargs)

    def spread(self, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what `bind` gave as arguments and keyword arguments for `fn` (without `tx`)."""
        if len(values) == self._positional:
            return values, {}
        return bodies.spread(self.signature, values)

    def __repr__(self) -> str:
        place = f" named {self.place_name!r}" if self.place_name else ""
        return f"<{self.effect} step {self.reference}{place}>"

    def _passed(self, signature: inspect.Signature) -> inspect.Signature:
        return signature

    def _attach(self, role: str, body: Undo | Probe) -> None:
        if role in self._attached:
            raise DefinitionError(
                "PD406",
                f"{self.name} has a second {role}: {body.name}",
                bodies.where_is(body.fn),
                f"{self._attached[role].name} is its {role} already",
                "remove one of them",
            )
        self._attached[role] = body


class Pure(Step[P, R]):
    """The result depends on the arguments only; it may be computed again at any time."""

    effect = Effect.PURE


class Observed(Step[P, R]):
    """It only looks at the world; the first committed result counts."""

    effect = Effect.OBSERVE


class Idempotent(Step[P, R]):
    """Doing it twice is doing it once; after a crash it runs again with the same effect key."""

    effect = Effect.IDEMPOTENT


class Transactional(Step[P, R]):
    """It writes only through the given `tx`, which commits together with its record."""

    effect = Effect.TRANSACTIONAL

    def _passed(self, signature: inspect.Signature) -> inspect.Signature:
        return bodies.without_first(signature, self.fn)


class _Probed(Step[P, R]):
    """A step with an intent: a crash inside it is a doubt, which a probe may settle."""

    @overload
    def probe(
        self, fn: Callable[P, Coroutine[Any, Any, Landed[R] | Voided | InDoubt]], /
    ) -> Observed[P, object]: ...
    @overload
    def probe(self, fn: Callable[P, Landed[R] | Voided | InDoubt], /) -> Observed[P, object]: ...
    def probe(self, fn: Callable[..., Any], /) -> Observed[P, object]:
        """Declare `fn` as what asks the outside world whether this effect happened.

        It takes the step's parameters; `effect_key()` in it is the key of the call in doubt.
        """
        self._attach("probe", bodies.probe_of(self.name, self.signature, fn))
        return Observed(fn)


class Compensatable(_Probed[P, R]):
    """It has an undo that is idempotent; a crash inside it is a doubt."""

    effect = Effect.COMPENSATABLE

    @overload
    def undo(self, fn: Callable[[R], Coroutine[Any, Any, None]], /) -> Idempotent[[R], None]: ...
    @overload
    def undo(self, fn: Callable[[R], None], /) -> Idempotent[[R], None]: ...
    @overload
    def undo(
        self, fn: Callable[Concatenate[R | None, P], Coroutine[Any, Any, None]], /
    ) -> Idempotent[..., None]: ...
    @overload
    def undo(self, fn: Callable[Concatenate[R | None, P], None], /) -> Idempotent[..., None]: ...
    def undo(self, fn: Callable[..., Any], /) -> Idempotent[..., None]:
        """Declare `fn` as what takes this effect back; it must be idempotent.

        It takes the result, or `(result | None, *arguments)`, where None means that nobody knows
        whether anything was done: find it by `effect_key()` or the arguments.
        """
        self._attach("undo", bodies.undo_of(self.name, self.signature, fn))
        return Idempotent(fn, retry=WITHOUT_END)


class Irreversible(_Probed[P, R]):
    """It cannot be taken back and must not happen twice; it is never run again by itself."""

    effect = Effect.IRREVERSIBLE


def _checked_timeout(timeout: timedelta | None, fn: Callable[..., Any]) -> timedelta | None:
    if timeout is not None and timeout <= timedelta(0):
        raise DefinitionError(
            "PD410",
            f"{fn.__name__}(timeout={timeout!r}) leaves no time to run",
            bodies.where_is(fn),
            "an attempt is given up when its timeout has passed",
            "timeout=seconds(20), or no timeout at all",
        )
    return timeout
