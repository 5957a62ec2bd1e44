"""Which nets living workers serve, and which executions therefore wait for nobody (rules 55, 85).

An execution that no worker has the code of is never failed for it: it is shown as `unserved`.
Nothing is written, and nobody is fenced for being gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..engine.leases import own_identity, provably_gone
from ..engine.store import ExecutionRow, Status, Store


async def served(store: Store) -> frozenset[str]:
    """The digests of the nets that some worker serves, as far as this machine can tell."""
    own = own_identity()
    gone = {s.id for s in await store.sessions() if provably_gone(s.identity, own)}
    return frozenset(net for session, net in await store.served() if session not in gone)


def unserved(row: ExecutionRow, nets: frozenset[str]) -> bool:
    """It is not over, and no worker could go on with it."""
    return row.status is Status.ACTIVE and row.net not in nets


def told(rows: Iterable[ExecutionRow], nets: frozenset[str]) -> str:
    """How many of which workflow wait for code, with the digest that a worker must serve."""
    waiting = Counter((r.workflow, r.version, r.net) for r in rows if unserved(r, nets))
    return ", ".join(
        f"{count} {workflow} {version} ({net[:12]})"
        for (workflow, version, net), count in sorted(waiting.items())
    )
