"""The body of a record as data, and its canonical bytes. What a field means under which kind, once.

Absent fields cost nothing. Values are raw canonical JSON, embedded as they are, so a record never
encodes a value a second time. No chain and no net is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..model.values import PAYLOAD_BYTES_MIN, payload_digest

Raw = msgspec.Raw
NOTHING = Raw(b"")


class Body(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """What a record holds beyond its header."""

    s: int = 0  # the session that writes, in the first record of a tenure
    p: tuple[int, ...] = ()  # exits taken where a vanishing place has several
    r: Raw = NOTHING  # result of a call, payload of a message, value of a finished execution
    e: Raw = NOTHING  # exception of a call or of a failed execution
    d: dict[str, Raw] = {}  # variables the glue changed
    g: dict[str, Raw] = {}  # lists the glue only added to: the new elements
    x: dict[str, str] = {}  # values above 8 KiB: "r", "e", "d NAME", "g NAME" -> digest of payload
    k: str = ""  # effect key: intent, and every record about that call
    m: int = 0  # number of the message this record takes
    n: int = 0  # attempts it took, where more than one
    by: str = ""  # decided: "probe", "evidence", "desk:NAME"
    why: str = ""  # reason in words: doubt, stall, cancel, decision
    w: str = ""  # started: workflow
    v: int = 0  # started: version
    net: str = ""  # started: digest of the net
    key: str = ""  # started: the execution's key
    i: Raw = NOTHING  # started: the input, an object of the start frame's variables
    status: str = ""  # finished
    unread: int = 0  # finished: messages nobody took
    may: bool = False  # drained while an idempotent call ran: it may have happened
    lacks: bool = False  # in doubt: the call landed, only its value is missing (rule 26)
    stands: bool = False  # decided: an effect is left standing, its undo will not run (rule 44)


_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_DECODE = msgspec.json.Decoder(Body).decode


def plain(text: str) -> str:
    """The text with lone surrogates spelled out: a message of an error must not be poison."""
    return text.encode("utf-8", "backslashreplace").decode()


def encode(body: Body) -> bytes:
    """The bytes that are stored and hashed."""
    return _ENCODE(body)


def decode(raw: bytes) -> Body:
    """Read a stored body; a record of a newer format raises `msgspec.ValidationError`."""
    return _DECODE(raw)


def refer(body: Body) -> tuple[Body, list[tuple[str, bytes]]]:
    """The body with its large values by reference, and the payloads they are, by digest."""
    kept: list[tuple[str, bytes]] = []
    references: dict[str, str] = dict(body.x)

    def left(field: str, raw: Raw) -> bool:
        if len(text := bytes(raw)) <= PAYLOAD_BYTES_MIN:
            return True
        references[field] = payload_digest(text).hex()
        kept.append((references[field], text))
        return False

    slim = msgspec.structs.replace(
        body,
        r=body.r if left("r", body.r) else NOTHING,
        e=body.e if left("e", body.e) else NOTHING,
        d={name: raw for name, raw in body.d.items() if left(f"d {name}", raw)},
        g={name: raw for name, raw in body.g.items() if left(f"g {name}", raw)},
        x=references,
    )
    return slim, kept


def references(raw: bytes) -> set[str]:
    """Digests of the payloads that a stored body refers to."""
    return set(decode(raw).x.values()) if b'"x":' in raw else set()


def fill(body: Body, payloads: Mapping[str, bytes]) -> Body:
    """The body with its large values in place again; KeyError names a payload that is missing."""
    found = {field: Raw(payloads[digest]) for field, digest in body.x.items()}
    named = {"d": dict(body.d), "g": dict(body.g)}
    for field, raw in found.items():
        kind, _, name = field.partition(" ")
        if name:
            named[kind][name] = raw
    return msgspec.structs.replace(
        body, r=found.get("r", body.r), e=found.get("e", body.e), **named, x={}
    )


def raws(values: Mapping[str, Any]) -> dict[str, Raw]:
    """The raw bytes of sealed values, for field `d`."""
    return {name: Raw(value.raw) for name, value in values.items()}


def told(error: BaseException) -> str:
    """An exception in one line; its `__str__` is user code and may raise too."""
    try:
        return plain(f"{type(error).__name__}: {error}")
    except Exception:
        return type(error).__name__
