"""Faults as data: which fit where, and that a plan names each once."""

from __future__ import annotations

import pytest
from perdure.chaos.faults import Boundary, Edge, Fault, Kind, Point, kinds, single_faults

NATURES = ("read", "write", "commit", "own commit", "call", "question", "transactional", "moment")


@pytest.mark.parametrize("nature", NATURES)
def test_a_process_can_die_before_anything(nature: str) -> None:
    """There is no operation before which a crash cannot fall."""
    assert Kind.CRASH in kinds(nature, Edge.BEFORE)


@pytest.mark.parametrize("nature", NATURES)
def test_no_kind_fits_an_edge_twice(nature: str) -> None:
    """A fault that is played twice would be counted twice."""
    for edge in Edge:
        found = kinds(nature, edge, timeout=True)
        assert len(found) == len(set(found))


def test_only_a_call_with_a_timeout_can_hang() -> None:
    """Without a timeout nobody would ever notice: that is a slow call, not a fault."""
    assert Kind.HANGS in kinds("call", Edge.BEFORE, timeout=True)
    assert Kind.HANGS not in kinds("call", Edge.BEFORE)
    assert Kind.HANGS not in kinds("call", Edge.AFTER, timeout=True)


def test_a_commit_is_in_doubt_on_both_sides() -> None:
    """Before it the doubt is about nothing, after it about something."""
    for nature in ("commit", "own commit"):
        assert Kind.NOT_COMMITTED in kinds(nature, Edge.BEFORE)
        assert Kind.COMMITTED in kinds(nature, Edge.AFTER)


def test_nobody_stands_still_with_the_write_lock() -> None:
    """A process that stops inside a transaction of SQLite stops everyone: not a takeover."""
    assert Kind.STOPPED not in kinds("own commit", Edge.BEFORE)
    assert Kind.STOPPED not in kinds("transactional", Edge.AFTER)


def test_a_plan_of_single_faults_names_every_kind_at_every_point() -> None:
    """In order, each once, with words that people can read."""
    here = Boundary("store", "append", 3, Edge.BEFORE)
    there = Boundary("world", "step pay", 1, Edge.AFTER)
    plan = list(single_faults([Point(here, (Kind.CRASH, Kind.STOPPED)), Point(there, ())]))
    assert plan == [Fault(here, Kind.CRASH), Fault(here, Kind.STOPPED)]
    assert [str(fault) for fault in plan] == [
        "crash before store.append 3",
        "stopped until taken over before store.append 3",
    ]
