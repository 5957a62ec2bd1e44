"""A history told in words: what went wrong, what became durable, in order.

Nothing is judged here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from ..engine.records import Kind
from ..specs.oracle import Rows


class Happening(NamedTuple):
    """One line of a story: when (virtual seconds), and what."""

    seconds: float
    what: str

    def __str__(self) -> str:
        return f"{self.seconds:9.3f} s  {self.what}"


def records_in_words(rows: Rows, told: dict[int, int]) -> Iterator[str]:
    """The records beyond those that are `told` (by execution), which then are told too."""
    keys = {row["id"]: row["key"] for row in rows["execution"]}
    nets = {row["id"]: row["net"] for row in rows["execution"]}
    bodies = {row["net"]: row["body"] for row in rows["definition"]}
    for row in rows["log"]:
        execution, seq = row["execution"], row["seq"]
        if seq < told.get(execution, 0):
            continue
        told[execution] = seq + 1
        kind = Kind(row["kind"]).name.lower().replace("_", " ")
        name = ""
        if row["transition"] >= 0:
            net = json.loads(bodies[nets[execution]])["net"]
            name = f" {net['transitions'][row['transition']]['name']!r}"
        yield f"{keys[execution]} record {seq} (tenure {row['tenure']}): {kind}{name}"
