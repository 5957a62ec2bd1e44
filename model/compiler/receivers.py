"""Methods of what is looked up before an await and called behind it (PD106).

A frame holds values: an object that rests over the await is a copy behind it, and what the method
changes in the copy is lost. So the compiler looks it up again where that finds the same object
(see `expressions.py`); here is refused what cannot be looked up again. It changes nothing.
"""

from __future__ import annotations

import ast
from typing import Any

from ..values import TypeRefused
from ..values.catalogue import codec
from .build import Builder
from .callees import callee
from .calls import rebound
from .edits import hoisted
from .expressions import awaits, is_path
from .kinds import Kinds
from .order import acts
from .places import condition
from .trees import children, walk

_WHY = "it is another object behind the await, and what the method changes in it would be lost"
_NEW = (
    ast.Await, ast.BinOp, ast.Compare, ast.Constant, ast.Dict, ast.DictComp, ast.JoinedStr,
    ast.List, ast.ListComp, ast.Set, ast.SetComp, ast.Tuple, ast.UnaryOp,
)  # fmt: skip


def receivers(node: ast.AsyncFunctionDef, kinds: Kinds, build: Builder) -> None:
    """Report methods with an await in their arguments that belong to what would be a copy."""
    for statement in walk(node):
        if not isinstance(statement, ast.stmt) or isinstance(statement, ast.AsyncFunctionDef):
            continue
        for part in children(statement):
            if isinstance(part, ast.expr) and awaits(part):
                for call in walk(part):
                    if isinstance(call, ast.Call):
                        _call(call, statement, kinds, build)


def _call(call: ast.Call, statement: ast.stmt, kinds: Kinds, build: Builder) -> None:
    given = [*call.args, *(k.value for k in call.keywords)]
    func = call.func
    if not isinstance(func, ast.Attribute) or not any(map(awaits, given)):
        return
    if callee(call, build.resolve) is not None or build.resolve(func) is not None:
        return
    owner = func.value
    if isinstance(owner, ast.Name) or _new(owner, kinds, build) or _unchanging(kinds.kind(owner)):
        return
    if _again(owner, call) and not any(_disturbs(n, kinds, build) for a in given for n in _all(a)):
        return
    awaited = next(n for a in given for n in walk(a) if isinstance(n, ast.Await))
    fix, edits = hoisted(build, statement, awaited)
    text = f"`{condition(owner, 24)}` is looked up before this await and changed behind it"
    build.problem("PD106", owner, text, _WHY, fix, edits=edits)


def _all(node: ast.expr) -> list[ast.Call]:
    return [n for n in walk(node) if isinstance(n, ast.Call)]


def _disturbs(call: ast.Call, kinds: Kinds, build: Builder) -> bool:
    """Whether a call in the arguments may put another object where the first one was found."""
    return callee(call, build.resolve) is None and acts(call, kinds, build)


def _again(owner: ast.expr, call: ast.Call) -> bool:
    """Whether looking it up behind the await finds the same object."""
    inside = {n for n in walk(owner) if isinstance(n, ast.Await)}
    if not inside:
        return is_path(owner, rebound(call))
    match owner:
        case ast.Attribute(value=value):
            return _again(value, call)
        case ast.Subscript(value=value, slice=index):
            # The result of an await in an index is kept under a name of its own.
            return isinstance(index, ast.Await) and is_path(value, rebound(call))
        case _:
            return False


def _new(node: ast.expr, kinds: Kinds, build: Builder) -> bool:
    """Whether an expression makes an object that nothing else holds."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and _unchanging(kinds.kind(node.func.value)):
            return True
        return not acts(node, kinds, build)
    return isinstance(node, _NEW)


def _unchanging(kind: Any) -> bool:
    try:
        return codec(kind).immutable
    except (TypeRefused, TypeError):
        return False
