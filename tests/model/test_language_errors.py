"""Errors: families that are never raised, data as attributes, rebuilt from their arguments."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from perdure import (
    Blocked,
    DefinitionError,
    ExecutionCancelled,
    ExecutionConflict,
    ExecutionFinished,
    Interruption,
    NoSuchExecution,
    PerdureError,
    PlacementError,
    Stalled,
    StepFailed,
)

SAMPLES: list[PerdureError | Interruption] = [
    DefinitionError("PD401", "no retry", "shop.py:3", "it may land twice", "remove it"),
    PlacementError("PD601", "await here"),
    ExecutionConflict("order-1", "sell", "order.id is '1' there and '2' here"),
    ExecutionFinished("order-1", "done"),
    NoSuchExecution("order-1"),
    Stalled("order-1", "KeyError in glue", "Traceback ..."),
    StepFailed("bank.Declined", "no money"),
    ExecutionCancelled("order-1", "asked to", ("charge_card",)),
    Blocked("signal 'answer'", "send it"),
]


def _below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def test_families_are_not_raised_themselves() -> None:
    """Only a member of a family says what happened; the family is for `except`."""
    ours = [e for e in _below(PerdureError) if e.__module__ == PerdureError.__module__]
    families = [PerdureError, *(e for e in ours if e.__dict__.get("abstract", False))]
    assert {f.__name__ for f in families} == {
        "PerdureError",
        "UsageError",
        "ExecutionError",
        "PlatformError",
        "DefectError",
        "_Explained",
    }
    for family in families:
        with pytest.raises(TypeError, match="family"):
            family("what", "ever")
    assert {type(s) for s in SAMPLES} >= set(ours) - set(families)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda e: type(e).__name__)
def test_error_is_rebuilt_from_its_arguments(error: PerdureError | Interruption) -> None:
    """A log stores class and arguments: what is rebuilt says and knows the same."""
    again = type(error)(*error.args)
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert vars(error), "the data are attributes"


def test_codes_are_stable_and_shown() -> None:
    """Each error leads to its page by a code; no two classes of engine answers share one."""
    codes = [e.code for e in SAMPLES if isinstance(e, PerdureError)]
    assert len(set(codes)) == len(codes)
    assert codes == ["PD401", "PD601", "PD701", "PD702", "PD703", "PD704", "PD705", "PD706"]
    for error in SAMPLES:
        if isinstance(error, PerdureError) and not isinstance(error, StepFailed):
            assert error.code in str(error)


def test_explained_error_reads_as_what_where_why_fix() -> None:
    """A mistake takes four parts, and absent ones leave no empty line."""
    assert str(SAMPLES[0]) == (
        "shop.py:3: PD401 no retry\n  why  it may land twice\n  fix  remove it"
    )
    assert str(SAMPLES[1]) == "PD601 await here"


def test_interruptions_pass_a_users_handler() -> None:
    """`except Exception` does not swallow our signals."""
    assert not issubclass(Interruption, Exception)
    with pytest.raises(Blocked):
        try:
            raise Blocked("a signal", "send it")
        except Exception:
            pytest.fail("swallowed")
