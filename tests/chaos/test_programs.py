"""Random programs under random trouble: whatever compiles survives it, by the oracle and by the
proved protocol. `pytest tests/chaos/test_programs.py -s` prints what was played."""

from __future__ import annotations

import os

import pytest
from perdure.chaos.campaign import campaign
from perdure.chaos.wild_history import workflow_of
from perdure.model.compiler.compile import compile_workflow

from .program_flows import flows

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SHARDS, PROGRAMS, HISTORIES = (100, 5, 200) if NIGHTLY else (4, 5, 15)
FIRINGS_MIN = 2  # a history, on the average: many programs are small


@pytest.mark.parametrize("shard", range(SHARDS))
def test_programs_that_compile_survive_all_trouble(shard: int) -> None:
    """Every history comes to rest, and no rule is broken at any durable point."""
    programs = flows(shard, PROGRAMS)
    report = campaign(programs, histories=HISTORIES, seed=f"programs:{shard}")
    print(f"\n{report}")
    assert report.failures == []
    assert report.firings > FIRINGS_MIN * HISTORIES


def test_the_programs_are_the_same_each_time() -> None:
    """Of one seed the same texts, of another one others."""
    assert digests(1) == digests(1) != digests(2)


def digests(seed: int) -> list[str]:
    """The nets of a few programs."""
    return [compile_workflow(workflow_of(flow)).net.digest for flow in flows(seed, 3)]
