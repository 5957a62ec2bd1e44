"""Where the histories of the crash tests are played: in memory, if the machine offers a place."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from perdure.chaos.enumeration import Enumeration, Plan, enumerate_flow
from perdure.chaos.faults import single_faults
from perdure.chaos.history import Flow

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for databases; in memory, an fsync costs nothing and is still asked for."""
    place = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="perdure-crash-", dir=place) as name:
        yield Path(name)


# Not in the fixture: a module that imports the fixture has one of its own, and would play anew.
_KNOWN: dict[tuple[str, Plan], Enumeration] = {}


@pytest.fixture(scope="session")
def enumerated(folder: Path) -> Callable[..., Enumeration]:
    """The enumeration of a flow under a plan, played once in a process for all tests."""

    def get(flow: Flow, plan: Plan = single_faults) -> Enumeration:
        if (flow.name, plan) not in _KNOWN:
            _KNOWN[flow.name, plan] = enumerate_flow(flow, folder, plan)
        return _KNOWN[flow.name, plan]

    return get
