"""Filters: `list` shows exactly what `cancel` and `resume` would touch, and nothing more."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from itertools import product
from pathlib import Path
from shutil import copyfile
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from perdure.console.cli.filters import Age
from perdure.console.cli.main import main

SHOP = str(Path(__file__).with_name("cli_shop.py"))
HOUR = 3_600_000_000  # microseconds

# id, workflow, status, hours since it was started
STORED = [
    ("a", "buy", "active", 1), ("b", "buy", "stalled", 30), ("c", "buy", "active", 30),
    ("d", "approve", "active", 5), ("e", "approve", "stalled", 1), ("f", "approve", "active", 50),
]  # fmt: skip
FILTERS: dict[str, tuple[list[str], Callable[[str, str, str, int], bool]]] = {
    "workflow": (["--workflow", "buy"], lambda id, flow, status, age: flow == "buy"),
    "none such": (["--workflow", "sell"], lambda id, flow, status, age: False),
    "version": (["--version", "1"], lambda id, flow, status, age: True),
    "later": (["--version", "2"], lambda id, flow, status, age: False),
    "active": (["--status", "active"], lambda id, flow, status, age: status == "active"),
    "stalled": (["--status", "stalled"], lambda id, flow, status, age: status == "stalled"),
    "place": (["--place", "start"], lambda id, flow, status, age: True),
    "older": (["--older-than", "2h"], lambda id, flow, status, age: age > 2),
    "newer": (["--newer-than", "2d"], lambda id, flow, status, age: age < 48),
}
PAIRS = [(x, y) for x, y in product(FILTERS, FILTERS) if x <= y]


def change(statement: str, *values: object) -> None:
    """Change a row behind the engine's back."""
    with sqlite3.connect("perdure.db") as other:
        other.execute(statement, values)
    other.close()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the executions of the table, closed."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("PERDURE_DB", raising=False)
        for id, flow, status, hours in STORED:
            ok("start", f"{SHOP}:{flow}", "--input", '{"name": "Ada"}', "--id", id)
            change("UPDATE execution SET created = created - ? WHERE key = ?", hours * HOUR, id)
            if status == "stalled":
                change("UPDATE execution SET status = 'stalled' WHERE key = ?", id)
    assert [file.name for file in folder.iterdir()] == ["perdure.db"]
    return folder / "perdure.db"


@pytest.fixture(autouse=True)
def folder(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERDURE_DB", raising=False)
    copyfile(stored, tmp_path / "perdure.db")
    return tmp_path


def ok(*words: str, code: int = 0) -> Any:
    """The document of a verb."""
    done = CliRunner().invoke(main, [*words, "--format", "json"])
    assert done.exit_code == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def inbox() -> dict[str, int]:
    """How many messages lie in the inbox of each execution that has any."""
    with sqlite3.connect("perdure.db") as other:
        rows = other.execute(
            "SELECT e.key, count(*) FROM message m JOIN execution e ON e.id = m.execution"
            " GROUP BY e.key"
        ).fetchall()
    other.close()
    return dict(rows)


def fits(*names: str, among: tuple[str, ...] = ("active", "stalled")) -> list[str]:
    """The ids that all these filters let pass, the oldest of the table first."""
    return [r[0] for r in STORED if r[2] in among and all(FILTERS[n][1](*r) for n in names)]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_list_shows_what_passes_every_filter(one: str, other: str) -> None:
    """Alone and in pairs; the newest first, whatever the age."""
    words = FILTERS[one][0] + (FILTERS[other][0] if other != one else [])
    found = [row["id"] for row in ok("list", *words)]
    if FILTERS[one][0][0] != FILTERS[other][0][0] or one == other:
        assert sorted(found) == fits(one, other)
    else:  # the same option twice: the last one counts
        assert sorted(found) == fits(other)


@pytest.mark.parametrize("name", FILTERS)
def test_cancel_sends_one_wish_to_each_that_list_shows(name: str) -> None:
    """And none to any other; the reason is with each, and who wished it."""
    words = FILTERS[name][0]
    listed = {row["id"] for row in ok("list", *words)}
    sent = ok("cancel", *words, "--reason", "closed", "--by", "ada")
    assert {each["id"] for each in sent} == listed == set(fits(name))
    assert inbox() == dict.fromkeys(listed, 1)


@pytest.mark.parametrize("name", FILTERS)
def test_resume_touches_only_what_is_stalled(name: str) -> None:
    """The others go on already; a second time there is nothing left to do."""
    done = ok("resume", *FILTERS[name][0])
    assert [each["id"] for each in done] == fits(name, among=("stalled",))
    assert all(each["resumed"] for each in done)
    left = {row["id"] for row in ok("list", "--status", "stalled")}
    assert left == {"b", "e"} - {each["id"] for each in done}
    assert ok("resume", *FILTERS[name][0]) == []


def test_several_ids_are_each_told_of_and_one_id_as_ever() -> None:
    """One id answers with one document, more with a list in the order of the words."""
    assert set(ok("cancel", "a", "--reason", "r")) == {"id", "message"}
    many = ok("cancel", "c", "a", "c", "--reason", "r")
    assert [each["id"] for each in many] == ["c", "a"]
    assert inbox() == {"a": 2, "c": 1}
    both = ok("resume", "b", "a", code=1)
    assert both == [{"id": "b", "resumed": True}, {"id": "a", "resumed": False}]


def test_a_slip_in_one_id_touches_none() -> None:
    """Exit 2 with the id that there is not, before anything is sent."""
    said = ok("cancel", "a", "nope", "--reason", "r", code=2)["error"]
    assert said["code"] == "PD703" and "'nope'" in said["message"]
    ok("resume", "b", "nope", code=2)
    assert inbox() == {} and len(ok("list", "--status", "stalled")) == 2


def test_one_that_has_ended_keeps_nobody_from_the_others() -> None:
    """It is told, exit 1, and the wish is with all that have not ended."""
    yes = ["--input", '{"name": "Ada"}', "--id", "z"]
    ok("run", f"{SHOP}:buy", *yes)
    told = ok("cancel", "z", "d", "--reason", "r", code=1)
    assert [sorted(each) for each in told] == [["id", "problem"], ["id", "message"]]
    assert "has ended (done)" in told[0]["problem"]
    assert inbox() == {"d": 1}
    assert "z" not in {each["id"] for each in ok("cancel", "--workflow", "buy", "--reason", "r")}


@pytest.mark.parametrize("verb", [["cancel", "--reason", "r"], ["resume"]])
@pytest.mark.parametrize(
    ("words", "says"),
    [([], "no id, and no filter"), (["a", "--workflow", "buy"], "ids and filters exclude")],
)
def test_everything_is_never_meant_by_saying_nothing(
    verb: list[str], words: list[str], says: str
) -> None:
    """Neither an empty command nor ids beside a filter are guessed at."""
    said = ok(*verb, *words, code=2)["error"]["message"]
    assert says in said and "\n  fix  " in said
    assert inbox() == {}


@pytest.mark.parametrize("verb", [["cancel", "a"], ["desk", "decide", "a", "voided"]])
@pytest.mark.parametrize("reason", ["", " ", "\n"])
def test_a_reason_says_something(verb: list[str], reason: str) -> None:
    """Somebody reads it later: an empty one is refused, and nothing is sent."""
    assert "a reason says something" in ok(*verb, "--reason", reason, code=2)["error"]["message"]
    assert inbox() == {}


def test_a_list_that_ends_at_its_limit_says_so() -> None:
    """On stderr, so that nobody takes the first hundred for all; not where all were shown."""
    few = CliRunner().invoke(main, ["list", "--limit", "4"])
    assert len(few.stdout.splitlines()) == 5 and "more than these 4" in few.stderr
    for words in (["--limit", "6"], ["--version", "1"], ["--status", "stalled", "--limit", "2"]):
        assert CliRunner().invoke(main, ["list", *words]).stderr == ""
    some = CliRunner().invoke(main, ["list", "--older-than", "2h", "--limit", "3"])
    assert len(some.stdout.splitlines()) == 4 and "more than these 3" in some.stderr


SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@given(st.integers(0, 999_999_999), st.sampled_from(sorted(SECONDS)), st.booleans())
def test_an_age_is_a_number_and_a_unit(number: int, unit: str, loud: bool) -> None:
    """In any case, with blanks around."""
    said = f" {number}{unit.upper() if loud else unit} "
    assert Age().convert(said, None, None).total_seconds() == number * SECONDS[unit]


@pytest.mark.parametrize(
    "said", ["", "5", "h", "1.5h", "-2h", "2 h", "2w", "soon", "1h30m", "9" * 10 + "s"]
)
def test_what_is_no_age_is_told_how_to_write_one(said: str) -> None:
    """Never read as something near it."""
    with pytest.raises(click.BadParameter, match="write 90s, 15m, 2h or 3d"):
        Age().convert(said, None, None)
