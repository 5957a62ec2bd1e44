"""The error families, one per owner of the fault, and the signals that pass a user's handlers.

Every error carries its data as attributes, a stable `code` that leads to a page of the docs, and
is rebuilt by `type(error)(*error.args)`, so it can be stored in a log. No error that belongs to
one room only (the compiler's diagnostics, a store's troubles) will ever live here.
"""

from __future__ import annotations

from typing import ClassVar


class PerdureError(Exception):
    """The root of all our errors: for `except`, never raised itself.

    Families are abstract too: `UsageError` (the caller or author), `ExecutionError` (what became
    of an execution), `PlatformError` (the machine or database), `DefectError` (us).
    """

    code: str = "PD000"
    abstract: ClassVar[bool] = True

    def __init__(self, *args: object) -> None:
        if type(self).__dict__.get("abstract", False):
            raise TypeError(f"{type(self).__name__} is a family of errors; raise a member of it")
        super().__init__(*args)


class UsageError(PerdureError):
    """The author of a workflow or the caller of the engine asked for something that cannot be."""

    abstract = True


class ExecutionError(PerdureError):
    """An execution stands or ended otherwise than by returning a value."""

    abstract = True


class PlatformError(PerdureError):
    """The machine, the file system or the database did not do its part."""

    abstract = True


class DefectError(PerdureError):
    """We broke a promise of ours; the report of such an error is welcome."""

    abstract = True


class _Explained(UsageError):
    """A mistake told as what, where, why and fix."""

    abstract = True

    def __init__(
        self, code: str, what: str, where: str = "", why: str = "", fix: str = "", /
    ) -> None:
        super().__init__(code, what, where, why, fix)
        self.code, self.what, self.where, self.why, self.fix = code, what, where, why, fix

    def __str__(self) -> str:
        head = f"{self.where}: " if self.where else ""
        lines = [f"{head}{self.code} {self.what}"]
        lines += [f"  why  {self.why}"] if self.why else []
        lines += [f"  fix  {self.fix}"] if self.fix else []
        return "\n".join(lines)


class DefinitionError(_Explained):
    """A step, signal, retry or workflow is declared in a way that cannot work (PD4xx)."""


class PlacementError(_Explained):
    """A word of the language is used where it has no meaning (PD6xx)."""


class ExecutionConflict(UsageError):
    """The id is taken by an execution with another input or workflow (PD701)."""

    code = "PD701"

    def __init__(self, id: str, workflow: str, difference: str, /) -> None:
        super().__init__(id, workflow, difference)
        self.id, self.workflow, self.difference = id, workflow, difference

    def __str__(self) -> str:
        return (
            f"{self.code} {self.id!r} is an execution of {self.workflow} already, and differs: "
            f"{self.difference}\n  fix  use another id, or call with the same input"
        )


class ExecutionFinished(UsageError):
    """A message or a start came to an execution that has ended (PD702)."""

    code = "PD702"

    def __init__(self, id: str, status: str, /) -> None:
        super().__init__(id, status)
        self.id, self.status = id, status

    def __str__(self) -> str:
        return f"{self.code} {self.id!r} has ended ({self.status}) and takes nothing any more"


class NoSuchExecution(UsageError):
    """No execution has this id, now or in the retained past (PD703)."""

    code = "PD703"

    def __init__(self, id: str, /) -> None:
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        return (
            f"{self.code} there is no execution {self.id!r}\n"
            "  fix  `perdure list` shows which there are; is it the right database?"
        )


class Stalled(ExecutionError):
    """The execution is not final and moves no more by itself; a person or a fix goes on (PD704).

    `details` holds the traceback of the glue or the marking, as text.
    """

    code = "PD704"

    def __init__(self, id: str, reason: str, details: str = "", /) -> None:
        super().__init__(id, reason, details)
        self.id, self.reason, self.details = id, reason, details

    def __str__(self) -> str:
        tail = f"\n{self.details}" if self.details else ""
        return f"{self.code} {self.id!r} is stalled: {self.reason}{tail}"


class StepFailed(ExecutionError):
    """Stands for an exception of a step that cannot be rebuilt from a log (PD705)."""

    code = "PD705"

    def __init__(self, type_name: str, text: str, /) -> None:
        super().__init__(type_name, text)
        self.type_name, self.text = type_name, text

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}"


class ExecutionCancelled(ExecutionError):
    """The execution was cancelled; `landed` names the effects that stand nevertheless (PD706)."""

    code = "PD706"

    def __init__(self, id: str, reason: str, landed: tuple[str, ...] = (), /) -> None:
        super().__init__(id, reason, landed)
        self.id, self.reason, self.landed = id, reason, landed

    def __str__(self) -> str:
        stands = f"; these effects stand: {', '.join(self.landed)}" if self.landed else ""
        return f"{self.code} {self.id!r} was cancelled: {self.reason}{stands}"


class Interruption(BaseException):
    """The root of our signals; a BaseException, so a user's `except Exception` lets it pass."""


class Blocked(Interruption):
    """A workflow run by `.direct` waits for something nobody will bring: a signal or a decision."""

    def __init__(self, waits_for: str, fix: str, /) -> None:
        super().__init__(waits_for, fix)
        self.waits_for, self.fix = waits_for, fix

    def __str__(self) -> str:
        return f"waits for ever for {self.waits_for}\n  fix  {self.fix}"
