"""What the enumeration found in the engine, fault by fault: each stays found.

The enumeration plays these histories too; here they stand by name, with what went wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from perdure.chaos.faults import Boundary, Edge, Fault, Kind
from perdure.chaos.history import play, template

from .flows import FLOWS


def at(port: str, operation: str, edge: Edge, kind: Kind) -> Fault:
    """A fault at the first use of an operation."""
    return Fault(Boundary(port, operation, 1, edge), kind)


FOUND: dict[str, tuple[Any, ...]] = {
    "a start whose session was fenced before its creation committed was never answered": (
        "parallel",
        at("store", "append", Edge.BEFORE, Kind.STOPPED),
    ),
    "a claim that met a fence ended the worker's loop for good": (
        "reminders",
        at("store", "append", Edge.AFTER, Kind.STOPPED),
    ),
    "what an ambiguous claim had taken was owned by a session that never loaded it": (
        "reminders",
        Fault(Boundary("store", "claim", 2, Edge.AFTER), Kind.COMMITTED),
    ),
    "a transactional step that did not commit was recorded without its writes": (
        "fulfil_order",
        at("store", "step commit", Edge.BEFORE, Kind.NOT_COMMITTED),
    ),
    "a late answer was taken for the truth while the attempt was being undone": (
        "fulfil_order",
        at("world", "step reserve_stock", Edge.AFTER, Kind.STOPPED),
    ),
    # Pairs: a process died, the next one starts the same key again and claims what was left of it.
    "a start again was mistaken for the execution that an ambiguous claim had taken": (
        "fulfil_order",
        Fault(Boundary("store", "append", 7, Edge.AFTER), Kind.CRASH),
        Fault(Boundary("store", "claim", 2, Edge.AFTER), Kind.COMMITTED),
    ),
    "a start again was never answered when the commit beside it was ambiguous": (
        "parallel",
        at("world", "step notify", Edge.AFTER, Kind.CRASH),
        Fault(Boundary("store", "append", 2, Edge.AFTER), Kind.COMMITTED),
    ),
    "a start again was never answered when its session was fenced meanwhile": (
        "reminders",
        Fault(Boundary("store", "append", 4, Edge.BEFORE), Kind.CRASH),
        Fault(Boundary("store", "append", 5, Edge.BEFORE), Kind.STOPPED),
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_mended(what: str, folder: Path) -> None:
    """Every fault fires, the history ends, nothing is broken."""
    name, *faults = FOUND[what]
    outcome = play(FLOWS[name], template(folder, FLOWS[name]), folder, *faults)
    assert outcome.fired
    assert (outcome.broken, outcome.defects) == ([], [])
    assert outcome.status == "done"
