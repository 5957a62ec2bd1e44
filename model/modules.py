"""The names by which modules are known in logs: the same however a file was loaded.

A file that runs as a program is `__main__` in its own process and a module of another name in a
worker. Digests, stored exceptions and effect keys would differ; so `__main__` is called here, and
nowhere else, what an import of its file would be called. No module is judged or run here, beyond
importing it when it is looked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

_MAIN = "__main__"


def file_name(path: Path) -> tuple[str, Path]:
    """The dotted name of a Python file, and the folder from which it is imported.

    Folders with an `__init__.py` are packages; one that is loaded already has the name it has.
    """
    path = path.resolve()
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        package = _loaded_package(folder)
        parts.insert(0, package or folder.name)
        folder = folder.parent
        if package:
            break
    return ".".join(parts), folder


def _loaded_package(folder: Path) -> str:
    """The package that this process has loaded from a folder: its name need not be the folder's."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if file.endswith("__init__.py") and Path(file).resolve().parent == folder:
            return name
    return ""


def stored_module(name: str) -> str:
    """The name under which a module is stored: `__main__` by its spec or its file."""
    return _main_name() if name == _MAIN else name


def _main_name() -> str:
    main = sys.modules.get(_MAIN)
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != _MAIN:  # python -m package.module
        return str(spec.name)
    file: str = getattr(main, "__file__", None) or ""
    return file_name(Path(file))[0] if file.endswith(".py") else _MAIN


def find_module(name: str) -> ModuleType:
    """The module of a stored name; raises what importing it raises.

    In the process whose program it is, that is `__main__`: a second import would make its classes
    anew, and none of them would be the ones the program uses.
    """
    if name == _main_name():
        return sys.modules[_MAIN]
    return sys.modules.get(name) or import_module(name)
