"""Exception handlers around an await: what they may catch (PD230), and what is stored (PD231).

An exception rests in the log and in tokens between being raised and being handled. How it is
stored is decided in `values/raised.py`; nothing is caught here.
"""

from __future__ import annotations

import ast
import inspect
import sys
from typing import Any, get_type_hints

from ..values import TypeRefused
from ..values.catalogue import codec
from .build import Builder
from .edits import replaced
from .expressions import awaits
from .findings import Edit
from .live import Function
from .places import condition
from .spans import head_of
from .trees import walk

_SWALLOW = "it would swallow cancellation"
_FIX = "except Exception:"


def handlers(function: Function, build: Builder) -> None:
    """Report handlers around awaits that catch too much, or what cannot be kept."""
    for node in walk(function.node):
        if isinstance(node, ast.Try) and any(map(awaits, node.body)):
            for handler in node.handlers:
                _handler(handler, function, build)


def _handler(h: ast.ExceptHandler, function: Function, build: Builder) -> None:
    if h.type is None:
        text = "a bare `except:` around an await"
        edits = (Edit(head_of(build.file, h), _FIX),)
        build.problem("PD230", h, text, _SWALLOW, _FIX, edits=edits)
        return
    for node in h.type.elts if isinstance(h.type, ast.Tuple) else [h.type]:
        cls = function.resolve(node)
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            continue
        if not issubclass(cls, Exception):
            text = f"`except {condition(node)}` around an await"
            edits = replaced(build, node, "Exception")
            build.problem("PD230", node, text, _SWALLOW, _FIX, edits=edits)
            continue
        why = _unkept(cls)
        if why:
            text = f"`except {condition(node)}` cannot be matched after a restart: {why}"
            reason = "the exception is stored, and made again by `cls(*args)`"
            fix = "raise an exception of plain arguments from the step, defined in a module"
            build.problem("PD231", node, text, reason, fix)


def _unkept(cls: type[BaseException]) -> str:
    """Why exceptions of a class cannot be stored and made again; empty when they can."""
    if not _importable(cls):
        return "its class cannot be imported"
    init: Any = cls.__dict__.get("__init__")
    if init is None or "__reduce__" in cls.__dict__ or "__reduce_ex__" in cls.__dict__:
        return ""
    try:
        hints = get_type_hints(init)
        parameters = list(inspect.signature(init).parameters.values())[1:]
    except (NameError, TypeError, ValueError):
        return ""
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty:
            return f"its `__init__` takes {p.name!r} by keyword only"
        if p.name in hints and p.default is p.empty:
            try:
                codec(hints[p.name])
            except TypeRefused as refused:
                return f"its `__init__` takes {refused.text}, which cannot be stored"
    return ""


def _importable(cls: type[Any]) -> bool:
    found: Any = sys.modules.get(cls.__module__)
    if found is None:
        return "<locals>" not in cls.__qualname__
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is cls
