"""Every verb against every mistake a user makes: exit code, one message with its fix, no trace.

What the verbs do when all is well is in test_cli_verbs.py and test_cli_worker.py.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from perdure.console.cli.main import VERBS, main

SHOP = str(Path(__file__).with_name("cli_shop.py"))
ADA = ["--input", '{"name": "Ada"}']
GO = [f"{SHOP}:buy", *ADA, "--id", "x"]

# How each verb that opens a store is called rightly, with the id of an execution that may exist.
WITH_STORE: dict[str, list[str]] = {
    "run": ["run", *GO],
    "start": ["start", *GO],
    "worker": ["worker", SHOP],
    "signal": ["signal", "x", "answer", "--value", "1"],
    "cancel": ["cancel", "x", "--reason", "r"],
    "resume": ["resume", "x"],
    "wait": ["wait", "x", "--timeout", "0"],
    "list": ["list"],
    "show": ["show", "x"],
    "log": ["log", "x"],
    "effects": ["effects", "x"],
    "desk": ["desk"],
    "desk decide": ["desk", "decide", "x", "voided", "--reason", "r"],
    "audit": ["audit"],
    "db current": ["db", "current"],
    "db upgrade": ["db", "upgrade"],
}
MAKES_A_STORE = {"run", "start", "worker", "db upgrade"}
ABOUT_ONE = {"signal", "cancel", "resume", "wait", "show", "log", "effects", "desk decide"}
# How each verb that loads the user's code is called, `{}` being the target.
WITH_TARGET: dict[str, list[str]] = {
    "chaos": ["chaos", "{}", *ADA],
    "check": ["check", "{}"],
    "compile": ["compile", "{}", "--to", "json"],
    "docs build": ["docs", "build", "{}", "-o", "out"],
    "docs serve": ["docs", "serve", "{}", "--port", "0"],
    "run": ["run", "{}", *ADA, "--id", "x"],
    "start": ["start", "{}", *ADA, "--id", "x"],
    "worker": ["worker", "{}"],
}
TARGETS = {
    "syntax": ("def f(:\n", "SyntaxError"),
    "binary": ("x = 1\0\n", "null bytes"),
    "quotes": ("x = 'never ends\n", "SyntaxError"),
    "deep": ("def f():\n    f()\n\n\nf()\n", "RecursionError"),
    "aborts": ("raise KeyboardInterrupt2\n", "NameError"),
    "raises": ("x = 1\n\n1 / 0\n", "ZeroDivisionError"),
    "exits": ("import sys\nsys.exit('no')\n", "SystemExit"),
    "imports": ("import no_such_library_of_mine\n", "no_such_library_of_mine"),
    "later": ("from perdure import workflow, ask\n", "PD116 `ask` is not supported yet"),
    "empty": ("x = 1\n", "defines no workflow"),
    "declares": ("from perdure import irreversible, Retry\n\n\n"
                 "@irreversible(retry=Retry(attempts=3))\ndef f() -> None: ...\n", "PD401"),
    "refused": ("from perdure import workflow\nimport asyncio\n\n\n@workflow\n"
                "async def nap() -> None:\n    await asyncio.sleep(1)\n", "PD105"),
}  # fmt: skip
NEEDS_ONE = {"chaos", "compile", "run", "start"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own, without a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERDURE_DB", raising=False)
    return tmp_path


def refused(arguments: Sequence[str], code: int) -> str:
    """Run in vain: that exit code, a message, nothing on stdout, no stack trace; the message.

    As JSON the same message is the one document on stdout.
    """
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == code, (arguments, done.output, done.exception)
    assert "Traceback" not in done.output + done.stderr
    said = done.stderr if arguments[0] != "check" else done.stderr + done.stdout
    assert said.strip()
    if arguments[0] not in ("check", "compile", "worker") and arguments[:2] != ["docs", "serve"]:
        assert done.stdout == ""
        again = CliRunner().invoke(main, [*arguments, "--format", "json"])
        assert again.exit_code == code
        told = json.loads(again.stdout)
        assert told["error"]["message"].strip() == said.strip()
    return said


def one_message(said: str) -> None:
    """What is wrong in the first line; every further line is indented: where, why, fix, more."""
    first, *rest = said.rstrip("\n").split("\n")
    assert first and not first.startswith((" ", "Error"))
    assert all(line.startswith("  ") or "|" in line for line in rest if line), said
    assert any(line.startswith("  fix  ") for line in rest), said


def verb_commands() -> list[tuple[list[str], click.Command]]:
    """Every verb and verb below a verb, with its words."""
    top = click.Context(main)
    found: list[tuple[list[str], click.Command]] = []
    for name in VERBS:
        command = main.get_command(top, name)
        assert command is not None
        found.append(([name], command))
        if isinstance(command, click.Group):
            found += [([name, n], command.commands[n]) for n in command.commands]
    return found


COMMANDS = verb_commands()


# --- the store ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", sorted(set(WITH_STORE) - MAKES_A_STORE))
def test_a_store_that_does_not_exist_is_exit_4_and_is_not_made(verb: str, folder: Path) -> None:
    """Looking and steering never make a database: a slip in --db would hide the real one."""
    said = refused(WITH_STORE[verb], 4)
    assert "PD805" in said and "no such file" in said
    one_message(said)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", WITH_STORE)
def test_a_file_that_is_no_database_is_exit_4_and_stays_as_it_is(verb: str, folder: Path) -> None:
    """A text, named by mistake: refused by every verb, those that make a store too."""
    text = "this is my shopping list, and no database; " * 40
    (folder / "perdure.db").write_text(text)
    said = refused(WITH_STORE[verb], 4)
    assert "PD805" in said and "no SQLite database" in said
    one_message(said)
    assert (folder / "perdure.db").read_text() == text


@pytest.mark.parametrize("verb", WITH_STORE)
def test_a_store_in_a_missing_folder_or_a_folder_is_exit_4(verb: str, folder: Path) -> None:
    """The path is told, and which part of it is wrong."""
    for url, says in (("sqlite:///no/such/x.db", "no folder"), (f"sqlite:///{folder}", "a folder")):
        said = refused([*WITH_STORE[verb], "--db", url], 4)
        assert "PD805" in said and says in said
        one_message(said)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", WITH_STORE)
def test_a_store_of_another_database_is_exit_2(verb: str) -> None:
    """What this version cannot use is an argument that cannot be used."""
    said = refused([*WITH_STORE[verb], "--db", "postgresql://localhost/x"], 2)
    assert "only SQLite" in said
    one_message(said)


@pytest.mark.parametrize("verb", WITH_STORE)
@pytest.mark.parametrize("revision", [0, 99])
def test_a_schema_of_another_revision_is_exit_4(verb: str, revision: int, folder: Path) -> None:
    """Older or newer: what was found, what is needed, and nothing is written."""
    CliRunner().invoke(main, ["db", "upgrade"])
    with sqlite3.connect(folder / "perdure.db") as other:
        other.execute("UPDATE perdure_schema SET revision = ?", (revision,))
    other.close()
    said = refused(WITH_STORE[verb], 4)
    assert "PD802" in said and f"revision {revision}" in said
    one_message(said)
    with sqlite3.connect(folder / "perdure.db") as other:
        assert other.execute("SELECT revision FROM perdure_schema").fetchone() == (revision,)
    other.close()


@pytest.mark.parametrize("verb", sorted(ABOUT_ONE))
def test_an_id_that_does_not_exist_is_exit_2(verb: str) -> None:
    """PD703, and how to see which there are."""
    CliRunner().invoke(main, ["db", "upgrade"])
    said = refused(WITH_STORE[verb], 2)
    assert said.startswith("PD703 there is no execution 'x'") and "perdure list" in said
    one_message(said)


# --- the target ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", WITH_TARGET)
@pytest.mark.parametrize("kind", TARGETS)
def test_a_target_that_cannot_be_used_is_exit_2(verb: str, kind: str, folder: Path) -> None:
    """The user's own file and line, what is wrong with it, and a fix; no store is made."""
    text, says = TARGETS[kind]
    file = folder / f"target_{verb.replace(' ', '_')}_{kind}.py"
    file.write_text(text)
    said = refused([word.replace("{}", str(file)) for word in WITH_TARGET[verb]], 2)
    assert says in said and file.name in said
    assert not (folder / "perdure.db").exists()
    if verb != "check":
        one_message(said)


@pytest.mark.parametrize("verb", WITH_TARGET)
@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("missing.py", "there is no file missing.py"),
        ("missing.module", "there is no module 'missing.module'"),
        (".", ". is a folder"),
        ("a b", "there is no module 'a b'"),
        ("", "there is no module ''"),
        (f"{SHOP}:nothing", "one of: buy, approve"),
        ("net.pnml", "net.pnml is no Python"),
        ("folder.py", "folder.py is a folder"),
    ],
)
def test_a_target_that_is_none_is_exit_2(verb: str, target: str, says: str, folder: Path) -> None:
    """No such file, module or workflow, or something else than Python."""
    (folder / "folder.py").mkdir()
    said = refused([word.replace("{}", target) for word in WITH_TARGET[verb]], 2)
    assert says in said
    if verb != "check":
        one_message(said)


@pytest.mark.parametrize("verb", sorted(NEEDS_ONE))
def test_several_workflows_where_one_is_needed_is_exit_2(verb: str) -> None:
    """The choices are named as they would be typed."""
    said = refused([word.replace("{}", SHOP) for word in WITH_TARGET[verb]], 2)
    assert f"{SHOP}:buy or {SHOP}:approve" in said
    one_message(said)


# --- words and values ---------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(w) for w, _ in COMMANDS])
def test_an_option_that_does_not_exist_is_exit_2(words: list[str], command: click.Command) -> None:
    """How the verb is called, and where its help is."""
    done = CliRunner().invoke(main, [*words, "--no-such-option"])
    assert done.exit_code == 2 and "Traceback" not in done.stderr
    assert "--no-such-option" in done.stderr and done.stdout == ""
    one_message(done.stderr)
    assert f"{' '.join(words)} --help" in done.stderr


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(w) for w, _ in COMMANDS])
def test_help_shows_examples_that_are_commands(words: list[str], command: click.Command) -> None:
    """Every verb that does something shows how it is typed; the example's verb is this one."""
    done = CliRunner().invoke(main, [*words, "--help"])
    assert done.exit_code == 0
    if isinstance(command, click.Group) and not command.invoke_without_command:
        return
    examples = [line.strip() for line in done.stdout.splitlines() if line.startswith("  perdure ")]
    assert any(line.split()[1 : 1 + len(words)] == words for line in examples), done.stdout


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(w) for w, _ in COMMANDS])
def test_what_answers_answers_as_json_too(words: list[str], command: click.Command) -> None:
    """`--format json` everywhere but where the answer has a notation of its own."""
    options = {name for p in command.params for name in p.opts}
    group = isinstance(command, click.Group) and not command.invoke_without_command
    assert "--format" in options or group or words in (["worker"], ["compile"], ["docs", "serve"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["signal", "x"], "Missing argument 'CHANNEL'"),
        (["show"], "Missing argument 'ID'"),
        (["cancel", "x"], "Missing option '--reason'"),
        (["list", "--status", "gone"], "'gone' is not one of"),
        (["list", "--older-than", "soon"], "write 90s, 15m, 2h or 3d"),
        (["list", "--version", "0"], "0 is not in the range"),
        (["list", "--limit", "none"], "'none' is not a valid integer"),
        (["log", "x", "--at", "one"], "'one' is not a valid integer"),
        (["wait", "x", "--timeout", "-1"], "-1.0 is not in the range"),
        (["desk", "decide", "x", "maybe", "--reason", "r"], "'maybe' is not one of"),
        (["explain", "PD999"], "no code PD999"),
        (["explain", "x"], "no code x"),
        (["signal", "x", "answer", "--value", "{"], "--value is not JSON"),
        (["signal", "x", "answer", "--value", "@no.json"], "cannot read no.json"),
        (["signal", "x", "answer", "--value", "1"], "--value does not fit"),
        (["signal", "x", "no", "--value", "1"], "no signal 'no'"),
        (["run", *GO[:1], "--input", '{"name": "\\ud800"}'], "half a character"),
        (["run", *GO[:1], "--input", '{"name": 1}'], "name is no str"),
        (["run", *GO[:1], "--input", '{"nom": 1}'], "no parameter 'nom'"),
        (["run", *GO[:1], "--input", "[]"], "no JSON object"),
        (["run", *GO[:1]], "needs 'name'"),
        (["desk", "decide", "x", "voided", "--reason", "r"], "cannot be said"),
        (["compile", f"{SHOP}:buy", "--to", "svg", "-o", "no/such/file"], "cannot write"),
        (["docs", "build", SHOP, "-o", "/dev/null/x"], "cannot write"),
        (["log", "x", "--at", "7"], "has records 0 to 0"),
        (["check", SHOP, "--property", "magic"], "no property 'magic'"),
        (["run", *GO[:1], "--input", "@."], "cannot read ."),
        (["chaos", *GO[:1]], "needs 'name'"),
        (["chaos", *GO[:1], "--input", '{"nom": 1}'], "no parameter 'nom'"),
        (["chaos", *GO[:3]], "PD502 greet is @idempotent"),
        (["chaos", *GO[:3], "--histories", "none"], "'none' is not a valid integer"),
        (["replay"], "Missing argument 'FILE'"),
        (["replay", "no.json"], "PD506 No such file"),
        (["replay", "."], "PD506 Is a directory"),
        (["replay", SHOP], "PD506 it is no saved failure"),
    ],
)
def test_words_that_cannot_be_used_are_exit_2(arguments: list[str], says: str) -> None:
    """A missing word, one that is not on the list, a number that is none, JSON that is none."""
    CliRunner().invoke(main, ["start", f"{SHOP}:approve", *ADA, "--id", "x"])
    said = refused(arguments, 2)
    assert says in said
    one_message(said)


# --- what a terminal does -----------------------------------------------------------------------


def process(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """A verb as a process of its own."""
    command = [sys.executable, "-m", "perdure", *arguments]
    # Buffered, as at a user's terminal: what could not be written is tried again at exit.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=heeding
    )


def heeding() -> None:
    """Heed Ctrl-C, also where the suite runs in the background and inherits that nobody does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """`perdure explain | head -1`: exit 0 and silence, though the pipe is closed."""
    read, write = os.pipe()
    os.close(read)
    verb = process("explain", stdout=write)
    os.close(write)
    _, said = verb.communicate(timeout=60)
    assert (verb.returncode, said) == (0, "")


def _interrupted(verb: subprocess.Popen[str], ready: Callable[[], bool]) -> str:
    try:
        while not ready():
            assert verb.poll() is None, verb.communicate()
        verb.send_signal(signal.SIGINT)
        _, said = verb.communicate(timeout=60)
    finally:
        verb.kill()
    assert verb.returncode == 130
    assert "Traceback" not in said and said.strip().endswith("interrupted")
    return said


def test_ctrl_c_ends_a_wait_without_a_trace(folder: Path) -> None:
    """Exit 130, as shells say; nothing is told about what was waited for."""
    CliRunner().invoke(main, ["start", f"{SHOP}:approve", *ADA, "--id", "x"])
    verb = process("wait", "x")

    def waits() -> bool:
        maps = Path(f"/proc/{verb.pid}/maps")
        return "perdure.db-shm" in maps.read_text()

    _interrupted(verb, waits)


def test_ctrl_c_leaves_a_run_where_it_is_and_the_next_one_goes_on(folder: Path) -> None:
    """`run` is told how to look while it takes long; an interrupted execution is nobody's."""
    verb = process("run", f"{SHOP}:approve", *ADA, "--id", "x")
    assert verb.stderr is not None
    assert "perdure show x" in verb.stderr.readline()
    assert "goes on with it" in verb.stderr.readline()
    _interrupted(verb, lambda: True)
    shown = json.loads(CliRunner().invoke(main, ["show", "x", "--format", "json"]).stdout)
    assert (shown["status"], shown["owner"]) == ("active", None)
    yes = '{"approved": true, "by": "Eve"}'
    CliRunner().invoke(main, ["signal", "x", "answer", "--value", yes])
    again = process("run", f"{SHOP}:approve", *ADA, "--id", "x", "--format", "json")
    assert json.loads(again.communicate(timeout=60)[0])["value"] == "Hello, Ada!"


def test_sigterm_ends_a_run_as_ctrl_c_does(folder: Path) -> None:
    """A supervisor that stops it: exit 143, and the execution is released at once."""
    verb = process("run", f"{SHOP}:approve", *ADA, "--id", "x")
    assert verb.stderr is not None
    assert "perdure show x" in verb.stderr.readline()
    verb.terminate()
    _, said = verb.communicate(timeout=60)
    assert (verb.returncode, said.splitlines()[-1]) == (143, "terminated")
    shown = json.loads(CliRunner().invoke(main, ["show", "x", "--format", "json"]).stdout)
    assert (shown["status"], shown["owner"]) == ("active", None)
    doctor = CliRunner().invoke(main, ["doctor", "--format", "json"])
    assert json.loads(doctor.stdout)["store"]["sessions"] == ""


def test_what_the_user_prints_is_no_answer_of_ours(folder: Path) -> None:
    """A module and a step that print do not break the one document on stdout."""
    (folder / "chatty_target.py").write_text(
        "from perdure import idempotent, workflow\nprint('loading')\n\n\n@idempotent\n"
        "async def talk(n: int) -> int:\n    print('talking')\n    return n\n\n\n"
        "@workflow\nasync def chat(n: int) -> int:\n    return await talk(n)\n"
    )
    verb = process("run", "chatty_target.py", "--input", '{"n": 3}', "--format", "json")
    told, said = verb.communicate(timeout=60)
    assert json.loads(told)["value"] == 3
    assert "loading" in said and "talking" in said


def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--property structure` needs networkx: exit 2, not a stack trace."""
    monkeypatch.setitem(sys.modules, "networkx", None)
    for name in [n for n in sys.modules if n.startswith("perdure.model.analysis.structure")]:
        monkeypatch.delitem(sys.modules, name)
    done = CliRunner().invoke(main, ["check", f"{SHOP}:buy", "--property", "structure"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "needs networkx" in done.stderr and "pip install 'perdure[graph]'" in done.stderr
