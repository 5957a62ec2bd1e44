"""Patches of the engine in memory: an attribute set, a line of a function or of a statement edited.

All of it is taken back at the end. What is to be patched must be there, exactly once: a mutant of
code that moved on is an error, never a mutant that silently does nothing. No test lives here.
"""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

_ANNOTATIONS = __future__.annotations.compiler_flag
_PACKAGE = "perdure."


class Patches:
    """What was changed, in order, and how it was before."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, str, Any]] = []  # owner, name, what was there
        self._items: list[tuple[dict[Any, Any], Any, Any]] = []
        self._added: list[tuple[Any, str]] = []
        self._sources: dict[Any, str] = {}  # of functions that were edited

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Give an attribute another value, everywhere in the package where a module imported it."""
        before: Any = owner.__dict__[name]
        assert value is not before, f"{name} stays what it is"
        places = [owner]
        if inspect.ismodule(owner) and callable(before):
            named = {m for n, m in sys.modules.items() if n.startswith(_PACKAGE) and m is not owner}
            places += [m for m in named if vars(m).get(name) is before]
        for place in places:
            self.made.append((place, name, before))
            setattr(place, name, value)

    def add(self, owner: Any, name: str, value: Any) -> None:
        """Give a class or a module what it has not."""
        assert not hasattr(owner, name)
        self._added.append((owner, name))
        setattr(owner, name, value)

    def item(self, owner: dict[Any, Any], key: Any, value: Any) -> None:
        """Add an item to a mapping; None takes the one away that is there."""
        assert (key in owner) is (value is None)
        self._items.append((owner, key, owner.get(key)))
        if value is None:
            del owner[key]
        else:
            owner[key] = value

    def text(self, owner: Any, name: str, old: str, new: str) -> None:
        """Edit a statement or another text."""
        self.set(owner, name, _edited(name, owner.__dict__[name], old, new))

    def code(self, owner: Any, name: str, *edits: tuple[str, str]) -> None:
        """Edit the source of a function, of a module or of a class: pairs of old text and new."""
        before: Any = owner.__dict__[name]
        source = self._sources.get(before) or textwrap.dedent(inspect.getsource(before))
        for old, new in edits:
            source = _edited(name, source, old, new)
        after = _compiled(inspect.unwrap(before), source)
        self._sources[after] = source
        self.set(owner, name, after)

    def undo(self) -> None:
        """Put everything back."""
        while self.made:
            owner, name, before = self.made.pop()
            setattr(owner, name, before)
        while self._added:
            delattr(*self._added.pop())
        while self._items:
            mapping, key, value = self._items.pop()
            if value is None:
                del mapping[key]
            else:
                mapping[key] = value


Patch = Callable[[Patches], None]


def _edited(name: str, text: str, old: str, new: str) -> str:
    count = text.count(old)
    assert count == 1, f"{name} has {old!r} {count} times"
    assert old != new
    return text.replace(old, new)


def _compiled(function: Any, source: str) -> Any:
    """The function anew, in the namespace of its module, so that it sees other patches too."""
    code = compile(source, f"<mutant of {function.__qualname__}>", "exec", _ANNOTATIONS, True)
    made: dict[str, Any] = {}
    exec(code, function.__globals__, made)
    return made[function.__name__]


@contextmanager
def patched(*patches: Patch) -> Generator[Patches]:
    """The engine with these patches, for as long as the block runs."""
    made = Patches()
    try:
        for patch in patches:
            patch(made)
        yield made
    finally:
        made.undo()
