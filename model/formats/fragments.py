"""Drawn pieces: nodes and edges around an axis, put together into larger pieces without copying.

A fragment's axis is x = 0 and its top is y = 0; control comes in at the top of the axis and goes
out at its bottom. Parts keep their own coordinates until `flatten` adds the offsets once, so layout
is linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Node:
    """Something drawn in a rectangle. `ref` is the place it shows, `of` decides its look."""

    of: str
    x: float
    y: float
    w: float
    h: float
    text: str = ""
    ref: str = ""
    title: str = ""
    look: str = ""
    line: int = 0

    def overlaps(self, other: Node) -> bool:
        """Whether the rectangles share more than an edge."""
        apart_x = self.x + self.w <= other.x or other.x + other.w <= self.x
        apart_y = self.y + self.h <= other.y or other.y + other.h <= self.y
        return not (apart_x or apart_y)


@dataclass(frozen=True, slots=True)
class Edge:
    """A line through points, with an arrow at its end or not."""

    points: tuple[Point, ...]
    arrow: bool = True
    dashed: bool = False


@dataclass(slots=True)
class Fragment:
    """A piece with its extents left and right of the axis."""

    left: float = 0
    right: float = 0
    height: float = 0
    leads_on: bool = True
    lands: bool = True  # control meets a node at the top, not a line that goes on
    nodes: list[Node] = field(default_factory=list[Node])
    edges: list[Edge] = field(default_factory=list[Edge])
    parts: list[tuple[float, float, Fragment]] = field(
        default_factory=list["tuple[float, float, Fragment]"]
    )

    def widen(self, left: float, right: float) -> None:
        """Make room on both sides of the axis."""
        self.left, self.right = max(self.left, left), max(self.right, right)

    def add(self, part: Fragment, x: float, y: float) -> None:
        """Put a part with its axis at x and its top at y, and grow around it."""
        self.parts.append((x, y, part))
        self.widen(part.left - x, part.right + x)
        self.height = max(self.height, y + part.height)

    def put(self, node: Node) -> None:
        """Add a node and grow around it."""
        self.nodes.append(node)
        self.widen(-node.x, node.x + node.w)
        self.height = max(self.height, node.y + node.h)

    def line(self, *points: Point, arrow: bool = True, dashed: bool = False) -> None:
        """Add an edge; it does not grow the fragment."""
        self.edges.append(Edge(points, arrow, dashed))

    def flatten(self, x: float, y: float) -> Iterator[Node | Edge]:
        """Everything inside with its offsets added, frames before what they hold."""
        todo = [(x, y, self)]
        while todo:
            x, y, piece = todo.pop()
            for node in piece.nodes:
                yield replace(node, x=node.x + x, y=node.y + y)
            for edge in piece.edges:
                yield replace(edge, points=tuple((px + x, py + y) for px, py in edge.points))
            todo += [(x + dx, y + dy, part) for dx, dy, part in reversed(piece.parts)]
