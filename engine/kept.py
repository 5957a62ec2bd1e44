"""Large values as references, and lists that only grew: what folding puts into a marking, and how
it becomes a value again. Pure: no payload is fetched or written here.

A record holds a value above 8 KiB by the digest of its bytes (compiler C36, rule 13), and of a list
that only grew the new elements alone. Folding needs neither: it puts a `Kept` into the frame, and
only what is still in the marking at the end is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import msgspec

from ..model.marking import Entry, Token

Make = Callable[[str, str, bytes], Any]
"""(variable, site, raw) -> the value for a frame."""


class Kept(NamedTuple):
    """A value whose bytes lie elsewhere: a digest, or a list and what it grew by, in order."""

    variable: str
    site: str
    parts: tuple[bytes | str, ...]  # bytes as they are; a digest in hexadecimal


def suffix(old: bytes, new: bytes) -> bytes | None:
    """The list of what a JSON list grew by; None when it is none, or did more than grow.

    By canonical bytes alone: what follows a whole list and a comma in a list are its new elements.
    """
    if old[:1] != b"[" or new[:1] != b"[" or len(old) < 3:
        return None
    if not new.startswith(old[:-1]) or new[len(old) - 1 : len(old)] != b",":
        return None
    return b"[" + new[len(old) :]


def join(old: bytes, more: bytes) -> bytes:
    """The list that grew from `old` by the elements of `more`."""
    return old[:-1] + b"," + more[1:]


def grown(variable: str, base: Any, part: bytes | str, make: Make) -> Any:
    """The value of a list that grew, now if all its bytes are here."""
    if isinstance(base, Kept):
        return Kept(variable, "", (*base.parts, part))
    if isinstance(part, str):
        return Kept(variable, "", (base.raw, part))
    return make(variable, "", join(base.raw, part))


def whole(kept: Kept, payloads: Mapping[str, bytes]) -> bytes:
    """The bytes of a value, from the payloads by digest; KeyError names what is missing."""
    first, *more = (payloads[part] if isinstance(part, str) else part for part in kept.parts)
    for part in more:
        first = join(first, part)
    return first


def digests(marking: Mapping[int, Token]) -> list[str]:
    """The payloads that the values of a marking are made of."""
    found: dict[str, None] = {}

    def note(value: Any) -> Any:
        if isinstance(value, Kept):
            found.update(dict.fromkeys(part for part in value.parts if isinstance(part, str)))
        return value

    _map(marking, note)
    return list(found)


def resolved(
    marking: Mapping[int, Token], payloads: Mapping[str, bytes], make: Make
) -> dict[int, Token]:
    """The marking with values in the place of references; one value stays one value."""
    made: dict[int, Any] = {}

    def value(found: Any) -> Any:
        if not isinstance(found, Kept):
            return found
        if id(found) not in made:
            made[id(found)] = make(found.variable, found.site, whole(found, payloads))
        return made[id(found)]

    return _map(marking, value)


def _map(marking: Mapping[int, Token], change: Callable[[Any], Any]) -> dict[int, Token]:
    after: dict[int, Token] = {}
    for place, token in marking.items():
        frame = {name: _changed(value, change) for name, value in token.frame.items()}
        after[place] = msgspec.structs.replace(token, frame=frame)
    return after


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Kept) or not isinstance(value, tuple):
        return change(value)
    entries = cast("tuple[Entry, ...]", value)  # an undo stack
    return tuple(
        e._replace(arguments=tuple(map(change, e.arguments)), result=change(e.result))
        for e in entries
    )
