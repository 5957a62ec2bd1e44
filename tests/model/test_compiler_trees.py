"""What the compiler walks and copies trees with does what `ast` and `copy` do, on own source."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from perdure.model.compiler.trees import Transformer, children, located, twin, walk

_WORDS = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)


_FILES = (
    "model/analysis/control.py",
    "model/compiler/kinds/annotations.py",
    "model/compiler/kinds/scope.py",
    "model/formats/tree.py",
    "tests/model/golden_flows.py",
    "tests/model/kinds_bodies.py",
    "tests/model/test_compiler_trees.py",
)


@pytest.fixture(scope="module")
def trees(root: Path) -> list[ast.Module]:
    """Some files of ours that together hold most of the grammar."""
    return [ast.parse((root / name).read_text(encoding="utf-8")) for name in _FILES]


def test_a_walk_comes_to_the_same_nodes_in_the_same_order(trees: list[ast.Module]) -> None:
    """All but those that only say how their parent is meant, and these hold nothing."""
    for tree in trees:
        whole = list(ast.walk(tree))
        assert walk(tree) == [n for n in whole if not isinstance(n, _WORDS)]
        for node in whole:
            inside = [n for n in ast.iter_child_nodes(node) if not isinstance(n, _WORDS)]
            assert children(node) == inside
            assert not (isinstance(node, _WORDS) and node._fields)


def test_every_class_of_nodes_in_these_files_is_many(trees: list[ast.Module]) -> None:
    """The comparison above sees most of the grammar, patterns and comprehensions too."""
    kinds = {type(n) for tree in trees for n in walk(tree)}
    assert {ast.Match, ast.MatchAs, ast.DictComp, ast.AsyncWith, ast.Starred, ast.Try} <= kinds
    assert len(kinds) > 50


def test_a_twin_is_the_same_tree_and_another(trees: list[ast.Module]) -> None:
    """Text, places and order are those of the tree; no node of it is shared, no list either."""
    for tree in trees:
        before = ast.dump(tree, include_attributes=True)
        made = twin(tree)
        assert ast.dump(made, include_attributes=True) == before
        assert {*map(id, walk(made))}.isdisjoint(map(id, walk(tree)))
        made.body.clear()
        for node in walk(twin(tree)):
            node.__dict__.pop("lineno", None)
        assert ast.dump(tree, include_attributes=True) == before


def test_what_has_no_place_gets_that_of_its_parent(trees: list[ast.Module]) -> None:
    """As `ast.fix_missing_locations`, whichever part of a place is missing."""
    for number, tree in enumerate(trees):
        for at, node in enumerate(walk(tree)):
            if node._attributes and (at + number) % 3 == 0:
                gone = [*node._attributes] if at % 2 else ["end_lineno", "end_col_offset"]
                for name in gone:
                    delattr(node, name)
        theirs, ours = twin(tree), twin(tree)
        located(ours)
        fixed = ast.fix_missing_locations(theirs)
        assert ast.dump(ours, include_attributes=True) == ast.dump(fixed, include_attributes=True)


class _Renamed(Transformer):
    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(node.id * 2, node.ctx), node)

    def visit_Pass(self, node: ast.Pass) -> list[ast.stmt]:
        return [node, node]

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        return []


class _RenamedByAst(ast.NodeTransformer):
    visit_Name: Any = _Renamed.visit_Name
    visit_Pass: Any = _Renamed.visit_Pass
    visit_Assert: Any = _Renamed.visit_Assert


def test_a_transformer_changes_what_one_of_ast_changes(trees: list[ast.Module]) -> None:
    """One for one, one for two, one for none, at any depth."""
    for tree in trees:
        ours, theirs = _Renamed().visit(twin(tree)), _RenamedByAst().visit(twin(tree))
        assert ast.dump(ours) == ast.dump(theirs) != ast.dump(tree)
