"""What people read claims no more than a record makes true: over every record of the example logs,
in every verb and form, and for the words that no part writes yet.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main
from perdure.engine.records import Kind

from ..engine.example_logs import STATUS, dump, example, load

ROOT = Path(__file__).parents[2]
TOO_MUCH = re.compile(r"\bcomplet(?:ed|es|ion)\b|\bsucce(?:eded|ss)\b|\bprocessed\b", re.IGNORECASE)
"""What `fired` and `delivered` do not say: that another system has done something with it."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples as a store."""
    return load(dump(example()), tmp_path_factory.mktemp("words") / "words.db")


def output(path: Path, *words: str) -> str:
    """What a verb says."""
    told = CliRunner().invoke(main, [*words, "--db", str(path)])
    assert told.exit_code == 0, told.output
    return told.output


@pytest.mark.parametrize("key", STATUS)
def test_every_record_is_told_by_its_word_and_no_other(path: Path, key: str) -> None:
    """In `log`, for people and as JSON, line by line; `show` and `log --at` say no more."""
    records = json.loads(output(path, "log", key, "--format", "json"))
    known = {kind.word for kind in Kind}
    assert {record["word"] for record in records} <= known
    lines = [line for line in output(path, "log", key).splitlines() if line.strip()]
    for record in records:
        (line,) = [x for x in lines if re.match(rf"\s*{record['seq']}\s", x)]
        assert record["word"] in line.split()
        at = output(path, "log", key, "--at", str(record["seq"]))
        assert not TOO_MUCH.search(at), at
    for form in ("text", "json"):
        for words in (("show", key), ("log", key)):
            assert not TOO_MUCH.search(output(path, *words, "--format", form))


@pytest.mark.parametrize("verb", ["list", "effects", "desk", "audit", "doctor"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_verb_about_all_executions_says_more(path: Path, verb: str, form: str) -> None:
    """Neither of an effect that landed nor of an execution that is done."""
    said = output(path, verb, "--format", form)
    assert said and not TOO_MUCH.search(said), said


def texts(file: Path) -> Iterator[str]:
    """The texts in a module that a program may print: all but docstrings."""
    tree = ast.parse(file.read_text())
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    shown = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in documented)
    yield from (node.value for node in shown if isinstance(node.value, str))


@pytest.mark.parametrize("room", ["console", "engine"])
def test_no_text_in_the_program_says_more(room: str) -> None:
    """Words that no example brings are not there either: `delivered` is the last word there is."""
    told = [
        (str(file.relative_to(ROOT)), text)
        for file in sorted((ROOT / room).rglob("*.py"))
        for text in texts(file)
        if TOO_MUCH.search(text)
    ]
    assert told == []
    assert Kind.DELIVERED.word == "delivered" and Kind.FIRED.word == "fired"
