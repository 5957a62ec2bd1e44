"""Shapes of values: what an annotation means for storing.

A shape answers four questions: is a value exactly of this type (`check`, a whole column of values
at once so that the work stays in C; `why` and `inside` find the culprit afterwards), which type
msgspec reads (`wire`), how a value gets there (`forth`) and back (`back`).

Lives here: the base of all shapes and the way to a culprit. Never here: what any one type means,
nor the reading of annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias, Union

import msgspec

from ..modules import stored_module

Ann: TypeAlias = Any
"""An annotation as the program gives it; there is no narrower type for it."""

Inside: TypeAlias = "Iterator[tuple[str, Shape, Any]]"

TUPLE: Any = tuple
UNION: Any = Union
"""To be subscripted with types that are known at run time only."""

encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
"""JSON as it stands: dicts keep their order, which a workflow can see. Sets are sorted before."""


def type_name(cls: Any) -> str:
    """The qualified name of a class; builtins by their plain name."""
    module, name = stored_module(str(cls.__module__)), str(cls.__qualname__)
    return name if module == "builtins" else f"{module}.{name}"


def class_of(value: object) -> type[Any]:
    """`type(value)`, with a type of its own."""
    return type(value)


def attributes(value: object) -> Mapping[str, Any]:
    """`vars(value)`, with a type of its own; empty where there are none."""
    return vars(value) if hasattr(value, "__dict__") else {}


class Shape:
    """What one annotation means; a graph of shapes, since classes may contain themselves."""

    foreign = False
    """msgspec alone cannot store this one, its parts left aside."""

    frozen = False
    """The object itself cannot be changed, its parts left aside."""

    def __init__(self, text: str, kinds: Iterable[str]) -> None:
        self.text = text
        self.kinds = frozenset(kinds)
        """What its JSON can be: null, bool, int, float, string, array, object."""

    def parts(self) -> Iterable[Shape]:
        """The shapes directly inside."""
        return ()

    def inner_text(self) -> str:
        """Fields or members in words, if the text does not tell them."""
        return ""

    def owns(self, cls: type[Any]) -> bool:
        """Whether values of exactly this class belong to this shape."""
        raise NotImplementedError

    def check(self, values: list[Any]) -> bool:
        """Whether all values are exactly of this shape, down to the leaves."""
        raise NotImplementedError

    def fits(self, value: Any) -> bool:
        """`check` for one value; overridden where that is quicker."""
        return self.check([value])

    def why(self, value: Any) -> str | None:
        """Why the value itself, its inside left aside, is not of this shape; None when it is."""
        return None if self.owns(class_of(value)) else mistaken(self.text, value)

    def inside(self, value: Any) -> Inside:
        """The parts of a value that `why` accepts, each with its step of the path."""
        yield from ()

    @cached_property
    def reach(self) -> list[Shape]:
        """This shape and all shapes below it, each once."""
        found: dict[int, Shape] = {id(self): self}
        todo: list[Shape] = [self]
        while todo:
            for part in todo.pop().parts():
                if id(part) not in found:
                    found[id(part)] = part
                    todo.append(part)
        return list(found.values())

    @cached_property
    def native(self) -> bool:
        """Whether msgspec stores it without help, inside included."""
        return not any(shape.foreign for shape in self.reach)

    @cached_property
    def immutable(self) -> bool:
        """Whether no value of this shape can ever be changed, inside included."""
        return all(shape.frozen for shape in self.reach)

    @cached_property
    def wire(self) -> Ann:
        """The type that msgspec decodes."""
        raise NotImplementedError

    @property
    def wire_class(self) -> type[Any]:
        """The class of what msgspec decodes; tells the members of a union apart."""
        raise NotImplementedError

    def forth(self, value: Any) -> Any:
        """What msgspec encodes for the value."""
        return value

    def back(self, wired: Any) -> Any:
        """The value for what msgspec decoded."""
        return wired


def mistaken(text: str, value: Any) -> str:
    """The sentence for a value of another class."""
    return f"expected {text}, got {type_name(type(value))}"


def locate(shape: Shape, value: Any, path: str = "") -> tuple[str, str] | None:
    """The path to the first part that does not fit, and why; None when all fits."""
    reason = shape.why(value)
    if reason is not None:
        return path, reason
    for step, part, inner in shape.inside(value):
        found = locate(part, inner, path + step)
        if found is not None:
            return found
    return None


def bad_text(value: str) -> str | None:
    """Why a text cannot be written as UTF-8, if it cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return "a lone surrogate has no bytes"
    return None
