"""Which nets living workers serve, and which executions therefore wait for nobody (rules 55, 85).

An execution that no worker has the code of is never failed for it: it is shown as `unserved`, with
where the code that is served differs from the one it began with.
Nothing is written, and nobody is fenced for being gone.
"""

from __future__ import annotations

from collections import Counter

from ..engine.definitions import read
from ..engine.leases import own_identity, provably_gone
from ..engine.store import ExecutionRow, Status, Store
from ..model.changes import changes
from ..model.net import Net

SHOWN = 8
"""How many differences are said; a workflow that was written anew has no end of them."""


async def served(store: Store) -> frozenset[str]:
    """The digests of the nets that some worker serves, as far as this machine can tell."""
    own = own_identity()
    gone = {s.id for s in await store.sessions() if provably_gone(s.identity, own)}
    return frozenset(net for session, net in await store.served() if session not in gone)


def unserved(row: ExecutionRow, nets: frozenset[str]) -> bool:
    """It is not over, and no worker could go on with it."""
    return row.status is Status.ACTIVE and row.net not in nets


async def differs(store: Store, row: ExecutionRow, nets: frozenset[str]) -> list[str]:
    """Where the code that living workers have of its workflow differs from what it runs on."""
    own = await _net(store, row.net)
    if own is None:
        return ["its net is not stored here, so it cannot be compared"]
    others = [net for digest in sorted(nets) if (net := await _net(store, digest)) is not None]
    found = [(changes(own, net), net) for net in others if net.name == row.workflow]
    if not found:
        return [f"no living worker serves any {row.workflow}"]
    said, net = min(found, key=lambda pair: (len(pair[0]), -pair[1].version))
    more = [f"and {len(said) - SHOWN} more"] if len(said) > SHOWN else []
    return [f"version {net.version} ({net.digest[:12]}) is served", *said[:SHOWN], *more]


async def _net(store: Store, digest: str) -> Net | None:
    raw = await store.definition(digest)
    return None if raw is None else read(raw).net


async def told(store: Store) -> str:
    """How many of which workflow wait for code, the digest to be served, and what changed."""
    rows, nets = await store.list(limit=2**31), await served(store)
    waiting = [row for row in rows if unserved(row, nets)]
    counted = Counter((r.workflow, r.version, r.net) for r in waiting)
    one = {row.net: row for row in waiting}
    said: list[str] = []
    for (workflow, version, net), count in sorted(counted.items()):
        why = "; ".join(await differs(store, one[net], nets))
        said.append(f"{count} {workflow} {version} ({net[:12]}): {why}")
    return ", ".join(said)
