"""Judges a stored history twice: by the engine's audit, and as a run of the proved protocol.

The second judge shares nothing with the first but what is stored. No judgement is made here.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ..engine.audit import Audited, Problem
from ..engine.audit import audit as judged
from ..engine.store import ExecutionRow, Store
from ..specs.binding import check


async def audit(store: Store, row: ExecutionRow) -> Audited:
    """Read one execution and judge it; a log that is broken is not told to the protocol."""
    found = await judged(store, row)
    raw = await store.definition(row.net)
    if found.problems or raw is None:
        return found
    records = [record._asdict() for record in await store.log(row.id)]
    messages = [message._asdict() for message in await store.messages(row.id)]
    refused = check(msgspec.json.decode(raw)["net"], records, messages)
    return replace(found, problems=tuple(Problem("protocol", *each) for each in refused))
