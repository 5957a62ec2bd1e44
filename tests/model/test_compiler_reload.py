"""A file that changes while its process lives: the compiler sees what was imported, or says so."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from perdure import pure, workflow
from perdure.model.compiler import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.compiler.live import changed, definition

TEXT = '''
"""A program."""

from perdure import pure, workflow


@pure
async def add(n: int) -> int:
    return n + 1


def plain(n: int) -> int:
    return n + 1.5 + float("nan") if n in {1, 2} else -0.0


@workflow
async def once(n: int) -> int:
    return await add(n + 1)
'''


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Write `changing.py`, and import it or import it anew."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "changing", raising=False)

    def loaded(text: str) -> ModuleType:
        (tmp_path / "changing.py").write_text(text)
        importlib.invalidate_caches()
        known = sys.modules.get("changing")
        return importlib.reload(known) if known else importlib.import_module("changing")

    return loaded


def sites(module: ModuleType) -> list[str]:
    """The calls of its workflow, by the compiler."""
    return [site.name for site in compile_workflow(module.once).net.sites]


def test_a_module_that_is_imported_anew_is_compiled_anew(
    load: Callable[[str], ModuleType],
) -> None:
    """Also when the lines of the old one have been read, and the new one is as long."""
    assert sites(load(TEXT)) == ["add"]
    again = TEXT.replace("add(n + 1)", "two(n + 1)").replace("def add(", "def two(")
    assert len(again) == len(TEXT)
    module = load(again)
    assert sites(module) == ["two"]
    line = module.once.fn.__code__.co_firstlineno + 2
    assert "two" in linecache.getline(str(module.__file__), line)


CHANGES = {
    "a number": ("n + 1)", "n + 2)"),
    "another step": ("await add(n + 1)", "n"),
    "lines above": ('"""A program."""', '"""A program."""\n\n'),
    "no Python": ("@workflow", "@workflow ("),
    "gone from it": ("async def once", "async def twice"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_that_changed_since_it_was_imported_is_refused(
    load: Callable[[str], ModuleType], what: str
) -> None:
    """PD112, before anything is made of lines that are another program's."""
    module = load(TEXT)
    path = Path(str(module.__file__))
    path.write_text(TEXT.replace(*CHANGES[what]))
    with pytest.raises(CompileError) as caught:
        compile_workflow(module.once)
    (found,) = caught.value.findings
    assert found.code == "PD112"
    assert "the file of `once` has changed since it was imported" in found.message
    assert "import it again" in found.fix


def test_a_helper_whose_file_changed_is_not_looked_at(load: Callable[[str], ModuleType]) -> None:
    """As one whose source is not there."""
    module = load(TEXT)
    assert definition(module.plain) is not None
    Path(str(module.__file__)).write_text(TEXT.replace("1.5", "2.5"))
    assert definition(module.plain) is None and changed(module.plain)


def test_a_file_that_is_only_touched_is_the_same(load: Callable[[str], ModuleType]) -> None:
    """Its time is another, its text is not; neither is a comment at its end another program."""
    module = load(TEXT)
    path = Path(str(module.__file__))
    os.utime(path, (1, 1))
    assert sites(module) == ["add"] and definition(module.plain) is not None
    path.write_text(TEXT + "# the end\n")
    assert not changed(module.once.fn)


def test_a_file_that_is_gone_is_not_there(load: Callable[[str], ModuleType]) -> None:
    """And not said to have changed."""
    module = load(TEXT)
    Path(str(module.__file__)).unlink()
    with pytest.raises(CompileError, match="it is not there"):
        compile_workflow(module.once)


@pure
async def double(n: int) -> int:
    """A step."""
    return 2 * n


@workflow
async def asserted(n: int) -> int:
    """An assert, which pytest rewrites in this file: its code is not that of its text."""
    doubled = await double(n)
    assert doubled == 2 * n, "doubled"
    return doubled


def test_what_an_import_hook_rewrites_has_not_changed() -> None:
    """Only files that Python compiles as they stand can be held against their text."""
    assert not changed(asserted.fn)
    assert [site.name for site in compile_workflow(asserted).net.sites] == ["double"]
