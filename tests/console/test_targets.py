"""TARGET: every way to name workflows, and what is loaded for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from perdure.console.cli.answers import Refusal
from perdure.console.cli.main import main
from perdure.console.cli.targets import (
    NoWorkflow,
    all_workflows,
    one_workflow,
    programs,
    workflows,
)

FLOWS = """
from perdure import idempotent, workflow
from perdure.console.demo.order import fulfil_order


@idempotent
async def step(n: int) -> int:
    return n


@workflow
async def second(n: int) -> int:
    return await step(n)


@workflow(name="the first", version=3)
async def first(n: int) -> int:
    return await step(n)


again = first
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory; what is imported from it is forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_names_its_own_workflows_once_in_the_order_of_the_file(folder: Path) -> None:
    """Imported ones are not its own; a second name for one is no second workflow."""
    (folder / "flows_a.py").write_text(FLOWS)
    assert [w.name for w in workflows("flows_a.py")] == ["second", "the first"]
    assert [w.module for w in workflows("flows_a.py")] == ["flows_a", "flows_a"]


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("flows_b.py:second", "second"),
        ("flows_b.py:first", "the first"),
        ("flows_b:first", "the first"),
        ("./flows_b.py:second", "second"),
        ("perdure.console.demo.order", "fulfil_order"),
        ("perdure.console.demo.order:fulfil_order", "fulfil_order"),
    ],
)
def test_one_workflow_is_named_by_file_or_module(target: str, name: str, folder: Path) -> None:
    """Its name in the code; the name it was given is for people, and may hold blanks."""
    (folder / "flows_b.py").write_text(FLOWS)
    assert one_workflow(target).name == name


def test_a_file_in_a_package_has_its_full_name(folder: Path) -> None:
    """The steps are called the same here and in the user's program, so that logs agree."""
    (folder / "shop_c" / "inner").mkdir(parents=True)
    for package in ("shop_c", "shop_c/inner"):
        (folder / package / "__init__.py").write_text("")
    (folder / "shop_c" / "inner" / "flows.py").write_text(FLOWS)
    (one, _) = workflows("shop_c/inner/flows.py")
    assert one.reference == "shop_c.inner.flows:second"
    assert workflows("shop_c.inner.flows")[0] is one


def test_two_files_of_one_name_are_refused_and_not_mixed_up(folder: Path) -> None:
    """Python knows one module of a name; the second would silently be the first."""
    for part in ("one", "two"):
        (folder / part).mkdir()
        (folder / part / "flows_d.py").write_text(FLOWS)
    assert workflows("one/flows_d.py")
    with pytest.raises(Refusal, match="has the name of another module, 'flows_d'"):
        workflows("two/flows_d.py")


def test_each_workflow_is_compiled_once_however_often_it_is_named(folder: Path) -> None:
    """A worker serves a net once."""
    (folder / "flows_e.py").write_text(FLOWS)
    served = programs(("flows_e.py", "flows_e.py:first", "flows_e"))
    assert [p.net.name for p in served] == ["second", "the first"]


def test_an_error_is_told_at_the_users_last_line(folder: Path) -> None:
    """Through their own helper modules, down to the line that failed; none of ours is named."""
    (folder / "helper_f.py").write_text("def go():\n    return 1 / 0\n")
    (folder / "flows_f.py").write_text("import helper_f\n\nhelper_f.go()\n")
    with pytest.raises(Refusal) as refused:
        workflows("flows_f.py")
    first = refused.value.message.splitlines()[0]
    assert first.startswith(f"{folder / 'helper_f.py'}:2: ZeroDivisionError: division by zero")
    assert "flows_f.py" in first and "targets.py" not in refused.value.message


def test_a_missing_import_of_theirs_is_not_taken_for_a_missing_target(folder: Path) -> None:
    """The module is there; what it imports is not."""
    (folder / "flows_g.py").write_text("import nowhere_at_all\n")
    with pytest.raises(Refusal, match=r"flows_g\.py:1: ModuleNotFoundError.*nowhere_at_all"):
        workflows("flows_g.py")
    with pytest.raises(Refusal, match="there is no module 'flows_h'"):
        workflows("flows_h")


FLOW = "from perdure import workflow\n\n\n@workflow\nasync def {}() -> int:\n    return 1\n"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two files that have a workflow, and two that have none."""
    monkeypatch.chdir(tmp_path)
    texts = {"one": FLOW.format("one"), "two": FLOW.format("two"), "bare": "x = 1\n", "helps": ""}
    for name, text in texts.items():
        (tmp_path / f"shelf_{name}_{tmp_path.name}.py").write_text(text)
    return tmp_path


def files(shelf: Path, *names: str) -> tuple[str, ...]:
    return tuple(f"shelf_{name}_{shelf.name}.py" for name in names)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("one",), ["one"]), (("one", "two"), ["one", "two"]), (("two", "bare"), ["two"]),
        (("bare", "one", "helps", "two"), ["one", "two"]), (("one", "one"), ["one"]),
    ],
)  # fmt: skip
def test_a_file_without_a_workflow_is_no_mistake_beside_others(
    names: tuple[str, ...], found: list[str], shelf: Path
) -> None:
    """`shop/*.py` names helpers and an `__init__.py` too; order and once-ness are kept."""
    assert [w.name for w in all_workflows(files(shelf, *names))] == found
    done = CliRunner().invoke(main, ["check", *files(shelf, *names), "--format", "json"])
    assert done.exit_code == 0, done.stdout
    told: Any = json.loads(done.stdout)
    documents: list[Any] = told if len(names) > 1 else [told]
    assert [d["target"] for d in documents] == list(files(shelf, *names))
    for document, name in zip(documents, names, strict=True):
        assert (document["nets"] == []) == (name in ("bare", "helps"))


@pytest.mark.parametrize("names", [("bare",), ("bare", "helps"), ("helps", "bare")])
def test_nothing_to_check_at_all_is_a_mistake(names: tuple[str, ...], shelf: Path) -> None:
    """A slip in the name of a file must not pass for a proof: exit 2, with the name of a file."""
    with pytest.raises(NoWorkflow, match=files(shelf, names[0])[0]):
        all_workflows(files(shelf, *names))
    for verb in ("check", "worker"):
        done = CliRunner().invoke(main, [verb, *files(shelf, *names)])
        assert done.exit_code == 2 and "defines no workflow" in done.stdout + done.stderr


@pytest.mark.parametrize("wrong", ["missing.py", "shelf_one_{}.py:nothing"])
def test_a_wrong_target_stays_a_mistake_beside_right_ones(wrong: str, shelf: Path) -> None:
    """Only a file that can be read and holds no workflow is passed over."""
    target = wrong.format(shelf.name)
    done = CliRunner().invoke(main, ["check", *files(shelf, "two", "bare"), target])
    assert done.exit_code == 2
    with pytest.raises(Refusal):
        all_workflows((*files(shelf, "two"), target))
