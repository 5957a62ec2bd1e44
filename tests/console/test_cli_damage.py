"""Files that the disk or a stranger has damaged: `audit` and `doctor` look below the rows too."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from perdure.console.cli.main import main

SHOP = str(Path(__file__).with_name("cli_shop.py"))
ID = b"order-number-seventeen"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one execution that is done, all of it in the one file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERDURE_DB", raising=False)
    given = ["--input", '{"name": "Ada"}', "--id", ID.decode()]
    assert perdure("run", f"{SHOP}:buy", *given).exit_code == 0
    with sqlite3.connect("perdure.db") as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    link.close()
    return tmp_path / "perdure.db"


def perdure(*words: str) -> Result:
    done = CliRunner().invoke(main, words)
    assert "Traceback" not in done.output + done.stderr
    return done


def root_of(name: str) -> tuple[int, int]:
    """Where the page of a table or an index begins in the file, and where it ends."""
    with sqlite3.connect("perdure.db") as link:
        (size,) = link.execute("PRAGMA page_size").fetchone()
        (page,) = link.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)
        ).fetchone()
    link.close()
    return (page - 1) * size, page * size


def index_of_ids() -> str:
    """The index by which an id is looked up."""
    with sqlite3.connect("perdure.db") as link:
        for _, name, *_ in link.execute("PRAGMA index_list(execution)"):
            if [row[2] for row in link.execute(f"PRAGMA index_info({name})")][:1] == ["key"]:
                return name
    raise AssertionError("no index on the ids")


def test_a_whole_file_has_no_damage() -> None:
    """Else the tests below would show nothing."""
    assert json.loads(perdure("audit", "--format", "json").stdout)["problems"] == []
    assert json.loads(perdure("doctor", "--format", "json").stdout)["store"]["problem"] == ""


def test_a_byte_that_rots_in_an_index_is_found(file: Path) -> None:
    """No history is touched, so each of them verifies; the lookup by id is wrong all the same."""
    start, end = root_of(index_of_ids())
    raw = bytearray(file.read_bytes())
    at = raw.index(ID, start, end)
    raw[at] ^= 1
    file.write_bytes(raw)
    assert perdure("show", ID.decode()).exit_code == 2  # there is no such execution, it seems
    told = perdure("audit", "--format", "json")
    assert told.exit_code == 1
    document = json.loads(told.stdout)
    assert (document["verdict"], document["executions"]) == ("violated", 1)
    assert {(p["id"], p["kind"], p["seq"]) for p in document["problems"]} == {(None, "file", None)}
    assert any("index" in p["says"] for p in document["problems"])
    told = perdure("audit")
    assert (told.exit_code == 1 and told.stdout.splitlines()[-1].endswith("problems: 1")) or (
        "file" in told.stdout
    )
    doctor = perdure("doctor")
    assert doctor.exit_code == 4 and "index" in doctor.stdout


@pytest.mark.parametrize("name", ["log", "execution"])
def test_a_page_that_is_overwritten_is_found(file: Path, name: str) -> None:
    """Zeros where records or rows were: no verb takes it for an empty store."""
    start, end = root_of(name)
    raw = bytearray(file.read_bytes())
    raw[start:end] = b"\xff" * (end - start)
    file.write_bytes(raw)
    for words in (["audit"], ["doctor"], ["list"], ["show", ID.decode()], ["log", ID.decode()]):
        if name == "execution" or words[0] not in ("list", "show"):
            assert perdure(*words).exit_code == 4, words
    said = perdure("audit").stderr
    assert said.startswith("PD801") and "malformed" in said
    assert "go on from a backup" in said and "end what holds it" not in said


def test_half_a_file_is_found(file: Path) -> None:
    """What a copy that was cut off looks like."""
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) // 2])
    for words in (["audit"], ["doctor"], ["list"], ["start", f"{SHOP}:buy", "--id", "x"]):
        done = perdure(*words, *(["--input", '{"name": "A"}'] if words[0] == "start" else []))
        assert done.exit_code == 4, (words, done.output)
