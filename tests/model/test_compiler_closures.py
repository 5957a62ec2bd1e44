"""What functions read from around them and bind themselves: as Python's own symbol tables say."""

from __future__ import annotations

import argparse
import ast
import calendar
import collections
import configparser
import dataclasses
import difflib
import enum
import functools
import inspect
import statistics
import symtable
from collections.abc import Iterator

import pytest
from perdure.model.compiler.closures import (
    bound_names,
    changed_names,
    free,
    free_inside,
    own_names,
    parameters,
    where_defined,
)

SOURCES = (argparse, calendar, collections, configparser, dataclasses, difflib, enum, functools,
           inspect, statistics)  # fmt: skip
ODD = """
def comprehensions(a, b=c, *d, e=f, **g):
    return [h for i in j for h in i if k(h)] + [l := m, *(n for n in n)]
def walruses(x):
    return any((hit := y) > x for y in hit2) and (lambda p=hit: (inner := p) + inner)()
def handlers(x):
    try:
        import os.path, sys as system
        from math import pi, tau as t
    except (ValueError, Other) as error:
        raise error from x
    with open(x) as (file, [*rest]), lock:
        for x, file.attribute in rest: ...
    return error, os, system, pi, t, outside
def patterns(x):
    match x:
        case Point(x=px, y=[first, *rest]) if guard(px): return first, rest
        case {"k": value, **others} | Enum.MEMBER as value if others: return value
        case _ as unused: return missing
def functions(x):
    def inner(y: Annotated = default, *, z=x) -> Returned:
        def deeper():
            return y + z + q + deeper() + later
        q = 1
        return deeper
    later = 2
    class Local(Base, key=Meta):
        field = x
        def method(self): return field, self
    return inner, Local
def recursion(n):
    return recursion(n - 1) if n else fib(n)
def deletes(n):
    del n, gone
    global shared
    shared = n
    return lambda: (shared, gone)
"""


def functions(text: str) -> Iterator[tuple[ast.FunctionDef, symtable.SymbolTable]]:
    """Every function of a text, with Python's table of it."""
    tables: dict[tuple[str, int], symtable.SymbolTable] = {}
    todo = [symtable.symtable(text, "text", "exec")]
    while todo:
        table = todo.pop()
        todo += table.get_children()
        if table.get_type() == "function":
            tables[table.get_name(), table.get_lineno()] = table
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found = tables.get((node.name, line)) or tables.get((node.name, node.lineno))
            if found is not None:
                yield node, found


def read_from_around(table: symtable.SymbolTable) -> set[str]:
    """Names that a scope or one inside reads, and that no scope from it inwards binds."""
    found: set[str] = set()
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_free() or symbol.is_global()):
            found.add(symbol.get_name())
    for inner in table.get_children():
        mine = {s.get_name() for s in table.get_symbols() if s.is_local()}
        # What a class binds is seen in its own body alone.
        found |= read_from_around(inner) - (mine if table.get_type() == "function" else set())
    return found


def plain(node: ast.AST) -> bool:
    """Whether it keeps to what a workflow may have inside: no class, no `global`, no `nonlocal`."""
    refused = (ast.ClassDef, ast.Global, ast.Nonlocal)
    return not any(isinstance(n, refused) for n in ast.walk(node))


TEXTS = [*((m.__name__, inspect.getsource(m)) for m in SOURCES), ("odd", ODD)]


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_what_a_function_reads_from_around_is_what_python_says(name: str, text: str) -> None:
    """For every function: the reads that neither it nor a scope inside it binds."""
    compared = 0
    for node, table in functions(text):
        if plain(node):
            imported = _imported(node)
            ours = {n.id for n in free_inside(node)} - imported
            # A method reads `__class__` by `super()`; a workflow has no class around.
            theirs = read_from_around(table) - imported - {"__class__"}
            assert ours == theirs, ast.unparse(node)
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_what_a_function_binds_is_what_python_says(name: str, text: str) -> None:
    """Parameters and assigned names: Python's locals, imports aside (a workflow has none)."""
    compared = 0
    for node, table in functions(text):
        if plain(node):
            theirs = {s.get_name() for s in table.get_symbols() if s.is_local()}
            # Only deleted; imported; or, since Python 3.12, of a comprehension that is inlined.
            aside = {n.id for n in _own(node) if isinstance(n.ctx, ast.Del)} | _imported(node)
            aside |= _inlined(node) - own_names(node)
            assert own_names(node) - aside == theirs - aside
            compared += 1
    assert compared >= 4


def _imported(node: ast.AST) -> set[str]:
    found = [a for n in ast.walk(node) if isinstance(n, (ast.Import, ast.ImportFrom))
             for a in n.names]  # fmt: skip
    return {(a.asname or a.name).partition(".")[0] for a in found}


def _inlined(node: ast.AST) -> set[str]:
    parts = [n for n in ast.walk(node) if isinstance(n, ast.comprehension)]
    return {name for part in parts for name in bound_names(part.target)}


def _own(node: ast.AST) -> list[ast.Name]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Name)]


def names(text: str) -> list[str]:
    """The free names of an expression, as often as they are read."""
    return [n.id for n in free(ast.parse(text, mode="eval").body)]


FREE = {
    "a + b.c[d]": ["a", "b", "d"],
    "[x for x in xs]": ["xs"],
    "[x for x in x]": ["x"],
    "[y for x in xs for y in x if z]": ["xs", "z"],
    "{k: v for k, v in d.items() if k in w}": ["d", "w"],
    "lambda a, /, b=c, *d, e=f, **g: (a, b, d, e, g, h)": ["c", "f", "h"],
    "lambda: (lambda x: x + y)(x)": ["y", "x"],
    "(x := y) + x": ["y", "x"],
    "f'{a!r:>{b}} {[c for c in d]}'": ["a", "b", "d"],
    "[(lambda: x)() for x in xs]": ["xs"],
    "any((hit := x) for x in xs)": ["any", "xs"],
}


@pytest.mark.parametrize("text", FREE)
def test_free_names_of_an_expression(text: str) -> None:
    """One by one, in the order in which they stand, and none that a scope inside binds."""
    assert sorted(names(text)) == sorted(FREE[text])


def test_what_is_evaluated_at_the_definition_is_not_inside() -> None:
    """Decorators, annotations and defaults belong to the scope around, the body does not."""
    (node,) = ast.parse("@deco(1)\ndef f(a: A = x, *, b: B = y, c=None) -> R:\n    return z").body
    assert isinstance(node, ast.FunctionDef)
    outside = {n.id for part in where_defined(node) for n in _own(part)}
    assert outside == {"deco", "A", "x", "B", "y", "R"}
    assert [n.id for n in free_inside(node)] == ["z"]
    assert parameters(node.args) == {"a", "b", "c"}


def test_what_statements_change_is_what_they_bind_and_delete() -> None:
    """A handler that re-raises needs to know whether its exception still has its name."""
    body = ast.parse("x = 1\ndel y\nfor z in a: w += 1\ntry: ...\nexcept E as e: ...").body
    assert changed_names(body) == {"x", "y", "z", "w", "e"}
    assert changed_names(ast.parse("[q for q in x]\nlambda e: e\nprint(e)").body) == frozenset()


def test_targets_and_patterns_bind_their_names() -> None:
    """Unpacking, stars, captures and the rest of a mapping; attributes and items bind nothing."""
    (assign,) = ast.parse("a, (b, *c), d.e, f[g] = h").body
    assert bound_names(assign) == {"a", "b", "c"}
    (match,) = ast.parse("match x:\n case {'k': [a, *b], **c} | P(d) as e: ...").body
    assert isinstance(match, ast.Match)
    assert bound_names(match.cases[0].pattern) == {"a", "b", "c", "d", "e"}
