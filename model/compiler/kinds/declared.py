"""What classes and functions declare: hints, fields, methods, type variables.

Read off the live objects, as `typing.get_type_hints` resolves them. Nothing is inferred here.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from ...language.steps import Step
from ...values.fields import put
from .lattice import NEVER, UNKNOWN, bare, class_of, members, merge, storable, union

Solution = dict[Any, Any]
_SELF: Any = vars(typing)["Self"]


def hints(fn: Callable[..., Any]) -> Mapping[str, Any]:
    """The resolved annotations of a function; empty when they cannot be resolved."""
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def returns(step: Step[..., Any]) -> Any:
    """The declared result of a step."""
    return _plain(hints(step.fn).get("return", UNKNOWN))


def is_open(kind: Any) -> bool:
    """Whether a type has variables that a call would have to solve."""
    return isinstance(kind, TypeVar) or bool(getattr(kind, "__parameters__", ()))


def _plain(kind: Any) -> Any:
    return None if kind is types.NoneType else kind


def fields(kind: Any) -> Mapping[str, Any]:
    """The annotated names of a class, with the type arguments of this instantiation put in."""
    cls = typing.get_origin(kind) or kind
    if not isinstance(cls, type):
        return {}
    variables = dict(zip(getattr(cls, "__parameters__", ()), typing.get_args(kind), strict=False))
    return {name: put(hint, variables) for name, hint in _class_hints(cls).items()}


@functools.cache
def _class_hints(cls: type[Any]) -> Mapping[str, Any]:
    try:
        found = typing.get_type_hints(cls, include_extras=True)
    except NameError:  # a class of a function may at least name itself
        try:
            found = typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
        except NameError:
            return {}
    except TypeError:
        return {}
    return {name: _plain(_unwrapped(hint)) for name, hint in found.items()}


def _unwrapped(hint: Any) -> Any:
    words = (typing.ClassVar, typing.Final, typing.Required, typing.NotRequired)
    while typing.get_origin(hint) in words:
        hint = typing.get_args(hint)[0]
    return hint


def attribute(kind: Any, name: str) -> Any:
    """The type of an attribute that the author's class declares: a field or a property."""
    found = fields(kind).get(name)
    if found is not None or name in fields(kind):
        return found
    cls = class_of(kind)
    declared = inspect.getattr_static(cls, name, None) if cls is not None else None
    if isinstance(declared, property) and declared.fget is not None:
        return result(declared.fget, kind, {})
    if isinstance(declared, functools.cached_property):
        return result(cast("Any", declared).func, kind, {})
    return UNKNOWN


def method(kind: Any, name: str) -> types.FunctionType | None:
    """The function behind a method of the author's class."""
    cls = class_of(kind)
    found = inspect.getattr_static(cls, name, None) if cls is not None else None
    if isinstance(found, (classmethod, staticmethod)):
        found = cast("Any", found).__func__
    return found if isinstance(found, types.FunctionType) else None


def result(
    fn: types.FunctionType | Callable[..., Any], owner: Any, given: Mapping[str, Any]
) -> Any:
    """The declared result of a call: `Self` is the owner, type variables are solved by arguments.

    `given` maps parameters to the types of their arguments.
    """
    declared = hints(fn)
    if "return" not in declared or inspect.iscoroutinefunction(fn):
        return UNKNOWN
    solution: Solution = {_SELF: owner}
    origin = typing.get_origin(owner)
    if origin is not None:
        names = getattr(origin, "__parameters__", ())
        solution.update(zip(names, typing.get_args(owner), strict=False))
    for name, kind in given.items():
        if name in declared:
            unify(declared[name], kind, solution)
    return substituted(declared["return"], solution)


def constructed(cls: type[Any], given: Mapping[str, Any]) -> Any:
    """The type of `cls(...)`: generic classes are instantiated by their arguments."""
    parameters = getattr(cls, "__parameters__", ())
    if not parameters:
        return cls
    solution: Solution = {}
    declared = fields(cls) or hints(cls.__init__)
    for name, kind in given.items():
        if name in declared:
            unify(declared[name], kind, solution)
    return instantiated(cls, tuple(solution.get(p, UNKNOWN) for p in parameters))


def instantiated(cls: Any, parts: tuple[Any, ...]) -> Any:
    """`cls[parts]`, as its author would write it if every part is known."""
    if all(map(storable, parts)) and hasattr(cls, "__class_getitem__"):
        return cls[parts]
    return types.GenericAlias(cls, parts)


def unify(declared: Any, given: Any, solution: Solution) -> None:
    """Learn what the type variables in `declared` stand for from the type of an argument."""
    if isinstance(declared, TypeVar):
        solution[declared] = merge([solution.get(declared, NEVER), given])
        return
    wanted, got = members(declared), members(given)
    if len(wanted) > 1:
        rest = [g for g in got if g not in wanted]
        open_ones = [w for w in wanted if isinstance(w, TypeVar)]
        if len(open_ones) == 1 and rest:
            unify(open_ones[0], union(rest), solution)
            return
    for want in wanted:
        for have in got:
            _inside(want, have, solution)


def _inside(want: Any, have: Any, solution: Solution) -> None:
    inner: tuple[Any, ...] = typing.get_args(have)
    outer: tuple[Any, ...] = typing.get_args(want)
    base, cls = class_of(want), class_of(have)
    if not outer or base is None or cls is None or not issubclass(cls, base):
        return
    if base is not tuple and cls is tuple:  # tuple[int, str] as Sequence[T]
        inner = (merge([p for p in inner if p is not ...]),)
    if cls is str and len(outer) == 1:
        inner = (str,)
    pairs: Iterable[tuple[Any, Any]] = zip(outer, inner, strict=False)
    for one, two in pairs:
        if ... not in (one, two):
            unify(one, two, solution)


def substituted(declared: Any, solution: Solution) -> Any:
    """The type with its variables replaced; one that is not solved makes the whole unknown."""
    declared = _plain(declared)
    if declared is _SELF or isinstance(declared, TypeVar):
        return solution.get(declared, UNKNOWN)
    parts = typing.get_args(declared)
    origin = typing.get_origin(declared)
    if not parts or origin in (typing.Literal, typing.Annotated):
        return declared
    if origin in (typing.Union, types.UnionType):
        return union([substituted(p, solution) for p in parts])
    new = tuple(p if p is ... else _argument(p, solution) for p in parts)
    if new == parts:
        return declared
    return instantiated(origin, new) if isinstance(origin, type) else UNKNOWN


def _argument(part: Any, solution: Solution) -> Any:
    return [*part] if isinstance(part, list) else substituted(part, solution)


def bare_class(kind: Any) -> type[Any] | None:
    """The class of a type that is no instantiation of a generic one."""
    kind = bare(kind)
    return kind if isinstance(kind, type) and typing.get_origin(kind) is None else None
