"""Values as canonical bytes: what a frame holds of each variable.

A written value is encoded and decoded at once, and the decoded one is what everybody uses from
then on; so memory, disk and restart cannot differ. What is proven at the write: the value is of
exactly the annotated type down to its leaves, and its bytes read back to a value that has the
same bytes. Since no two values of one type share their bytes, it is the same value.

Lives here: `Codec` and `Value`. Never here: what a type means, nor where bytes are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from .notes import noted
from .refusals import TypeRefused, ValueRefused
from .shapes import Ann, Shape, encode, locate


class Codec:
    """How the values of one annotation are written and read; made once per annotation.

    Times come back with a fixed UTC offset instead of a named zone, and an int given for a float
    as a float.
    """

    __slots__ = (
        "_certain",
        "_decode",
        "_plain",
        "_shape",
        "annotation",
        "decode",
        "immutable",
        "text",
    )

    def __init__(self, annotation: Ann, shape: Shape) -> None:
        self.annotation: object = annotation
        self.text: str = shape.text
        """The type in words, class names qualified; equal annotations have equal text."""
        self.immutable: bool = shape.immutable
        """No value of this type can be changed, so one decoded object serves all readers."""
        self._shape = shape
        self._plain = shape.native
        self._certain = annotation if annotation in (int, bool) else None
        self._decode = _decoder(shape)
        self.decode: Callable[[bytes], Any] = self._decode if shape.native else self._decode_mirror
        """The value for stored bytes; raises `msgspec.ValidationError` (or `DecodeError`)."""

    @property
    def classes(self) -> dict[str, str]:
        """The classes inside, each with its fields or members in words; for digests and people."""
        found = ((shape.text, shape.inner_text()) for shape in self._shape.reach)
        return {text: inner for text, inner in found if inner}

    def __repr__(self) -> str:
        return f"Codec({self.text})"

    def _decode_mirror(self, raw: bytes) -> Any:
        return self._shape.back(self._decode(raw))

    def _write(self, value: Any) -> bytes:
        return encode(value if self._plain else self._shape.forth(value))

    def encode(self, value: object) -> bytes:
        """Canonical bytes, proven to read back; raises `ValueRefused`, then nothing is stored."""
        return self._proven(value)[0]

    def seal(self, value: Any) -> Value:
        """The value as frames hold it; raises `ValueRefused`."""
        if type(value) is self._certain and _LEAST <= value <= _MOST:
            return Value(self, encode(value), value)  # it is read as what was written
        raw, back = self._proven(value)
        return Value(self, raw, back if self.immutable else _UNREAD)

    def _proven(self, value: Any) -> tuple[bytes, Any]:
        try:
            if not self._shape.fits(value):
                value = self._widened(value)
            raw = self._write(value)
            back = self.decode(raw)
            again = self._write(back)
            if again == raw:
                return raw, back
            return self._settled(value, back, again)
        except RecursionError:
            why = "it contains itself, or is nested too deeply"
            raise ValueRefused(self.text, "", why) from None
        except ValueRefused:
            raise
        # User code runs here (constructors, properties): whatever it raises is a refusal.
        except Exception as error:
            path, why = locate(self._shape, value) or ("", f"{type(error).__name__}: {error}")
            raise ValueRefused(self.text, path, why) from error

    def _widened(self, value: Any) -> Any:
        """The value with its ints read as the floats they are annotated as."""
        culprit = locate(self._shape, value)
        if culprit is not None:
            raise ValueRefused(self.text, *culprit)
        return self.decode(self._write(value))

    def _settled(self, value: Any, back: Any, again: bytes) -> tuple[bytes, Any]:
        """A value whose defaults were filled in by reading it; it must be equal and stay so."""
        if back == value and self._write(self.decode(again)) == again:
            return again, self.decode(again)
        raise ValueRefused(self.text, "", f"it reads back as another value: {back!r:.200}")

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the stored form."""
        return msgspec.json.schema(self._shape.wire)


def _decoder(shape: Shape) -> Callable[[bytes], Any]:
    try:
        return msgspec.json.Decoder(shape.wire, strict=True).decode
    except (TypeError, NameError) as error:
        code = "PD202" if "unions may not" in str(error) else "PD201"
        why = str(error).split(" - ")[0]
        raise TypeRefused(code, shape.text, why, "Use a dataclass of plain types.") from error


_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_UNREAD: Final[Any] = object()


class Value(msgspec.Struct, eq=False, gc=False):
    """One sealed value: canonical bytes, and the object itself only if it cannot be changed.

    Equal if the bytes are equal. Survives restarts as `raw` alone: `Value.of(codec, raw)`. What it
    holds never leads back to it, so the collector of cycles need not look.
    """

    codec: Codec
    """How the bytes are read."""
    raw: bytes
    kept: Any = _UNREAD

    @classmethod
    def of(cls, codec: Codec, raw: bytes) -> Value:
        """A value from stored bytes; they are decoded when it is first read."""
        return cls(codec, raw)

    def get(self) -> Any:
        """The object: the same for all readers if it is immutable, else a new one each time."""
        if self.kept is not _UNREAD:
            return self.kept
        made = self.codec.decode(self.raw)
        if self.codec.immutable:
            self.kept = made
        return made

    def noting(self, later: Value, branch: int) -> Value:
        """An exception with a later one of the same fork among its notes; no code of it runs."""
        return Value(self.codec, noted(self.raw, later.raw, branch))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"Value({self.raw[:80]!r})"
