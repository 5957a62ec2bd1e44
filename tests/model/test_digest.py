"""C33: a digest sees every change of meaning, and none of looks, version or hash seed."""

from __future__ import annotations

import ast
import copy
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.digest import canonical, code_digest
from perdure.model.compiler.findings import CompileError
from perdure.model.net import Net, PlaceKind, Transition

from .compiled import programs
from .differential_runs import load
from .programs import generate

PROGRAMS = 40


def _text(seed: int) -> str:
    return generate(random.Random(seed)).text


def _net(text: str, number: int = 0) -> Net:
    return compile_workflow(load(text, number)).net


def _nets(count: int) -> list[tuple[int, str, Net]]:
    """Programs that compile."""
    found = [(seed, _text(seed), program.net) for seed, program in programs(range(count))]
    assert len(found) > count / 2
    return found


def _resting(net: Net) -> list[str]:
    return [p.name for p in net.places if p.kind is not PlaceKind.VANISHING]


# --- what changes nothing ----------------------------------------------------------------------


def _unparsed(text: str) -> str:
    """Formatted by Python itself: no comments, its own quotes, brackets and line breaks."""
    return ast.unparse(ast.parse(text))


def _commented(text: str) -> str:
    return "".join(f"{line}  # and so on\n\n" for line in text.splitlines())


def _documented(text: str) -> str:
    """Docstrings of the workflow and strings alone in its blocks, `pass` beside other code."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.AsyncFunctionDef, ast.If, ast.For, ast.While)):
            node.body.insert(0, ast.Expr(ast.Constant("What this does.")))
            node.body.append(ast.Pass()) if not _jumps(node.body[-1]) else None
    return ast.unparse(ast.fix_missing_locations(tree))


def _jumps(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Return, ast.Raise, ast.Break, ast.Continue))


def _among_others(text: str) -> str:
    """Another function and a class in the same file, before and behind."""
    other = "def {0}(a: int) -> int:\n    return a * 3\n\n\nclass C{0}:\n    n = 1\n\n\n"
    return other.format("before") + text + "\n\n" + other.format("behind")


LOOKS: tuple[Callable[[str], str], ...] = (_unparsed, _commented, _documented, _among_others)


@pytest.mark.parametrize("look", LOOKS)
def test_looks_change_neither_digest_nor_names_of_places(look: Callable[[str], str]) -> None:
    """Reformatting, comments, docstrings, unrelated code: the same net under the same names."""
    for seed, text, net in _nets(PROGRAMS):
        again = _net(look(text), seed)
        assert again.digest == net.digest, look(text)
        assert _resting(again) == _resting(net)


def test_the_digest_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    """Two processes with different hash seeds make the same nets, in the same order."""
    script = (
        "import random, sys; sys.path.insert(0, sys.argv[1])\n"
        "from model.differential_runs import load; from model.programs import generate\n"
        "from perdure.model.compiler import compile_workflow\n"
        "for seed in range(40):\n"
        "    text = generate(random.Random(seed)).text\n"
        "    try: print(compile_workflow(load(text, seed)).net.digest)\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )
    tests = str(Path(__file__).parents[1])
    told: set[str] = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script, tests]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        told.add(done.stdout)
    assert len(told) == 1 and len(next(iter(told)).split()) == 40


# --- what changes the meaning ------------------------------------------------------------------


class _Edit(ast.NodeTransformer):
    """Changes the node number `at` of those that an edit can change."""

    def __init__(self, at: int) -> None:
        self.at, self.met = at, 0

    def visit(self, node: ast.AST) -> ast.AST:
        changed = _changed(node)
        if changed is not None:
            self.met += 1
            if self.met - 1 == self.at:
                return ast.copy_location(changed, node)
        return self.generic_visit(node)


_OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Mod: ast.Mult, ast.Lt: ast.LtE,
    ast.Gt: ast.GtE, ast.Eq: ast.NotEq, ast.Break: ast.Continue, ast.Continue: ast.Break,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_NAMES = {"x": "y", "y": "x", "Bad": "Other", "Worse": "Bad", "add": "look", "look": "add"}


def _changed(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.Constant(value=int(n)) if n is not True:
            return ast.Constant(n + 1)
        case ast.Constant(value=str(s)):
            return ast.Constant(s + "!")
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            return ast.Name(_NAMES[name], ast.Load())
        case ast.If(orelse=other) if other:
            new = copy.copy(node)
            new.body, new.orelse = new.orelse, new.body
            return new
        case _:
            other = _OTHER.get(type(node))
            return other() if other is not None else None


def test_every_random_edit_of_the_meaning_changes_the_digest() -> None:
    """One constant, operator, name, jump, handler or branch: another digest, or no net at all."""
    edits = 0
    for seed, text, net in _nets(PROGRAMS):
        r = random.Random(seed)
        count = _Edit(-1)
        count.visit(ast.parse(text))
        for at in r.sample(range(count.met), min(6, count.met)):
            tree = _Edit(at).visit(ast.parse(text))
            edited = ast.unparse(ast.fix_missing_locations(tree))
            if canonical(ast.parse(edited)) == canonical(ast.parse(text)):
                continue
            try:
                again = _net(edited, seed)
            except (CompileError, SyntaxError, TypeError):
                continue
            edits += 1
            assert again.digest != net.digest, f"{text}\n--- as ---\n{edited}"
    assert edits > PROGRAMS * 3


_FLOW = """\
{decorators}
class Thing:
    n: int
    {more}

@idempotent{options}
async def take(thing: Thing{parameter}) -> {returns}:
    return 1

@workflow{version}
async def w(x: int) -> int:
    thing = Thing(x{argument})
    await take(thing)
    got = await take(thing)
    await take(thing)
    return thing.n + 1
"""


def _declared(**changes: str) -> str:
    plain = {"decorators": "@dataclass(frozen=True)", "more": "", "options": "", "parameter": ""}
    plain |= {"returns": "int", "version": "", "argument": ""}
    text = _FLOW.format_map(plain | changes)
    scope: dict[str, object] = {}
    exec("from dataclasses import dataclass\nfrom perdure import Retry, idempotent", scope)
    scope["__name__"] = "declared"
    return compile_workflow(load(text, 0, scope)).net.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"more": "m: int = 0"},
        {"more": "m: str = ''"},
        {"options": "(retry=Retry(attempts=None))"},
        {"parameter": ", more: int = 0"},
        {"returns": "float"},
        {"version": "(name='other')"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_what_is_declared_elsewhere_changes_the_digest(changes: dict[str, str]) -> None:
    """A field of a class in a frame, a policy that changes control, a signature, a result."""
    assert _declared(**changes) != _declared()


# --- what differs between Python's versions ----------------------------------------------------


def _parsed(text: str) -> ast.AST:
    return ast.parse(text, mode="eval").body


def test_the_way_f_strings_are_split_does_not_count() -> None:
    """3.11 joins neighbouring constants, 3.12 may not; an empty one may stand at the end."""
    one = _parsed("f'a b {x} c'")
    two = copy.deepcopy(one)
    assert isinstance(two, ast.JoinedStr)
    two.values = [ast.Constant("a "), ast.Constant("b "), *two.values[1:], ast.Constant("")]
    assert code_digest([one]) == code_digest([two])
    two.values.append(ast.Constant("!"))
    assert code_digest([one]) != code_digest([two])


def test_fields_that_only_some_versions_have_do_not_count() -> None:
    """`type_params` (3.12) is skipped; an empty field may be [] or absent (3.13)."""
    (one,) = ast.parse("def f(a):\n    return a").body
    fields: dict[str, Any] = {name: getattr(one, name) for name in one._fields}
    names = (*one._fields, "type_params")
    later: Any = type("FunctionDef", (ast.FunctionDef,), {"_fields": names})
    assert code_digest([one]) == code_digest([later(**fields, type_params=[])])
    assert code_digest([one]) == code_digest([later(**fields, type_params=["T"])])
    del fields["decorator_list"]
    assert code_digest([one]) == code_digest([later(**fields)])
    changed = later(**fields | {"name": "g"})
    assert code_digest([one]) != code_digest([changed])


@pytest.mark.parametrize("text", ["'\\U0001fae8'", "'\\u0378'", "'é'", "u'a'"])
def test_characters_a_version_does_not_know_are_written_alike(text: str) -> None:
    """`repr` depends on the Unicode tables of the version: the form is ASCII."""
    form = str(canonical(_parsed(text)))
    assert form.isascii()
    assert canonical(_parsed("u'a'")) == canonical(_parsed("'a'"))


@pytest.mark.parametrize("seed", [3, 5, 7, 11])
def test_a_condition_is_not_part_of_the_digest_as_text(seed: int) -> None:
    """`ast.unparse` differs between versions: places that show a condition count by position."""
    net = _net(_text(seed))
    named = {p.name for p in net.places if p.kind is PlaceKind.VANISHING}

    def other(name: str) -> str:
        return f"{name}\0" if name in named else name  # sorted as before

    def moved(t: Transition) -> Transition:
        place, _, way = t.name.rpartition(": ")
        name = f"{other(place)}: {way}" if place in t.take else other(t.name)
        return replace(t, name=name, take=(*map(other, t.take),), put=(*map(other, t.put),))

    renamed = replace(
        net,
        places=tuple(replace(p, name=other(p.name)) for p in net.places),
        transitions=tuple(map(moved, net.transitions)),
        glue={other(name): text for name, text in net.glue.items()},
    )
    assert renamed.digest == net.digest and renamed != net
