"""Fork safety: what was opened before a fork is dead in the child (rule 79).

Two processes on one connection corrupt it, and a closed copy releases locks of the other. So the
child's copies are told to refuse, and are never closed. Nothing is opened anew here.
"""

from __future__ import annotations

import ctypes
import os
from typing import Protocol
from weakref import WeakSet

from ..model.errors import PlacementError


class Mortal(Protocol):
    """Something that must not be used in a child."""

    def die(self) -> None:
        """Refuse everything from now on; no lock is taken, since its holder is not here."""
        ...


_watched: WeakSet[Mortal] = WeakSet()


def watch(thing: Mortal) -> None:
    """Let `thing` die in every child that is forked while it lives."""
    _watched.add(thing)


def leak(thing: object) -> None:
    """Keep an object beyond the end of this process, so that nothing it holds is ever closed."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def refusal() -> PlacementError:
    """The error for every use in a child."""
    return PlacementError(
        "PD609",
        "this engine was opened before a fork, in the parent process",
        "",
        "two processes on one connection corrupt the database",
        "open an Engine in the child, after the fork (in a post-fork hook of the server), and none "
        "in the parent before it: what the parent was writing stays locked in the child",
    )


def _in_child() -> None:
    for thing in list(_watched):
        thing.die()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
