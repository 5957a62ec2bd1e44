"""What a mutant is: a number of the list, its patch, and what must catch it. No engine is patched
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .patching import Patch


class Direct(NamedTuple):
    """A test of the suite that shows the rule where no history can, run under the patch."""

    module: str  # below tests/
    test: str
    given: Mapping[str, Any] = {}  # its parameters, where it has some

    def __str__(self) -> str:
        return f"tests/{self.module.replace('.', '/')}.py::{self.test}"


class Mutant(NamedTuple):
    """An engine with one safeguard taken out, or the reason why it waits."""

    number: int  # in ../shared/design/verification.md, part 3
    name: str
    says: str  # what is wrong with it, in one line
    patch: Patch | None = None
    direct: Direct | None = None
    guard: str = ""  # what else holds, when the mutant alone survives
    both: Patch | None = None  # the other guards taken out too: this must be caught
    waits: str = ""  # for which part of Perdure


def waiting(number: int, name: str, says: str, waits: str) -> Mutant:
    """A mutant of a part that is not there yet: neither killed nor a survivor."""
    return Mutant(number, name, says, waits=waits)
