"""The compiler never breaks: whatever is given to it compiles, or is refused by name.

The standard library serves as a heap of functions nobody wrote for us: each becomes the body of a
workflow, with awaits put where they happen to fall.
"""

from __future__ import annotations

import argparse
import ast
import calendar
import configparser
import csv
import difflib
import inspect
import linecache
import random
import statistics
import textwrap
import types
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from perdure.model.compiler import compile as stages
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError, Finding
from perdure.model.compiler.refuse import told
from perdure.model.errors import PerdureError
from perdure.model.language.workflows import Workflow, workflow

from .differential_runs import load as generated
from .odd_world import a, nums, say
from .programs import generate

SOURCES = (argparse, ast, calendar, configparser, csv, difflib, inspect, random, statistics,
           textwrap, types)  # fmt: skip
SEEDS = 6
AWAITS = ("await a(1)", "got = await a(2)", "many = await nums(2)", "await say('x')")


class _Sprinkle(ast.NodeTransformer):
    """Puts awaits between statements and around expressions."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("body", "orelse", "finalbody"):
            block: Any = getattr(node, name, ())
            if type(block) is list:  # the body of a lambda is an expression
                setattr(node, name, list(self.block(block)))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            part.body = list(self.block(part.body))
        return node

    def block(self, statements: Any) -> Iterator[ast.stmt]:
        for statement in statements:
            if self.dice.random() < 0.15:
                yield ast.parse(self.dice.choice(AWAITS)).body[0]
            yield self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if self.dice.random() < 0.3:
            node.value = self.awaited(node.value)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is not None and self.dice.random() < 0.3:
            node.value = self.awaited(node.value)
        return node

    def awaited(self, node: ast.expr) -> ast.expr:
        """An await in the place of some operand, or of the whole."""
        parts = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]
        if isinstance(node, (ast.BinOp, ast.Call, ast.BoolOp, ast.IfExp)) and len(parts) > 1:
            for name, value in ast.iter_fields(node):
                if value is parts[-1]:
                    setattr(node, name, self.awaited(parts[-1]))
                    return node
        return ast.Await(ast.Call(ast.Name("a", ast.Load()), [node], []))


@cache
def texts(source: types.ModuleType, seed: int) -> tuple[str, ...]:
    """Functions of a module, written as workflows."""
    tree, made = ast.parse(inspect.getsource(source)), list[str]()
    dice = random.Random(f"{source.__name__} {seed}")
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and len(n.body) > 1]
    for node in dice.sample(found, min(12, len(found))):
        head: list[ast.expr] = [ast.Name("workflow", ast.Load())]
        body = list(_Sprinkle(dice).block(node.body))
        flow: Any = ast.AsyncFunctionDef("w", node.args, body, head, None, lineno=1, col_offset=0)
        made.append(ast.unparse(ast.fix_missing_locations(flow)))
    return tuple(made)


def workflows(source: types.ModuleType, seed: int) -> Iterator[tuple[str, Workflow[..., Any]]]:
    """Functions of a module as workflows."""
    for number, text in enumerate(texts(source, seed)):
        file = f"<{source.__name__} {seed} {number}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        scope: dict[str, Any] = {"workflow": workflow, "a": a, "nums": nums, "say": say}
        scope |= {**vars(source), **scope, "__name__": "heap"}
        try:
            exec(compile(text, file, "exec", dont_inherit=True), scope)
        except (SyntaxError, NameError, PerdureError):  # no workflow at all, or refused as one
            continue
        yield text, scope["w"]


def findings(flow: Workflow[..., Any]) -> tuple[Finding, ...]:
    """What is said of a workflow; empty when it compiles."""
    try:
        compile_workflow(flow)
    except CompileError as error:
        return error.findings
    return ()


def sane(found: tuple[Finding, ...], text: str) -> None:
    """Each finding says what, where and how to mend it, and can be shown."""
    lines = text.splitlines()
    for finding in found:
        assert finding.message
        assert finding.fix, finding
        assert 1 <= finding.span.line <= len(lines)
        assert str(finding)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("source", SOURCES, ids=lambda m: m.__name__)
def test_any_function_compiles_or_is_refused_by_name(source: types.ModuleType, seed: int) -> None:
    """No traceback of ours for a user's program, and every refusal is complete."""
    for text, flow in workflows(source, seed):
        sane(findings(flow), text)


@pytest.mark.parametrize("source", SOURCES, ids=lambda m: m.__name__)
def test_any_function_becomes_a_net_when_types_are_not_asked_for(
    source: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stages behind the types hold, too: flow, glue and assembly, which few programs reach."""

    def check(self: Any) -> None:
        problems = [p for p in self.build.problems if not p.finding.warning]
        if any(p.finding.code[:4] != "PD20" or p.finding.code == "PD207" for p in problems):
            raise CompileError(self.workflow.name, told(self.function.node, self.build.problems))

    monkeypatch.setattr(vars(stages)["_Compilation"], "check", check)
    compiled = 0
    for seed in range(SEEDS):
        for text, flow in workflows(source, seed):
            found = findings(flow)
            sane(found, text)
            compiled += not found
    assert compiled > 3


def test_compiling_warns_of_nothing() -> None:
    """Neither Python's parser nor its syntax trees find fault with what the compiler makes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(40):
            text = generate(random.Random(seed)).text
            assert findings(generated(text, 4_000_000 + seed)) == ()


def _loaded(body: str) -> tuple[str, Workflow[..., Any]]:
    text = f"@workflow\nasync def w(x: int) -> int:\n{body}"
    file = f"<deep {len(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"workflow": workflow, "a": a, "__name__": "deep"}
    exec(compile(text, file, "exec", dont_inherit=True), scope)
    return text, scope["w"]


def _chain(count: int, does: str) -> str:
    tests = "".join(f"    elif x == {i}:\n        return {does}\n" for i in range(count))
    return f"    if x < 0:\n        return await a(x)\n{tests}    return 0\n"


DEEP = {
    "a sum": f"    y = await a(x)\n    return y{' + x' * 900}\n",
    "a sum behind an await": f"    return await a(x){' + x' * 900}\n",
    "a chain of elif": _chain(600, "x"),
    "a chain of elif with awaits": _chain(600, "await a(x)"),
}


@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
def test_what_is_nested_too_deeply_is_refused_where_it_is_deepest(body: str) -> None:
    """PD116 instead of a RecursionError out of the compiler."""
    text, flow = _loaded(body)
    (found,) = findings(flow)
    assert found.code == "PD116"
    assert "levels deep" in found.message
    sane((found,), text)


@pytest.mark.parametrize(
    "body", [_chain(60, "await a(x)"), f"    return await a(x){' + x' * 60}\n"]
)
def test_what_people_write_is_not_too_deep(body: str) -> None:
    """Sixty in a row compile."""
    _, flow = _loaded(body)
    assert findings(flow) == ()
