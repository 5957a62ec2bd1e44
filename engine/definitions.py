"""What the database keeps of a workflow: its net, and the JSON schemas of what comes in and out.

With it, other processes can look at an execution and check what they send to it without the
user's code. How a net becomes JSON is the business of model/formats; no code is ever stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ..model.formats.json import from_json, to_json
from ..model.net import Net
from ..model.program import Program
from ..model.values import Codec

Schema = Mapping[str, Any]


class Definition(NamedTuple):
    """A stored definition, read back. Schemas are those of the stored form of the values."""

    net: Net
    inputs: Mapping[str, Schema]  # parameter -> schema
    channels: Mapping[str, Schema]  # signal -> schema of its payload
    results: Mapping[str, Schema]  # call site -> schema of the step's result


class _Stored(msgspec.Struct):
    net: msgspec.Raw
    inputs: dict[str, dict[str, Any]]
    channels: dict[str, dict[str, Any]]
    results: dict[str, dict[str, Any]]


_DESCRIBED: dict[int, tuple[Program, bytes]] = {}


def describe(program: Program) -> bytes:
    """The document that is stored under the digest of the program's net; remembered for as long as
    the process lives, since every worker asks for it again."""
    found = _DESCRIBED.get(id(program))
    if found is None or found[0] is not program:
        found = _DESCRIBED[id(program)] = program, _describe(program)
    return found[1]


def _describe(program: Program) -> bytes:
    stored = _Stored(
        msgspec.Raw(to_json(program.net, indent=-1).encode()),
        {name: _schema(program.codecs[name]) for name in program.inputs},
        {name: _schema(codec) for name, codec in program.channels.items()},
        {name: _schema(codec) for name, codec in program.results.items()},
    )
    return msgspec.json.encode(stored, order="deterministic")


@lru_cache(maxsize=64)
def read(raw: bytes) -> Definition:
    """Read a stored document; raises `msgspec.ValidationError` for one of another format."""
    stored = msgspec.json.decode(raw, type=_Stored)
    net = from_json(bytes(stored.net).decode())
    return Definition(net, stored.inputs, stored.channels, stored.results)


def _schema(codec: Codec) -> dict[str, Any]:
    try:
        return codec.schema()
    except TypeError:  # a type of the user's that msgspec has no schema for: nothing is known
        return {}
