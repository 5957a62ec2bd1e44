"""Shapes of classes with fields: dataclasses, structs, attrs classes, named tuples, typed dicts.

msgspec stores them itself unless something inside needs help. Then a *mirror* takes their place:
a struct with the same fields whose types msgspec can read, and in unions of several classes with
a tag field `$` that holds the class name.

Lives here: mirrors, and how an object of each kind is taken apart and made. Never here: finding
the fields of a class, nor which union needs tags.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, NotRequired, TypedDict, cast

import msgspec

from .shapes import TUPLE, Ann, Inside, Shape, attributes, encode, type_name

ABSENT: Any = msgspec.UNSET


@dataclasses.dataclass
class Field:
    """One field: its shape, and whether stored objects may lack it."""

    name: str
    shape: Shape
    optional: bool = False
    default: Callable[[], Any] | None = None


def _in_words(fields: Iterable[Field]) -> str:
    """The fields of a class, `?` behind those that stored objects may lack."""
    return ", ".join(f"{f.name}{'?' if f.optional else ''}: {f.shape.text}" for f in fields)


@dataclasses.dataclass(frozen=True)
class Kind:
    """How objects of one kind of class are made; `array` says that msgspec writes an array."""

    name: str
    make: Callable[[Any, dict[str, Any]], Any]
    array: bool = False


def _make_dataclass(cls: Any, cells: dict[str, Any]) -> Any:
    """As msgspec does it: set the fields, then `__post_init__`; also right for frozen ones."""
    made = object.__new__(cls)
    for name, value in cells.items():
        object.__setattr__(made, name, value)
    after = getattr(made, "__post_init__", None)
    if after is not None:
        after()
    return made


def _make_attrs(cls: Any, cells: dict[str, Any]) -> Any:
    given = {a.alias: cells[a.name] for a in cls.__attrs_attrs__ if a.init and a.name in cells}
    made = cls(**given)
    for attribute in cls.__attrs_attrs__:
        if not attribute.init and attribute.name in cells:
            object.__setattr__(made, attribute.name, cells[attribute.name])
    return made


def _make_by_name(cls: Any, cells: dict[str, Any]) -> Any:
    return cls(**cells)


DATACLASS = Kind("dataclass", _make_dataclass)
STRUCT = Kind("struct", _make_by_name)
ATTRS = Kind("attrs class", _make_attrs)
NAMED_TUPLE = Kind("named tuple", _make_by_name, array=True)


class Classed(Shape):
    """A shape whose values can be told from those of other classes by a tag."""

    cls: type[Any]

    @property
    def tag(self) -> str:
        """What the tag field says."""
        return self.cls.__name__

    def struct(self, *, tagged: bool) -> Any:
        """The mirror, with or without its tag."""
        raise NotImplementedError

    def to_struct(self, value: Any, *, tagged: bool) -> Any:
        """The mirror that stands for a value."""
        raise NotImplementedError

    def from_struct(self, mirror: Any) -> Any:
        """The value that a mirror stands for."""
        raise NotImplementedError


class Record(Classed):
    """An object with typed fields; `annotation` is its class, or an instantiation of it."""

    def __init__(
        self, annotation: Ann, cls: type[Any], kind: Kind, text: str, *, frozen: bool
    ) -> None:
        super().__init__(text, ["array" if kind.array else "object"])
        self.annotation = annotation
        self.cls = cls
        self.only = {cls}
        self.kind = kind
        self.frozen = frozen
        self.fields: list[Field] = []
        self._structs: dict[bool, Any] = {}
        self.roomy = kind is DATACLASS and "__post_init__" not in dir(cls) and _has_dict(cls)
        """Objects can carry attributes that are no fields, and nothing would set them again."""

    def inner_text(self) -> str:
        return _in_words(self.fields) or "nothing"

    def parts(self) -> Iterable[Shape]:
        return [field.shape for field in self.fields]

    def owns(self, cls: type[Any]) -> bool:
        return cls is self.cls

    def check(self, values: list[Any]) -> bool:
        if not values:
            return True
        if not self.only.issuperset(map(type, values)):
            return False
        if self.roomy and max(map(len, map(vars, values))) > len(self.fields):
            return all(self.why(value) is None for value in values)
        try:
            for column, check in self._columns:
                if not check(list(map(column, values))):
                    return False
        except AttributeError:
            return False
        return True

    def fits(self, value: Any) -> bool:
        if type(value) is not self.cls:
            return False
        if self.roomy and len(value.__dict__) > len(self.fields) and self.why(value):
            return False
        try:
            for cell, fits in self._cells:
                if not fits(cell(value)):
                    return False
        except AttributeError:
            return False
        return True

    @cached_property
    def _cells(self) -> list[tuple[Callable[[Any], Any], Callable[[Any], bool]]]:
        return [(attrgetter(f.name), f.shape.fits) for f in self.fields]

    @cached_property
    def _columns(self) -> list[tuple[Callable[[Any], Any], Callable[[list[Any]], bool]]]:
        return [(attrgetter(f.name), f.shape.check) for f in self.fields]

    def why(self, value: Any) -> str | None:
        wrong = super().why(value)
        if wrong:
            return wrong
        for field in self.fields:
            if not hasattr(value, field.name) and not field.optional:
                return f"its field {field.name!r} is not set"
        if self.roomy:
            names = {field.name for field in self.fields}
            for name in attributes(value):
                cached = isinstance(getattr(self.cls, name, None), cached_property)
                if name not in names and not cached:
                    return f"the attribute {name!r} is no field and would be lost"
        return None

    def inside(self, value: Any) -> Inside:
        for field in self.fields:
            if hasattr(value, field.name):
                yield f".{field.name}", field.shape, getattr(value, field.name)

    @cached_property
    def wire(self) -> Ann:
        if self.native:
            return self.annotation
        if self.kind.array:
            return TUPLE[tuple(field.shape.wire for field in self.fields)]
        return self.struct(tagged=False)

    @property
    def wire_class(self) -> type[Any]:
        if self.native:
            return self.cls
        return tuple if self.kind.array else self.struct(tagged=False)

    def struct(self, *, tagged: bool) -> Any:
        if tagged not in self._structs:
            names = [field.name for field in self.fields]
            tag = self.tag if tagged else None
            made = msgspec.defstruct(
                self.cls.__name__,
                [(f.name, Any, ABSENT) if f.optional else (f.name, Any) for f in self.fields],
                kw_only=True,
                tag=tag,
                tag_field="$" if tagged else None,
            )
            assert list(made.__struct_fields__) == names
            # Schemas name classes apart by this when two have one name.
            made.__module__ = "tagged" if tagged else "plain"
            made.__qualname__ = self.text
            # Kept before the types are filled in, since a class may contain itself;
            # msgspec reads the annotations when the first decoder is made.
            self._structs[tagged] = made
            for field in self.fields:
                wire = field.shape.wire
                made.__annotations__[field.name] = (
                    wire | msgspec.UnsetType if field.optional else wire
                )
        return self._structs[tagged]

    def to_struct(self, value: Any, *, tagged: bool) -> Any:
        cells = {
            f.name: f.shape.forth(getattr(value, f.name))
            for f in self.fields
            if not f.optional or hasattr(value, f.name)
        }
        return self.struct(tagged=tagged)(**cells)

    def from_struct(self, mirror: Any) -> Any:
        cells: dict[str, Any] = {}
        for field in self.fields:
            wired = getattr(mirror, field.name)
            if wired is not ABSENT:
                cells[field.name] = field.shape.back(wired)
            elif field.default is not None:
                cells[field.name] = field.default()
        return self.kind.make(self.cls, cells)

    def forth(self, value: Any) -> Any:
        if self.native:
            return value
        if self.kind.array:
            return tuple(f.shape.forth(v) for f, v in zip(self.fields, value, strict=True))
        return self.to_struct(value, tagged=False)

    def back(self, wired: Any) -> Any:
        if self.native:
            return wired
        if self.kind.array:
            cells = zip(self.fields, wired, strict=True)
            return self.cls(*(field.shape.back(v) for field, v in cells))
        return self.from_struct(wired)


def _has_dict(cls: type[Any]) -> bool:
    return any("__dict__" in vars(base) for base in cls.__mro__)


class Typed(Shape):
    """A `TypedDict`: a dict with these keys and no others, some of them optional."""

    def __init__(self, annotation: Ann, cls: type[Any], text: str) -> None:
        super().__init__(text, ["object"])
        self.annotation = annotation
        self.cls = cls
        self.fields: list[Field] = []

    def inner_text(self) -> str:
        return _in_words(self.fields) or "nothing"

    def parts(self) -> Iterable[Shape]:
        return [field.shape for field in self.fields]

    def owns(self, cls: type[Any]) -> bool:
        return cls is dict

    def check(self, values: list[Any]) -> bool:
        if not {dict}.issuperset(map(type, values)):
            return False
        names = {field.name for field in self.fields}
        must = {field.name for field in self.fields if not field.optional}
        if not all(must <= value.keys() for value in values):
            return False
        if not names.issuperset(chain.from_iterable(values)):
            return False
        # A recursive type ends where nobody has the key.
        columns = ((f.shape, [v[f.name] for v in values if f.name in v]) for f in self.fields)
        return all(not column or shape.check(column) for shape, column in columns)

    def why(self, value: Any) -> str | None:
        wrong = super().why(value)
        if wrong:
            return wrong
        for field in self.fields:
            if not field.optional and field.name not in value:
                return f"the key {field.name!r} is missing"
        extra = value.keys() - {field.name for field in self.fields}
        return f"the key {min(extra, key=repr)!r} is not part of {self.text}" if extra else None

    def inside(self, value: Any) -> Inside:
        for field in self.fields:
            if field.name in value:
                yield f"[{field.name!r}]", field.shape, value[field.name]

    @cached_property
    def wire(self) -> Ann:
        if self.native:
            return self.annotation
        hints: dict[str, Any] = {}
        made = cast("Any", TypedDict)(self.cls.__name__, hints)
        self.__dict__["wire"] = made  # before the types, since it may contain itself
        for field in self.fields:
            wire = field.shape.wire
            made.__annotations__[field.name] = NotRequired[wire] if field.optional else wire
        made.__required_keys__ = frozenset(f.name for f in self.fields if not f.optional)
        made.__optional_keys__ = frozenset(f.name for f in self.fields if f.optional)
        return made

    @property
    def wire_class(self) -> type[Any]:
        return dict

    def forth(self, value: Any) -> Any:
        return value if self.native else self._each(value, lambda shape: shape.forth)

    def back(self, wired: Any) -> Any:
        return wired if self.native else self._each(wired, lambda shape: shape.back)

    def _each(self, value: dict[str, Any], way: Callable[[Shape], Callable[[Any], Any]]) -> Any:
        fields = (field for field in self.fields if field.name in value)
        return {field.name: way(field.shape)(value[field.name]) for field in fields}


class Modelled(Classed):
    """A pydantic model: written and read by pydantic itself, with its keys in order."""

    foreign = True

    def __init__(self, cls: Any) -> None:
        super().__init__(type_name(cls), ["object"])
        self.cls = cls
        self.model = cls

    def inner_text(self) -> str:
        return ", ".join(sorted(self.model.model_fields))

    def owns(self, cls: type[Any]) -> bool:
        return cls is self.cls

    def check(self, values: list[Any]) -> bool:
        return all(self.why(value) is None for value in values)

    def why(self, value: Any) -> str | None:
        wrong = super().why(value)
        if wrong:
            return wrong
        try:
            same = self.model.model_validate_json(value.model_dump_json()) == value
        except ValueError as refused:
            return str(refused)
        return None if same else "pydantic reads back another value"

    @cached_property
    def wire(self) -> Ann:
        return dict[str, Any]

    @property
    def wire_class(self) -> type[Any]:
        return dict

    @cached_property
    def _tagged(self) -> Any:
        return msgspec.defstruct(self.tag, [("value", dict[str, Any])], tag=self.tag, tag_field="$")

    def struct(self, *, tagged: bool) -> Any:
        assert tagged
        return self._tagged

    def to_struct(self, value: Any, *, tagged: bool) -> Any:
        return self.struct(tagged=tagged)(self.forth(value))

    def from_struct(self, mirror: Any) -> Any:
        return self.back(mirror.value)

    def forth(self, value: Any) -> Mapping[str, Any]:
        return msgspec.json.decode(value.model_dump_json())

    def back(self, wired: Any) -> Any:
        try:
            return self.model.model_validate_json(encode(wired))
        except ValueError as refused:
            raise msgspec.ValidationError(str(refused)) from refused
