"""The face of perdure: hands on the public names, nothing else.

What needs a database is loaded at first use, so that importing a workflow stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .model.errors import (
    Blocked,
    DefectError,
    DefinitionError,
    ExecutionCancelled,
    ExecutionConflict,
    ExecutionError,
    ExecutionFinished,
    Interruption,
    NoSuchExecution,
    PerdureError,
    PlacementError,
    PlatformError,
    Stalled,
    StepFailed,
    UsageError,
)
from .model.language.ambient import effect_key, effect_order, now
from .model.language.decorators import (
    compensatable,
    idempotent,
    irreversible,
    observe,
    pure,
    transactional,
)
from .model.language.direct import Arrival, DirectWorld, direct_world
from .model.language.effects import Effect, InDoubt, Landed, Retry, Voided
from .model.language.scopes import saga
from .model.language.steps import (
    Compensatable,
    Idempotent,
    Irreversible,
    Observed,
    Pure,
    Step,
    Transactional,
)
from .model.language.waits import (
    Elapsed,
    Signal,
    after,
    at,
    days,
    first,
    hours,
    minutes,
    seconds,
    sleep,
    sleep_until,
    together,
)
from .model.language.workflows import Workflow, workflow

if TYPE_CHECKING:
    from .engine.client import Engine, Run
    from .engine.transactional import Tx

_LATER = {"Engine": ".engine.client", "Run": ".engine.client", "Tx": ".engine.transactional"}


def __getattr__(name: str) -> Any:
    """Load what needs a database at its first use."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LATER[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


__all__ = [
    "Arrival",
    "Blocked",
    "Compensatable",
    "DefectError",
    "DefinitionError",
    "DirectWorld",
    "Effect",
    "Elapsed",
    "Engine",
    "ExecutionCancelled",
    "ExecutionConflict",
    "ExecutionError",
    "ExecutionFinished",
    "Idempotent",
    "InDoubt",
    "Interruption",
    "Irreversible",
    "Landed",
    "NoSuchExecution",
    "Observed",
    "PerdureError",
    "PlacementError",
    "PlatformError",
    "Pure",
    "Retry",
    "Run",
    "Signal",
    "Stalled",
    "Step",
    "StepFailed",
    "Transactional",
    "Tx",
    "UsageError",
    "Voided",
    "Workflow",
    "after",
    "at",
    "compensatable",
    "days",
    "direct_world",
    "effect_key",
    "effect_order",
    "first",
    "hours",
    "idempotent",
    "irreversible",
    "minutes",
    "now",
    "observe",
    "pure",
    "saga",
    "seconds",
    "sleep",
    "sleep_until",
    "together",
    "transactional",
    "workflow",
]
