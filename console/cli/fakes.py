"""`--fakes`: from what a user types to the function that makes the world of a trial ready.

What a world is stands in `chaos/fakes.py`; none is made here.
"""

from __future__ import annotations

import sys
from typing import cast

from ...chaos.fakes import Fakes
from .answers import Refusal
from .targets import TARGETS, module_of

_IN = "FILE.py or MODULE in which `def fakes(world)` stands, or either with :NAME"


def fakes_of(given: str | None, module: str) -> Fakes | None:
    """The function that makes the world ready: what was named, or the target's own `fakes`."""
    if not given:
        return getattr(sys.modules[module], "fakes", None)
    source, name = fakes_named(given)
    try:
        found = getattr(module_of(source), name, None)
    except Refusal as refused:
        what, _, fix = refused.message.partition("\n  fix  ")
        known = _IN if fix == TARGETS else fix
        raise Refusal(f"--fakes: {what}", known, code=refused.code) from refused
    if not callable(found):
        raise Refusal(f"--fakes: {source} has no function {name!r}", "def fakes(world): ...")
    return cast("Fakes", found)


def fakes_named(given: str) -> tuple[str, str]:
    """File or module, and the name of the function in it."""
    source, colon, name = given.rpartition(":")
    return (source, name) if colon and name.isidentifier() else (given, "fakes")
