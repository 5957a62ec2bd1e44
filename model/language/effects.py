"""The six effect classes, what a probe may answer, and how an attempt is repeated: plain values.

No step and no decorator lives here; `steps.py` combines these values with functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, TypeVar, cast

from ..errors import DefinitionError

R_co = TypeVar("R_co", covariant=True)


class Effect(StrEnum):
    """What a step does to the world, so what may be done after a crash inside it."""

    PURE = "pure"
    OBSERVE = "observe"
    IDEMPOTENT = "idempotent"
    TRANSACTIONAL = "transactional"
    COMPENSATABLE = "compensatable"
    IRREVERSIBLE = "irreversible"

    @property
    def intent(self) -> bool:
        """Whether an intent is durable before the call, so that a crash inside it is a doubt."""
        return self in (Effect.COMPENSATABLE, Effect.IRREVERSIBLE)

    @property
    def letter(self) -> str:
        """The letter that stands for the class in drawings: P, O, I, T, C or X (irreversible)."""
        return "X" if self is Effect.IRREVERSIBLE else self.value[0].upper()


@dataclass(frozen=True)
class Landed(Generic[R_co]):
    """A probe's answer: the effect happened, and this is what the step would have returned."""

    value: R_co


@dataclass(frozen=True)
class Voided:
    """A probe's answer: it did not happen **and from now on cannot**: the receiver refuses the key.

    "Not found" is not enough: a delayed first attempt may still arrive. Answer `InDoubt` then.
    """


@dataclass(frozen=True)
class InDoubt:
    """A probe's answer: the outside world cannot tell (yet)."""

    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a step is attempted, and how long the waits between are.

    `attempts` counts the first one, too; None means without end: only then can the step not fail
    for good. The wait after attempt n is `first` times `factor` to the power n - 1, at most
    `ceiling`. Exceptions in `give_up_on` end the attempts at once. Attempts and waits are in the
    database: a crash neither forgets nor repeats one. What cannot be followed is refused (PD409).
    """

    attempts: int | None = 5
    first: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    ceiling: timedelta = timedelta(seconds=60)
    give_up_on: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        if self.attempts is not None and self.attempts < 1:
            raise _bad_retry(f"attempts={self.attempts!r}", "1 or more, or None for without end")
        if self.first < timedelta(0):
            raise _bad_retry(f"first={self.first!r}", "a span of 0 or more")
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise _bad_retry(f"factor={self.factor!r}", "a finite number of 1 or more")
        if self.ceiling < self.first:
            raise _bad_retry(f"ceiling={self.ceiling!r}", "a span not shorter than `first`")
        checked_exceptions(self.give_up_on, "Retry(give_up_on=...)")

    def wait_seconds(self, attempt: int) -> float:
        """Return how long to wait after attempt number `attempt` (from 1) has failed."""
        ceiling, first = self.ceiling.total_seconds(), self.first.total_seconds()
        if first == 0:
            return 0.0
        # Compared as logarithms: the power overflows after some thousand attempts.
        if (attempt - 1) * math.log(self.factor) >= math.log(ceiling / first):
            return ceiling
        return float(first * self.factor ** (attempt - 1))

    def gives_up(self, attempt: int, error: BaseException) -> bool:
        """Tell whether nothing is tried again after attempt `attempt` ended with `error`."""
        last = self.attempts is not None and attempt >= self.attempts
        return last or isinstance(error, self.give_up_on)


def checked_exceptions(given: object, option: str, where: str = "") -> tuple[type[Exception], ...]:
    """Return `given` as tuple of exception types, or refuse it by name (PD408)."""
    listed = cast("tuple[object, ...]", given) if isinstance(given, tuple) else (given,)
    good: list[type[Exception]] = []
    for each in listed:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise DefinitionError(
                "PD408",
                f"{option} takes exception types, not {each!r}",
                where,
                "what is raised is compared with these types, and only Exceptions can be caught",
                "give a tuple of types, for example (CardDeclined,)",
            )
        good.append(each)
    return tuple(good)


def _bad_retry(given: str, wanted: str) -> DefinitionError:
    return DefinitionError(
        "PD409",
        f"Retry({given}) cannot be followed",
        "",
        f"it must be {wanted}",
        "Retry(attempts=5, first=seconds(1), factor=2, ceiling=seconds(60))",
    )


ONCE = Retry(attempts=1)
WITHOUT_END = Retry(attempts=None, ceiling=timedelta(minutes=5))
"""How an undo is repeated: an undo that gave up silently is money lost silently."""

DEFAULT_RETRY: dict[Effect, Retry] = {
    Effect.PURE: Retry(),
    Effect.OBSERVE: Retry(),
    Effect.IDEMPOTENT: Retry(),
    # Serialization failures are repeated by the engine whatever stands here.
    Effect.TRANSACTIONAL: ONCE,
    Effect.COMPENSATABLE: ONCE,
    Effect.IRREVERSIBLE: ONCE,
}
