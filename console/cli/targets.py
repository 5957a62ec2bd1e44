"""TARGET: from what a user types to workflows, compiled. Loads the user's code; runs none of it.

A file inside a package is imported under its full name, so that a step has the same name here and
in the user's own program.
"""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from ...model.compiler import compile_workflow
from ...model.compiler.instead import FUTURE
from ...model.errors import PerdureError
from ...model.language.workflows import Workflow
from ...model.modules import file_name
from ...model.program import Program
from .answers import Refusal

_LATER = re.compile(r"cannot import name '(\w+)' from 'perdure'")
AnyWorkflow = Workflow[..., Any]
TARGETS = "a target is file.py, file.py:workflow or package.module[:workflow]"


class NoWorkflow(Refusal):
    """A file that loads and defines no workflow: no mistake beside others that do (`shop/*.py`)."""


def workflows(target: str) -> list[AnyWorkflow]:
    """The workflows that a target names, in the order of their definition."""
    source, _, name = _split(target)
    if source.endswith((".json", ".pnml", ".bpmn")):
        fix = "`perdure check` takes nets as JSON; name a file.py or a package.module here"
        raise Refusal(f"{source} is no Python: it can hold a net, not a workflow", fix)
    module = _loaded(source, target)
    found = _defined(module)
    if not found:
        raise NoWorkflow(f"{source} defines no workflow", "write @workflow above an async def")
    if not name:
        return found
    chosen = [w for w in found if name in (w.name, w.qualname)]
    if not chosen:
        known = ", ".join(w.name for w in found)
        raise Refusal(f"{source} has no workflow {name!r}", f"one of: {known}")
    return chosen


def module_of(source: str) -> ModuleType:
    """The module of a file or a dotted name, loaded."""
    return _loaded(source, source)


def _loaded(source: str, target: str) -> ModuleType:
    path = Path(source)
    if source and path.is_dir():
        raise Refusal(f"{source} is a folder", TARGETS)
    if source.endswith(".py"):
        return _from_file(path)
    if not all(part.isidentifier() for part in source.split(".")):
        raise Refusal(f"there is no module {source!r}", TARGETS)
    return _import(source, target)


def one_workflow(target: str) -> AnyWorkflow:
    """The one workflow of a target that must not name several."""
    found = workflows(target)
    if len(found) > 1:
        names = " or ".join(f"{target}:{w.name}" for w in found)
        raise Refusal(f"{target} defines {len(found)} workflows", f"name one: {names}")
    return found[0]


def all_workflows(targets: tuple[str, ...]) -> list[AnyWorkflow]:
    """Every workflow of every target, each once; of several targets some may have none."""
    chosen: dict[int, AnyWorkflow] = {}
    missing: NoWorkflow | None = None
    for target in targets:
        try:
            chosen |= {id(w): w for w in workflows(target)}
        except NoWorkflow as error:
            missing = missing or error
    if missing is not None and not chosen:
        raise missing
    return list(chosen.values())


def programs(targets: tuple[str, ...]) -> list[Program]:
    """Compile every workflow of every target, each once."""
    return [compile_workflow(w) for w in all_workflows(targets)]


def _split(target: str) -> tuple[str, str, str]:
    """File or module, and the name behind the last colon; a drive letter is no file."""
    head, colon, tail = target.rpartition(":")
    if colon and len(head) > 1 and tail.isidentifier():
        return head, colon, tail
    return target, "", ""


def _defined(module: ModuleType) -> list[AnyWorkflow]:
    found: dict[int, AnyWorkflow] = {}
    for value in vars(module).values():
        if isinstance(value, Workflow) and value.module == module.__name__:
            found[id(value)] = value  # pyright: ignore[reportUnknownArgumentType]
    return list(found.values())


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise Refusal(f"there is no file {path}", TARGETS)
    path = path.resolve()
    name, folder = file_name(path)
    loaded = sys.modules.get(name)
    if loaded is not None and Path(getattr(loaded, "__file__", None) or "").resolve() != path:
        fix = "give it a name of its own, or use package.module:workflow"
        raise Refusal(f"{path.name} has the name of another module, {name!r}", fix)
    package = name.partition(".")[0]
    if package not in sys.modules and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return _import(name, str(path))


def _import(name: str, target: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the answer alone
            return importlib.import_module(name)
    except PerdureError as error:  # it says what, why and fix itself, and mostly where
        where = "" if getattr(error, "where", "") else f"{_where(error, target)}: "
        raise Refusal(f"{where}{error}", "", code=error.code) from error
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise Refusal(f"there is no module {name!r}", TARGETS) from error
        raise Refusal(_told(error, target), _how_to_see(target)) from error
    except (Exception, SystemExit) as error:
        word = _LATER.search(str(error))
        if isinstance(error, ImportError) and word is not None and word[1] in FUTURE:
            text = f"{_where(error, target)}: PD116 `{word[1]}` is not supported yet"
            raise Refusal(text, FUTURE[word[1]], code="PD116") from error
        raise Refusal(_told(error, target), _how_to_see(target)) from error


def _how_to_see(target: str) -> str:
    """The command that shows the whole story of an import that fails."""
    source, _, _ = _split(target)
    command = f"python {source}" if source.endswith(".py") else f"python -c 'import {source}'"
    return f"it must load by itself: `{command}` shows the whole story"


def _told(error: BaseException, target: str) -> str:
    """One line: where in the user's file an import failed, and with what."""
    what = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError):
        return f"{error.filename or target}:{error.lineno or 1}: {what}"
    return f"{_where(error, target)}: {what} (while loading {target})"


def _where(error: BaseException, target: str) -> str:
    """The last line outside of ours and of Python's machinery on the way to an error."""
    ours = Path(__file__).resolve().parents[2]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    theirs = [f for f in frames if not Path(f.filename).resolve().is_relative_to(ours)]
    return f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else target
