"""A failure as a file: what was tried, the fault, what was found; read again, and as a test.

The file says all that is needed to play the history again. No code of the user's is stored in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from . import errors
from .faults import Boundary, Edge, Fault, Kind
from .judging import Finding
from .scripts import Mishap, Script
from .telling import Happening
from .trial import Cause, faults_of
from .troubles import KINDS, Woe

FORMAT = "perdure replay 1"


class SavedFault(msgspec.Struct, frozen=True):
    """A fault, by names."""

    port: str
    operation: str
    number: int
    edge: str
    kind: str
    details: tuple[int, ...] = ()  # of a random history: how late, how long

    @classmethod
    def of(cls, fault: Fault | Mishap) -> SavedFault:
        """The fault as it is stored."""
        (port, operation, number, edge), kind = fault.boundary, fault.kind
        details = fault.details if isinstance(fault, Mishap) else ()
        return cls(port, operation, number, str(edge), str(kind), details)

    @classmethod
    def said(cls, words: Sequence[str | int]) -> SavedFault:
        """The fault as it stands in a test."""
        named = dict(zip(cls.__struct_fields__, words[:5], strict=False))
        return msgspec.convert({**named, "details": words[5:]}, cls)

    def _boundary(self) -> Boundary:
        return Boundary(self.port, self.operation, self.number, Edge(self.edge))

    def fault(self) -> Fault:
        """The fault again; ValueError where this version knows no such thing."""
        return Fault(self._boundary(), Kind(self.kind))

    def mishap(self) -> Mishap:
        """The same, of a random history."""
        known: Mapping[str, Woe] = {str(kind): kind for kind in KINDS}
        if self.kind not in known:
            raise ValueError(f"{self.kind!r} is no trouble that is known here")
        return Mishap(self._boundary(), known[self.kind], self.details)

    @property
    def words(self) -> tuple[str | int, ...]:
        """The fault as it stands in a test."""
        return (*msgspec.structs.astuple(self)[:5], *self.details)


def cause_of(faults: Sequence[SavedFault], workers: int, pace: float) -> Cause:
    """What goes wrong: planned faults; or, with workers, a random history's."""
    if workers:
        return Script(tuple(fault.mishap() for fault in faults), workers, pace)
    return tuple(fault.fault() for fault in faults)


class SavedStep(msgspec.Struct, frozen=True):
    """One happening of the story, as it was."""

    seconds: float
    says: str
    file: str
    line: int
    marking: tuple[str, ...]


class Saved(msgspec.Struct, frozen=True):
    """A failure that can be played again."""

    format: str
    target: str  # as it was typed
    fakes: str  # FILE:NAME, "" for none
    input: dict[str, Any]
    net: str  # digest: of another one the fault may not be there
    faults: tuple[SavedFault, ...]
    rule: str
    step: str
    says: str
    story: tuple[SavedStep, ...]
    workers: int = 0  # of a random history; 0: single faults, one process after another
    pace: float = 1.0

    @property
    def cause(self) -> Cause:
        """What goes wrong in it; ValueError where this version knows no such thing."""
        return cause_of(self.faults, self.workers, self.pace)

    @property
    def name(self) -> str:
        """A name for files and tests: what, of what."""
        workflow = self.target.rpartition(":")[2].removesuffix(".py")
        return re.sub(r"\W+", "_", f"{workflow}_{self.rule}_{self.step}").strip("_").lower()


def steps_of(happenings: Sequence[Happening]) -> tuple[SavedStep, ...]:
    """The story as it is stored."""
    return tuple(
        SavedStep(h.seconds, h.says, h.where.file, h.where.line, h.marking) for h in happenings
    )


def saved(
    target: str,
    fakes: str,
    input: dict[str, Any],
    net: str,
    cause: Cause,
    finding: Finding,
    happenings: Sequence[Happening],
) -> Saved:
    """What is written about a failure."""
    workers, pace = (cause.workers, cause.pace) if isinstance(cause, Script) else (0, 1.0)
    stored = tuple(map(SavedFault.of, faults_of(cause)))
    what = (finding.rule, finding.step, finding.says)
    told = steps_of(happenings)
    return Saved(FORMAT, target, fakes, input, net, stored, *what, told, workers, pace)


def write(one: Saved, folder: Path) -> Path:
    """Write it into a folder, under its name; an older one of that name is replaced."""
    path = folder / f"{one.name}.replay.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(one), indent=1) + b"\n")
    return path


def read(path: Path) -> Saved:
    """Read it back; refused (PD506) when it is none."""
    try:
        one = msgspec.json.decode(path.read_bytes(), type=Saved)
        _ = one.cause
    except OSError as error:
        raise errors.no_replay(str(error.strerror or error), str(path)) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise errors.no_replay(f"it is no saved failure: {error}", str(path)) from error
    if one.format != FORMAT:
        raise errors.no_replay(f"it is of another version: {one.format!r}", str(path))
    return one


def as_test(one: Saved, module: str, workflow: str, fakes: tuple[str, str]) -> str:
    """A pytest file that fails until what was found is mended; `fakes`: its module and name."""
    lines = [f'"""{_plain(one.says)}."""', ""]
    beside = fakes[0] in ("", module)
    names = {workflow, fakes[1] if beside else ""} - {""}
    imports = [f"from {module} import {', '.join(sorted(names))}"]
    if not beside:
        imports.append(f"from {fakes[0]} import {fakes[1]}")
    lines += ["from perdure.chaos.testing import replayed", *sorted(imports), "", ""]
    lines += [f"def test_{one.name}() -> None:", f'    """{_plain(one.says)}."""']
    lines += ["    replayed(", f"        {workflow},", f"        input={one.input!r},"]
    lines += [f"        fakes={fakes[1] or None},"]
    lines += ["        faults=["]
    lines += [f"            {fault.words!r}," for fault in one.faults]
    lines += ["        ],"]
    lines += [f"        workers={one.workers},", f"        pace={one.pace},"] * bool(one.workers)
    lines += ["    )"]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'").rstrip(".")
