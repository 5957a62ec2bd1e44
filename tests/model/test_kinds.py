"""Types of variables are found where the table says so, and never narrower than pyright's."""

from __future__ import annotations

import json
import linecache
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from perdure.model.compiler.kinds import Kinds, Mixed, shown, storable
from perdure.model.compiler.live import find

from . import kinds_world
from .kinds_table import HEAD, PARAMETERS, ROWS

ROOT = Path(__file__).parents[2]


def _scope() -> dict[str, Any]:
    scope = {n: v for n, v in vars(kinds_world).items() if not n.startswith("__")}
    scope["__annotations__"] = dict(kinds_world.__annotations__)
    exec(HEAD, scope)
    return scope


def _workflow(body: str, number: int) -> Kinds:
    """What is found in a workflow with this body."""
    text = f"async def w({PARAMETERS}) -> None:\n{textwrap.indent(body, '    ')}\n"
    file, scope = f"<kinds {number}>", _scope()
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec", dont_inherit=True), scope)
    function = find(cast("types.FunctionType", scope["w"]))
    assert function is not None
    kinds = Kinds(function)
    kinds.settle()
    return kinds


def _same(one: Any, two: Any) -> bool:
    """Equal types; `None` is its class."""
    as_type = [types.NoneType if k is None else k for k in (one, two)]
    return bool(as_type[0] == as_type[1])


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[body[:40] for body, _ in ROWS])
def test_a_variable_has_the_type_of_the_table(number: int) -> None:
    """Equal to the row, `?` unknown, `!` unrelated types."""
    body, wanted = ROWS[number]
    found = _workflow(body, number).variables
    for name, text in wanted.items():
        kind = found[name]
        if text in "?!":
            assert (not storable(kind)) and isinstance(kind, Mixed) == (text == "!"), shown(kind)
        else:
            assert _same(kind, eval(text, _scope())), f"{name}: {shown(kind)}, not {text}"


# --- compared with pyright ---------------------------------------------------------------------


def _watched(body: str, kinds: Kinds, number: int) -> Iterator[str]:
    """The body; behind each statement that may assign, pyright is asked and contradicted."""
    lines = body.splitlines()
    names = [n for n, k in kinds.variables.items() if n in kinds.places and storable(k)]
    for line in lines:
        yield line
        pad = line[: len(line) - len(line.lstrip())]
        for name in names:
            if line.lstrip().startswith((f"{name} =", f"{name}:", f"{name} +=", f"{name} -=")):
                check = f"_{number}_{name}: {shown(kinds.variables[name])} = {name}"
                yield f"{pad}{check}; reveal_type({name})"


def _corpus() -> str:
    parts = [HEAD, "from kinds_world import *", "from kinds_world import K, T"]
    for number, (body, _) in enumerate(ROWS):
        kinds = _workflow(body, number)
        inner = "\n".join(_watched(body, kinds, number))
        head = f"async def w{number}({PARAMETERS}) -> None:"
        parts.append(f"{head}\n{textwrap.indent(inner, '    ')}")
    return "\n\n\n".join(parts) + "\n"


def test_no_type_is_narrower_than_pyrights(tmp_path: Path) -> None:
    """Assigning what pyright sees to the type found here is no error; pyright knew it, too."""
    (tmp_path / "corpus.py").write_text(_corpus())
    (tmp_path / "kinds_world.py").write_text(Path(kinds_world.__file__).read_text())
    settings = {"extraPaths": [str(ROOT / ".names")], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*command, "--project", str(tmp_path)], capture_output=True, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    told: list[dict[str, Any]] = [
        d for d in report["generalDiagnostics"] if d["file"].endswith("corpus.py")
    ]
    lines: list[str] = (tmp_path / "corpus.py").read_text().splitlines()
    wrong = [d for d in told if d.get("rule") == "reportAssignmentType"]
    narrower = [f"{d['message']}\n{lines[d['range']['start']['line']]}" for d in wrong]
    revealed = [d["message"] for d in told if d["message"].startswith("Type of")]
    vague = [m for m in revealed if "Unknown" in m]
    assert not narrower, "\n".join(narrower)
    assert len(revealed) > 250
    assert len(vague) < 6, vague
