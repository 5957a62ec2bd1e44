"""Nets for other tools, PNML and Mermaid: read back, they are the same graph and the same game."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from xml.etree import ElementTree

import pytest
from perdure.model.compiler import compile_workflow
from perdure.model.formats.mermaid import to_mermaid
from perdure.model.formats.pnml import PNML, to_pnml
from perdure.model.net import Net, Place, PlaceKind, Transition, TransitionKind

SHOP = compile_workflow(import_module("perdure.console.demo.order").fulfil_order).net
NASTY = 'a "b" <c> & [d] #e; |f| %%g\u00e9'


def small() -> Net:
    """A net with a read arc and names that every notation has to escape."""
    places = (
        Place("start", PlaceKind.START), Place(NASTY, PlaceKind.SCOPE),
        Place("done", PlaceKind.DONE), Place("failed", PlaceKind.FAILED),
    )  # fmt: skip
    moves = (
        Transition(NASTY, TransitionKind.BEGIN, ("start",), (NASTY,)),
        Transition("look", TransitionKind.EXIT, (NASTY,), ("done",), read=("start",)),
    )
    return Net("small", 1, places, moves)


NETS = pytest.mark.parametrize("net", [small(), SHOP], ids=["small", "fulfil_order"])


def arcs(net: Net) -> Counter[tuple[str, str]]:
    """The arcs of a net by number, a read arc as two."""
    found: Counter[tuple[str, str]] = Counter()
    for k, t in enumerate(net.transitions):
        found.update((f"p{net.place[p]}", f"t{k}") for p in (*t.take, *t.read))
        found.update((f"t{k}", f"p{net.place[p]}") for p in (*t.put, *t.read))
    return found


@NETS
def test_pnml_read_back_is_the_same_graph(net: Net) -> None:
    """Every place, transition and arc once; names whole; start and ends marked as such."""
    top = ElementTree.fromstring(to_pnml(net))
    names = {"": PNML}
    assert top.tag == f"{{{PNML}}}pnml"
    (inside,) = top.findall("net", names)
    assert inside.get("type", "").endswith("/ptnet")
    for kind, parts in (("place", net.places), ("transition", net.transitions)):
        nodes = inside.findall(f"page/{kind}", names)
        assert [n.findtext("name/text", None, names) for n in nodes] == [p.name for p in parts]
        assert [n.get("id") for n in nodes] == [f"{kind[0]}{i}" for i in range(len(parts))]
    read = [(a.get("source"), a.get("target")) for a in inside.findall("page/arc", names)]
    assert Counter(read) == arcs(net)
    ids = [node.get("id") for node in top.iter() if node.get("id")]
    assert len(set(ids)) == len(ids)
    marked = [
        n.findtext("name/text", None, names)
        for n in inside.findall("page/place", names)
        if n.findtext("initialMarking/text", None, names) == "1"
    ]
    assert marked == [net.initial]
    finals = [f"p{net.place[name]}" for name in net.finals]
    assert [n.get("idref") for n in inside.findall("finalmarkings/marking/place", names)] == finals


def played(pnml: str, net: Net, seed: int) -> None:
    """Play at random in the PNML, and hold each step against the net's own take, put and read."""
    names = {"": PNML}
    page = ElementTree.fromstring(pnml).find("net/page", names)
    assert page is not None
    into: dict[str, Counter[str]] = {}
    out: dict[str, Counter[str]] = {}
    for arc in page.findall("arc", names):
        source, target = arc.get("source", ""), arc.get("target", "")
        side, t, p = (into, target, source) if target.startswith("t") else (out, source, target)
        side.setdefault(t, Counter())[p] += 1
    marking = Counter({f"p{net.place[net.initial]}": 1})
    dice = random.Random(seed)
    for _ in range(60):
        ready = [t for t in into if all(marking[p] >= n for p, n in into[t].items())]
        own = [
            f"t{k}"
            for k, t in enumerate(net.transitions)
            if all(marking[f"p{net.place[p]}"] >= 1 for p in (*t.take, *t.read))
        ]
        assert sorted(ready) == sorted(own)
        if not ready:
            break
        chosen = dice.choice(sorted(ready))
        marking = marking - into[chosen] + out.get(chosen, Counter())


@pytest.mark.parametrize("seed", range(20))
def test_the_token_game_of_the_pnml_is_that_of_the_net(seed: int) -> None:
    """Whatever is played, the same transitions are enabled on both sides."""
    played(to_pnml(SHOP), SHOP, seed)


def _mermaid(text: str) -> tuple[Mapping[str, str], Counter[tuple[str, str]]]:
    labels: dict[str, str] = {}
    found: Counter[tuple[str, str]] = Counter()
    head, *lines = text.splitlines()
    assert head == "flowchart TD"
    for line in lines:
        node = re.fullmatch(r'  ([pt]\d+)(\(\(\(?|\[)"([^"]*)"(\)\)\)?|\])', line)
        edge = re.fullmatch(r"  (\w+) (-->|-\.-) (\w+)", line)
        assert (node is None) != (edge is None), line
        if node is not None:
            labels[node[1]] = re.sub(r"#(\d+);", lambda m: chr(int(m[1])), node[3])
        if edge is not None:
            found[edge[1], edge[3]] += 1
            found[edge[3], edge[1]] += edge[2] == "-.-"
    return labels, +found


@NETS
def test_mermaid_read_back_is_the_same_graph(net: Net) -> None:
    """Each node with its name, each arc once, a read arc dotted; no other line."""
    labels, found = _mermaid(to_mermaid(net))
    wanted = {f"p{i}": p.name for i, p in enumerate(net.places)}
    wanted |= {f"t{k}": t.name for k, t in enumerate(net.transitions)}
    assert labels == wanted
    assert found == arcs(net)
