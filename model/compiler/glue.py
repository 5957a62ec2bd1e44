"""The user's sync code as functions (C23, C24): frame in, exit and values out, tracebacks intact.

All glue of a workflow is one module and one `compile()`. The functions consist of the user's own
nodes inside synthetic ones, under the workflow's name and file, and share the real cells of the
workflow's function. Which variables go in and out is decided in `flow.py`.
Nothing is run here.
"""

from __future__ import annotations
import __future__

import ast
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .blocks import Leave
from .finals import Finals
from .rewrite import ERROR, leaves
from .trees import Transformer, located, twin

_CAUGHT, _LEAVES, _EXCEPTION = "$e", "$leaves", "$Exception"


@dataclass(frozen=True)
class Stretch:
    """The code of one place: labels of its exits in order, variables in, variables out by exit."""

    code: tuple[ast.stmt, ...]
    exits: tuple[str, ...]
    catching: tuple[ast.expr, ...]
    reads: tuple[str, ...]
    writes: tuple[tuple[str, ...], ...]


def functions(
    owner: types.FunctionType, stretches: Sequence[Stretch], constants: Mapping[str, object]
) -> list[types.FunctionType]:
    """Compile the stretches; each function takes its reads and returns `(exit, *writes)`."""
    cells = dict(zip(owner.__code__.co_freevars, owner.__closure__ or (), strict=True))
    given = {**constants, _LEAVES: leaves, _EXCEPTION: Exception}
    cells |= {name: types.CellType(value) for name, value in given.items()}
    inner: list[ast.stmt] = [_function(f"${i}", s) for i, s in enumerate(stretches)]
    # An outer function makes the names of the cells free in the glue, as they are in the owner.
    shell = _def("$", list(cells), inner or [ast.Pass()], owner.__code__.co_firstlineno)
    module = ast.Module([shell], [])
    located(module)
    # As in the author's file: annotations of nested functions are evaluated, or are not.
    flags = owner.__code__.co_flags & __future__.annotations.compiler_flag
    code = compile(module, owner.__code__.co_filename, "exec", flags, dont_inherit=True)
    outer = _codes(code)["$"]
    found = _codes(outer)
    return [_bound(found[f"${i}"], owner, cells) for i in range(len(stretches))]


def _bound(
    code: types.CodeType, owner: types.FunctionType, cells: Mapping[str, types.CellType]
) -> types.FunctionType:
    named = code.replace(co_name=owner.__code__.co_name, co_qualname=owner.__code__.co_qualname)
    closure = tuple(cells[name] for name in code.co_freevars)
    return types.FunctionType(named, owner.__globals__, owner.__name__, None, closure)


def _codes(code: types.CodeType) -> dict[str, types.CodeType]:
    return {c.co_name: c for c in code.co_consts if isinstance(c, types.CodeType)}


def _function(name: str, stretch: Stretch) -> ast.FunctionDef:
    numbers = {label: i for i, label in enumerate(stretch.exits)}
    swap = _Leaves({k: (i, stretch.writes[i]) for k, i in numbers.items()})
    finals = Finals()
    code = [finals.visit(twin(s)) for s in stretch.code]
    body: list[ast.stmt] = [swap.visit(s) for s in code]
    line = getattr(stretch.code[0], "lineno", 1)
    if "next" in numbers:
        body.append(swap.returning("next", stretch.code[-1]))
    if "raise" in numbers:
        body = [_guarded(body, stretch, numbers["raise"], line)]
    return _def(name, list(stretch.reads), body, line)


def _guarded(body: list[ast.stmt], stretch: Stretch, number: int, line: int) -> ast.stmt:
    """`except Exception as $e: if it is meant or handled: return (number, …); raise`."""
    caught = ast.Name(_CAUGHT, ast.Load())
    types_ = ast.Tuple([twin(t) for t in _flat(stretch.catching)], ast.Load())
    test = ast.Call(ast.Name(_LEAVES, ast.Load()), [caught, types_], [])
    out: list[ast.expr] = [
        ast.Name(_CAUGHT if v == ERROR else v, ast.Load()) for v in stretch.writes[number]
    ]
    leave = ast.Return(ast.Tuple([ast.Constant(number), *out], ast.Load()))
    handler = ast.ExceptHandler(
        ast.Name(_EXCEPTION, ast.Load()), _CAUGHT, [ast.If(test, [leave], []), ast.Raise()]
    )
    return ast.Try(
        body, [handler], [], [], lineno=line, col_offset=0, end_lineno=line, end_col_offset=0
    )


def _flat(types_: Sequence[ast.expr]) -> list[ast.expr]:
    found: list[ast.expr] = []
    for t in types_:
        found += t.elts if isinstance(t, ast.Tuple) else [t]
    return found


def _def(name: str, parameters: list[str], body: list[ast.stmt], line: int) -> ast.FunctionDef:
    arguments = ast.arguments([], [ast.arg(p) for p in parameters], None, [], [], None, [])
    more: dict[str, Any] = {"type_params": []} if "type_params" in ast.FunctionDef._fields else {}
    return ast.FunctionDef(
        name,
        arguments,
        body,
        [],
        None,
        lineno=line,
        col_offset=0,
        end_lineno=line,
        end_col_offset=0,
        **more,
    )


class _Leaves(Transformer):
    """Turns each `Leave` into a return of its exit's number and values."""

    def __init__(self, exits: Mapping[str, tuple[int, tuple[str, ...]]]) -> None:
        self.exits = exits

    def visit_Leave(self, node: Leave) -> ast.stmt:
        return self.returning(node.label, node)

    def returning(self, label: str, at: ast.AST) -> ast.stmt:
        number, names = self.exits[label]
        values: list[ast.expr] = [ast.Name(n, ast.Load()) for n in names]
        out = ast.Return(ast.Tuple([ast.Constant(number), *values], ast.Load()))
        return ast.copy_location(out, at)
