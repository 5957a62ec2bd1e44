"""The tables of other people's names: each row is met by the objects it is about (C29)."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from importlib.util import find_spec
from types import ModuleType

import pytest
from perdure.model.compiler.instead import ASYNCHRONOUS, FUTURE
from perdure.model.compiler.known import known_as
from perdure.model.compiler.outside import CODE, OUTSIDE, touch


def planted(name: str) -> list[object]:
    """The object of a dotted name, or what a module of that name defines; none: not installed."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        module = ".".join(parts[:cut])
        if find_spec(parts[0]) is None or not _is_module(module):
            continue
        found: object = importlib.import_module(module)
        for part in parts[cut:]:
            if not hasattr(found, part):
                return []
            found = getattr(found, part)
        return _defined(found) if isinstance(found, ModuleType) else [found]
    return []


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _defined(module: ModuleType) -> list[object]:
    """The public functions that a module defines itself."""
    public = [v for n, v in vars(module).items() if not n.startswith("_")]
    own = [v for v in public if getattr(v, "__module__", None) == module.__name__]
    return [v for v in own if inspect.isroutine(v)]


ROWS = [(n, o) for n in OUTSIDE for o in planted(n) if touch(known_as(o)) is not OUTSIDE[n]]


def test_every_row_is_met_by_what_it_names() -> None:
    """However an object is imported, its row is found; a more exact row may say otherwise."""
    wrong = [
        (name, known_as(found))
        for name, found in ROWS
        if OUTSIDE[name].does and not _more_exact(name, known_as(found))
    ]
    assert not wrong
    assert sum(bool(planted(name)) for name in OUTSIDE) > len(OUTSIDE) / 2


def _more_exact(row: str, name: str) -> bool:
    return any(other != row and name.startswith(other) for other in OUTSIDE if other > row)


@pytest.mark.parametrize("name", [n for n in OUTSIDE if not OUTSIDE[n].does])
def test_what_is_harmless_in_an_impure_module_is_not_touched(name: str) -> None:
    """`os.path.join` and its like."""
    found = [n for n in map(known_as, planted(name)) if touch(n) is not None]
    assert not [n for n in found if n not in OUTSIDE]


@pytest.mark.parametrize("name", sorted(CODE))
def test_what_makes_code_is_known_by_its_name(name: str) -> None:
    """The names of PD108."""
    (found,) = planted(name)
    assert known_as(found) == name


def test_a_name_of_asyncio_is_known_however_it_is_defined() -> None:
    """Each name that asyncio has is found under `asyncio`, with itself as the last part."""
    ours = [name for name in ASYNCHRONOUS if hasattr(asyncio, name)]
    assert len(ours) > 10
    for name in ours:
        full = known_as(getattr(asyncio, name)).split(".")
        assert (full[0], full[-1]) == ("asyncio", name)


def test_words_to_come_are_not_there_yet() -> None:
    """A word that exists by now must not be refused as missing any more."""
    perdure = importlib.import_module("perdure")
    assert not [word for word in FUTURE if hasattr(perdure, word)]
