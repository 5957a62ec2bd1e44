"""What can go wrong between the engine and its store, told with data; see model/errors.py.

The signals `Fenced` and `Ambiguous` are of the port (store.py). Errors of the language live there.
Errors of workflows and steps are not here.
"""

from __future__ import annotations

from ..model.errors import PlatformError, UsageError


class StoreUnavailable(PlatformError):
    """The database could not be reached or locked in time; nothing was written."""

    code = "PD801"

    def __init__(self, path: str, reason: str, /) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.code} the store {self.path} cannot be used now: {self.reason}\n"
            f"  fix  {remedy(self.reason)}"
        )


def remedy(reason: str) -> str:
    """What helps against a reason of the database; for a broken file waiting does not."""
    if "malformed" in reason or "not a database" in reason:
        return (
            "stop its workers, keep a copy, and go on from a backup; `sqlite3 FILE .recover` saves "
            "what can still be read"
        )
    return (
        "end what holds it (a stopped process keeps its lock), free the disk, or look at who may "
        "write the file"
    )


class SchemaMismatch(PlatformError):
    """The tables are of another revision than this code, or a guard of theirs is missing."""

    code = "PD802"

    def __init__(self, path: str, found: str, expected: str, /) -> None:
        super().__init__(path, found, expected)
        self.path, self.found, self.expected = path, found, expected

    def __str__(self) -> str:
        return (
            f"{self.code} {self.path} has {self.found}; this perdure needs {self.expected}\n"
            "  fix  an older one: `perdure db upgrade`; a newer one: the perdure it was made with"
        )


class WeakDurability(PlatformError):
    """The database would acknowledge commits that a power loss can take back."""

    code = "PD803"

    def __init__(self, path: str, setting: str, found: str, expected: str, /) -> None:
        super().__init__(path, setting, found, expected)
        self.path, self.setting, self.found, self.expected = path, setting, found, expected

    def __str__(self) -> str:
        return (
            f"{self.code} {self.path} has {self.setting} = {self.found}, not {self.expected}\n"
            "  why  every promise here rests on commits that stay\n"
            '  fix  leave the default, or ask by name: synchronous="NORMAL" (no intents then)'
        )


class WeakForIntents(WeakDurability):
    """A workflow has effects that need an intent, and an intent must not vanish (rule 76)."""

    def __init__(self, path: str, workflow: str, /) -> None:
        super().__init__(path, "synchronous", "below FULL", "FULL")
        self.args = (path, workflow)
        self.workflow = workflow

    def __str__(self) -> str:
        return (
            f"{self.code} {self.workflow} has effects that need an intent, and {self.path} may lose"
            " commits\n"
            "  why  synchronous is below FULL: an intent that was acknowledged can vanish\n"
            "  fix  open the store without synchronous='NORMAL'"
        )


class NetworkFileSystem(PlatformError):
    """The database file lies where locks and shared memory of SQLite do not work."""

    code = "PD804"

    def __init__(self, path: str, kind: str, mount: str, /) -> None:
        super().__init__(path, kind, mount)
        self.path, self.kind, self.mount = path, kind, mount

    def __str__(self) -> str:
        return (
            f"{self.code} {self.path} lies on {self.kind} (mounted at {self.mount})\n"
            "  why  the write-ahead log needs shared memory, which a network does not have\n"
            "  fix  put the file on a local disk"
        )


class NoStore(PlatformError):
    """There is no database of ours, and the caller did not ask to make one."""

    code = "PD805"

    def __init__(self, path: str, why: str, /) -> None:
        super().__init__(path, why)
        self.path, self.why = path, why

    def __str__(self) -> str:
        return (
            f"{self.code} there is no store at {self.path}: {self.why}\n"
            "  fix  name it with --db or PERDURE_DB; `perdure db upgrade` makes a new one"
        )


class WorkerRetired(PlatformError):
    """The engine's worker has drained itself and runs nothing any more (PD806)."""

    code = "PD806"

    def __init__(self, why: str, /) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return (
            f"{self.code} this worker has drained itself: {self.why}\n"
            "  why  it could not go on, so it let go of what it held: other workers take it over\n"
            "  fix  start the process anew; where threads hang, give what the step calls a\n"
            "       timeout of its own; a defect is in the log with its traceback: please report it"
        )


class MessageConflict(UsageError):
    """A message id was used before with another body or channel (PD707)."""

    code = "PD707"

    def __init__(self, id: str, message: str, /) -> None:
        super().__init__(id, message)
        self.id, self.message = id, message

    def __str__(self) -> str:
        return (
            f"{self.code} message {self.message!r} came to {self.id!r} before, and differs\n"
            "  fix  give another message its own id; a repeated send must repeat the body too"
        )


class DecisionRefused(UsageError):
    """What a person said of an effect cannot be taken (PD710); `why` names who was first."""

    code = "PD710"

    def __init__(self, id: str, effect: str, why: str, fix: str = "", /) -> None:
        super().__init__(id, effect, why, fix)
        self.id, self.effect, self.why, self.fix = id, effect, why, fix

    def __str__(self) -> str:
        fix = self.fix or f"`perdure desk` lists what waits; `perdure effects {self.id}` tells all"
        return f"{self.code} effect {self.effect} of {self.id!r}: {self.why}\n  fix  {fix}"


class TransactionEnded(UsageError):
    """The author's function ended the transaction it was lent (PD708)."""

    code = "PD708"

    def __str__(self) -> str:
        return (
            f"{self.code} a transactional step ended the transaction it was lent\n"
            "  why  its writes may be committed without the record that says so\n"
            "  fix  no COMMIT or ROLLBACK through tx; raise to roll back, return to commit"
        )


class TransactionTooLong(UsageError):
    """The author's function held the only write lock for too long and was rolled back (PD709)."""

    code = "PD709"

    def __init__(self, seconds_max: float, /) -> None:
        super().__init__(seconds_max)
        self.seconds_max = seconds_max

    def __str__(self) -> str:
        return (
            f"{self.code} a transactional step held the write lock for {self.seconds_max:g} s\n"
            "  why  SQLite has one writer: all other executions wait\n"
            "  fix  fetch and compute before, only write inside"
        )
