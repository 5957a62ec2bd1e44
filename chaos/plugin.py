"""The pytest plugin: the fixture `perdure` and its options. Loaded by pytest by its entry point.

Nothing of the engine is imported until the fixture is used; what it does is `testing.py`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Harness


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("perdure", "durable workflows in simulated time")
    group.addoption(
        "--perdure-faults",
        type=int,
        default=0,
        metavar="N",
        help="Play at most N of the faults or histories of each claim (default: all of them).",
    )
    group.addoption(
        "--perdure-seed",
        default="0",
        metavar="SEED",
        help="What random histories are drawn by, where a claim names no seed (default: 0).",
    )
    group.addoption(
        "--perdure-save",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="Save failing histories there, for `perdure replay`.",
    )


@pytest.fixture
def perdure(request: pytest.FixtureRequest) -> Harness:
    """Run workflows in simulated time, and claim things of them; see perdure.chaos.testing.

    A function `fakes(world)` of the test's module makes the world ready.
    """
    from .testing import Harness

    module: object = request.node.getparent(pytest.Module)
    fakes = getattr(getattr(module, "obj", None), "fakes", None)
    options = request.config.option
    return Harness(
        fakes,
        faults_max=options.perdure_faults,
        folder=options.perdure_save,
        seed=options.perdure_seed,
    )
