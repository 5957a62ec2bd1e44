"""A net is a frozen value: it cannot be changed, and its digest says exactly how it behaves."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from functools import cache
from typing import Any, cast

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure.model.formats.json import NotANet, from_json, to_json
from perdure.model.net import (
    Net,
    Place,
    PlaceKind,
    Site,
    SiteKind,
    Span,
    StackOp,
    Transition,
    TransitionKind,
)

from .compiled import programs


@cache
def nets() -> list[Net]:
    """Compiled where they are first asked for: every worker collects this file, one runs it."""
    return [program.net for _, program in programs(range(40))]


numbers = st.deferred(lambda: st.integers(0, len(nets()) - 1))
ELSEWHERE = Span("moved.py", 999, 1, 999, 2)


def shuffled(net: Net, r: random.Random) -> Net:
    """The same net, its parts given in another order."""

    def mixed(parts: Any) -> Any:
        return tuple(r.sample(list(parts), len(parts)))

    return replace(
        net,
        places=mixed(net.places),
        transitions=mixed(net.transitions),
        sites=mixed(net.sites),
        types=dict(mixed(net.types.items())),
        glue=dict(mixed(net.glue.items())),
    )


@given(numbers, st.randoms(use_true_random=False))
def test_a_digest_knows_no_order_of_construction(number: int, r: random.Random) -> None:
    """Whatever order the parts come in, the digest is one, and so is the number of a transition.

    Logs name transitions by number: one digest with two numberings would misread a log.
    """
    net = nets()[number]
    again = shuffled(net, r)
    assert again.digest == net.digest
    assert again.transitions == net.transitions
    assert hash(again) == hash(net)


def test_equal_nets_have_equal_digests_and_different_ones_do_not() -> None:
    """On random programs: equal values, equal digests; the digests of different nets differ."""
    for net in nets():
        assert replace(net) == net
        assert replace(net).digest == net.digest
    assert len({net.digest for net in nets()}) == len(set(nets())) == len(nets())


@given(numbers)
def test_a_net_cannot_be_changed(number: int) -> None:
    """Neither a field, nor a part, nor a mapping in it; nor by a dict that it was made of."""
    net = nets()[number]
    for part in (net, net.places[0], net.transitions[0], *net.sites[:1]):
        for f in fields(part):
            with pytest.raises(FrozenInstanceError):
                setattr(part, f.name, getattr(part, f.name))
    for mapping in (net.types, net.glue):
        with pytest.raises(TypeError):
            cast("dict[str, str]", mapping)["x"] = "y"
    types = dict(net.types)
    mine = replace(net, types=types)
    before = mine.digest
    types["new"] = "int"
    assert "new" not in mine.types
    assert replace(mine).digest == before


# --- what a digest sees ------------------------------------------------------------------------

UNSEEN = {"span", "block"}
"""Where a thing stands in the source and in a drawing is no behaviour."""


def other(value: Any) -> Any:
    """Another value of the same sort."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, PlaceKind | TransitionKind | SiteKind | StackOp):
        kinds = list(type(value))
        return kinds[(kinds.index(value) + 1) % len(kinds)]
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, tuple):
        return (*value, ("x", "y")) if value and isinstance(value[0], tuple) else (*value, "x")
    return StackOp.OPEN if value is None else None


def with_part(net: Net, part: Place | Transition | Site, made: Any) -> Net:
    """The net with one part replaced."""
    for name in ("places", "transitions", "sites"):
        parts = getattr(net, name)
        if part in parts:
            return replace(net, **{name: tuple(made if p is part else p for p in parts)})
    raise AssertionError("not a part of it")


@given(numbers, st.data())
def test_every_change_of_behaviour_changes_the_digest(number: int, data: st.DataObject) -> None:
    """Any field of any place, transition or call site but its span; any type, glue, name."""
    net = nets()[number]
    parts = [*net.places, *net.transitions, *net.sites]
    part = parts[data.draw(st.integers(0, len(parts) - 1), "part")]
    for f in fields(part):
        changed = ELSEWHERE if f.name == "span" else other(getattr(part, f.name))
        digest = with_part(net, part, replace(part, **{f.name: changed})).digest
        assert (digest == net.digest) == (f.name in UNSEEN), f.name


WHOLE: dict[str, Callable[[Net], Net]] = {
    "a place more": lambda n: replace(n, places=(*n.places, Place("new", PlaceKind.BEFORE))),
    "a place less": lambda n: replace(n, places=n.places[1:]),
    "a transition more": lambda n: replace(
        n, transitions=(*n.transitions, Transition("new", TransitionKind.EXIT, ("start",), ()))
    ),
    "a transition twice": lambda n: replace(n, transitions=(*n.transitions, n.transitions[0])),
    "a transition less": lambda n: replace(n, transitions=n.transitions[1:]),
    "a type": lambda n: replace(n, types={**n.types, "x": "str"}),
    "a variable": lambda n: replace(n, types={**n.types, "new": "int"}),
    "glue": lambda n: replace(n, glue={**n.glue, next(iter(n.glue)): "0"}),
    "glue less": lambda n: replace(n, glue={}),
    "the name": lambda n: replace(n, name=n.name + "x"),
    "the initial place": lambda n: replace(n, initial="done"),
}


@pytest.mark.parametrize("change", WHOLE)
def test_every_change_of_the_whole_changes_the_digest(change: str) -> None:
    """Parts added or taken away, types, glue, name and initial place."""
    for net in nets():
        assert WHOLE[change](net).digest != net.digest


def test_swapped_arcs_are_another_net() -> None:
    """What two transitions put is exchanged: the same names, another digest."""
    for net in nets():
        one, two = net.transitions[0], net.transitions[-1]
        if one.put != two.put:
            rest = net.transitions[1:-1]
            swapped = (replace(one, put=two.put), *rest, replace(two, put=one.put))
            assert replace(net, transitions=swapped).digest != net.digest


# --- as JSON and as a graph --------------------------------------------------------------------


def test_json_brings_back_every_net() -> None:
    """Of random programs: the value, its digest, the numbers of its transitions, the text."""
    for net in nets():
        text = to_json(net)
        back = from_json(text)
        assert back == net
        assert back.digest == net.digest == json.loads(text)["digest"]
        assert to_json(back) == text


def arc(take: tuple[str, ...], put: tuple[str, ...]) -> Transition:
    return Transition("t", TransitionKind.EXIT, take, put)


LOOSE: dict[str, tuple[Callable[[Net], Net], str]] = {
    "an arc to nowhere": (
        lambda n: replace(
            n,
            transitions=(*n.transitions, Transition("t", TransitionKind.EXIT, ("start",), ("?",))),
        ),
        "no such place",
    ),
    "no initial place": (lambda n: replace(n, initial="?"), "to begin in"),
    "two places of a name": (lambda n: replace(n, places=(*n.places, n.places[0])), "two places"),
    "an unknown call": (lambda n: replace(n, sites=()), "there is none"),
    "a transition from nothing": (
        lambda n: replace(n, transitions=(*n.transitions, arc((), ("start",)))),
        "takes no token",
    ),
}


@pytest.mark.parametrize("fault", LOOSE)
def test_a_net_with_loose_ends_is_refused(fault: str) -> None:
    """Its digest fits, and still it is no net: said in one line, never found by a crash later."""
    change, says = LOOSE[fault]
    net = next(n for n in nets() if n.sites)
    with pytest.raises(NotANet, match=says):
        from_json(to_json(change(net)))


def test_the_graph_is_bipartite_and_has_every_arc() -> None:
    """Each place and transition is one node, each arc one edge; read arcs are marked."""
    for net in nets():
        graph = net.graph()
        places = {n for n in graph if graph.nodes[n]["bipartite"] == 0}
        assert nx.is_bipartite(graph)
        assert places == {f"p:{p.name}" for p in net.places}
        assert len(graph) == len(net.places) + len(net.transitions)
        for k, t in enumerate(net.transitions):
            node = f"t:{k}"
            into = {(p, bool(graph.edges[p, node]["read"])) for p in graph.predecessors(node)}
            reads = {(f"p:{p}", True) for p in t.read if p not in t.take}
            assert into == {(f"p:{p}", False) for p in t.take} | reads
            assert set(graph.successors(node)) == {f"p:{p}" for p in t.put}


def test_the_graph_names_the_types_of_its_tokens() -> None:
    """A place's node has the type of each variable in its frame; a transition's its call site."""
    for net in nets():
        graph = net.graph()
        for place in net.places:
            types = graph.nodes[f"p:{place.name}"]["types"]
            assert tuple(types) == place.frame
            assert all(types.values())
        assert graph.nodes["p:start"]["types"] == {"x": "int", "y": "int"}
        for k, t in enumerate(net.transitions):
            data = graph.nodes[f"t:{k}"]
            assert (data["label"], data["kind"], data["site"]) == (t.name, t.kind, t.site)
