"""`perdure list`: each filter alone and together, against a plain reading of all rows."""

from __future__ import annotations

import json
import sqlite3
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main

SHOP = str(Path(__file__).with_name("cli_shop.py"))
HOUR = 3_600_000_000


def perdure(*arguments: str) -> str:
    """Run a verb that must succeed; its stdout."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def ids(*filters: str) -> list[str]:
    """The ids that `list` shows, in its order."""
    return [row["id"] for row in json.loads(perdure("list", *filters, "--format", "json"))]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six executions: done and waiting to start, of two workflows, 0 to 5 hours old."""
    path = tmp_path_factory.mktemp("list") / "store.db"
    url = f"sqlite:///{path}"
    for number in range(6):
        verb = "run" if number % 3 == 0 else "start"
        flow = "buy" if number % 2 == 0 or verb == "run" else "approve"
        name = ["--input", '{"name": "Ada"}', "--id", f"e{number}", "--db", url]
        perdure(verb, f"{SHOP}:{flow}", *name)
    with sqlite3.connect(path) as db:
        for number in range(6):
            sql = "UPDATE execution SET created = created - ? WHERE key = ?"
            db.execute(sql, (number * HOUR + HOUR // 2, f"e{number}"))
    db.close()
    return url


@pytest.fixture
def rows(url: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All rows, newest first, with the places of their tokens and their age in hours."""
    monkeypatch.setenv("PERDURE_DB", url)
    found = json.loads(perdure("list", "--format", "json"))
    for row in found:
        row["places"] = [t["place"] for t in json.loads(_shown(row["id"]))["marking"]]
        row["hours"] = int(row["id"].removeprefix("e")) + 0.5
    return found


def _shown(id: str) -> str:
    return perdure("show", id, "--format", "json")


def test_every_combination_of_filters_is_what_a_plain_reading_gives(
    rows: list[dict[str, Any]],
) -> None:
    """Filters narrow together; the order stays the newest first."""
    assert [row["id"] for row in rows] == ["e5", "e4", "e3", "e2", "e1", "e0"]
    seen: set[int] = set()
    choices = product(
        (None, "buy", "approve"), (None, "done"), (None, 1, 2), (None, "start", "done", "nowhere"),
        (None, 2), (None, 4),
    )  # fmt: skip
    for flow, status, version, place, older, newer in choices:
        asked = {
            "--workflow": flow, "--status": status, "--version": version, "--place": place,
            "--older-than": older and f"{older}h", "--newer-than": newer and f"{newer * 60}m",
        }  # fmt: skip
        words = [str(w) for pair in asked.items() if pair[1] is not None for w in pair]
        wanted = [
            row["id"]
            for row in rows
            if flow in (None, row["workflow"])
            and status in (None, row["status"])
            and version in (None, row["version"])
            and (place is None or place in row["places"])
            and (older is None or row["hours"] > older)
            and (newer is None or row["hours"] < newer)
        ]
        assert ids(*words) == wanted, words
        seen.add(len(wanted))
    assert {0, 1, 2, 4, 6} <= seen, "the filters were told apart"


@pytest.mark.parametrize("filters", [[], ["--version", "1"], ["--place", "start"]])
def test_the_limit_counts_what_is_shown_and_not_what_was_read(
    rows: list[dict[str, Any]], filters: list[str]
) -> None:
    """The newest that fit, as many as asked for."""
    everything = ids(*filters)
    assert ids(*filters, "--limit", "2") == everything[:2]
    assert len(everything) > 2


def test_nothing_to_show_is_an_empty_list_and_a_word_for_people(
    rows: list[dict[str, Any]],
) -> None:
    """stdout stays empty for a pipe; a program gets `[]`; both exit 0."""
    done = CliRunner().invoke(main, ["list", "--workflow", "nobody"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no such executions\n")
    assert ids("--workflow", "nobody") == []
    text = perdure("list", "--status", "done").splitlines()
    assert text[0].split() == ["id", "workflow", "version", "status", "created", "updated"]
    assert [line.split()[0] for line in text[1:]] == [
        row["id"] for row in rows if row["status"] == "done"
    ]
