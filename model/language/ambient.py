"""What surrounds running user code: the effect's key and order, the moment, the direct world.

Context variables and the words that read them. Engine and `.direct` set them; nothing here reads
a clock or decides anything.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from ..errors import PlacementError


class Performer(Protocol):
    """Runs calls outside an engine; `.direct` puts one into `DIRECT`."""

    def perform(
        self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> Coroutine[Any, Any, Any]:
        """Run the call of `target` here and now."""
        ...

    def enter_saga(self) -> object:
        """Open a saga in the current branch and return what closes it."""
        ...

    def leave_saga(
        self, opened: object, error: BaseException | None, /
    ) -> Coroutine[Any, Any, None]:
        """Close a saga; undo what it did when it is left by an error."""
        ...


CALLED: ContextVar[tuple[str, tuple[str, int, int]] | None] = ContextVar("CALLED", default=None)
"""Key and order of the call whose code runs here, or that started the task that does.

In undo and probe it is the key of the call concerned.
"""

FIRING: ContextVar[int | None] = ContextVar("FIRING", default=None)
"""When the firing happens whose glue runs here, in microseconds since 1970; None outside glue."""

NOW: ContextVar[datetime | None] = ContextVar("NOW", default=None)
"""The moment of `.direct` where its glue runs; None outside of that."""

DIRECT: ContextVar[Performer | None] = ContextVar("DIRECT", default=None)
"""The world of `.direct`, if the code here runs in one."""


def effect_key() -> str:
    """Return the key that is the same for every attempt of this logical call, and for no other.

    It changes exactly after a recorded `voided` or `undone`, since the receiver then refuses the
    old key. In an undo or probe it is the key of the call concerned.
    """
    called = CALLED.get()
    if called is None:
        raise _outside_step("effect_key")
    return called[0]


def effect_order() -> tuple[str, int, int]:
    """Return (execution, tenure, seq); a receiver may refuse what is older than what it has."""
    called = CALLED.get()
    if called is None:
        raise _outside_step("effect_order")
    return called[1]


def now() -> datetime:
    """Return the moment of the current firing; the log keeps it, so a restart sees the same."""
    at, moment = FIRING.get(), NOW.get()
    if at is not None:
        return _EPOCH + timedelta(microseconds=at)
    if moment is None:
        raise PlacementError(
            "PD603",
            "now() is used outside a workflow",
            "",
            "it is the moment of a firing, and here nothing fires",
            "in a step or plain code read the clock as always",
        )
    return moment


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _outside_step(word: str) -> PlacementError:
    return PlacementError(
        "PD602",
        f"{word}() is used outside a step",
        "",
        "it tells one effect from all others, and here no effect runs",
        "call it in the body of a step, an undo or a probe",
    )
