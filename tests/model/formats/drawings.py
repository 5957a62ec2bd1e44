"""What may be wrong with a drawing: things that overlap or leave the page. No test lives here."""

from __future__ import annotations

from perdure.model.formats.fragments import Node
from perdure.model.formats.layout import Drawing


def overlaps(drawing: Drawing) -> list[tuple[Node, Node]]:
    """Pairs of nodes that overlap though neither holds the other."""
    free = [n for n in drawing.nodes if n.of not in ("frame", "card") and n.look != "tag"]
    cards = [n for n in drawing.nodes if n.of == "card"]
    tall = sorted(free, key=lambda n: n.y)
    found: list[tuple[Node, Node]] = []
    for group in (tall, sorted(cards, key=lambda n: n.y)):
        for i, one in enumerate(group):
            for other in group[i + 1 :]:
                if other.y >= one.y + one.h:
                    break
                if one.overlaps(other):
                    found.append((one, other))
    for card in cards:
        for node in free:
            inside = card.x <= node.x and node.x + node.w <= card.x + card.w + 0.01
            if card.overlaps(node) and not inside:
                found.append((card, node))
    return found


def outside(drawing: Drawing) -> list[Node]:
    """Nodes that leave the drawing."""
    return [
        n
        for n in drawing.nodes
        if n.x < 0 or n.y < 0 or n.x + n.w > drawing.width or n.y + n.h > drawing.height
    ]
