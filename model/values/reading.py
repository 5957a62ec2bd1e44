"""From an annotation to its shape, or a refusal with code, reason and remedy.

Lives here: the grammar of what can be stored. Never here: how a value is checked or written.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import enum
import sys
import types
from functools import cached_property
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

import msgspec

from .containers import Items, Plain, Row, Table
from .fields import columns_of, hints_of, is_frozen, kind_of
from .raised import Raised
from .records import ATTRS, Field, Modelled, Record, Typed
from .refusals import TypeRefused
from .scalars import Choice, OneOf, scalar
from .shapes import Ann, Shape, type_name
from .tagged import Tagger
from .unions import OneFrom

_LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Collection)
_SETS = (set, abc.Set, abc.MutableSet)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_WRAPPERS = (Final, Required, NotRequired)


class Limited(Shape):
    """`Annotated[T, msgspec.Meta(...)]`: limits that msgspec holds when it decodes."""

    frozen = True

    def __init__(self, inner: Shape, limits: list[Any]) -> None:
        super().__init__(f"{inner.text} with {', '.join(map(repr, limits))}", inner.kinds)
        self.inner = inner
        self.limits = limits
        self.owns = inner.owns
        self.check = inner.check
        self.forth = inner.forth
        self.back = inner.back

    def parts(self) -> list[Shape]:
        return [self.inner]

    def why(self, value: Any) -> str | None:
        return self.inner.why(value)

    def inside(self, value: Any) -> Any:
        return self.inner.inside(value)

    @cached_property
    def wire(self) -> Ann:
        return Annotated[(self.inner.wire, *self.limits)]

    @property
    def wire_class(self) -> type[Any]:
        return self.inner.wire_class


def in_words(annotation: Ann) -> str:
    """The annotation as a reader would write it, with qualified class names."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return type_name(annotation)
    return str(annotation).replace("typing.", "")


def refused(annotation: Ann, why: str, fix: str = "Use it inside a step.") -> TypeRefused:
    """PD201 for an annotation."""
    return TypeRefused("PD201", in_words(annotation), why, fix)


class Reader:
    """Reads one annotation; classes are read once, so that they may contain themselves."""

    def __init__(self, tagger: Tagger, *, allow_any: bool) -> None:
        self.allow_any = allow_any
        self.tagger = tagger
        self.known: dict[Any, Shape] = {}
        self.aliases: list[Any] = []

    def read(self, annotation: Ann) -> Shape:
        """The shape of an annotation; raises `TypeRefused`."""
        if annotation is Any or annotation is object:
            return self._any(annotation)
        if annotation is None:
            annotation = type(None)
        if isinstance(annotation, NewType):
            return self.read(annotation.__supertype__)
        if isinstance(annotation, TypeVar):
            raise TypeRefused(
                "PD205",
                str(annotation),
                "a type variable stands for anything",
                "Say which type it is here.",
            )
        if _is_alias(annotation):
            return self._alias(annotation)
        origin = get_origin(annotation)
        if isinstance(annotation, type) and origin is None:
            return self._class(annotation, annotation)
        return self._generic(annotation, origin, get_args(annotation))

    def _any(self, annotation: Ann) -> Shape:
        if self.allow_any:
            return Plain()
        raise TypeRefused(
            "PD205",
            in_words(annotation),
            "it says nothing about what is stored",
            "Write the type of the values.",
        )

    def _alias(self, alias: Any) -> Shape:
        if alias in self.aliases:
            raise refused(alias, "an alias that contains itself", "Use a dataclass instead.")
        self.aliases.append(alias)
        try:
            return self.read(alias.__value__)
        finally:
            self.aliases.pop()

    def _generic(self, annotation: Ann, origin: Any, args: tuple[Any, ...]) -> Shape:
        if origin is Annotated:
            inner = self.read(args[0])
            limits = [meta for meta in args[1:] if isinstance(meta, msgspec.Meta)]
            return Limited(inner, limits) if limits else inner
        if origin in (Union, types.UnionType):
            return self._union(args)
        if origin is Literal:
            return self._literal(args)
        if origin in _WRAPPERS:
            return self.read(args[0])
        if origin is tuple:
            if len(args) == 2 and args[1] is Ellipsis:
                return Items(tuple, self.read(args[0]))
            return Row([self.read(arg) for arg in args])
        if origin in _LISTS or origin in _SETS or origin is frozenset:
            kept = list if origin in _LISTS else set if origin in _SETS else frozenset
            return Items(kept, self.read(args[0]))
        if origin in _DICTS:
            return self._dict(annotation, args)
        if isinstance(origin, type):
            return self._class(annotation, origin)
        raise refused(annotation, "it is not a type whose values can be stored")

    def _union(self, args: tuple[Any, ...]) -> Shape:
        shapes = [self.read(arg) for arg in args]
        members: list[Shape] = []
        for shape in shapes:
            members += shape.members if isinstance(shape, OneFrom) else [shape]
        if any(isinstance(member, Plain) for member in members):
            return Plain()
        raised = [member for member in members if isinstance(member, Raised)]
        if len(raised) > 1:
            members = [member for member in members if not isinstance(member, Raised)]
            members.append(Raised([c for r in raised for c in r.classes], self.tagger))
        joined = OneFrom(members)
        return joined if len(joined.members) > 1 else joined.members[0]

    def _literal(self, args: tuple[Any, ...]) -> Shape:
        odd = [arg for arg in args if type(arg) not in (str, int, bool, type(None))]
        if not odd:
            return OneOf(args)
        raise refused(
            Literal[args],
            f"{odd[0]!r} is neither text, number, truth value nor None",
            "Use the enumeration itself.",
        )

    def _dict(self, annotation: Ann, args: tuple[Any, ...]) -> Shape:
        key = self.read(args[0])
        plain = key.text in ("str", "int") or isinstance(key, Choice)
        if isinstance(key, OneOf):
            plain = key.kinds == frozenset(["string"])
        if not plain or (isinstance(key, Choice) and key.flag):
            raise refused(
                annotation,
                "keys that are not str, int or an enumeration may collide in JSON",
                "Use str keys, or a list of pairs.",
            )
        return Table(key, self.read(args[1]))

    def _class(self, annotation: Ann, cls: Any) -> Shape:
        found = scalar(cls) or self.known.get(annotation)
        if found is not None:
            return found
        if cls in (list, set, frozenset, tuple, dict):
            return self._bare(cls)
        if issubclass(cls, enum.Enum):
            return self._enum(cls)
        if issubclass(cls, BaseException):
            return Raised([cls], self.tagger)
        if hasattr(cls, "model_validate_json") and hasattr(cls, "model_dump_json"):
            return Modelled(cls)
        if getattr(cls, "__parameters__", ()) and annotation is cls:
            raise TypeRefused(
                "PD205",
                type_name(cls),
                "a generic class without its arguments",
                f"Write {cls.__name__}[...].",
            )
        if is_typeddict(cls):
            return self._typed(annotation, cls)
        return self._record(annotation, cls)

    def _bare(self, cls: type[Any]) -> Shape:
        held = self._any(cls)
        return Table(self.read(str), held) if cls is dict else Items(cls, held)

    def _enum(self, cls: type[enum.Enum]) -> Shape:
        if not len(cls) and not issubclass(cls, enum.Flag):
            raise refused(cls, "an enumeration without members")
        return Choice(cls)

    def _text(self, annotation: Ann, cls: type[Any]) -> str:
        args = get_args(annotation)
        inner = ", ".join(self.read(arg).text for arg in args)
        return type_name(cls) + (f"[{inner}]" if args else "")

    def _typed(self, annotation: Ann, cls: Any) -> Shape:
        shape = Typed(annotation, cls, self._text(annotation, cls))
        self.known[annotation] = shape
        hints, _ = hints_of(annotation, cls)
        for name, hint in sorted(hints.items()):
            # `__optional_keys__` cannot see into annotations that are texts.
            optional = get_origin(hint) is NotRequired or (
                get_origin(hint) is not Required and name in cls.__optional_keys__
            )
            shape.fields.append(Field(name, self.read(hint), optional))
        return shape

    def _record(self, annotation: Ann, cls: Any) -> Shape:
        kind = kind_of(cls)
        if kind is None:
            raise refused(annotation, "its objects are alive and cannot be written down")
        hints, alone = hints_of(annotation, cls)
        if any(isinstance(hint, dataclasses.InitVar) for hint in hints.values()):
            raise refused(
                annotation,
                "it takes values at construction that it does not keep (InitVar)",
                "Keep them as fields.",
            )
        text = self._text(annotation, cls)
        shape = Record(annotation, cls, kind, text, frozen=is_frozen(cls, kind))
        self.known[annotation] = shape
        columns = columns_of(cls, kind, hints)
        # Nested instantiations of one class have one name in msgspec's schemas; mirrors do not.
        # And msgspec does not write private fields of attrs classes.
        private = kind is ATTRS and any(column.name.startswith("_") for column in columns)
        shape.foreign = not alone or private or bool(get_args(annotation))
        for column in columns:
            try:
                inner = self.read(column.annotation)
            except TypeRefused as e:
                raise TypeRefused(
                    e.code, e.text, f"{e.why}; field {text}.{column.name}", e.fix
                ) from None
            optional = column.optional and kind is not ATTRS
            shape.fields.append(Field(column.name, inner, optional, column.default))
        return shape


def _is_alias(annotation: Ann) -> bool:
    """`type X = ...`, which only Python 3.12 and later have."""
    return sys.version_info >= (3, 12) and type(annotation).__name__ == "TypeAliasType"
