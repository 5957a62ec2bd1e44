"""Values without an annotation: JSON that carries the types along, for arguments of exceptions.

JSON's own types stand for themselves; everything else is `{"$": type, "v": ...}`, a class by
`module:qualname`.

Lives here: tagging, and finding a class by its stored name. Never here: exceptions themselves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isfinite
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from ..modules import find_module, stored_module
from .refusals import ValueRefused
from .sealing import Codec
from .shapes import bad_text, class_of, encode

Resolve: TypeAlias = Callable[[str], type[Any] | None]
"""From `module:qualname` to a class that the program knows by reference."""

CodecOf: TypeAlias = Callable[[type[Any]], Codec]

_SCALARS = {
    cls.__name__: cls for cls in (bytes, Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, UUID)
}
_MANY: dict[str, Callable[[Iterable[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


def stored_name(cls: type[Any]) -> str:
    """The name under which a class is found again."""
    return f"{stored_module(cls.__module__)}:{cls.__qualname__}"


def find_class(name: str, resolve: Resolve | None = None) -> type[Any] | None:
    """The class of a stored name: by import, else as the program knows it; None if nobody does."""
    module, _, path = name.partition(":")
    found: Any = None
    if "<locals>" not in path:
        try:
            found = find_module(module)
            for step in path.split("."):
                found = getattr(found, step)
        # Importing runs user code; whatever goes wrong there, the class is not to be had.
        except Exception:
            found = None
    if not isinstance(found, type) and resolve is not None:
        found = resolve(name)
    return found if isinstance(found, type) else None


class Tagger:
    """Writes and reads tagged values; classes through their codecs."""

    def __init__(self, codec_of: CodecOf, resolve: Resolve | None) -> None:
        self.codec_of = codec_of
        self.resolve = resolve

    def find(self, name: str) -> type[Any] | None:
        """The class of a stored name."""
        return find_class(name, self.resolve)

    def to_tree(self, value: Any) -> Any:
        """JSON for a value; raises `ValueRefused`, or `TypeRefused` for its class."""
        cls = class_of(value)
        if value is None or cls in (bool, int):
            return value
        if cls is str or cls is float:
            wrong = bad_text(value) if cls is str else None if isfinite(value) else "not finite"
            if wrong:
                raise ValueRefused(cls.__name__, "", wrong)
            return value
        if cls is list:
            return [self.to_tree(item) for item in value]
        if cls is dict:
            pairs = [[self.to_tree(k), self.to_tree(v)] for k, v in value.items()]
            return {"$": "dict", "v": pairs}  # in their order: texts show it
        if cls in (tuple, set, frozenset):
            items = [self.to_tree(item) for item in value]
            return {"$": cls.__name__, "v": items if cls is tuple else sorted(items, key=encode)}
        return self._of_class(value, cls)

    def _of_class(self, value: Any, cls: type[Any]) -> Any:
        name = cls.__name__ if cls in _SCALARS.values() else stored_name(cls)
        if ":" in name and self.find(name) is not cls:
            raise ValueRefused(name, "", "the class cannot be found again by its name")
        return {"$": name, "v": msgspec.json.decode(self.codec_of(cls).encode(value))}

    def from_tree(self, tree: Any) -> Any:
        """The value; raises `LookupError` when its class is gone."""
        if isinstance(tree, list):
            return [self.from_tree(item) for item in _items(tree)]
        if not isinstance(tree, dict):
            return tree
        name, inner = _tag(tree)
        if name == "dict":
            return {self.from_tree(key): self.from_tree(item) for key, item in inner}
        if name in _MANY:
            return _MANY[name](self.from_tree(item) for item in inner)
        cls = _SCALARS.get(name) or self.find(name)
        if cls is None:
            raise LookupError(name)
        return self.codec_of(cls).decode(encode(inner))


def _items(tree: Any) -> list[Any]:
    return tree


def _tag(tree: Any) -> tuple[str, Any]:
    return tree["$"], tree["v"]
