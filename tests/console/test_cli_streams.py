"""What a shell does to the streams of a command: closed, full, in another encoding, not text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from perdure.console.cli.main import main

SHOP = str(Path(__file__).with_name("cli_shop.py"))
SNOW = "☃😀-1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store in which one execution waits for a worker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERDURE_DB", raising=False)
    done = CliRunner().invoke(
        main, ["start", f"{SHOP}:buy", "--input", '{"name": "Zoë"}', "--id", SNOW]
    )
    assert done.exit_code == 0, done.stderr
    return tmp_path


def shell(
    words: str, *more: bytes, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`perdure WORDS` in a shell, with its redirections; more words as bytes."""
    command = [b"sh", b"-c", f'exec "{sys.executable}" -m perdure {words} "$@"'.encode(), b"sh"]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | (env or {})
    return subprocess.run([*command, *more], capture_output=True, env=clean, timeout=120)


ANSWERS = ["list", "list --format json", f"show {SNOW}", "explain", "audit", "doctor", "db current"]
NETS = [f"compile {SHOP}:buy --to {to}" for to in ("svg", "json", "dot", "mermaid", "pnml")]
CHECKS = [f"check {SHOP}:buy --format {to}" for to in ("text", "json", "sarif", "junit", "github")]


@pytest.mark.parametrize("words", [*ANSWERS, *NETS, *CHECKS])
def test_a_full_disk_behind_stdout_is_told_in_one_message(words: str) -> None:
    """Exit 2, why, and what to do; no stack trace, and no second complaint when Python ends."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    done = shell(f"{words} >/dev/full")
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert said.startswith("cannot write the answer: No space left on device\n  fix  ")
    assert said.count("\n") == 2 and "Traceback" not in said and "Exception ignored" not in said


@pytest.mark.parametrize("words", [*ANSWERS, *NETS[:1], *CHECKS[:2]])
def test_a_closed_stdout_takes_nothing_and_harms_nothing(words: str, folder: Path) -> None:
    """`>&-`: the verb does its work; above all the store is not opened in the place of stdout."""
    before = (folder / "perdure.db").read_bytes()
    done = shell(f"{words} >&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (folder / "perdure.db").read_bytes() == before


def test_a_closed_stdin_is_an_empty_one() -> None:
    """`--value -` without anything to read is no JSON, which is told as such."""
    for redirection in ("<&-", "</dev/null"):
        done = shell(f"start {SHOP}:buy --id y --input - {redirection}")
        assert done.returncode == 2
        assert done.stderr.startswith(b"--input is not JSON: ")


def test_all_streams_closed_still_start_an_execution(folder: Path) -> None:
    """As under a careless supervisor: the exit code is all there is, and it is right."""
    given = """--input '{"name": "Ada"}'"""
    assert shell(f"start {SHOP}:buy {given} --id y <&- >&- 2>&-").returncode == 0
    assert shell(f"start {SHOP}:buy {given} --id '' <&- >&- 2>&-").returncode == 2
    assert shell("show y <&- >&- 2>&-").returncode == 0
    assert shell("show z <&- >&- 2>&-").returncode == 2


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_a_document_is_json_in_whatever_encoding_stdout_has(encoding: str) -> None:
    """Letters that it lacks are escaped as JSON says, so the id comes back as it is."""
    done = shell("list --format json", env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout.decode(encoding))
    assert row["id"] == SNOW


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_text_for_people_lacks_letters_rather_than_fails(encoding: str) -> None:
    """Answers and mistakes alike."""
    env = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    assert shell("list", env=env).returncode == 0
    done = shell("show", "☃".encode(), env=env)
    assert done.returncode == 2 and b"PD703" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", ["show", "log", "effects", "resume", "wait", "cancel --reason r", "explain", "check"]
)
def test_a_word_that_is_no_text_is_refused(words: str) -> None:
    """Bytes that are not UTF-8 cannot be stored, compared or written as JSON."""
    done = shell(words, b"a\xff")
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b"")
    assert said == "'a\\udcff' is no text: bytes that are not UTF-8\n  fix  write UTF-8\n"
