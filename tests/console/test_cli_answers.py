"""What all verbs share: errors become exit codes, options become values, rows become text."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from perdure import (
    DefectError,
    ExecutionCancelled,
    ExecutionConflict,
    ExecutionFinished,
    NoSuchExecution,
    PlacementError,
    Stalled,
)
from perdure.console.cli import tables
from perdure.console.cli.answers import (
    Refusal,
    answer,
    canonical,
    exit_code,
    failing,
    finish,
    read_json,
    watched,
    with_format,
)
from perdure.console.cli.layout import laid_out
from perdure.console.cli.pretty import coloured
from perdure.engine.errors import NoStore, SchemaMismatch, StoreUnavailable, WeakDurability
from sqlalchemy.exc import OperationalError


class Defect(DefectError):
    """A defect of ours."""


# The error, the exit code of the contract, and a word of the message.
ERRORS: list[tuple[BaseException, int, str]] = [
    (ExecutionConflict("a", "w", "name was 1"), 1, "PD701"),
    (ExecutionFinished("a", "done"), 1, "PD702"),
    (ExecutionCancelled("a", "why", ()), 1, "PD706"),
    (Stalled("a", "why", "why"), 1, "PD704"),
    (NoSuchExecution("a"), 2, "PD703"),
    (PlacementError("PD605", "what", "", "why", "fix"), 2, "PD605"),
    (NoStore("x.db", "no such file"), 4, "PD805"),
    (SchemaMismatch("x.db", "revision 9", "revision 1"), 4, "PD802"),
    (StoreUnavailable("x.db", "locked"), 4, "PD801"),
    (WeakDurability("x.db", "synchronous", "OFF", "FULL"), 4, "PD803"),
    (sqlite3.OperationalError("disk I/O error"), 4, "disk I/O error"),
    (OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk is full")), 4, "disk is full"),
    (Refusal("what", "how"), 2, "fix  how"),
    (Refusal("what", "how", exit=3), 3, "what"),
    (click.UsageError("odd words"), 2, "odd words"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (click.Abort(), 130, "interrupted"),
    (ModuleNotFoundError("no networkx", name="networkx.algorithms"), 2, "perdure[graph]"),
]


def verb(error: BaseException | None) -> click.Command:
    """A verb that ends with an error, under the handler that all verbs have."""

    @click.command()
    @with_format()
    @click.pass_context
    def ends(ctx: click.Context, format: str) -> None:
        with failing(ctx):
            if error is not None:
                raise error
            answer(format, {"good": True}, "good")
            finish(3)

    return ends


@pytest.mark.parametrize(("error", "code", "says"), ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_has_the_exit_code_of_the_contract_and_no_trace(
    error: BaseException, code: int, says: str
) -> None:
    """The message on stderr; with --format json the same as the one document on stdout."""
    done = CliRunner().invoke(verb(error), [])
    assert (done.exit_code, done.stdout) == (code, "")
    assert says in done.stderr and "Traceback" not in done.stderr
    assert "sqlalche.me" not in done.stderr
    told = CliRunner().invoke(verb(error), ["--format", "json"])
    assert told.exit_code == code
    if code != 130:
        assert says in json.loads(told.stdout)["error"]["message"].replace("  fix  ", "fix  ")


@pytest.mark.parametrize("error", [Defect("ours"), ZeroDivisionError(), ModuleNotFoundError("x")])
def test_a_defect_of_ours_is_not_hidden(error: Exception) -> None:
    """What nobody foresaw keeps its stack trace: it is the report we want."""
    done = CliRunner().invoke(verb(error), [])
    assert done.exception is error
    assert exit_code(error) is None


def test_what_goes_well_answers_and_ends_with_the_code_of_the_verb() -> None:
    """Text for people, a document for programs, nothing on stderr."""
    for words, wanted in (([], "good\n"), (["--format", "json"], '{\n  "good": true\n}\n')):
        done = CliRunner().invoke(verb(None), words)
        assert (done.exit_code, done.stdout, done.stderr) == (3, wanted, "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
def test_json_options_read_what_json_writes(value: Any) -> None:
    """Whatever is valid JSON arrives as it is, infinities aside, which are no JSON."""
    text = json.dumps(value)
    if "Infinity" in text:
        with pytest.raises(Refusal):
            read_json(text, "--input")
    elif not text.startswith(("@", "-\n")):
        assert read_json(text, "--input") == value


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers()))
def test_equal_values_have_equal_bytes(value: dict[str, int]) -> None:
    """The order of keys does not matter, so a repeated send is one."""
    turned = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(turned)
    assert json.loads(canonical(value)) == value


def test_json_comes_from_a_file_or_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`@FILE` and `-`; bytes that are no text are refused like any other mistake."""
    (tmp_path / "in.json").write_text('{"a": "ä"}')
    assert read_json(f"@{tmp_path / 'in.json'}", "--input") == {"a": "ä"}
    (tmp_path / "in.json").write_bytes(b"\xff\xfe")
    with pytest.raises(Refusal, match="--input is not JSON"):
        read_json(f"@{tmp_path / 'in.json'}", "--input")
    with pytest.raises(Refusal, match="not JSON"):
        read_json("[" * 100_000, "--input")


def test_a_bar_is_drawn_only_where_someone_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe the items come as they are, and nothing is written."""
    assert list(watched([1, 2, 3], "doing")) == [1, 2, 3]
    assert list(watched(list[int](), "doing")) == []
    assert capsys.readouterr() == ("", "")


def test_rows_are_aligned_and_no_line_ends_in_blanks() -> None:
    """Columns begin below their heads, also with empty cells; rich shows the same cells."""
    rows = [["a", None, "x"], ["long name", 12, ""]]
    lines = tables.table(("id", "n", "says"), rows).splitlines()
    assert lines == ["id         n   says", "a              x", "long name  12"]
    shown = coloured(laid_out(("id", "n"), [["done", "1"], ["[bold]", "2"]], 80))
    assert "[bold]" in shown and "done" in shown


def test_fields_leave_out_what_is_not_there() -> None:
    """A zero is a value; None and an empty text are not."""
    told = tables.fields([("a", 1), ("long", None), ("b", ""), ("zero", 0)])
    assert told == "a     1\nzero  0"


def test_a_terminal_gets_colours_and_a_pipe_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows; escape codes only where someone sees them."""
    assert "\x1b[" not in tables.table(("status",), [["done"]])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert "\x1b[" in tables.table(("status",), [["done"]])
