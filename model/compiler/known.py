"""Names of other people's libraries, told from live objects: `asyncio.gather`, `requests.post`.

However it was imported, an object has one name here. What the names mean to a workflow is in
`foreign.py` and `purity.py`; nothing is looked up by spelling.
"""

from __future__ import annotations

import ast
import types
from typing import Any

from .callees import Resolve

_SAME = {
    "posix": "os",
    "nt": "os",
    "posixpath": "os.path",
    "ntpath": "os.path",
    "genericpath": "os.path",
    "pathlib._local": "pathlib",
    "pathlib._abc": "pathlib",
}


def known_as(value: object) -> str:
    """The dotted name of a module, class, function or method; of anything else, of its class."""
    if isinstance(value, types.ModuleType):
        return _plain(value.__name__)
    owner: Any = getattr(value, "__self__", None)
    name: Any = getattr(value, "__name__", None)
    if owner is not None and isinstance(name, str):
        return f"{known_as(owner)}.{name}"
    name = getattr(value, "__qualname__", None)
    if not isinstance(name, str):
        value = type(value)
        name = value.__qualname__
    name = name.rpartition("<locals>.")[2]
    module: Any = getattr(value, "__module__", None)
    return f"{_plain(module)}.{name}" if isinstance(module, str) else str(name)


def reach(node: ast.expr, resolve: Resolve) -> object:
    """The live object of an expression as `resolve`, also behind instances and new objects.

    `client.get` of a client that the module keeps, and `Path(name).read_text`, are found.
    """
    found = resolve(node)
    if found is not None or not isinstance(node, ast.Attribute):
        return found
    base = reach(node.value, resolve)
    if base is None and isinstance(node.value, ast.Call):
        made = resolve(node.value.func)
        base = made if isinstance(made, type) else None
    if base is None:
        return None
    # Attributes may be properties, which are code: only what is plainly there is looked at.
    for holder in (getattr(base, "__dict__", {}), *_dicts(base)):
        if node.attr in holder:
            value: Any = holder[node.attr]
            return getattr(value, "__func__", value)
    return None


def _dicts(base: object) -> list[Any]:
    kind = base if isinstance(base, type) else type(base)
    return [vars(c) for c in kind.__mro__]


def _plain(module: str) -> str:
    name = _SAME.get(module, module)
    return name[1:] if name.startswith("_") and not name.startswith("__") else name
