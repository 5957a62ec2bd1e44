"""Nets as networkx graphs, for the structural checks. No theory of nets lives here, only the
conversion.
"""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

TransitionRow = tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def bipartite(
    places: Iterable[tuple[str, str]], transitions: Iterable[TransitionRow]
) -> nx.DiGraph[str]:
    """Build the bipartite graph of (name, kind) places and (name, kind, take, put, read)
    transitions.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, kind in places:
        graph.add_node(f"p:{name}", bipartite=0, kind=kind, label=name)
    for index, (name, kind, take, put, read) in enumerate(transitions):
        node = f"t:{index}"
        graph.add_node(node, bipartite=1, kind=kind, label=name)
        for place in take:
            graph.add_edge(f"p:{place}", node, read=False)
        for place in put:
            graph.add_edge(node, f"p:{place}", read=False)
        for place in read:
            if place not in take:
                graph.add_edge(f"p:{place}", node, read=True)
    return graph
