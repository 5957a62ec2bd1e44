"""Nets as PNML, the exchange format of Petri net tools (ISO/IEC 15909-2, place/transition nets).

The control of the net goes out: places, transitions, arcs, the initial and the final marking. Data,
guards and undo stacks have no words there, and a read arc is an arc there and back.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..net import Net

PNML = "http://www.pnml.org/version-2009/grammar/pnml"
PTNET = "http://www.pnml.org/version-2009/grammar/ptnet"


def to_pnml(net: Net) -> str:
    """Write the net; ids are `p0`, `t0` and so on, names are the author's."""
    top = Element("pnml", xmlns=PNML)
    inside = SubElement(top, "net", id="net", type=PTNET)
    _named(inside, net.name)
    page = SubElement(inside, "page", id="page")
    for i, place in enumerate(net.places):
        node = SubElement(page, "place", id=f"p{i}")
        _named(node, place.name)
        if place.name == net.initial:
            _text(SubElement(node, "initialMarking"), "1")
    arcs: list[tuple[str, str]] = []
    for k, t in enumerate(net.transitions):
        _named(SubElement(page, "transition", id=f"t{k}"), t.name)
        arcs += [(f"p{net.place[p]}", f"t{k}") for p in (*t.take, *t.read)]
        arcs += [(f"t{k}", f"p{net.place[p]}") for p in (*t.put, *t.read)]
    for number, (source, target) in enumerate(arcs):
        SubElement(page, "arc", id=f"a{number}", source=source, target=target)
    # Not in the standard; written by ProM and read by most checkers of workflow nets.
    finals = SubElement(inside, "finalmarkings")
    for name in net.finals:
        place = SubElement(SubElement(finals, "marking"), "place", idref=f"p{net.place[name]}")
        _text(place, "1")
    indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(top, encoding="unicode") + "\n"


def _named(node: Element, name: str) -> None:
    _text(SubElement(node, "name"), name)


def _text(node: Element, text: str) -> None:
    SubElement(node, "text").text = text
