"""Nets as networkx graphs, for the structural checks. No theory of nets lives here, only the
conversion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import networkx as nx

PlaceRow = tuple[str, str, Mapping[str, str]]
TransitionRow = tuple[str, str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def bipartite(places: Iterable[PlaceRow], transitions: Iterable[TransitionRow]) -> nx.DiGraph[str]:
    """Build the bipartite graph of (name, kind, types) places and (name, kind, site, take, put,
    read) transitions.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, kind, types in places:
        graph.add_node(f"p:{name}", bipartite=0, kind=kind, label=name, types=dict(types))
    for index, (name, kind, site, take, put, read) in enumerate(transitions):
        node = f"t:{index}"
        graph.add_node(node, bipartite=1, kind=kind, label=name, site=site)
        for place in take:
            graph.add_edge(f"p:{place}", node, read=False)
        for place in put:
            graph.add_edge(node, f"p:{place}", read=False)
        for place in read:
            if place not in take:
                graph.add_edge(f"p:{place}", node, read=True)
    return graph
