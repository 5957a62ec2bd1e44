"""Whether a JSON value fits a JSON schema of ours, told with the path to what does not.

Only the words that `Codec.schema` writes are known; an unknown word permits. It is a first check
for people at a terminal: the strict decoder of the type decides when the value is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

Schema = Mapping[str, Any]

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}


def misfit(schema: Schema, value: Any) -> str | None:
    """Say where and why the value does not fit, or None if it does."""
    return _misfit(schema, value, "", cast("Schema", schema.get("$defs", {})))


def _misfit(schema: Schema, value: Any, at: str, defs: Schema) -> str | None:
    if "$ref" in schema:
        return _misfit(defs[str(schema["$ref"]).rsplit("/", 1)[-1]], value, at, defs)
    if "anyOf" in schema:
        return _any_of(schema["anyOf"], value, at, defs)
    if "const" in schema and value != schema["const"]:
        return _said(at, value, f"must be {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        return _said(at, value, f"must be one of {', '.join(map(repr, schema['enum']))}")
    kind = schema.get("type")
    if isinstance(kind, str) and not _TYPES[kind](value):
        return _said(at, value, f"must be of type {kind}")
    if isinstance(value, dict):
        return _object(schema, cast("dict[str, Any]", value), at, defs)
    if isinstance(value, list):
        return _array(schema, cast("list[Any]", value), at, defs)
    return _bounds(schema, value, at)


def _any_of(choices: list[Schema], value: Any, at: str, defs: Schema) -> str | None:
    found = [_misfit(choice, value, at, defs) for choice in choices]
    if None in found:
        return None
    deepest = max((f for f in found if f), key=lambda f: len(f.split(":", 1)[0]), default=None)
    return deepest if len(found) == 1 or deepest is None else f"{deepest} (or another form)"


def _object(schema: Schema, value: dict[str, Any], at: str, defs: Schema) -> str | None:
    known = cast("Mapping[str, Schema]", schema.get("properties", {}))
    for name in schema.get("required", ()):
        if name not in value:
            return f"{at or 'the value'}: {name!r} is missing"
    others = schema.get("additionalProperties", True)
    for name, each in value.items():
        if name in known:
            found = _misfit(known[name], each, f"{at}.{name}", defs)
        elif isinstance(others, dict):
            found = _misfit(cast("Schema", others), each, f"{at}.{name}", defs)
        elif known or others is False:
            found = f"{at or 'the value'}: {name!r} is unknown; known are {', '.join(known)}"
        else:
            found = None
        if found:
            return found
    return None


def _array(schema: Schema, value: list[Any], at: str, defs: Schema) -> str | None:
    first = cast("list[Schema]", schema.get("prefixItems", []))
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
    if not least <= len(value) <= most:
        return _said(at, value, f"must have {least} to {most} items")
    rest = schema.get("items")
    for index, each in enumerate(value):
        inside = first[index] if index < len(first) else rest
        if isinstance(inside, dict):
            found = _misfit(cast("Schema", inside), each, f"{at}[{index}]", defs)
            if found:
                return found
    return None


def _bounds(schema: Schema, value: Any, at: str) -> str | None:
    if isinstance(value, str):
        low, high = schema.get("minLength", 0), schema.get("maxLength", len(value))
        if not low <= len(value) <= high:
            return _said(at, value, f"must have {low} to {high} characters")
        if "pattern" in schema and re.search(schema["pattern"], value) is None:
            return _said(at, value, f"must match {schema['pattern']}")
    elif (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and not schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        return _said(at, value, "is out of bounds")
    return None


def _said(at: str, value: Any, why: str) -> str:
    shown = repr(value)
    return f"{at or 'the value'}: {shown if len(shown) <= 60 else shown[:59] + '…'} {why}"
