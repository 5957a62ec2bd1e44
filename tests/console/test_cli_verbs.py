"""The command line in this process: documents, exit codes, mistakes without a stack trace."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from perdure.console.cli.main import VERBS, main
from perdure.console.cli.reference import reference
from perdure.console.codes import CODES

SHOP = str(Path(__file__).with_name("cli_shop.py"))
ADA = ["--input", '{"name": "Ada"}']


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store that every verb of the test uses, not made yet."""
    path = tmp_path / "store.db"
    monkeypatch.setenv("PERDURE_DB", f"sqlite:///{path}")
    return path


def perdure(*arguments: str, code: int = 0) -> Result:
    """Run a verb; it must end with `code` and without a stack trace."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, (done.output, done.stderr, done.exception)
    assert "Traceback" not in done.output + done.stderr
    return done


def document(*arguments: str, code: int = 0) -> Any:
    """The JSON document on stdout, which must hold nothing else."""
    return json.loads(perdure(*arguments, "--format", "json", code=code).stdout)


# --- the table of verbs -------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_exists_and_says_what_the_list_of_verbs_says(verb: str) -> None:
    """No line of `--help` is a stub: each verb loads, and its own help begins like its line."""
    module = import_module(VERBS[verb].module, "perdure.console.cli")
    command = getattr(module, VERBS[verb].attribute)
    assert isinstance(command, click.Command)
    assert command.name == verb
    first = VERBS[verb].says.rstrip(".").split(",")[0].split(":")[0].split(";")[0].split()[0]
    assert (command.help or "").startswith(first)
    perdure(verb, "--help")


def test_the_documented_commands_are_the_commands_there_are(root: Path) -> None:
    """An undocumented verb or option fails here; the module says how the page is written anew."""
    page = (root / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert page == reference(), "python -m perdure.console.cli.reference > docs/command-line.md"
    assert all(f"## perdure {verb}\n" in page for verb in VERBS)


def test_no_word_that_we_show_claims_that_an_effect_is_completed(root: Path) -> None:
    """`fired` says that the outcome is ours and `delivered` that the receiver acknowledged it."""
    pages = [*(root / "docs").rglob("*.md"), root / "README.md"]
    shown = [reference(), *(page.read_text(encoding="utf-8") for page in pages)]
    for file in [*(root / "console").rglob("*.py"), *(root / "engine").rglob("*.py")]:
        shown += re.findall(r'"[^"\n]*"', file.read_text(encoding="utf-8"))
    assert len(shown) > 1000
    assert not [text for text in shown if "completed" in text.lower()]


def test_an_unknown_verb_is_a_mistake_of_usage() -> None:
    """`perdure freeze` does not exist yet: exit 2, not a stub; a slip of the hand is corrected."""
    assert "there is no verb 'freeze'" in perdure("freeze", code=2).stderr
    assert "fix  perdure list" in perdure("lsit", code=2).stderr


HEAVY = {"alembic", "hypothesis", "mkdocs", "networkx", "numpy", "rich", "z3"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["explain", "PD301"],
        ["check", f"{SHOP}:buy"],
        ["compile", f"{SHOP}:buy", "--to", "svg"],
        ["run", "--help"],
        ["list", "--help"],
        ["demo", "--help"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_verb_loads_what_it_needs_and_nothing_heavy(arguments: list[str]) -> None:
    """`perdure --help` and `perdure check` come quickly: no database, no solver, no drawing kit.
    SQLAlchemy, which takes longer than all the rest, comes where tables are made or an author
    writes by it: see `test_looking_into_a_store_and_working_on_it_loads_no_sqlalchemy`."""
    program = (
        "import sys; from perdure.console.cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "print('LOADED', *sorted(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    loaded = set(said.rpartition("LOADED")[2].split())
    assert "click" in loaded
    assert not loaded & (HEAVY if arguments[0] == "demo" else HEAVY | {"sqlalchemy"})


def test_looking_into_a_store_and_working_on_it_loads_no_sqlalchemy(db: Path) -> None:
    """A store that is there is read and written without it; every verb comes quickly."""
    document("run", f"{SHOP}:buy", *ADA, "--id", "one")
    program = (
        "import sys; from perdure.console.cli.main import main\n"
        f"for words in (['run', {f'{SHOP}:buy'!r}, *{ADA!r}, '--id', 'two'], ['log', 'two'],\n"
        "    ['list', '--status', 'done'], ['show', 'one'], ['effects', 'one'], ['audit']):\n"
        "    main(words, standalone_mode=False)\n"
        "print('LOADED', *sorted(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "charged Ada" in said and "every firing legal" in said
    assert not {"sqlalchemy", *HEAVY} & set(said.rpartition("LOADED")[2].split())


# --- run and look -------------------------------------------------------------------------------


def test_a_run_is_found_again_and_every_verb_tells_the_same_story(db: Path) -> None:
    """The same id gives the same result; list, show, log, effects and audit agree on it."""
    first = document("run", f"{SHOP}:buy", *ADA, "--id", "one")
    assert first == {"id": "one", "status": "done", "value": "Hello, Ada! charged Ada"}
    assert document("run", f"{SHOP}:buy", *ADA, "--id", "one") == first
    (listed,) = document("list")
    assert (listed["id"], listed["workflow"], listed["status"]) == ("one", "buy", "done")
    shown = document("show", "one")
    assert [token["place"] for token in shown["marking"]] == ["done"]
    assert shown["value"] == first["value"]
    (effect,) = document("effects", "one")
    assert (effect["site"], effect["outcome"], effect["decided_by"]) == ("charge", "landed", "call")
    words = [record["word"] for record in document("log", "one")]
    assert words[0] == "started" and words[-1] == "finished"
    assert words.count("intent") == 1
    audited = document("audit")
    assert audited["verdict"] == "holds" and audited["records"] == len(words)


def test_fired_and_delivered_are_nowhere_called_completed(db: Path) -> None:
    """The words are those of the log; nothing claims more than a record makes true."""
    perdure("run", f"{SHOP}:buy", *ADA, "--id", "one")
    for arguments in (["log", "one"], ["show", "one"], ["list"], ["effects"], ["audit"]):
        assert "complete" not in perdure(*arguments).output.lower()
    assert "fired" in perdure("log", "one").output


def test_log_at_shows_the_marking_after_that_record(db: Path) -> None:
    """After the intent the token is in `during charge`; after record 0 it is in `start`."""
    perdure("run", f"{SHOP}:buy", *ADA, "--id", "one")
    records = document("log", "one")
    intent = next(r["seq"] for r in records if r["word"] == "intent")
    told = document("log", "one", "--at", str(intent))
    assert "during charge" in [token["place"] for token in told["marking"]]
    assert told["records"] == records[: intent + 1]
    begun = document("log", "one", "--at", "0")
    assert [(t["place"], t["frame"]) for t in begun["marking"]] == [("start", {"name": "Ada"})]
    assert "has records 0 to" in perdure("log", "one", "--at", "99", code=2).stderr


def test_another_input_under_a_known_id_is_refused(db: Path) -> None:
    """It is never answered with the old result: exit 1, and the difference is named."""
    perdure("run", f"{SHOP}:buy", *ADA, "--id", "one")
    for verb in ("run", "start"):
        said = perdure(verb, f"{SHOP}:buy", "--input", '{"name": "Bob"}', "--id", "one", code=1)
        assert "PD701" in said.stderr and '"Ada"' in said.stderr and said.stdout == ""


def test_a_started_execution_waits_for_a_worker(db: Path) -> None:
    """`start` only creates; `wait` with a limit is inconclusive, exit 3."""
    assert document("start", f"{SHOP}:approve", *ADA, "--id", "two")["created"] is True
    assert document("start", f"{SHOP}:approve", *ADA, "--id", "two")["created"] is False
    assert document("show", "two")["waits"][0]["for"] == "a worker"
    assert document("wait", "two", "--timeout", "0", code=3)["status"] == "active"
    assert document("audit")["verdict"] == "holds"
    assert document("resume", "two", code=1) == {"id": "two", "resumed": False}


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "nobody"], 2, "PD703"),
        (["signal", "nobody", "answer"], 2, "PD703"),
        (["run", "missing.py"], 2, "no file missing.py"),
        (["run", "no.such.module"], 2, "no module"),
        (["run", f"{SHOP}:nothing", *ADA], 2, "one of: buy, approve"),
        (["run", SHOP, *ADA], 2, "defines 2 workflows"),
        (["run", f"{SHOP}:buy", "--input", "{"], 2, "--input is not JSON"),
        (["run", f"{SHOP}:buy", "--input", "[NaN]"], 2, "NaN is no JSON number"),
        (["run", f"{SHOP}:buy", "--input", "[]"], 2, "no JSON object"),
        (["run", f"{SHOP}:buy", "--input", "{}"], 2, "needs 'name'"),
        (["run", f"{SHOP}:buy", "--input", '{"name": 1}'], 2, "name is no str"),
        (["run", f"{SHOP}:buy", "--input", '{"nam": ""}'], 2, "no parameter 'nam'"),
        (["run", f"{SHOP}:buy", "--input", "@nowhere.json"], 2, "cannot read nowhere.json"),
        (["list", "--db", "postgresql://host/x"], 2, "only SQLite"),
        (["explain", "PD999"], 2, "no code PD999"),
        (["check", SHOP, "--property", "magic"], 2, "no property 'magic'"),
    ],
)
def test_a_mistake_is_one_message_and_the_exit_code_of_the_contract(
    db: Path, arguments: list[str], code: int, says: str
) -> None:
    """What, why and fix on stderr; nothing on stdout; no stack trace."""
    perdure("db", "upgrade")
    done = perdure(*arguments, code=code)
    assert says in done.stderr
    assert done.stdout == ""


def test_a_mistake_is_a_document_too_where_one_was_asked_for(db: Path) -> None:
    """A program that reads JSON gets the code and the message as JSON."""
    perdure("db", "upgrade")
    assert document("show", "nobody", code=2)["error"]["code"] == "PD703"


def test_user_code_that_cannot_be_loaded_is_told_by_its_own_line(tmp_path: Path) -> None:
    """The file and line of the user, not ours."""
    broken = tmp_path / "cli_broken_target.py"
    broken.write_text("x = 1\nraise OSError('no disk')\n")
    said = perdure("check", str(broken), code=2).stdout
    assert f"{broken}:2: OSError: no disk" in said
    wrong = tmp_path / "cli_wrong_syntax.py"
    wrong.write_text("def f(:\n")
    assert f"{wrong}:1: SyntaxError" in perdure("check", str(wrong), code=2).stdout


def test_looking_makes_no_store_and_refuses_a_foreign_one(db: Path, tmp_path: Path) -> None:
    """Exit 4: no file, a text, someone else's database, another revision. None is changed."""
    assert "PD805" in perdure("list", code=4).stderr
    assert not db.exists()
    db.write_text("this is a text, and no database at all; " * 20)
    assert "Traceback" not in perdure("list", code=4).stderr
    db.unlink()
    with sqlite3.connect(db) as other:
        other.execute("create table mine (x)")
    assert "PD805" in perdure("list", code=4).stderr
    with sqlite3.connect(db) as other:
        assert other.execute("select name from sqlite_master").fetchall() == [("mine",)]
    perdure("db", "upgrade")
    with sqlite3.connect(db) as other:
        other.execute("update perdure_schema set revision = 99")
    assert "PD802" in perdure("list", code=4).stderr
    assert "PD802" in perdure("db", "current", code=4).stderr
    assert document("doctor", code=4)["store"]["problem"]


def test_doctor_reads_the_settings_back(db: Path) -> None:
    """What weakens durability would be seen: the journal mode and the synchronous level."""
    assert document("doctor")["store"]["problem"] == ""
    perdure("db", "upgrade")
    store = document("doctor")["store"]
    assert (store["journal_mode"], store["synchronous"], store["weak"]) == ("wal", "FULL", False)
    assert document("db", "current")["revision"] >= 1


# --- check, compile, explain, docs --------------------------------------------------------------


def test_check_tells_verdicts_with_their_evidence() -> None:
    """One document per target, a list for several; exit 0 when all hold."""
    told = document("check", SHOP)
    assert told["verdict"] == "holds"
    assert [net["name"] for net in told["nets"]] == ["buy", "approve"]
    (warning,) = [f for net in told["nets"] for f in net["findings"]]
    assert (warning["code"], warning["severity"]) == ("PD402", "warning")
    assert len(document("check", f"{SHOP}:buy", f"{SHOP}:approve")) == 2
    text = perdure("check", f"{SHOP}:buy").stdout
    assert "explored" in text and "assuming:" in text and "perdure explain PD402" in text
    assert "::warning file=" in perdure("check", f"{SHOP}:buy", "--format", "github").stdout


def test_a_target_that_does_not_compile_is_an_entry_and_not_the_end(tmp_path: Path) -> None:
    """The others are still checked; the caret stands under the construct that is refused."""
    bad = tmp_path / "cli_refused_target.py"
    bad.write_text(
        "import asyncio\nfrom perdure import workflow\n\n\n@workflow\nasync def nap() -> None:\n"
        "    await asyncio.sleep(3)\n"
    )
    first, second = document("check", str(bad), f"{SHOP}:buy", code=2)
    assert (first["verdict"], second["verdict"]) == ("error", "holds")
    assert first["findings"][0]["code"] == "PD105"
    lines = perdure("check", str(bad), code=2).stdout.splitlines()
    assert lines[0].startswith(f"{bad}:7:") and "PD105" in lines[0]
    code, caret = lines[3], lines[4]
    assert code.endswith("await asyncio.sleep(3)")
    assert caret.count("^") >= 10 and code[caret.index("^") :].startswith("asyncio.sleep")
    assert perdure("run", str(bad), code=2).stderr.splitlines()[0] == lines[0]


def test_a_limit_leaves_the_question_open() -> None:
    """Exit 3: inconclusive is neither yes nor no."""
    assert document("check", f"{SHOP}:buy", "--limit-states", "3", code=3)["verdict"] != "holds"


def test_a_net_goes_out_as_json_and_is_checked_again(tmp_path: Path) -> None:
    """`compile --to json` is a target of `check`; svg and dot are what they say."""
    net = tmp_path / "net.json"
    perdure("compile", f"{SHOP}:buy", "--to", "json", "-o", str(net))
    own, again = document("check", f"{SHOP}:buy"), document("check", str(net))
    assert own["nets"][0]["digest"] == again["nets"][0]["digest"]
    assert again["verdict"] == "holds"
    net.write_text(net.read_text().replace('"charge"', '"change"'))
    assert "digest" in document("check", str(net), code=2)["reason"]
    assert perdure("compile", f"{SHOP}:buy", "--to", "svg").stdout.startswith("<svg")
    assert perdure("compile", f"{SHOP}:buy", "--to", "dot").stdout.startswith("digraph")


def test_every_code_in_the_source_can_be_explained(root: Path) -> None:
    """A code that leads nowhere is a dead end for the one who reads it."""
    rooms = ("model", "engine", "specs", "console")
    sources = [p.read_text(encoding="utf-8") for r in rooms for p in (root / r).rglob("*.py")]
    used = {code for text in sources for code in re.findall(r"\bPD\d{3}\b", text)} - {"PD000"}
    assert used <= set(CODES), f"console/codes.py lacks {sorted(used - set(CODES))}"
    assert "PD301  " in perdure("explain", "pd301").stdout
    assert set(document("explain")) == set(CODES)


def test_docs_build_writes_a_page_per_workflow(tmp_path: Path) -> None:
    """Docstring, net, steps with their class, verdicts with their evidence; Markdown and HTML."""
    out = tmp_path / "pages"
    written = document("docs", "build", SHOP, "-o", str(out))["written"]
    assert {Path(p).name for p in written} == {
        *("index.md", "index.html", "buy.md", "buy.html", "buy.svg"),
        *("approve.md", "approve.html", "approve.svg"),
    }
    page = (out / "buy.md").read_text()
    assert "Greet, then charge." in page and "(buy.svg)" in page
    assert "- charge: Take the money; the line dies for Bad." in page
    assert "| charge | irreversible | never by itself | none | none |" in page
    assert "| sound | holds | explored: " in page and "PD402" in page
    assert (out / "buy.svg").read_text().startswith("<svg")
    html = (out / "approve.html").read_text()
    assert "<svg" in html and "Wait for a yes." in html and "answer" in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


def test_a_file_of_a_loaded_package_goes_by_the_name_it_was_loaded_under(root: Path) -> None:
    """The demo's own file, named by its path, is the module that `perdure demo` runs."""
    by_path = perdure("check", str(root / "console/demo/order.py"), "--format", "json")
    by_name = perdure("check", "perdure.console.demo.order", "--format", "json")
    digests = [json.loads(d.stdout)["nets"][0]["digest"] for d in (by_path, by_name)]
    assert digests[0] == digests[1]
