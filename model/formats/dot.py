"""Nets as Graphviz text: every place and transition, for tools; people get `svg.py`.

No layout is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..net import FINAL, Net, Place


def to_dot(net: Net, marking: Mapping[str, int] | None = None) -> str:
    """Write the bipartite graph: circles, boxes, dashed read arcs; marked places hold a dot."""
    return "\n".join(_lines(net, marking or {})) + "\n"


def _lines(net: Net, marking: Mapping[str, int]) -> Iterator[str]:
    yield f"digraph {_quoted(net.name)} {{"
    yield '  rankdir=TB; node [fontname="monospace", fontsize=10];'
    for i, place in enumerate(net.places):
        yield f"  p{i} [{_look(place, marking.get(place.name, 0))}];"
    for k, t in enumerate(net.transitions):
        yield f"  t{k} [shape=box, label={_quoted(t.name)}, tooltip={_quoted(t.kind)}];"
        yield from (f"  p{net.place[p]} -> t{k};" for p in t.take)
        yield from (f"  t{k} -> p{net.place[p]};" for p in t.put)
        yield from (f"  p{net.place[p]} -> t{k} [style=dashed, dir=none];" for p in t.read)
    yield "}"


def _look(place: Place, tokens: int) -> str:
    shape = "point" if not place.tangible else "doublecircle" if place.kind in FINAL else "circle"
    inside = "●" * tokens
    return f'shape={shape}, label="{inside}", xlabel={_quoted(place.name)}'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
