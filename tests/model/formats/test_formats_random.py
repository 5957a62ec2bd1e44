"""Drawings and texts of random programs: complete, apart, inside the page, parsable, linear."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from perdure.model.formats.dot import to_dot
from perdure.model.formats.json import to_json
from perdure.model.formats.layout import layout
from perdure.model.formats.svg import to_svg
from perdure.model.formats.tree import program_box
from perdure.model.net import Net, PlaceKind

from ..compiled import programs, source
from .drawings import outside, overlaps

SVG = "{http://www.w3.org/2000/svg}"
CHUNKS = 4
PROGRAMS = 40


def numbers(chunk: int) -> range:
    return range(chunk * PROGRAMS, (chunk + 1) * PROGRAMS)


EACH_CHUNK = pytest.mark.parametrize("chunk", range(CHUNKS))
HIDDEN = {
    PlaceKind.ENDING,
    PlaceKind.FAILED,
    PlaceKind.CANCELLED,
    PlaceKind.UNDOING,
    PlaceKind.BRANCH,
    PlaceKind.AFTER,  # the resting place of a loop that would spin
}


@EACH_CHUNK
def test_every_resting_place_is_drawn_exactly_once(chunk: int) -> None:
    """With lanes all of them; without, none twice and none of the ordinary course missing."""
    for number, program in programs(numbers(chunk)):
        places = {p.name: p for p in program.net.places if p.tangible}
        box = program_box(program)
        drawn = Counter(n.ref for n in layout(box, lanes=True).nodes if n.ref)
        assert drawn == Counter(dict.fromkeys(places, 1)), (number, source(number).text)
        plain = Counter(n.ref for n in layout(box).nodes if n.ref)
        assert set(plain.values()) == {1}
        assert {places[p].kind for p in drawn - plain} <= HIDDEN


@EACH_CHUNK
@pytest.mark.parametrize("lanes", [True, False], ids=["lanes", "plain"])
def test_nothing_overlaps_and_nothing_leaves_the_page(chunk: int, lanes: bool) -> None:
    """Boxes, places, labels; and every line turns inside the page at right angles."""
    for number, program in programs(numbers(chunk)):
        drawing = layout(program_box(program), lanes=lanes)
        assert not overlaps(drawing), (number, overlaps(drawing)[:3], source(number).text)
        assert not outside(drawing), (number, outside(drawing)[:3])
        for edge in drawing.edges:
            for x, y in edge.points:
                assert 0 <= x <= drawing.width, number
                assert 0 <= y <= drawing.height, number


def width(element: ElementTree.Element) -> float:
    """How wide a text is at the least: what a narrow monospaced character takes."""
    return len(element.text or "") * 5.0


@EACH_CHUNK
def test_the_svg_shows_the_places_and_its_words_inside_the_view_box(chunk: int) -> None:
    """It parses, has a group for each drawn place, and no text begins or ends outside."""
    for number, program in programs(numbers(chunk)):
        root = ElementTree.fromstring(to_svg(program_box(program), lanes=True))
        left, top, wide, high = map(float, root.attrib["viewBox"].split())
        assert (left, top) == (0, 0)
        groups = [g.get("data-place") for g in root.iter(f"{SVG}g") if g.get("data-place")]
        assert Counter(groups) == Counter(p.name for p in program.net.places if p.tangible)
        for text in root.iter(f"{SVG}text"):
            x, y = float(text.attrib["x"]), float(text.attrib["y"])
            anchored = text.get("class") in (None, "number")  # badges: centred; numbers: at the end
            assert -1 <= x <= wide + 1, (number, text.text)
            assert 0 <= y <= high + 1, (number, text.text)
            if not anchored:
                assert x + width(text) <= wide + 1, (number, text.text)


def test_drawings_and_texts_are_of_linear_size() -> None:
    """What is written per node of the net has a bound, whatever the program."""
    for number, program in programs(range(160)):
        net = program.net
        nodes = len(net.places) + len(net.transitions)
        drawing = layout(program_box(program), lanes=True)
        assert len(drawing.nodes) + len(drawing.edges) < 8 * nodes, number
        assert len(to_svg(program_box(program), lanes=True)) < 9_000 + 1_500 * nodes, number
        assert len(to_dot(net)) < 400 * nodes, number
        assert len(to_json(net, indent=-1)) < 4_000 + 900 * nodes, number


# --- DOT, by its grammar -----------------------------------------------------------------------

TOKEN = re.compile(
    r'\s*(?:("(?:[^"\\]|\\.)*")|([A-Za-z_][A-Za-z_0-9]*|-?[0-9.]+)|(->|[{}\[\];,=]))'
)


def tokens(text: str) -> Iterator[str]:
    """Quoted strings, names and numbers, signs; raises at anything else."""
    at, text = 0, text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"no token of DOT: {text[at : at + 20]!r}")
        yield found.group(0).strip()
        at = found.end()


class Dot:
    """A parser of the part of DOT that directed graphs need: statements with attributes."""

    def __init__(self, text: str) -> None:
        self.left = list(tokens(text))[::-1]
        self.nodes: dict[str, dict[str, str]] = {}
        self.arcs: list[tuple[str, str, bool]] = []
        self.take("digraph")
        self.name = self.left.pop()
        self.take("{")
        while self.ahead() != "}":
            self.statement()
        self.take("}")
        assert not self.left

    def ahead(self) -> str:
        """The next token, left where it is."""
        return self.left[-1]

    def take(self, sign: str) -> None:
        found = self.left.pop()
        assert found == sign, f"{found!r} where {sign!r} must be"

    def statement(self) -> None:
        first = self.left.pop()
        if self.ahead() == "=":
            self.take("=")
            self.left.pop()
        elif self.ahead() == "->":
            self.take("->")
            second = self.left.pop()
            self.arcs.append((first, second, "dir" in self.attributes()))
        elif first not in ("node", "edge", "graph"):
            assert first not in self.nodes, f"{first} twice"
            self.nodes[first] = self.attributes()
        else:
            self.attributes()
        self.take(";")

    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.ahead() != "[":
            return found
        self.take("[")
        while self.ahead() != "]":
            name = self.left.pop()
            self.take("=")
            found[name] = self.left.pop()
            if self.ahead() == ",":
                self.take(",")
        self.take("]")
        return found


def expected(net: Net) -> Counter[tuple[str, str, bool]]:
    """The arcs of a net by the names that its DOT text uses."""
    arcs = Counter[tuple[str, str, bool]]()
    for k, t in enumerate(net.transitions):
        arcs.update((f"p{net.place[p]}", f"t{k}", False) for p in t.take)
        arcs.update((f"t{k}", f"p{net.place[p]}", False) for p in t.put)
        arcs.update((f"p{net.place[p]}", f"t{k}", True) for p in t.read)
    return arcs


@EACH_CHUNK
def test_dot_parses_and_is_the_net(chunk: int) -> None:
    """Every place and transition is a node with its name, every arc an edge; nothing else."""
    for _, program in programs(numbers(chunk)):
        net = program.net
        dot = Dot(to_dot(net))
        named = {n: a.get("xlabel", a.get("label", "")) for n, a in dot.nodes.items()}
        shown = {f"p{i}": p.name for i, p in enumerate(net.places)}
        shown |= {f"t{k}": t.name for k, t in enumerate(net.transitions)}
        assert {n: unquoted(text) for n, text in named.items()} == shown
        assert Counter(dot.arcs) == expected(net)


def unquoted(text: str) -> str:
    assert text.startswith('"')
    assert text.endswith('"')
    return re.sub(r"\\(.)", r"\1", text[1:-1])
