"""What users get: the face, what importing it costs, the wheel. No law on source text here."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import perdure
import pytest

HEAVY = ("hypothesis", "networkx", "numpy", "oxidd", "rich", "starlette", "z3")
LOADED = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"


def python(*arguments: str, cwd: Path, path: Path | None = None) -> str:
    """Run this interpreter in `cwd`, with `path` alone as PYTHONPATH if given; its output."""
    env = dict(os.environ) if path is None else {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def loaded_by(statement: str, cwd: Path) -> set[str]:
    """Top-level names of the modules a fresh interpreter holds after a statement."""
    return set(json.loads(python("-c", f"{statement}; {LOADED}", cwd=cwd)))


def test_importing_perdure_loads_no_database_and_nothing_heavy(tmp_path: Path) -> None:
    """A module with a workflow in it imports quickly: SQLAlchemy comes with the first engine."""
    modules = loaded_by("import perdure", tmp_path)
    assert "perdure" in modules
    assert not modules & {"sqlalchemy", *HEAVY}


def test_no_public_name_needs_an_optional_library(tmp_path: Path) -> None:
    """Every public name, the engine too, works without any extra installed."""
    modules = loaded_by("from perdure import *", tmp_path)
    assert not modules & set(HEAVY)


def test_the_face_lists_exactly_what_it_hands_on(root: Path) -> None:
    """Each imported public name is in `__all__` and each name in `__all__` can be had."""
    tree = ast.parse((root / "__init__.py").read_text(encoding="utf-8"))
    relative = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]
    handed_on = {alias.asname or alias.name for node in relative for alias in node.names}
    assert handed_on == set(perdure.__all__)
    assert all(hasattr(perdure, name) for name in perdure.__all__)
    assert len(perdure.__all__) == len(set(perdure.__all__))


@pytest.mark.parametrize("name", perdure.__all__)
def test_a_public_name_is_documented_and_annotated(name: str) -> None:
    """What a user meets says what it does and which types it takes and gives."""
    value: object = getattr(perdure, name)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return  # a value or an alias has the documentation of its module
    # dataclasses write a docstring of their own: the signature, which is no sentence.
    doc = value.__doc__ or ""
    assert doc and not doc.startswith(f"{name}("), f"{name} has no docstring"
    members = dict(vars(value)) if inspect.isclass(value) else {name: value}
    for member, function in members.items():
        if inspect.isfunction(function) and (member == name or not member.startswith("_")):
            _assert_annotated(f"{name}.{member}", function)


MEASURES = {"int", "float", "int | None", "float | None", "timedelta", "timedelta | None"}
CALLED = [n for n in perdure.__all__ if callable(getattr(perdure, n))]


def measured(name: str) -> Iterator[tuple[str, str, str]]:
    """What takes a number or a span: its name, the parameter, the docstring that is about it."""
    value: Any = getattr(perdure, name)
    found: dict[str, Any] = {name: value}
    if inspect.isclass(value):
        if issubclass(value, (perdure.Step, perdure.Workflow)):
            return  # made by the decorators, which say it
        found |= {f"{name}.{m}": f for m, f in vars(value).items() if inspect.isfunction(f)}
        found = {m: f for m, f in found.items() if not m.partition(".")[2].startswith("_")}
    for called, function in found.items():
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            continue
        for parameter in signature.parameters.values():
            if str(parameter.annotation) in MEASURES:
                yield called, parameter.name, inspect.getdoc(function) or ""


@pytest.mark.parametrize("name", CALLED)
def test_a_number_or_a_span_that_a_user_gives_is_explained(name: str) -> None:
    """Its docstring names it: a timeout or a limit that must be guessed is set wrongly."""
    for called, parameter, doc in measured(name):
        assert f"`{parameter}`" in doc, f"{called}: what is {parameter}?"


def test_the_numbers_and_spans_that_are_looked_for_are_found() -> None:
    """Else the test above would show nothing."""
    found = {(called, parameter) for name in CALLED for called, parameter, _ in measured(name)}
    assert len(found) >= 15
    assert {("Engine", "lease_seconds"), ("Run.result", "timeout"), ("Retry", "attempts")} <= found
    assert {("idempotent", "timeout"), ("seconds", "n"), ("Engine.decide", "wait")} <= found


def _assert_annotated(name: str, function: object) -> None:
    signature = inspect.signature(function)  # pyright: ignore[reportArgumentType] it is a function
    assert signature.return_annotation is not inspect.Signature.empty, f"{name} returns what?"
    for parameter in signature.parameters.values():
        known = parameter.annotation is not inspect.Parameter.empty
        assert known or parameter.name in {"self", "cls"}, f"{name}: {parameter.name}"


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path, root: Path) -> None:
    """Only `perdure` lands in site-packages: every module of every room, and the typing mark."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {n.split("/")[0] for n in names if ".dist-info/" not in n} == {"perdure"}
    assert "perdure/py.typed" in names
    assert not [n for n in names if n.startswith(("perdure/tests/", "perdure/docs/"))]
    rooms = ("model", "engine", "specs", "versioning", "chaos", "console")
    wanted = {p for room in rooms for p in (root / room).rglob("*.py")} | set(root.glob("*.py"))
    assert {f"perdure/{p.relative_to(root).as_posix()}" for p in wanted} <= names


def test_every_module_of_the_wheel_can_be_imported(wheel: Path, tmp_path: Path) -> None:
    """Unpacked in an empty folder, away from the checkout, no module misses another."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import pkgutil, perdure\n"
        "for found in pkgutil.walk_packages(perdure.__path__, 'perdure.'):\n"
        "    if not found.name.endswith('__main__'): __import__(found.name)\n"
        "print(perdure.__file__)"
    )
    said = python("-P", "-c", program, cwd=tmp_path, path=tmp_path / "site")
    assert Path(said.strip()).is_relative_to(tmp_path)


def test_pytest_finds_the_plugin_in_the_wheel(wheel: Path) -> None:
    """An entry point that names a module of the wheel, with the fixture in it."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = (n for n in files.namelist() if n.endswith("/entry_points.txt"))
        points = files.read(name).decode()
        assert "[pytest11]\nperdure = perdure.chaos.plugin" in points
        assert "\n@pytest.fixture\ndef perdure(" in files.read("perdure/chaos/plugin.py").decode()
