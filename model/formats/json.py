"""Nets as JSON and back: the whole value, with its digest. Never code, never a marking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

import msgspec

from ..net import Net


class NotANet(ValueError):
    """The text is no net of ours: not JSON, of another form, or its digest does not fit."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"this is no net: {self.reason}"


def to_json(net: Net, *, indent: int = 2) -> str:
    """Write a net as JSON, digest first; equal nets give equal text."""
    body: dict[str, object] = {"digest": net.digest}
    body |= {f.name: getattr(net, f.name) for f in fields(net)}
    body |= {name: dict(getattr(net, name)) for name in ("types", "classes", "glue")}
    raw = msgspec.json.encode(body)
    return msgspec.json.format(raw, indent=indent).decode() + "\n"


def from_json(text: str | bytes) -> Net:
    """Read a net back; raises `NotANet`, also when the text was changed by hand."""
    try:
        claimed = msgspec.json.decode(text, type=_Claim).digest
        net = msgspec.json.decode(text, type=Net)
    except msgspec.MsgspecError as error:
        raise NotANet(str(error)) from error
    if net.digest != claimed:
        raise NotANet(f"its digest is {net.digest}, and it says {claimed}: it was changed")
    for fault in _loose_ends(net):
        raise NotANet(fault)
    return net


def _loose_ends(net: Net) -> Iterator[str]:
    """What is named twice or named and not there; a digest fits such a text as well."""
    for what, names in (("places", net.places), ("sites", net.sites)):
        twice = [name for name, count in Counter(x.name for x in names).items() if count > 1]
        yield from (f"two {what} are called {name!r}" for name in twice)
    if net.initial not in net.place:
        yield f"there is no place {net.initial!r} to begin in"
    for t in net.transitions:
        gone = [p for p in (*t.take, *t.put, *t.read) if p not in net.place]
        yield from (f"{t.name!r} has an arc at {p!r}, and there is no such place" for p in gone)
        if t.site and t.site not in net.site:
            yield f"{t.name!r} is about the call {t.site!r}, and there is none"
        if not t.take:
            yield f"{t.name!r} takes no token, so it could fire without end"


class _Claim(msgspec.Struct):
    """The one field of the document that is not part of the net."""

    digest: str
