"""The fields of a class, with the types they have in one instantiation of it.

Lives here: which classes have fields, and the type variables of generic ones. Never here: what a
field's type means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from .records import ATTRS, DATACLASS, NAMED_TUPLE, STRUCT, Kind
from .refusals import TypeRefused
from .shapes import Ann, attributes, type_name

Variables = dict[Any, Ann]


class Column(NamedTuple):
    """A field as the class declares it."""

    name: str
    annotation: Ann
    default: Callable[[], Any] | None
    optional: bool


def kind_of(cls: Any) -> Kind | None:
    """How objects of the class are made; None when it is not a class with typed fields."""
    if issubclass(cls, msgspec.Struct):
        return STRUCT
    if dataclasses.is_dataclass(cls):
        return DATACLASS
    if hasattr(cls, "__attrs_attrs__"):
        return ATTRS
    named = tuple in cls.__mro__ and hasattr(cls, "_fields") and hasattr(cls, "__annotations__")
    return NAMED_TUPLE if named else None


def is_frozen(cls: Any, kind: Kind) -> bool:
    """Whether the fields of an object can never be set anew."""
    if kind is DATACLASS:
        return bool(cls.__dataclass_params__.frozen)
    if kind is STRUCT:
        return bool(cls.__struct_config__.frozen)
    # attrs has no flag; a frozen class refuses in its own __setattr__.
    return kind is NAMED_TUPLE or "frozen" in getattr(cls.__setattr__, "__qualname__", "").lower()


def put(annotation: Ann, variables: Variables) -> Ann:
    """The annotation with its type variables replaced."""
    if isinstance(annotation, TypeVar):
        return variables.get(annotation, annotation)
    open_ones = getattr(annotation, "__parameters__", ())
    if get_origin(annotation) is None or not open_ones:
        return annotation
    return annotation[tuple(variables.get(p, p) for p in open_ones)]


def hints_of(annotation: Ann, cls: Any) -> tuple[dict[str, Ann], bool]:
    """The types of all annotated names, and whether msgspec can find them on its own.

    Each class of the hierarchy is read with its own type variables: two classes may use one
    variable for different things.
    """
    variables = _variables(cls, get_args(annotation))
    hints: dict[str, Ann] = {}
    alone = True
    for base in reversed(cls.__mro__):
        own: dict[str, Any] = attributes(base).get("__annotations__", {})
        if not own:
            continue
        try:
            found = get_type_hints(base, include_extras=True)
        except NameError:
            alone = False
            found = _with_own_name(base)
        hints.update({n: put(found[n], variables.get(base, {})) for n in own if n in found})
    if is_typeddict(cls):  # its bases are gone at run time, its annotations are complete
        found = get_type_hints(cls, include_extras=True)
        hints = {name: put(hint, variables.get(cls, {})) for name, hint in found.items()}
    return hints, alone


def _with_own_name(cls: Any) -> dict[str, Ann]:
    """The hints of a class defined in a function, which may at least name itself."""
    try:
        return get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as unknown:
        raise TypeRefused(
            "PD201",
            type_name(cls),
            f"the type of a field cannot be found ({unknown})",
            "Define the class and the types of its fields at the top of a module.",
        ) from unknown


def _variables(cls: Any, given: tuple[Ann, ...]) -> dict[Any, Variables]:
    mine = dict(zip(getattr(cls, "__parameters__", ()), given, strict=False))
    found: dict[Any, Variables] = {cls: mine}
    for base in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(base)
        if isinstance(origin, type) and hasattr(origin, "__parameters__"):
            for klass, variables in _variables(origin, get_args(put(base, mine))).items():
                found.setdefault(klass, variables)
    for base in getattr(cls, "__bases__", ()):
        if base not in found and hasattr(base, "__orig_bases__"):
            for klass, variables in _variables(base, ()).items():
                found.setdefault(klass, variables)
    return found


def columns_of(cls: Any, kind: Kind, hints: dict[str, Ann]) -> list[Column]:
    """The fields in the order in which they are stored."""
    if kind is DATACLASS:
        return [_dataclass_column(cls, field, hints) for field in dataclasses.fields(cls)]
    if kind is STRUCT:
        return [_struct_column(field, hints) for field in msgspec.structs.fields(cls)]
    names = cls._fields if kind is NAMED_TUPLE else [a.name for a in cls.__attrs_attrs__]
    return [Column(name, hints[name], None, optional=False) for name in names]


def _dataclass_column(cls: Any, field: dataclasses.Field[Any], hints: dict[str, Ann]) -> Column:
    default: Callable[[], Any] | None = None
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory
    elif field.default is not dataclasses.MISSING:
        default = _constant(field.default)
    # A field that no constructor sets may be set later, or never.
    return Column(field.name, hints[field.name], default, default is not None or not field.init)


def _struct_column(field: Any, hints: dict[str, Ann]) -> Column:
    default: Callable[[], Any] | None = None
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory
    elif field.default is not msgspec.NODEFAULT:
        default = _constant(field.default)
    return Column(field.name, hints[field.name], default, default is not None)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
