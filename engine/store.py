"""The Store port: all transactions of the engine, and the rows it reads. No database is here.

Safety rests on three guards inside `append`: the own session is not fenced (read in the same
transaction), the primary key (execution, seq), and the hash of the record before the first new one.
Times are microseconds since 1970 (UTC) by the database's clock.
"""

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from .records import Record
from .status import Status
from .transactional import Tx

T = TypeVar("T")
SUSPECT_RECOVERIES = 2  # from then on blamed only when named before it runs (rule 33)
STEP_SECONDS_MAX = 2.0  # how long a transactional step may hold the writer (rule 19)


class Fenced(BaseException):
    """The own session may not append any more. Drop everything in memory and register anew."""


class Ambiguous(BaseException):
    """The commit was sent and nobody knows whether it holds. The session must end (rule 10)."""


class Guard(NamedTuple):
    """An append that was refused: it did not fit the log it was made for (another writer, or a bug
    of ours), or it is `poison`: its values could not be stored, and never will.
    """

    execution: int
    why: str
    poison: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a session is: enough to tell, on the same host, that its process is provably gone."""

    worker: str
    host: str
    boot: str  # boot id of the machine
    namespace: str  # PID namespace
    pid: int
    started: int  # start time of the process in clock ticks since boot


class SessionRow(NamedTuple):
    """A session as stored."""

    id: int
    identity: Identity
    beats: int
    suspect: int | None  # execution named before it was run alone
    fenced: bool


class ExecutionRow(NamedTuple):
    """One execution; changes only with status, owner, tenure, wake-up, checkpoint, mail."""

    id: int
    key: str
    workflow: str
    version: int
    net: str  # digest
    input_digest: bytes
    status: Status
    owner: int | None
    tenure: int
    mail: int  # messages ever sent to it
    waits: str | None  # channels waited for, comma separated; "*" = any; None = none
    wake_at: int | None  # due: claimable; None: only mail wakes it
    checkpoint: bytes | None
    checkpoint_seq: int  # the checkpoint includes this record; -1 without
    lost: bool  # released by a fence while owned
    recoveries: int
    created: int
    updated: int


class MessageRow(NamedTuple):
    """A message of an inbox; consumed by exactly one record, or not yet."""

    execution: int
    number: int  # 1, 2, ... in order of arrival
    id: str  # the sender's, for deduplication
    channel: str
    body: bytes
    arrived: int
    consumed_at: int | None  # seq of the record that took it


class EffectRow(NamedTuple):
    """Ledger row of a compensatable or irreversible effect."""

    execution: int
    key: str
    site: str
    effect: str
    intent_seq: int
    outcome: str  # "open", "landed", "refused", "in-doubt", "voided", "undone", "stands"
    outcome_seq: int | None
    decided_by: str  # "", "call", "probe", "evidence", "desk:NAME", "undo"
    evidence: str


class AttemptRow(NamedTuple):
    """How often a call failed since its last outcome; survives crashes."""

    execution: int
    site: str
    tries: int
    first_at: int
    next_at: int
    error: str


@dataclass(slots=True)
class Create:
    """A new execution; `input` is the canonical input, kept in record 0."""

    key: str
    workflow: str
    version: int
    net: str
    input_digest: bytes
    owner: int | None  # the own session when it will run here at once
    wake_at: int | None


AT_ONCE = 0
"""As `wake_at` of a release: due when it commits, wherever the wall clock may have gone by then."""


@dataclass(slots=True)
class RowChange:
    """What changes in the execution row; `None` leaves a column alone.

    `release` gives the execution up (owner NULL) with `wake_at` and `waits`, on condition that no
    mail arrived beyond `mail_seen` (rule 48), which must be given then; the same holds for a final
    status, which releases too. A stall releases without condition. A `wake_at` that has passed is
    stored as the moment of the commit, so that nobody goes before those who waited longer.
    """

    status: Status | None = None
    release: bool = False
    wake_at: int | None = None
    waits: str | None = None
    mail_seen: int | None = None
    checkpoint: bytes | None = None
    checkpoint_seq: int = -1


class Append(msgspec.Struct, eq=False, gc=False):
    """What one execution adds to a batch. All or none of it, in one transaction with the others."""

    execution: int  # 0 with `create`
    tenure: int
    previous: bytes  # hash of the record before the first new one; the genesis hash with `create`
    records: list[Record] = []
    create: Create | None = None
    # Most have nothing beside their records: what is rare is a tuple, and costs nothing then.
    consumed: tuple[tuple[int, int], ...] = ()  # number, seq
    effects: tuple[EffectRow, ...] = ()  # inserted or replaced by key
    attempts: tuple[AttemptRow, ...] = ()
    attempts_done: tuple[str, ...] = ()  # sites whose counters go
    change: RowChange | None = None
    # Large values by digest, for the committer to `keep` before; no store writes them in `append`.
    payloads: dict[str, bytes] = {}
    kept: frozenset[str] = frozenset()  # of the payloads, what is stored

    def count(self, attempts: Sequence[AttemptRow], done: Sequence[str]) -> None:
        """Counters in order of time: a later end takes an earlier count with it."""
        left = [a for a in self.attempts if a.site not in done]
        self.attempts = (*left, *attempts)
        self.attempts_done = (*self.attempts_done, *done)


class Appended(msgspec.Struct, frozen=True, gc=False):
    """What became of one `Append`; when not `ok`, nothing of it was written.

    `mail`: the release or finish met new mail; read it and decide again. `existing`: the row found
    under the key of a `create`. `guard`: it did not fit the log, or its values could not be stored.
    """

    execution: int
    ok: bool
    mail: bool = False
    existing: ExecutionRow | None = None
    guard: Guard | None = None


class Claimed(NamedTuple):
    """An execution taken over, with what is needed to go on: the records after the checkpoint."""

    row: ExecutionRow  # as after the claim: own owner, raised tenure
    lost: bool  # a fence took it from another session: open calls are in doubt
    records: list[Record]
    messages: list[MessageRow]  # not consumed yet
    attempts: list[AttemptRow]
    head: bytes  # hash of the last record
    at: int  # time of the last record


class StepTransaction(Protocol):
    """One transaction for the writes of a transactional step and the records that say so."""

    async def run(self, function: Callable[[Tx], Awaitable[T]]) -> T:
        """Call the author's function inside a savepoint, within the time limit of the store.

        Raises what it raised, TransactionEnded when it ended the transaction, TransactionTooLong.
        """
        ...

    def append(self, own: Append, riders: Sequence[Append] = ()) -> list[Appended]:
        """After `run`: check the fence, write the step's execution and what rides along.

        When the own append (the first result) is not ok, the whole transaction is rolled back at
        the end of the `async with` and nothing of the riders holds either.
        """
        ...


class Store(Protocol):
    """Transactions of the protocol, then plain reads. Everything that returns is durable."""

    @property
    def weak(self) -> bool:
        """The settings allow that an acknowledged commit is lost: no effect with an intent then."""
        ...

    async def open(self) -> None:
        """Create or check the schema, read back the durability settings; refuses what is weaker."""
        ...

    async def close(self) -> None: ...

    def now(self) -> int:
        """Database time in microseconds."""
        ...

    # --- sessions -----------------------------------------------------------------------------
    async def register(self, identity: Identity) -> int: ...

    def beat(self, session: int) -> bool:
        """Raise the beat counter, from any thread, on a connection of its own. False: fenced."""
        ...

    async def sessions(self) -> list[SessionRow]:
        """All that are not fenced."""
        ...

    async def fence(self, session: int) -> int:
        """End a session's right to append and release its executions (`lost`); how many."""
        ...

    async def handover(self, session: int, identity: Identity) -> tuple[int, dict[int, int]]:
        """Fence the own session, register the next, move its executions over with tenure + 1.

        Returns the new session and the tenures by execution. For ambiguous commits (rule 10).
        """
        ...

    async def suspect(self, session: int, execution: int | None) -> None:
        """Name, before it runs, the execution that may kill this process; None: nobody."""
        ...

    async def serves(self, session: int, nets: Sequence[str]) -> None:
        """Note, for people, that the session has the code of these nets."""
        ...

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> list[Claimed]:
        """Take due executions without a living owner whose net is served here; tenure + 1 each."""
        ...

    # --- the log ------------------------------------------------------------------------------
    async def append(self, session: int, batch: Sequence[Append]) -> list[Appended]:
        """One transaction for all. Raises Fenced or Ambiguous."""
        ...

    def transaction(
        self, session: int, *, seconds_max: float = STEP_SECONDS_MAX
    ) -> AbstractAsyncContextManager[StepTransaction]:
        """A write transaction for a transactional step, with the write lock held (rules 18-20)."""
        ...

    async def start(self, create: Create, record: Record) -> ExecutionRow | None:
        """Create without owning; the row found under the key instead, or None if created."""
        ...

    async def send(self, key: str, channel: str, id: str, body: bytes) -> int:
        """Put a message into an execution's inbox; its number. Raises NoSuchExecution,
        ExecutionFinished (not for evidence, which is kept after the end too); a known id with the
        same body is accepted again, with another refused."""
        ...

    async def resume(self, key: str) -> bool:
        """Make a stalled execution claimable again."""
        ...

    async def define(self, net: str, workflow: str, version: int, body: bytes) -> None: ...

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        """Store a large value before the batch whose record refers to it (rule 13)."""
        ...

    def tidy(self, idle: bool) -> None:
        """Housekeeping between two batches; `idle`: nothing is pending. Never raises for its own
        sake, waits for nobody and may do nothing (rule 77)."""
        ...

    # --- reads --------------------------------------------------------------------------------
    def changes(self) -> int:
        """A number that differs when someone other than this store has committed; cheap to poll."""
        ...

    async def mail(self, session: int) -> dict[int, int]:
        """The mail counters of the session's executions that ever got a message."""
        ...

    async def next_wake(self) -> int | None:
        """The earliest `wake_at` of an unowned active execution."""
        ...

    async def served(self) -> list[tuple[int, str]]:
        """Sessions that are not fenced, with each net they serve."""
        ...

    async def find(self, key: str) -> ExecutionRow | None: ...

    async def list(
        self, *, workflow: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[ExecutionRow]: ...

    async def log(self, execution: int, after: int = -1) -> list[Record]: ...

    async def unread(self, channel: str) -> builtins.list[str]:
        """The keys of executions with a message on this channel that nobody took, ended or not."""
        ...

    async def messages(self, execution: int, after: int = 0) -> list[MessageRow]: ...

    async def effects(self, execution: int | None = None) -> list[EffectRow]: ...

    async def attempts(self, execution: int) -> list[AttemptRow]: ...

    async def definition(self, net: str) -> bytes | None: ...

    async def payload(self, execution: int, digest: bytes) -> bytes | None: ...


__all__ = [
    "Ambiguous",
    "Append",
    "Appended",
    "AttemptRow",
    "Claimed",
    "Create",
    "EffectRow",
    "ExecutionRow",
    "Fenced",
    "Guard",
    "Identity",
    "MessageRow",
    "RowChange",
    "SessionRow",
    "Status",
    "StepTransaction",
    "Store",
]
