"""Layout by program structure: every box becomes a fragment, bottom up, in linear time.

Sequence: a column. Choice: branches between a diamond and a merge; fork: between two bars. Loop:
a frame, the return edge on its left, its exit on its right. Scope: a dashed frame with its token.
Handlers stand beside what they guard. Lanes (exceptions, drains, undo) stand at the
right of their box. How things look is `svg.py`.
Nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..net import FINAL, Place, PlaceKind
from .boxes import Box, BoxKind
from .fragments import Edge, Fragment, Node

R = 9.0  # radius of a place
GAP = 20.0  # length of an arrow between two things
SIDE = 30.0  # room between branches
PAD = 16.0  # room inside a frame
HEAD = 42.0  # room above what is inside a frame
BROW = 9.0  # how far name and token of a frame rise above its edge
LOOP_TEST = 24.0  # where the test of a loop stands
CARD = 30.0  # height of a step's head
INNER = 38.0  # height of the row with during and in doubt
CHAR = 7.25  # width of a character of the code font
SMALL = 6.2  # the same for labels


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished layout."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def layout(box: Box, *, lanes: bool = False) -> Drawing:
    """Lay out a tree of boxes; `lanes` shows the places of exceptions, drains and undo as well."""
    whole = _Layout(lanes).fragment(box)
    width, height = whole.left + whole.right, whole.height
    nodes: list[Node] = []
    edges: list[Edge] = []
    for piece in whole.flatten(PAD + whole.left, PAD):
        if isinstance(piece, Node):
            nodes.append(piece)
        else:
            edges.append(piece)
    return Drawing(width + 2 * PAD, height + 2 * PAD, tuple(nodes), tuple(edges))


def circle(place: Place, x: float, y: float) -> Node:
    """A place with its centre at x and its top at y."""
    of = "final" if place.kind in FINAL else "place"
    return Node(of, x - R, y, 2 * R, 2 * R, ref=place.name, title=place.name, look=place.kind)


def label(text: str, x: float, y: float, look: str = "label") -> Node:
    """A small text with its left edge at x and its middle at y."""
    return Node("text", x, y - 7, len(text) * SMALL + 2, 14, text, look=look)


class _Layout:
    """One layout; a method for each kind of box."""

    def __init__(self, lanes: bool) -> None:
        self.lanes = lanes
        self._of: dict[BoxKind, Callable[[Box], Fragment]] = {
            BoxKind.WORKFLOW: self.workflow,
            BoxKind.SEQUENCE: self.sequence,
            BoxKind.STEP: self.step,
            BoxKind.WAIT: self.wait,
            BoxKind.CHOICE: self.choice,
            BoxKind.FORK: self.fork,
            BoxKind.LOOP: self.loop,
            BoxKind.SCOPE: self.scope,
            BoxKind.TRY: self.guarded,
            BoxKind.END: self.end,
        }

    def fragment(self, box: Box) -> Fragment:
        """The piece of a box, with its lane beside it when lanes are shown."""
        piece = self._of[box.kind](box)
        piece.leads_on = box.leads_on
        return self._beside(piece, box.lane) if self.lanes and box.lane else piece

    def _beside(self, piece: Fragment, lane: Sequence[Place]) -> Fragment:
        """The piece with a dashed lane of places at its right."""
        out = Fragment(leads_on=piece.leads_on, lands=piece.lands)
        out.add(piece, 0, 0)
        x, y, pitch = piece.right + SIDE, 4.0, 2 * R + 10
        out.height = max(out.height, len(lane) * pitch + 4)
        out.line((piece.right + 2, y + R), (x - 2, y + R), dashed=True)
        for i, place in enumerate(lane):
            out.put(circle(place, x + R, y + i * pitch))
            out.put(label(place.name, x + 2 * R + 6, y + i * pitch + R, "lane"))
        out.right += 6
        return out

    def _column(self, pieces: Sequence[Fragment]) -> Fragment:
        """Pieces one below the other, joined by arrows where control leads on."""
        out, y = Fragment(), 0.0
        for i, piece in enumerate(pieces):
            if i:
                if pieces[i - 1].leads_on:
                    out.line((0, y), (0, y + GAP), arrow=piece.lands)
                y += GAP
            out.add(piece, 0, y)
            y += piece.height
        out.lands = bool(pieces) and pieces[0].lands
        return out

    def sequence(self, box: Box) -> Fragment:
        return self._column([self.fragment(child) for child in box.children])

    def workflow(self, box: Box) -> Fragment:
        """Title and scope token on top, then start, the body, done."""
        kinds = {place.kind: place for place in box.places}
        column: list[Fragment] = []
        for kind in (PlaceKind.START, None, PlaceKind.DONE):
            if kind is None:
                column += [self.fragment(child) for child in box.children if child.children]
            elif kind in kinds:
                piece = Fragment()
                piece.put(circle(kinds[kind], 0, 0))
                piece.put(label(kinds[kind].name, R + 8, R))
                column.append(piece)
        body, out = self._column(column), Fragment()
        title = Node("text", 0, 0, len(box.label) * 8.6, 20, box.label, look="title")
        token = kinds.get(PlaceKind.SCOPE)
        wide = max(body.left + body.right, title.w + (110 if token else 0))
        left = max(body.left, wide / 2) if wide > body.left + body.right else body.left
        out.put(Node("text", -left, 0, title.w, 20, box.label, look="title"))
        if token:
            out.put(circle(token, -left + title.w + 26, 1))
            out.put(label(token.name, -left + title.w + 26 + R + 6, 1 + R))
        out.add(body, 0, 34)
        return out

    def step(self, box: Box) -> Fragment:
        """before, the card (with during and in doubt inside), after."""
        by = {place.kind: place for place in box.places}
        out, y = Fragment(), 0.0
        if PlaceKind.BEFORE in by:
            out.put(circle(by[PlaceKind.BEFORE], 0, 0))
            out.line((0, 2 * R), (0, 2 * R + GAP * 0.8))
            y = 2 * R + GAP * 0.8
        number = len(str(box.line)) * SMALL + 14 if box.line else 0
        inner = PlaceKind.DURING in by
        width = max(len(box.label) * CHAR + 44 + number, 222 if inner else 120)
        card = Node("card", -width / 2, y, width, CARD + INNER * inner, box.label)
        title = f"{box.label}: {box.effect}" + (f", line {box.line}" if box.line else "")
        out.put(_replaced(card, title, box))
        if inner:
            middle = y + CARD + INNER / 2 - 4
            out.put(circle(by[PlaceKind.DURING], 0, middle - R))
            out.put(label("during", -R - 8 - 6 * SMALL, middle))
            if PlaceKind.DOUBT in by:
                out.put(circle(by[PlaceKind.DOUBT], 42, middle - R))
                out.put(label("in doubt", 42 + R + 4, middle))
                out.line((R, middle), (42 - R, middle), dashed=True)
        y += card.h
        if PlaceKind.AFTER in by:
            out.line((0, y), (0, y + GAP * 0.8))
            out.put(circle(by[PlaceKind.AFTER], 0, y + GAP * 0.8))
        return out

    def wait(self, box: Box) -> Fragment:
        """One place, a card per contender, one way on."""
        out = Fragment()
        if box.places:
            out.put(circle(box.places[0], 0, 0))
            out.put(label(box.places[0].name, R + 8, R))
        cards: list[Fragment] = []
        for text in box.labels:
            number = len(str(box.line)) * SMALL + 14 if box.line else 0
            card, width = Fragment(), len(text) * CHAR + 44 + number
            title = f"{text}, line {box.line}"
            card.put(Node("event", -width / 2, 0, width, CARD, text, title=title, line=box.line))
            cards.append(card)
        self._branches(out, 2 * R, cards)
        return out

    def _branches(self, out: Fragment, top: float, pieces: Sequence[Fragment]) -> list[float]:
        """Branches side by side, in from (0, top) and merged again below; returns their axes."""
        axes = _axes(pieces)
        single = len(pieces) == 1
        start = top + (GAP * 0.8 if single else 2 * GAP)
        for x, piece in zip(axes, pieces, strict=True):
            out.add(piece, x, start)
        bottom = max(start + piece.height for piece in pieces)
        for x, piece in zip(axes, pieces, strict=True):
            corner = top + GAP * 0.7
            way = ((0.0, top), (x, start)) if x == 0 else ((0.0, top), (0.0, corner), (x, corner))
            arrow = piece.lands
            out.line(*way, *(((x, start),) if x else ()), arrow=arrow)
            if piece.leads_on and not single:
                low = start + piece.height
                merge = bottom + GAP * 0.6
                out.line((x, low), (x, merge), (0, merge), (0, bottom + GAP), arrow=False)
        out.height = max(out.height, bottom + (0 if single else GAP))
        return axes

    def choice(self, box: Box) -> Fragment:
        """A diamond with the condition, labelled branches, a merge."""
        out, half = Fragment(), 9.0
        out.put(Node("diamond", -half, 0, 2 * half, 2 * half, title=box.label, line=box.line))
        out.put(label(box.label, half + 6, half, "code"))
        pieces: list[Fragment] = []
        for child, text in zip(box.children, box.labels, strict=True):
            piece = Fragment(leads_on=child.leads_on, lands=False)
            inside = self.fragment(child)
            piece.put(label(text, 6, 5))
            piece.add(inside, 0, GAP)
            piece.height = max(piece.height, GAP)
            piece.line((0, 0), (0, GAP), arrow=inside.lands)
            pieces.append(piece)
        self._branches(out, 2 * half, pieces)
        return out

    def fork(self, box: Box) -> Fragment:
        """Branches between two bars; the scope token at the end of the first bar."""
        scope = [p for p in box.places if p.kind is PlaceKind.SCOPE]
        ended = [p for p in box.places if p.kind is PlaceKind.BRANCH]
        pieces: list[Fragment] = []
        for i, child in enumerate(box.children):
            piece = self.fragment(child)
            if i < len(ended):
                end = Fragment()
                end.put(circle(ended[i], 0, 0))
                piece = self._column([piece, end])
            pieces.append(piece)
        out, top = Fragment(lands=False), 18.0
        axes = _axes(pieces)
        west, east = min(axes[0] - 40, -60.0), max(axes[-1] + 40, 60.0, len(box.label) * SMALL + 12)
        out.put(label(box.label, 8, 6))
        out.line((0, 0), (0, top))
        for x, piece in zip(axes, pieces, strict=True):
            out.add(piece, x, top + 5 + GAP)
            out.line((x, top + 5), (x, top + 5 + GAP), arrow=piece.lands)
        bottom = max(top + 5 + GAP + piece.height for piece in pieces) + GAP
        for x, piece in zip(axes, pieces, strict=True):
            out.line((x, top + 5 + GAP + piece.height), (x, bottom))
        for y in (top, bottom):
            out.put(Node("bar", west, y, east - west, 5, title=box.label))
        if scope:
            out.put(circle(scope[0], east + 8 + R, top + 2.5 - R))
        return out

    def _framed(
        self, inside: Fragment, box: Box, look: str, *, sides: float = 0, foot: float = PAD
    ) -> Fragment:
        """A frame with a label at its top left and the scope's token at its top right."""
        out = Fragment(leads_on=box.leads_on, lands=False)
        text = len(box.label) * CHAR + 16
        token = next((p for p in box.places if p.kind is PlaceKind.SCOPE), None)
        left, right = inside.left + PAD + sides, inside.right + PAD + sides
        # The name stands on the frame's upper edge, left of the axis that passes through it.
        left = max(left, text + 16)
        right = max(right, 2 * R + 28 if token else 0)
        height = HEAD + inside.height + foot
        out.put(Node("frame", -left, BROW, left + right, height - BROW, look=look, title=box.label))
        out.put(Node("text", -left + 14, BROW - 7, text - 14, 14, box.label, look="tag"))
        if token:
            out.put(circle(token, right - 14 - R, BROW - R))
        out.add(inside, 0, HEAD)
        return out

    def scope(self, box: Box) -> Fragment:
        inside = self.fragment(box.children[0])
        out = self._framed(inside, box, "scope")
        out.line((0, 0), (0, HEAD), arrow=inside.lands)
        if inside.leads_on:
            out.line((0, HEAD + inside.height), (0, out.height), arrow=False)
        return out

    def loop(self, box: Box) -> Fragment:
        """Back on the left, out on the right (without a test: out by break alone)."""
        inside, tested, half = self.fragment(box.children[0]), not box.note, 7.0
        out = self._framed(inside, box, "loop", sides=18, foot=30)
        low, back, ahead = HEAD + inside.height, inside.left + 16, inside.right + 16
        near = half * tested
        out.line((0, 0), (0, LOOP_TEST - near), arrow=False)
        out.line((0, LOOP_TEST + near), (0, HEAD), arrow=inside.lands)
        if inside.leads_on:
            turn = (0.0, low + 8)
            out.line((0, low), turn, (-back, turn[1]), (-back, LOOP_TEST), (-near, LOOP_TEST))
        if tested:
            title = f"{box.label}, line {box.line}"
            out.put(Node("diamond", -half, LOOP_TEST - half, 2 * half, 2 * half, title=title))
            foot = low + 20
            out.line(
                (half, LOOP_TEST),
                (ahead, LOOP_TEST),
                (ahead, foot),
                (0, foot),
                (0, out.height),
                arrow=False,
            )
        return out

    def guarded(self, box: Box) -> Fragment:
        """The guarded body in a frame, each handler beside it behind a dashed arrow."""
        body = self.fragment(box.children[0])
        frame = self._framed(body, box, "try")
        frame.line((0, 0), (0, HEAD), arrow=body.lands)
        if body.leads_on:
            frame.line((0, HEAD + body.height), (0, frame.height), arrow=False)
        out, x = Fragment(lands=False), 0.0
        out.add(frame, 0, 0)
        bottom, ways = frame.height, list[tuple[float, float]]()
        edge = frame.right
        for child, text in zip(box.children[1:], box.labels[1:], strict=True):
            piece = self.fragment(child)
            column = Fragment(leads_on=child.leads_on)
            column.put(label(text, -len(text) * SMALL / 2, 7, "code"))
            column.add(piece, 0, 16 + GAP)
            column.line((0, 16), (0, 16 + GAP), arrow=piece.lands)
            x = edge + SIDE + column.left
            out.add(column, x, 22)
            out.line((edge, 29), (x - len(text) * SMALL / 2 - 4, 29), dashed=True)
            edge = x + column.right
            bottom = max(bottom, 22 + column.height)
            if child.leads_on:
                ways.append((x, 22 + column.height))
        if bottom > frame.height and body.leads_on:
            out.line((0, frame.height), (0, bottom), arrow=False)
        for x, y in ways:
            out.line((x, y), (x, bottom + GAP * 0.6), (0, bottom + GAP * 0.6), arrow=False)
        out.height = bottom + GAP * bool(ways)
        if ways:
            out.line(
                (0, frame.height if body.leads_on else bottom + GAP * 0.6),
                (0, out.height),
                arrow=False,
            )
        return out

    def end(self, box: Box) -> Fragment:
        out, width = Fragment(), len(box.label) * CHAR + 20
        title = f"{box.label}, line {box.line}" if box.line else box.label
        out.put(Node("pill", -width / 2, 0, width, 22, box.label, title=title, line=box.line))
        return out


def _replaced(card: Node, title: str, box: Box) -> Node:
    return Node(card.of, card.x, card.y, card.w, card.h, card.text, "", title, box.effect, box.line)


def _axes(pieces: Sequence[Fragment]) -> list[float]:
    """Where the axes of pieces side by side stand: the middle one at 0, or the middle of two."""
    xs = [0.0]
    for one, other in pairwise(pieces):
        xs.append(xs[-1] + one.right + SIDE + other.left)
    half = len(xs) // 2
    middle = xs[half] if len(xs) % 2 else (xs[half - 1] + xs[half]) / 2
    return [x - middle for x in xs]
