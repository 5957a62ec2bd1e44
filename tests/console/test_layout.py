"""Tables on terminals: everything can be read whole, whatever the width and the script."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perdure.console.cli import layout, tables
from perdure.console.cli.layout import GAP, READABLE, Line, columns, laid_out, visible
from perdure.console.cli.pretty import coloured

words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=14)
cells = st.lists(words, max_size=5).map(" ".join)


@st.composite
def drawn_tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], int]:
    """A head, rows of as many cells, and a width of the terminal."""
    count = draw(st.integers(1, 6))
    head = draw(st.lists(words, min_size=count, max_size=count))
    row = st.lists(cells, min_size=count, max_size=count)
    return head, draw(st.lists(row, min_size=1, max_size=5)), draw(st.integers(1, 160))


def text(line: Line) -> str:
    return "".join(told for told, _ in line).rstrip()


def is_stacked(lines: list[Line], head: list[str]) -> bool:
    """Whether a field stands on each line, its name without colour before it."""
    return all(not line or (len(line) == 2 and line[0][1] == "") for line in lines)


@given(drawn_tables())
def test_no_word_of_a_table_is_lost_or_cut_at_any_width(
    drawn: tuple[list[str], list[list[str]], int],
) -> None:
    """Side by side or stacked: each word of each cell stands there whole."""
    head, rows, width = drawn
    shown = " ".join(text(line) for line in laid_out(head, rows, width)).split()
    for row in rows:
        for word in " ".join(row).split():
            assert word in shown
    lengths = [len(" ".join(row).split()) for row in rows]
    assert len(shown) >= sum(lengths)


@given(drawn_tables())
def test_a_table_side_by_side_is_never_wider_than_the_terminal(
    drawn: tuple[list[str], list[list[str]], int],
) -> None:
    """And each column begins at the same place in every line of it."""
    head, rows, width = drawn
    lines = laid_out(head, rows, width)
    if is_stacked(lines, head):
        return
    starts: set[tuple[int, ...]] = set()
    for line in lines:
        assert columns(text(line)) <= width
        at = [columns("".join(told for told, _ in line[:n])) for n in range(len(line))]
        starts.add(tuple(at))
    assert len(starts) == 1


@given(drawn_tables())
def test_rows_are_stacked_only_where_their_words_have_no_room(
    drawn: tuple[list[str], list[list[str]], int],
) -> None:
    """The least room is the longest word of each column, and never less than can be read."""
    head, rows, width = drawn
    least = 0
    for i, name in enumerate(head):
        column = [name, *(row[i] for row in rows)]
        longest = max(columns(word) for cell in column for word in cell.split(" "))
        least += max(longest, min(READABLE, max(map(columns, column))))
    room = least + GAP * (len(head) - 1) <= width
    if len(head) != 2:  # two columns side by side look like a stack
        assert is_stacked(laid_out(head, rows, width), head) is not room


def test_a_column_with_room_is_not_wrapped() -> None:
    """What is left over goes to the columns that need least of it, so most stay in one line."""
    head, rows = ("id", "why", "note"), [["order-17", "it raised", "a long tale " * 4]]
    lines = [text(line) for line in laid_out(head, rows, 50)]
    assert lines[0] == "id        why        note"
    assert lines[1] == "order-17  it raised  a long tale a long tale a"
    assert lines[2].strip() == "long tale a long tale"


def test_stacked_rows_leave_out_empty_fields_and_stand_apart() -> None:
    """As `perdure desk` in a narrow terminal: a field a line, a blank line between two rows."""
    head, rows = ("id", "key", "why"), [["a", "k" * 32, ""], ["b", "l" * 32, "it is so"]]
    shown = [text(line) for line in laid_out(head, rows, 40)]
    assert shown == [
        "id   a",
        f"key  {'k' * 32}",
        "",
        "id   b",
        f"key  {'l' * 32}",
        "why  it is so",
    ]


NOON, LATER, NEXT = (
    "2026-03-01T12:00:00.125Z",
    "2026-03-01T18:30:09.000Z",
    "2026-03-02T00:00:00.000Z",
)


@pytest.mark.parametrize(
    ("name", "moments", "head", "shown"),
    [
        ("at", [NOON, LATER], "at 2026-03-01", ["12:00:00.125Z", "18:30:09.000Z"]),
        ("created", [NOON, LATER], "created 2026-03-01", ["12:00:00Z", "18:30:09Z"]),
        ("since", [NOON, ""], "since 2026-03-01", ["12:00:00.125Z", ""]),
        ("at", [NOON, NEXT], "at", ["2026-03-01 12:00:00.125Z", "2026-03-02 00:00:00.000Z"]),
        ("updated", [NOON, NEXT], "updated", ["2026-03-01 12:00:00Z", "2026-03-02 00:00:00Z"]),
        ("says", [NOON, "at noon"], "says", [NOON, "at noon"]),
        ("at", ["", ""], "at", ["", ""]),
        ("at", [f"{NOON}."], "at", [f"{NOON}."]),
    ],
)
def test_a_day_that_all_share_is_told_once(
    name: str, moments: list[str], head: str, shown: list[str]
) -> None:
    """In the head of the column; a column that holds anything else is left as it is."""
    first, *rest = laid_out((name,), [[m] for m in moments], 100)
    assert text(first) == head
    assert [text(line) for line in rest] == shown


@pytest.mark.parametrize(
    ("said", "wide"),
    [("abc", 3), ("", 0), ("äöü", 3), ("a\u0308", 1), ("漢字", 4), ("☃", 1), ("😀", 2), ("ﾊ", 1)],
)
def test_columns_are_those_of_a_terminal(said: str, wide: int) -> None:
    """East Asian letters and emoji take two, a combining accent none."""
    assert columns(said) == wide


def test_columns_stand_below_each_other_in_every_script() -> None:
    """In a pipe too, where nothing is wrapped."""
    lines = tables.plain(("id", "n"), [["漢字", "1"], ["order", "2"], ["é", "3"]]).splitlines()
    assert [columns(line[: line.index(c)]) for line, c in zip(lines, "n123", strict=True)] == [
        7
    ] * 4


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain", "plain"), ("ünï ☃ 漢", "ünï ☃ 漢"), ("a\nb", r"a\nb"), ("a\tb", r"a\tb"),
        ("\x1b[31mred", r"\x1b[31mred"), ("\x07", r"\x07"), ("\r", r"\r"), ("\u202e", r"\u202e"),
        ("\u2028", r"\u2028"), ("\x9b2J", r"\x9b2J"), ("\ud800", r"\ud800"),
    ],
)  # fmt: skip
def test_what_a_terminal_would_obey_is_shown_instead(said: str, shown: str) -> None:
    """An id or an error that clears the screen, rings, or turns the line around: told, not done."""
    assert visible(said) == shown
    assert shown in tables.table(("x",), [[said]])
    assert shown in tables.fields([("x", said)]) or "\n" in said


@given(st.text())
def test_every_text_becomes_one_printable_line(said: str) -> None:
    """Whatever is stored, a row of a table is one line."""
    assert visible(said).isprintable()
    assert visible(visible(said)) == visible(said)
    assert len(tables.table(("x", "y"), [[said, "end"]]).split("\n")) == 2


@given(drawn_tables())
def test_colours_change_no_letter(drawn: tuple[list[str], list[list[str]], int]) -> None:
    """What rich writes is, without its codes, what is written without rich."""
    head, rows, width = drawn
    lines = laid_out(head, rows, width)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured(lines))
    assert [line.rstrip() for line in bare.split("\n")] == [text(line) for line in lines or [[]]]


def test_no_color_means_no_codes_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is coloured for those who can see it, and plain for those who said no."""
    lines = laid_out(("id", "status"), [["a", "done"]], 80)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32mdone" in coloured(lines)
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(lines) == "id  status\na   done"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert coloured(lines) == "id  status\na   done"


def test_without_rich_a_terminal_gets_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install perdure` alone: fitted, uncoloured."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(tables, "find_spec", {"rich": None}.__getitem__)
    monkeypatch.setenv("COLUMNS", "22")
    shown = tables.table(("id", "why"), [["order-17", "it raised an error"]])
    assert shown == "id        why\norder-17  it raised an\n          error"
    assert tables.table(("id",), [["x" * 30]], margin=2) == f"id  {'x' * 30}"


def test_further_lines_of_a_field_stand_below_its_first() -> None:
    """An error with its fix, as `perdure doctor` shows it."""
    told = tables.fields([("path", "x.db"), ("problem", "PD801 locked\n  fix  end it")])
    assert told.split("\n") == ["path     x.db", "problem  PD801 locked", "           fix  end it"]


def test_the_layout_knows_no_library_of_terminals() -> None:
    """It is pure: the same rows and width give the same lines, with rich installed or not."""
    assert not {"rich", "sys", "os", "shutil"} & set(vars(layout))
