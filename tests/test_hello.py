"""What a new user does first: install the wheel, paste hello.py, run it three times.

The programs are those of README.md and docs/, read from there; no copy of them lives here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import click
import pytest
from perdure.console.cli.main import main
from perdure.console.manual import programs

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COUNTED = 'with open("calls.txt", "a") as calls: calls.write("x")'


def blocks(page: Path) -> Iterator[str]:
    """The Python programs on a page."""
    return programs(page.read_text(encoding="utf-8"))


def hello() -> str:
    """The first program of the README."""
    return next(blocks(ROOT / "README.md"))


def needed(name: str, seen: dict[str, Distribution]) -> dict[str, Distribution]:
    """A library and what it needs in turn; what is asked for by an extra is left out."""
    if name in seen:
        return seen
    found = seen[name] = distribution(name)
    for line in found.requires or ():
        requirement, _, marker = line.partition(";")
        if not marker:
            needed(re.split(r"[^\w.-]", requirement.strip())[0], seen)
    return seen


class Machine:
    """A new user's machine: an environment with the wheel and what it says it needs, a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.python = home / "env" / "bin" / "python"

    def make(self, wheel: Path) -> None:
        """Install the wheel, and link what it needs."""
        venv.create(self.home / "env", symlinks=True)
        (site,) = (self.home / "env" / "lib").glob("python*/site-packages")
        install = [sys.executable, "-m", "pip", "--python", str(self.python), "install"]
        quiet = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
        subprocess.run([*install, *quiet], check=True)
        (info,) = site.glob("perdure-*.dist-info")
        wanted = Distribution.at(info).requires or ()
        libraries: dict[str, Distribution] = {}
        for line in wanted:
            if "extra ==" not in line:
                needed(re.split(r"[^\w.-]", line)[0], libraries)
        for library in libraries.values():
            for part in {file.parts[0] for file in library.files or () if ".." not in file.parts}:
                if not (site / part).exists():
                    (site / part).symlink_to(Path(str(library.locate_file(part))))

    def run(self, *command: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder, without a path to the repository."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PERDURE"))}
        program = str(self.python.parent / command[0])
        done = subprocess.run(
            [program, *command[1:]], cwd=folder, env=env, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture(scope="session")
def machine(wheel: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Machine:
    """One machine for all tests here; each test has a folder of its own."""
    return Machine(once("machine", lambda home: Machine(home).make(wheel)))


def test_hello_runs_once_is_found_again_and_refuses_another_input(
    machine: Machine, tmp_path: Path
) -> None:
    """The README's promise, word by word: result, the same result with no second call, refusal."""
    program = hello().replace("    return f", f"    {COUNTED}\n    return f", 1)
    assert COUNTED in program
    (tmp_path / "hello.py").write_text(program)
    assert machine.run("python", "hello.py", folder=tmp_path).stdout == "Hello, World!\n"
    assert machine.run("python", "hello.py", folder=tmp_path).stdout == "Hello, World!\n"
    assert (tmp_path / "calls.txt").read_text() == "x"
    (tmp_path / "hello.py").write_text(program.replace("World", "Moon"))
    refused = machine.run("python", "hello.py", folder=tmp_path, code=1)
    assert refused.stdout == ""
    *_, what, fix = refused.stderr.splitlines()
    assert "PD701 'hello-1' is an execution of hello already" in what
    assert 'name was "World" and is "Moon"' in what and fix.startswith("  fix  use another id")
    assert "During handling" not in refused.stderr and "never retrieved" not in refused.stderr
    assert (tmp_path / "calls.txt").read_text() == "x"


def test_hello_as_written_leaves_one_database_that_the_command_line_reads(
    machine: Machine, tmp_path: Path
) -> None:
    """Nothing but hello.db is left behind, and the installed `perdure` shows and verifies it."""
    (tmp_path / "hello.py").write_text(hello())
    machine.run("python", "hello.py", folder=tmp_path)
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"hello.py", "hello.db"}
    store = ["--db", "sqlite:///hello.db"]
    assert (
        "Hello, World!" in machine.run("perdure", "show", "hello-1", *store, folder=tmp_path).stdout
    )
    assert "every firing legal" in machine.run("perdure", "audit", *store, folder=tmp_path).stdout
    checked = machine.run("perdure", "check", "hello.py", folder=tmp_path).stdout
    assert "sound" in checked and "holds" in checked


@pytest.mark.parametrize("verb", [["--help"], ["doctor"], ["demo"], ["list"]])
def test_the_command_line_needs_no_extra(machine: Machine, tmp_path: Path, verb: list[str]) -> None:
    """`pip install perdure` alone: no verb for new users asks for rich, networkx or anything."""
    env_has = machine.run("python", "-c", "import rich", folder=tmp_path, code=1)
    assert "ModuleNotFoundError" in env_has.stderr
    code = 4 if verb == ["list"] else 0
    done = machine.run("perdure", *verb, folder=tmp_path, code=code)
    assert "Traceback" not in done.stderr
    assert done.stdout or code


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_every_program_in_the_documentation_runs(page: Path, tmp_path: Path) -> None:
    """A block that says `python` is a program: as a file in an empty folder it ends with 0."""
    for number, program in enumerate(blocks(page)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "program.py").write_text(program)
        done = subprocess.run(
            [sys.executable, "program.py"], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{page}, block {number}:\n{done.stderr}"


def test_every_command_of_the_first_page_does_what_the_page_says(
    machine: Machine, tmp_path: Path
) -> None:
    """The console lines of "Start in five minutes", one after the other, in hello's folder."""
    (tmp_path / "hello.py").write_text(hello())
    machine.run("python", "hello.py", folder=tmp_path)
    text = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
    commands = [c.split() for c in re.findall(r"^ *\$ env/bin/(perdure .*)$", text, re.M)]
    assert {c[1] for c in commands} == {"list", "show", "log", "audit", "check", "compile", "demo"}
    for command in commands:
        if command[1] != "demo":  # which has tests of its own
            assert machine.run(*command, folder=tmp_path).stdout or "-o" in command
    assert (tmp_path / "hello.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_every_perdure_command_in_the_documentation_exists(page: Path) -> None:
    """Verb and options of each `$ perdure ...` line are known to the command line."""
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"^ *\$ (?:env/bin/)?perdure ([^|>\n]*)", text, re.M):
        verb, *words = shlex.split(line.partition(" || ")[0], comments=True)
        command = main.get_command(click.Context(main), verb)
        assert command is not None, line
        command.make_context(verb, words)


def test_the_pages_show_one_hello() -> None:
    """README and "Start in five minutes" teach the same program."""
    assert next(blocks(ROOT / "docs" / "start.md")) == hello()
