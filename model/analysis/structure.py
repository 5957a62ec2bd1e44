"""Structural checks on `net.graph()`: what is wrong whatever the marking.

Sources and sinks, connectedness, every node between the initial and a final place, no cycle through
vanishing places only (it would spin inside one firing). Imports networkx; the front door loads this
file only when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx

from ..net import Net, PlaceKind
from .verdicts import Answer, Evidence, Verdict

METHOD = "structure"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One structural fault: which rule is broken, and by which places and transitions."""

    rule: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule}: {', '.join(self.nodes)}"


def flaws(net: Net) -> tuple[Flaw, ...]:
    """All structural faults of a net, in the order of the rules."""
    graph = net.graph()
    found = [
        ("a second source", _ends(graph, f"p:{net.initial}", incoming=True)),
        ("not connected", _apart(graph)),
        ("not reachable from the initial place", _beyond(graph, net, ahead=True)),
        ("on no way to a final place", _beyond(graph, net, ahead=False)),
        ("a final place is left", [f"p:{p}" for p in net.finals if graph.out_degree(f"p:{p}")]),
        ("spins inside one firing", _vanishing_cycle(graph)),
    ]
    return tuple(Flaw(rule, _named(graph, nodes)) for rule, nodes in found if nodes)


def _named(graph: nx.DiGraph[str], nodes: list[str]) -> tuple[str, ...]:
    return tuple(str(graph.nodes[n]["label"]) for n in sorted(nodes))


def _ends(graph: nx.DiGraph[str], allowed: str, *, incoming: bool) -> list[str]:
    """Nodes without an incoming (or outgoing) arc, but for the one allowed."""
    return [
        n
        for n in graph.nodes
        if n != allowed and not (graph.in_degree(n) if incoming else graph.out_degree(n))
    ]


def _apart(graph: nx.DiGraph[str]) -> list[str]:
    """All nodes outside the largest weakly connected part."""
    parts = sorted(nx.weakly_connected_components(graph), key=len, reverse=True)
    return [n for part in parts[1:] for n in part]


def _beyond(graph: nx.DiGraph[str], net: Net, *, ahead: bool) -> list[str]:
    """Nodes that no way leads to from the initial place, or from which none leads to an end."""
    reached: set[str] = set()
    way = graph if ahead else graph.reverse(copy=False)
    starts = [net.initial] if ahead else net.finals
    for place in starts:
        node = f"p:{place}"
        reached |= {node} | set(nx.dfs_preorder_nodes(way, node))
    return [n for n in graph.nodes if n not in reached]


def _vanishing_cycle(graph: nx.DiGraph[str]) -> list[str]:
    """A cycle on which no token can rest, or nothing.

    Only arcs between vanishing places and the transitions that take from them count; scope tokens
    that are taken and put back do not make a cycle.
    """
    vanishing = {n for n in graph.nodes if graph.nodes[n]["kind"] == PlaceKind.VANISHING}
    passed = {t for v in vanishing for t in graph.successors(v)}
    inside = graph.subgraph(vanishing | passed)
    cycle = next((c for c in nx.strongly_connected_components(inside) if len(c) > 1), None)
    return sorted(cycle) if cycle else []


def structure(net: Net) -> Verdict:
    """The structural rules as one verdict, proved by looking at the whole graph."""
    found = flaws(net)
    if not found:
        return Verdict("structure", Answer.HOLDS, METHOD, evidence=Evidence.PROVED)
    why = "; ".join(map(str, found))
    return Verdict("structure", Answer.VIOLATED, METHOD, evidence=Evidence.PROVED, why=why)
