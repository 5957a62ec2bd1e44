"""The class of a net, read off its arcs in one pass. No exploration, no library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ..net import Net


def is_workflow_net(net: Net) -> bool:
    """The initial place is the only source, the final ones the only sinks, all lies between."""
    fed = {p for t in net.transitions for p in t.put}
    used = {p for t in net.transitions for p in (*t.take, *t.read)}
    names = set(net.place)
    if names - fed != {net.initial} or names - used != set(net.finals):
        return False
    forward = _reach(net, [net.initial], ahead=True)
    backward = _reach(net, net.finals, ahead=False)
    return forward == backward == names and all(t.take and t.put for t in net.transitions)


def _reach(net: Net, start: Iterable[str], *, ahead: bool) -> set[str]:
    """Places connected with `start` along the arcs, or against them."""
    after: defaultdict[str, set[str]] = defaultdict(set)
    for t in net.transitions:
        for source in (*t.take, *t.read):
            for target in t.put:
                one, other = (source, target) if ahead else (target, source)
                after[one].add(other)
    seen = set(start)
    todo = list(seen)
    while todo:
        fresh = after[todo.pop()] - seen
        seen |= fresh
        todo += fresh
    return seen


def is_free_choice(net: Net) -> bool:
    """Transitions that share an input place have equal inputs (read arcs count as inputs)."""
    inputs = [frozenset((*t.take, *t.read)) for t in net.transitions]
    groups: defaultdict[str, set[frozenset[str]]] = defaultdict(set)
    for needs in inputs:
        for place in needs:
            groups[place].add(needs)
    return all(len(different) == 1 for different in groups.values())
