"""Nets as Mermaid flowcharts: for pages that draw Mermaid, such as READMEs. No layout is made here.

Places are circles, transitions boxes, read arcs dotted; the same nodes as in Graphviz text.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..net import FINAL, Net, Place


def to_mermaid(net: Net) -> str:
    """Write the bipartite graph, every place and transition, top down."""
    return "\n".join(_lines(net)) + "\n"


def _lines(net: Net) -> Iterator[str]:
    yield "flowchart TD"
    for i, place in enumerate(net.places):
        yield f"  p{i}{_shaped(place)}"
    for k, t in enumerate(net.transitions):
        yield f"  t{k}[{_quoted(t.name)}]"
        yield from (f"  p{net.place[p]} --> t{k}" for p in t.take)
        yield from (f"  t{k} --> p{net.place[p]}" for p in t.put)
        yield from (f"  p{net.place[p]} -.- t{k}" for p in t.read)


def _shaped(place: Place) -> str:
    name = _quoted(place.name)
    return f"((({name})))" if place.kind in FINAL else f"(({name}))"


def _quoted(text: str) -> str:
    """A label; Mermaid knows no backslash, but numbered characters."""
    kept = "".join(c if c.isalnum() or c in " _.,:()-+*/=" else f"#{ord(c)};" for c in text)
    return f'"{kept}"'
