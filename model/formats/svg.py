"""Workflows as SVG: the layout dressed with colours, badges, tokens and words for screen readers.

Readable on light and dark pages, without scripts, fonts or requests. Each place is a group with
`data-place`, so that a page can move a live token. Where things stand is `layout.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape

from .boxes import Box
from .fragments import Edge, Node, Point
from .layout import PAD, Drawing, layout
from .style import BADGES, STYLE

LEGEND = 30.0
Entry = tuple[str, str, str]  # of the legend: letter, look, words


def to_svg(
    box: Box,
    *,
    marking: Mapping[str, int] | None = None,
    lanes: bool = False,
    legend: bool = True,
) -> str:
    """Draw a workflow. Tokens of `marking` are shown; a marked place in a lane opens the lanes."""
    marked = {place for place, count in (marking or {}).items() if count}
    hidden = {place.name for inner in box.walk() for place in inner.lane}
    drawing = layout(box, lanes=lanes or bool(marked & hidden))
    used = [e for e in BADGES if any(n.look == e for n in drawing.nodes if n.of == "card")]
    entries = [(BADGES[effect], effect, effect) for effect in used] if legend else []
    if legend and any(n.of == "event" for n in drawing.nodes):
        entries.append(("…", "event", "message or moment"))
    return "\n".join(_document(box.label, drawing, marked, entries)) + "\n"


def _document(name: str, drawing: Drawing, marked: set[str], entries: list[Entry]) -> Iterator[str]:
    rows = _legend_rows(entries, drawing.width)
    width, height = drawing.width, drawing.height + LEGEND * len(rows)
    title = escape(f"workflow {name}")
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="perdure" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
    )
    yield f"<title>{title}</title>"
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="page" width="{width:.0f}" height="{height:.0f}" rx="10"/>'
    below = ("frame", "card", "event")  # arrows pass over these, all else lies over the arrows
    yield from (_LOOKS[n.of](n, False) for n in drawing.nodes if n.of in below)
    yield from map(_edge, drawing.edges)
    for node in drawing.nodes:
        if node.of not in below:
            yield _LOOKS[node.of](node, node.ref in marked)
    for i, row in enumerate(rows):
        yield _legend(row, drawing.height + LEGEND * i)
    yield "</svg>"


def _legend_rows(entries: list[Entry], width: float) -> list[list[Entry]]:
    """The legend broken into rows that fit the drawing."""
    rows: list[list[Entry]] = []
    room = 0.0
    for entry in entries:
        needs = 34 + len(entry[2]) * 6.4
        if not rows or room < needs:
            rows.append([])
            room = width - 2 * PAD
        rows[-1].append(entry)
        room -= needs
    return rows


def _legend(row: list[Entry], y: float) -> str:
    out, x = ['<g class="legend">'], PAD
    for letter, look, words in row:
        out.append(_badge(letter, look, x, y + 2))
        out.append(f'<text class="label" x="{x + 22:.1f}" y="{y + 14:.1f}">{words}</text>')
        x += 34 + len(words) * 6.4
    return "".join([*out, "</g>"])


def _badge(letter: str, effect: str, x: float, y: float) -> str:
    return (
        f'<g class="badge {effect}"><rect x="{x:.1f}" y="{y:.1f}" width="17" height="17" rx="4"/>'
        f'<text x="{x + 8.5:.1f}" y="{y + 12.7:.1f}">{letter}</text></g>'
    )


def _edge(edge: Edge) -> str:
    dashed = " dashed" if edge.dashed else ""
    out = f'<path class="edge{dashed}" d="{_path(edge.points)}"/>'
    return out + (_arrow(edge.points[-2], edge.points[-1], dashed) if edge.arrow else "")


def _path(points: tuple[Point, ...], radius: float = 7) -> str:
    """A polyline with rounded corners; every leg is horizontal or vertical."""
    points = tuple(p for i, p in enumerate(points) if not i or p != points[i - 1])
    out = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _toward(corner, before, radius), _toward(corner, after, radius)
        out.append(f"L{near[0]:.1f} {near[1]:.1f}")
        out.append(f"Q{corner[0]:.1f} {corner[1]:.1f} {far[0]:.1f} {far[1]:.1f}")
    return "".join([*out, f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"])


def _toward(start: Point, end: Point, distance: float) -> Point:
    """The point some way from `start` to `end`, at most half of it."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = max(abs(dx), abs(dy)) or 1.0
    share = min(distance / length, 0.5)
    return start[0] + dx * share, start[1] + dy * share


def _arrow(before: Point, tip: Point, dashed: str) -> str:
    """A small head; the direction is that of the last leg."""
    dx, dy = tip[0] - before[0], tip[1] - before[1]
    length = max(abs(dx), abs(dy)) or 1.0
    ux, uy = dx / length, dy / length
    back = (tip[0] - 7 * ux, tip[1] - 7 * uy)
    wings = ((back[0] - 3.5 * uy, back[1] + 3.5 * ux), (back[0] + 3.5 * uy, back[1] - 3.5 * ux))
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, *wings))
    return f'<polygon class="head{dashed}" points="{corners}"/>'


def _place(node: Node, marked: bool) -> str:
    x, y, r = node.x + node.w / 2, node.y + node.h / 2, node.w / 2
    says = escape(node.title + (", holds a token" if marked else ""))
    out = [f'<g class="place {node.of}" data-place="{escape(node.ref)}"><title>{says}</title>']
    out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"/>')
    if node.of == "final":
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r - 3:.1f}"/>')
    if marked:
        out.append(f'<circle class="token" cx="{x:.1f}" cy="{y:.1f}" r="{r - 4:.1f}"/>')
    return "".join([*out, "</g>"])


def _box(node: Node, radius: float) -> str:
    return (
        f'<rect x="{node.x:.1f}" y="{node.y:.1f}" width="{node.w:.1f}" height="{node.h:.1f}" '
        f'rx="{radius:.0f}"/>'
    )


def _card(node: Node, marked: bool) -> str:
    """A step or an event: badge, name, line number."""
    letter = BADGES.get(node.look, "") if node.of == "card" else "…"
    look = node.look if node.of == "card" else "event"
    middle = node.y + 19.5
    number = (
        f'<text class="number" x="{node.x + node.w - 8:.1f}" y="{middle:.1f}">{node.line}</text>'
        if node.line
        else ""
    )
    return (
        f'<g class="card {look}"><title>{escape(node.title)}</title>{_box(node, 6)}'
        f"{_badge(letter, look, node.x + 7, node.y + 6.5)}"
        f'<text class="name" x="{node.x + 31:.1f}" y="{middle:.1f}">{escape(node.text)}</text>'
        f"{number}</g>"
    )


def _text(node: Node, marked: bool) -> str:
    back = f'<rect class="behind" x="{node.x - 4:.1f}" y="{node.y:.1f}" width="{node.w + 8:.1f}" '
    behind = back + f'height="{node.h:.1f}"/>' if node.look == "tag" else ""
    middle = node.y + node.h / 2 + 4
    words = escape(node.text)
    return f'{behind}<text class="{node.look}" x="{node.x:.1f}" y="{middle:.1f}">{words}</text>'


def _frame(node: Node, marked: bool) -> str:
    return f'<g class="frame {node.look}">{_box(node, 10)}</g>'


def _bar(node: Node, marked: bool) -> str:
    return f'<g class="bar"><title>{escape(node.title)}</title>{_box(node, 2)}</g>'


def _diamond(node: Node, marked: bool) -> str:
    x, y, r = node.x + node.w / 2, node.y + node.h / 2, node.w / 2
    where = f", line {node.line}" if node.line else ""
    return (
        f'<g class="diamond"><title>{escape(node.title)}{where}</title>'
        f'<path d="M{x:.1f} {y - r:.1f}l{r:.1f} {r:.1f}l-{r:.1f} {r:.1f}l-{r:.1f} -{r:.1f}z"/></g>'
    )


def _pill(node: Node, marked: bool) -> str:
    x, y = node.x + node.w / 2, node.y + node.h / 2 + 4
    return (
        f'<g class="pill"><title>{escape(node.title)}</title>{_box(node, node.h / 2)}'
        f'<text x="{x:.1f}" y="{y:.1f}">{escape(node.text)}</text></g>'
    )


_LOOKS: Mapping[str, Callable[[Node, bool], str]] = {
    "place": _place,
    "final": _place,
    "card": _card,
    "event": _card,
    "text": _text,
    "frame": _frame,
    "bar": _bar,
    "diamond": _diamond,
    "pill": _pill,
}
