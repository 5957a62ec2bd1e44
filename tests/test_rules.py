"""The table of the engine's rules is true: complete, and each test it names exists.

Here lives only the check of docs/rules.md; what a rule means is never shown here, but by those
tests.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
RULES = 88
OPEN = 0
"""How many rules still name no test: the number may only fall."""


def rows() -> dict[int, str]:
    """What the table says of each rule: its number, and the cell that names its tests."""
    return {
        int(number): shown for number, _, shown in ROW.findall((ROOT / "docs/rules.md").read_text())
    }


@cache
def defined_in(path: str) -> frozenset[str]:
    """The names of the test functions of a file, those of its classes too."""
    tree = ast.parse((ROOT / path).read_text()) if (ROOT / path).exists() else ast.Module([], [])
    found = (
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return frozenset(node.name for node in found if node.name.startswith("test"))


def test_every_rule_has_a_row() -> None:
    """No rule is left out of the table, and none stands twice."""
    numbers = [int(number) for number, _, _ in ROW.findall((ROOT / "docs/rules.md").read_text())]
    assert numbers == list(range(1, RULES + 1))


def test_every_test_named_in_the_table_exists() -> None:
    """A row names tests that the suite has, or the part of Perdure that brings its rule later."""
    wrong: list[str] = []
    for number, shown in rows().items():
        named = NAMED.findall(shown)
        if not named and shown != "open" and not shown.startswith("later: "):
            wrong.append(f"rule {number} names neither a test nor the part that brings it: {shown}")
        wrong += [
            f"rule {number}: {path} has no {name}"
            for path, name in named
            if name not in defined_in(path)
        ]
    assert not wrong, "\n".join(wrong)


def test_no_more_rules_are_open_than_before() -> None:
    """A rule that had a test keeps one."""
    still = [number for number, shown in rows().items() if shown == "open"]
    assert len(still) <= OPEN, f"rules without a test: {still}"
