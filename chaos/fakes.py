"""The fake world of a user's test: a ledger of what happened in it, and stand-ins for steps.

A fakes function, `def fakes(world)`, is called before every history, so that each begins in the
same world. Who calls the stand-ins, and who judges the ledger, is not known here.
"""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..model.language.waits import Signal

T = TypeVar("T")
Fakes = Callable[["World"], Mapping[Any, Any] | None]
"""Makes a world ready: step, undo or probe -> a function or value that stands in for it."""

_HOUSE = Path(__file__).parents[1]
_OURS = tuple(f"{_HOUSE / room}{os.sep}" for room in ("chaos", "engine", "model"))


class Place(NamedTuple):
    """A line of the user's."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else ""


class Here(NamedTuple):
    """The call whose body runs now."""

    site: str
    step: str
    effect: str
    key: str


class Effect(NamedTuple):
    """One thing that happened in the world."""

    what: str
    about: tuple[str, ...]
    here: Here
    where: Place

    @property
    def name(self) -> str:
        """What happened, about what, in words."""
        return " ".join((self.what, *self.about))


class Sending(NamedTuple):
    """A message that somebody sends, `at` seconds after the beginning."""

    at: float
    signal: Signal[Any]
    value: Any


HERE: ContextVar[Here] = ContextVar("HERE")
_NOBODY = Here("", "", "", "")


def _untold(effect: Effect) -> None:
    return None


class World:
    """What stands for everything outside; the ledger is `effects`, oldest first."""

    def __init__(self, told: Callable[[Effect], None] = _untold) -> None:
        self.effects: list[Effect] = []
        self.sendings: list[Sending] = []
        self.tables: list[str] = []
        self.undone: Counter[str] = Counter()
        self._told = told

    def happened(self, what: str, *about: object) -> None:
        """Note that something happened: money was taken, a mail was sent.

        Say what would be wrong to see twice, and about what: `world.happened("charge", order)`.
        """
        effect = Effect(what, tuple(map(str, about)), HERE.get(_NOBODY), theirs())
        self.effects.append(effect)
        self._told(effect)

    def took_back(self, what: str, *about: object) -> None:
        """Note that something that happened was taken back; nothing, where it never happened."""
        name = " ".join((what, *map(str, about)))
        if self.count(what, *about) > 0:
            self.undone[name] += 1

    def count(self, what: str, *about: object) -> int:
        """How often this stands now."""
        name = " ".join((what, *map(str, about)))
        return sum(e.name == name for e in self.effects) - self.undone[name]

    def send(self, signal: Signal[T], value: T, *, at: float = 0.0) -> None:
        """Let somebody send a message to the workflow, `at` seconds after its start."""
        self.sendings.append(Sending(at, signal, value))

    def table(self, statement: str) -> None:
        """Make a table of your own for transactional steps: `CREATE TABLE ...`."""
        self.tables.append(statement)


def raised_at(error: BaseException) -> Place:
    """The line of the user's that raised, or called what did."""
    place, frames = Place("", 0), error.__traceback__
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not file.startswith(_OURS):
            place = Place(file, frames.tb_lineno)
        frames = frames.tb_next
    return place


def theirs() -> Place:
    """The line of the user's body that runs: the outermost one that is not of this package."""
    place, frame = Place("", 0), inspect.currentframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_OURS):
            place = Place(file, frame.f_lineno)
        elif place.file:
            return place
        frame = frame.f_back
    return place
