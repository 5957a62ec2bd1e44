"""From a workflow's function object to its node in the tree of its whole file, and its names.

Names are resolved through the live function: closure cells, globals, builtins; locals are none of
them. What the names mean to a net is decided in `callees.py`.
"""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
import types
import warnings
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader

from .closures import own_names
from .trees import walk

_Definition = ast.FunctionDef | ast.AsyncFunctionDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Scope:
    """The names of a function; `local` are its parameters and own variables."""

    fn: types.FunctionType
    scope: dict[str, object]  # the globals of its module
    local: frozenset[str]

    def resolve(self, node: ast.expr) -> object:
        """The live object of a name or dotted name; None for locals and whatever is not found."""
        if isinstance(node, ast.Name):
            return None if node.id in self.local else self._named(node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value)
            if isinstance(base, (types.ModuleType, type)):
                return getattr(base, node.attr, None)
        return None

    def _named(self, name: str) -> object:
        outer = self.fn.__code__.co_freevars
        if name in outer:
            try:
                return (self.fn.__closure__ or ())[outer.index(name)].cell_contents
            except ValueError:  # not assigned yet
                return None
        return self.scope.get(name, getattr(builtins, name, None))


@dataclass(frozen=True)
class Function(Scope):
    """A workflow's function with its definition."""

    node: ast.AsyncFunctionDef


@dataclass(frozen=True)
class Helper(Scope):
    """A plain function of the author's."""

    node: ast.FunctionDef


def find(fn: types.FunctionType) -> Function | None:
    """The definition of a workflow's function; None when its source is not there."""
    node = _node(fn)
    if not isinstance(node, ast.AsyncFunctionDef):
        return None
    return Function(fn, fn.__globals__, own_names(node), node)


def definition(fn: types.FunctionType) -> Helper | None:
    """The definition of a plain function; None when its source is not there."""
    node = _node(fn)
    if not isinstance(node, ast.FunctionDef):
        return None
    return Helper(fn, fn.__globals__, own_names(node), node)


def written(fn: types.FunctionType) -> tuple[Scope, _Definition] | None:
    """A function of either kind with its names; None when its source is not there."""
    node = _node(fn)
    return None if node is None else (Scope(fn, fn.__globals__, own_names(node)), node)


def changed(fn: types.FunctionType) -> bool:
    """Whether its file is there and says something else than when it was imported."""
    return _from_file(fn) and bool(_text(fn)) and _node(fn) is None


def _node(fn: types.FunctionType) -> _Definition | None:
    code, text = fn.__code__, _text(fn)
    if _from_file(fn) and not any(_same(code, one) for one in _codes(text)):
        return None
    for node in _functions(text):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        if node.name == code.co_name and first == code.co_firstlineno:
            return node
    return None


def _text(fn: types.FunctionType) -> str:
    """The file as it is now: what was read of it before another import is forgotten."""
    file = fn.__code__.co_filename
    linecache.checkcache(file)
    return "".join(linecache.getlines(file, fn.__globals__))


def _from_file(fn: types.FunctionType) -> bool:
    """Whether the file was compiled as it stands there: hooks of other loaders may rewrite it."""
    return type(fn.__globals__.get("__loader__")) is SourceFileLoader


@functools.lru_cache(maxsize=64)
def _codes(text: str) -> tuple[types.CodeType, ...]:
    """Every function of a file, compiled."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left = [compile(text, "", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return ()
    for code in left:
        left += [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return tuple(left)


_COMPARED = (
    "co_name", "co_firstlineno", "co_code", "co_names", "co_varnames", "co_freevars",
    "co_cellvars", "co_argcount", "co_kwonlyargcount", "co_posonlyargcount", "co_flags",
)  # fmt: skip


def _same(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two codes were made of one text, at one place."""
    if any(getattr(one, name) != getattr(other, name) for name in _COMPARED):
        return False
    pairs = zip(one.co_consts, other.co_consts, strict=False)
    return len(one.co_consts) == len(other.co_consts) and all(_alike(*pair) for pair in pairs)


def _alike(one: object, other: object) -> bool:
    if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
        return _same(one, other)
    return repr(one) == repr(other) or (isinstance(one, frozenset) and one == other)


@functools.lru_cache(maxsize=64)
def _functions(text: str) -> tuple[_Definition, ...]:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # the file is another by now, or is no Python
        return ()
    return tuple(n for n in walk(tree) if isinstance(n, _DEFINITIONS))
