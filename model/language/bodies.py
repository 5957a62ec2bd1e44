"""The function behind a step, an undo or a probe: what it takes, and whether it fits.

Everything an author can get wrong in such a function is refused here, when the module is
imported. Nothing here calls the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from ..errors import DefinitionError
from .effects import WITHOUT_END, Retry

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Undo:
    """The function that takes a compensatable effect back.

    `unknown`: it takes `(result | None, *arguments)`, and None means that nobody knows whether
    anything was done; otherwise it takes the result alone.
    """

    fn: Callable[..., Any]
    name: str
    is_async: bool
    unknown: bool
    retry: Retry = WITHOUT_END

    def values(self, result: object, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what the function is called with, for `result` (None: unknown)."""
        return (result, *arguments) if self.unknown else (result,)


@dataclass(frozen=True)
class Probe:
    """The function that asks the outside world what became of an effect in doubt.

    `takes` are the names of its parameters, the step's own.
    """

    fn: Callable[..., Any]
    name: str
    is_async: bool
    takes: tuple[str, ...]


def where_is(fn: Callable[..., Any]) -> str:
    """Return `file:line` of a function, as far as it is known."""
    code = getattr(inspect.unwrap(fn), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


def is_coroutine_function(fn: Callable[..., Any]) -> bool:
    """Tell whether a call of `fn` must be awaited."""
    return inspect.iscoroutinefunction(fn)


def checked_function(fn: object, role: str) -> inspect.Signature:
    """Return the signature of `fn`; refuse what cannot be a step, undo, probe or workflow."""
    if not inspect.isroutine(fn):
        raise DefinitionError(
            "PD407",
            f"a {role} must be a function, not {fn!r}",
            "",
            "it needs a name that stays the same in the next process",
            "decorate a `def` or `async def`",
        )
    if role != "workflow" and (inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)):
        raise DefinitionError(
            "PD407",
            f"{role} {fn.__name__} yields",
            where_is(fn),
            "readers of a stream would see values that a crash takes back",
            "return a list",
        )
    signature = inspect.signature(fn)
    for parameter in signature.parameters.values():
        if parameter.kind in _VARIADIC:
            raise DefinitionError(
                "PD113",
                f"{role} {fn.__name__} takes {parameter}",
                where_is(fn),
                "what is stored needs one type per name",
                "name the parameters, or take one list",
            )
    return signature


def without_first(signature: inspect.Signature, fn: Callable[..., Any]) -> inspect.Signature:
    """Return what a workflow passes to a transactional step: everything but `tx` (PD411)."""
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise DefinitionError(
            "PD411",
            f"transactional step {fn.__name__} takes no tx",
            where_is(fn),
            "it may write only through the transaction that records it",
            f"async def {fn.__name__}(tx: Tx, ...)",
        )
    return signature.replace(parameters=parameters[1:])


def bound(
    name: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Any, ...]:
    """Return the values of all parameters in order, defaults applied.

    Raises TypeError naming the callee when the arguments do not fit, as Python does.
    """
    try:
        arguments = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}{signature}: {error}") from None
    arguments.apply_defaults()
    return tuple(arguments.arguments.values())


def positional(signature: inspect.Signature) -> int:
    """How many arguments by position are all of them; -1 where one is given by its name alone."""
    named = any(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values())
    return -1 if named else len(signature.parameters)


def spread(
    signature: inspect.Signature, values: Sequence[Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return `values`, one per parameter, as the arguments and keyword arguments of a call."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter, value in zip(signature.parameters.values(), values, strict=True):
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    return tuple(args), kwargs


def undo_of(step: str, taken: inspect.Signature, fn: Callable[..., Any]) -> Undo:
    """Return the undo `fn` of a step, its form told by the number of parameters (PD404).

    For a step without parameters both forms take one; an annotation `R | None` tells them apart.
    """
    parameters = list(checked_function(fn, "undo").parameters.values())
    wanted = 1 + len(taken.parameters)
    if len(parameters) == 1 and wanted == 1:
        unknown = _allows_none(fn, parameters[0].annotation)
    elif len(parameters) in (1, wanted):
        unknown = len(parameters) == wanted
    else:
        names = ", ".join(taken.parameters)
        raise DefinitionError(
            "PD404",
            f"undo {fn.__name__} of {step} takes {len(parameters)} parameters, not 1 or {wanted}",
            where_is(fn),
            "an undo gets the result, or the result (None when nobody knows it) and all arguments",
            f"def {fn.__name__}(result) or def {fn.__name__}(result_or_none, {names})",
        )
    if parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise DefinitionError(
            "PD404",
            f"undo {fn.__name__} of {step} takes its result by keyword",
            where_is(fn),
            "the result is passed as first positional argument",
            f"def {fn.__name__}(result, ...)",
        )
    return Undo(fn, fn.__name__, inspect.iscoroutinefunction(fn), unknown)


def probe_of(step: str, taken: inspect.Signature, fn: Callable[..., Any]) -> Probe:
    """Return the probe `fn` of a step; its parameters must be the step's (PD405)."""
    signature = checked_function(fn, "probe")
    shape = [(p.name, p.kind) for p in taken.parameters.values()]
    if [(p.name, p.kind) for p in signature.parameters.values()] != shape:
        names = ", ".join(taken.parameters)
        raise DefinitionError(
            "PD405",
            f"probe {fn.__name__} takes other parameters than {step}",
            where_is(fn),
            "it is called with the arguments of the call in doubt",
            f"def {fn.__name__}({names})",
        )
    return Probe(fn, fn.__name__, inspect.iscoroutinefunction(fn), tuple(signature.parameters))


def _allows_none(fn: Callable[..., Any], annotation: object) -> bool:
    if isinstance(annotation, str):
        # Never evaluated: names of the module may not exist yet while it is being imported.
        words = annotation.replace("[", " ").replace("]", " ").replace("|", " ")
        return any(w in ("None", "Optional", "typing.Optional") for w in words.split())
    return annotation is None or type(None) in get_args(annotation)
