"""Nets to JSON, DOT and SVG: nothing lost, nothing overlaps, every resting place drawn once."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perdure.model.compiler.compile import compile_workflow
from perdure.model.formats.boxes import Box, BoxKind
from perdure.model.formats.dot import to_dot
from perdure.model.formats.json import NotANet, from_json, to_json
from perdure.model.formats.layout import layout
from perdure.model.formats.style import BADGES
from perdure.model.formats.svg import to_svg
from perdure.model.formats.tree import program_box
from perdure.model.language.decorators import compensatable, idempotent, irreversible
from perdure.model.language.effects import Retry
from perdure.model.language.scopes import saga
from perdure.model.language.waits import Elapsed, Signal, after, days, first, together
from perdure.model.language.workflows import Workflow, workflow
from perdure.model.net import Place, PlaceKind

from .drawings import outside, overlaps

SVG = "{http://www.w3.org/2000/svg}"
K, P = BoxKind, PlaceKind


class Declined(Exception):
    """The card was refused, for certain."""


answer = Signal[bool]("answer")


@compensatable(refused=(Declined,))
async def reserve(n: int) -> int:
    return n


@reserve.undo
async def release(made: int | None, n: int) -> None: ...


@irreversible(refused=(Declined,))
async def charge(n: int) -> int:
    return n


@idempotent(retry=Retry(attempts=None))
async def mail(n: int) -> None: ...


@idempotent(retry=Retry(attempts=3))
async def save(n: int) -> None: ...


@workflow(version=1)
async def order(n: int) -> int:
    async with saga():
        await together(reserve(n), save(n))
        paid = await charge(n)
    await mail(n)
    return paid


@workflow(version=1)
async def chase(n: int) -> str:
    for i in range(n):
        got = await first(answer.wait(), after(days(1)))
        match got:
            case Elapsed():
                if i > 3:
                    raise ValueError("late")
            case _:
                try:
                    await save(i)
                except ValueError:
                    await mail(i)
                    continue
                return "saved"
    while True:
        await mail.named("again")(n)
        if n > 2:
            break
    return "given up"


WORKFLOWS: list[Workflow[..., Any]] = [order, chase]
REFS = pytest.mark.parametrize("flow", WORKFLOWS, ids=[flow.name for flow in WORKFLOWS])


def step(number: int, effect: str = "idempotent") -> Box:
    """A step with the places of its class."""
    kinds = [P.BEFORE]
    if effect in ("compensatable", "irreversible"):
        kinds += [P.DURING, P.DOUBT, P.AFTER]
    name = f"step_{number}"
    places = tuple(Place(f"{kind.value} {name}", kind) for kind in kinds)
    return Box(K.STEP, name, places=places, effect=effect, line=number)


def sequence(*children: Box) -> Box:
    return sequence_of(children)


def sequence_of(children: Sequence[Box]) -> Box:
    return Box(K.SEQUENCE, children=tuple(children))


def holding(kind: BoxKind, label: str, bodies: list[Box], note: str, token: bool) -> Box:
    """A construct around bodies; those that hold one body take the first."""
    one = kind in (K.SCOPE, K.LOOP)
    children = tuple(bodies[:1] if one else bodies)
    labels = () if one or kind is K.FORK else (label,) * len(children)
    places = (Place("in scope", P.SCOPE),) if token and kind in (K.SCOPE, K.FORK) else ()
    lane = (Place("undoing scope", P.UNDOING), Place("raised", P.BRANCH)) if token else ()
    return Box(kind, label, children, labels, places, lane, note=note if kind is K.LOOP else "")


def ending(word: str) -> Box:
    return Box(K.END, word, line=7)


def grown(children: st.SearchStrategy[Box]) -> st.SearchStrategy[Box]:
    """Constructs around smaller boxes, with names of random length."""
    body = st.builds(sequence_of, st.lists(children, max_size=3))
    return st.one_of(
        body,
        st.builds(
            holding,
            st.sampled_from([K.SCOPE, K.TRY, K.CHOICE, K.FORK, K.LOOP]),
            st.text("abcdefgh ", min_size=1, max_size=40),
            st.lists(body, min_size=1, max_size=4),
            st.sampled_from(["", "for ever", "no end"]),
            st.booleans(),
        ),
        st.builds(ending, st.sampled_from(["return", "raise Declined"])),
    )


steps = st.builds(step, st.integers(1, 99_999), st.sampled_from(sorted(BADGES)))
boxes = st.recursive(steps, grown, max_leaves=12)


@settings(max_examples=150, deadline=None)
@given(boxes, st.booleans())
def test_no_two_things_overlap_in_any_program(box: Box, lanes: bool) -> None:
    """Whatever constructs are nested, bounding boxes are apart and inside the page."""
    whole = Box(K.WORKFLOW, "w", (sequence(box),), places=(Place("start", P.START),))
    drawing = layout(whole, lanes=lanes)
    assert not overlaps(drawing)
    assert not outside(drawing)


@settings(max_examples=100, deadline=None)
@given(boxes)
def test_every_line_is_horizontal_or_vertical(box: Box) -> None:
    """Edges turn at right angles only, so that corners can be rounded."""
    for edge in layout(Box(K.WORKFLOW, "w", (sequence(box),))).edges:
        for (x, y), (u, v) in zip(edge.points, edge.points[1:], strict=False):
            assert x == pytest.approx(u) or y == pytest.approx(v)


@REFS
def test_every_resting_place_of_a_compiled_net_is_drawn_once(flow: Workflow[..., Any]) -> None:
    """With lanes, the places in the drawing are the tangible places of the net, each once."""
    program = compile_workflow(flow)
    drawing = layout(program_box(program), lanes=True)
    drawn = sorted(n.ref for n in drawing.nodes if n.ref)
    assert drawn == sorted(p.name for p in program.net.places if p.tangible)
    assert not overlaps(drawing)


@REFS
def test_hidden_places_are_those_of_exceptions_drains_and_undo(
    flow: Workflow[..., Any],
) -> None:
    """Without lanes nothing of the ordinary course is missing."""
    program = compile_workflow(flow)
    drawn = {n.ref for n in layout(program_box(program)).nodes}
    hidden = {p.kind for p in program.net.places if p.tangible and p.name not in drawn}
    assert hidden <= {P.ENDING, P.FAILED, P.CANCELLED, P.UNDOING, P.BRANCH}


@REFS
def test_the_svg_is_well_formed_and_says_what_it_shows(flow: Workflow[..., Any]) -> None:
    """It parses, has a title, a title per place, badges and lines, and asks nobody for anything."""
    text = to_svg(program_box(compile_workflow(flow)))
    root = ElementTree.fromstring(text)
    assert root.findtext(f"{SVG}title") == f"workflow {flow.name}"
    groups = [g for g in root.iter(f"{SVG}g") if g.get("data-place")]
    assert groups
    assert all(g.findtext(f"{SVG}title") for g in groups)
    assert "prefers-color-scheme:dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert root.findall(f".//{SVG}g[@class='badge idempotent']")


@REFS
def test_the_legend_explains_every_badge_and_stays_on_the_page(flow: Workflow[..., Any]) -> None:
    """Each kind of card that is drawn has its word below, inside the width; no other has."""
    root = ElementTree.fromstring(to_svg(program_box(compile_workflow(flow))))
    legends = root.findall(f".//{SVG}g[@class='legend']")
    told = {g.get("class", "") for row in legends for g in row.findall(f"{SVG}g")}
    cards = {g.get("class", "").removeprefix("card ") for g in root.iter(f"{SVG}g")
             if g.get("class", "").startswith("card")}  # fmt: skip
    assert told == {f"badge {look}" for look in cards}
    for word in (text for row in legends for text in row.findall(f"{SVG}text")):
        assert float(word.get("x", "0")) + 6 * len(word.text or "") < float(root.get("width", "0"))


def test_tokens_are_drawn_and_open_the_lane_they_stand_in() -> None:
    """A marked place holds a token; a marked place of a lane is shown although lanes are not."""
    box = program_box(compile_workflow(order))
    plain = to_svg(box, marking={"start": 1})
    assert plain.count('class="token"') == 1
    assert "undoing saga" not in plain
    shown = to_svg(box, marking={"undoing saga": 1, "running": 1})
    assert shown.count('class="token"') == 2
    assert "undoing saga, holds a token" in shown


def test_names_are_escaped() -> None:
    """A condition with signs of XML in it does not break the drawing."""
    box = Box(K.CHOICE, 'if a < b & c > "d"', (sequence(), sequence(step(1))), ("yes", "<no>"))
    ElementTree.fromstring(to_svg(Box(K.WORKFLOW, "w<x>", (sequence(box),))))


def test_layout_takes_linear_work() -> None:
    """1,000 steps in nested constructs are laid out with ten times the calls of 100 steps."""

    def program(size: int) -> Box:
        rows = [
            Box(K.SCOPE, "saga", (sequence(*(step(i * 10 + j) for j in range(10))),))
            for i in range(size // 10)
        ]
        return Box(K.WORKFLOW, "w", (sequence(*rows),))

    def calls(size: int) -> int:
        box, made = program(size), Counter[str]()
        sys.setprofile(lambda frame, event, argument: made.update((event,)))
        try:
            drawn = layout(box)
        finally:
            sys.setprofile(None)
        assert len(drawn.nodes) > 2 * size
        return made["call"] + made["c_call"]

    small, large = calls(100), calls(1000)
    assert 8 * small < large < 11 * small


@REFS
def test_a_net_survives_json_with_its_digest(flow: Workflow[..., Any]) -> None:
    """Reading back what was written gives an equal net; a change by hand is refused."""
    net = compile_workflow(flow).net
    text = to_json(net)
    back = from_json(text)
    assert back == net
    assert back.digest == net.digest
    changed = json.loads(text)
    changed["transitions"][0]["put"] = ["start"]
    with pytest.raises(NotANet, match="was changed"):
        from_json(json.dumps(changed))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"digest": "x", "name": 1}', "not json"])
def test_what_is_no_net_is_refused_with_the_reason(text: str) -> None:
    """Broken input is the user's mistake, told in one line."""
    with pytest.raises(NotANet, match=r"this is no net: ."):
        from_json(text)


def test_dot_names_every_place_and_transition() -> None:
    """One node each, quoted, and a dot in each marked place."""
    net = compile_workflow(order).net
    text = to_dot(net, {"start": 1})
    nodes = [row for row in text.splitlines() if "shape=" in row]
    assert len(nodes) == len(net.places) + len(net.transitions)
    assert text.count("●") == 1
    assert text.count("dir=none") == sum(len(t.read) for t in net.transitions)
