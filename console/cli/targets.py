"""TARGET: from what a user types to workflows, compiled. Loads the user's code; runs none of it.

A file inside a package is imported under its full name, so that a step has the same name here and
in the user's own program.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from ...model.compiler import compile_workflow
from ...model.errors import PerdureError
from ...model.language.workflows import Workflow
from ...model.modules import file_name
from ...model.program import Program
from .answers import Refusal

AnyWorkflow = Workflow[..., Any]


def workflows(target: str) -> list[AnyWorkflow]:
    """The workflows that a target names, in the order of their definition."""
    source, _, name = _split(target)
    module = _from_file(Path(source)) if source.endswith(".py") else _import(source, target)
    found = _defined(module)
    if not found:
        raise Refusal(f"{source} defines no workflow", "write @workflow above an async def")
    if not name:
        return found
    chosen = [w for w in found if name in (w.name, w.qualname)]
    if not chosen:
        known = ", ".join(w.name for w in found)
        raise Refusal(f"{source} has no workflow {name!r}", f"one of: {known}")
    return chosen


def one_workflow(target: str) -> AnyWorkflow:
    """The one workflow of a target that must not name several."""
    found = workflows(target)
    if len(found) > 1:
        names = " or ".join(f"{target}:{w.name}" for w in found)
        raise Refusal(f"{target} defines {len(found)} workflows", f"name one: {names}")
    return found[0]


def programs(targets: tuple[str, ...]) -> list[Program]:
    """Compile every workflow of every target, each once."""
    chosen = {id(w): w for target in targets for w in workflows(target)}
    return [compile_workflow(w) for w in chosen.values()]


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
        raise Refusal(f"there is no file {path}")
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
        return importlib.import_module(name)
    except PerdureError:
        raise  # it says what, where and why itself
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            fix = "a target is file.py, file.py:workflow or package.module[:workflow]"
            raise Refusal(f"there is no module {name!r}", fix) from error
        raise Refusal(_told(error, target)) from error
    except (Exception, SystemExit) as error:
        raise Refusal(_told(error, target)) from error


def _told(error: BaseException, target: str) -> str:
    """One line: where in the user's file an import failed, and with what."""
    what = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {what}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    theirs = [f for f in frames if Path(f.filename) != Path(__file__)]
    where = f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else target
    return f"{where}: {what} (while loading {target})"
