"""Every node of every supported Python's syntax is taken or refused on purpose."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from perdure.model.compiler.build import Builder
from perdure.model.compiler.nodes import NODES, STRANGE, refusal
from perdure.model.compiler.syntax import syntax

NEW: dict[str, str] = {
    "3.12": "ParamSpec TypeAlias TypeVar TypeVarTuple type_param",
    "3.13": "",
    "3.14": "Interpolation TemplateStr",
}
"""Classes that came after 3.11, whatever Python runs this."""


def nodes() -> set[str]:
    """The classes of the running Python."""
    return {n for n, c in vars(ast).items() if isinstance(c, type) and issubclass(c, ast.AST)}


def test_every_node_of_this_python_is_in_the_table() -> None:
    """A class that nobody has looked at fails here, and is refused in workflows until then."""
    assert nodes() - NODES.keys() == set()


@pytest.mark.parametrize("version", NEW)
def test_every_node_of_later_pythons_is_in_the_table(version: str) -> None:
    """The lists of other supported Pythons, and of the next one."""
    assert set(NEW[version].split()) - NODES.keys() == set()


def test_the_table_lists_nothing_that_no_python_has() -> None:
    """A misspelt entry would take nothing and refuse nothing."""
    later = {name for names in NEW.values() for name in names.split()}
    assert NODES.keys() - nodes() - later == set()


def test_an_unknown_node_is_refused_wherever_it_stands() -> None:
    """A new Python fails closed, in nested functions too."""

    class Invented(ast.expr):
        """An expression that no Python has."""

    assert refusal("Invented") is STRANGE
    tree: Any = ast.parse("async def w():\n    x = 1\n    f = lambda: 2\n").body[0]
    for place in (tree.body[0], tree.body[1].value):
        build = Builder("<nowhere>", lambda node: None, set())
        field = "value" if isinstance(place, ast.Assign) else "body"
        kept, new = getattr(place, field), Invented()
        setattr(place, field, ast.copy_location(new, kept))
        syntax(tree, build)
        setattr(place, field, kept)
        assert [(p.finding.code, p.node) for p in build.problems] == [("PD116", new)]


def test_every_refusal_says_why_and_what_to_do() -> None:
    """No entry of the table is a bare no."""
    assert all(r.why and r.fix for r in NODES.values() if r is not None)
