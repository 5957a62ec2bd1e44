"""Nets as JSON and back: the whole value, with its digest. Never code, never a marking."""

from __future__ import annotations

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
    return net


class _Claim(msgspec.Struct):
    """The one field of the document that is not part of the net."""

    digest: str
