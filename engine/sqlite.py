"""`SqliteStore`: the Store port on one SQLite file, or in memory for tests.

It puts together connections (sqlite_link), transactions (sqlite_append, sqlite_sessions,
sqlite_inbox, sqlite_step) and reads (sqlite_reads). No statement lives here, and no policy.
"""

from __future__ import annotations

import asyncio
import builtins
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from . import sqlite_inbox, sqlite_reads, sqlite_schema, sqlite_sessions
from .errors import NoStore, StoreUnavailable, WeakDurability
from .records import Record
from .sqlite_append import is_value, write_batch, write_each
from .sqlite_link import (
    MEMORY,
    SYNCHRONOUS,
    WAL_BYTES_MAX,
    Creator,
    Link,
    Links,
    Sleep,
    database_path,
)
from .sqlite_step import Doomed, SqliteStepTransaction
from .store import (
    STEP_SECONDS_MAX,
    Ambiguous,
    Append,
    Appended,
    AttemptRow,
    Claimed,
    Create,
    EffectRow,
    ExecutionRow,
    Identity,
    MessageRow,
    SessionRow,
)

T = TypeVar("T")
LOG_PAGE = 10_000
_REPEATS_MAX = 3  # of what may be repeated after an ambiguous commit


def _wall_clock() -> int:
    return time.time_ns() // 1000


class SqliteStore:
    """See `Store`. `create=False` makes nothing. `synchronous` below FULL must be asked for by name
    and shows in `weak`.
    """

    def __init__(
        self,
        url_or_path: str | Path,
        *,
        synchronous: str = "FULL",
        create: bool = True,
        creator: Creator | None = None,
        wal_bytes_max: int = WAL_BYTES_MAX,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], int] = _wall_clock,
    ) -> None:
        path = database_path(url_or_path)
        if synchronous not in SYNCHRONOUS:
            raise WeakDurability(path, "synchronous", synchronous, "FULL")
        self.weak = SYNCHRONOUS[synchronous] < SYNCHRONOUS["FULL"]
        self.path, self._may_create = path, create
        self.links = Links(path, synchronous, creator, sleep, wal_bytes_max)
        self._now = now

    async def open(self) -> None:
        """Create or check the schema, read back the durability settings; refuses what is weaker.

        With `create=False` a database without our tables is refused and left as it is.
        """
        if self.path != MEMORY:
            self._refuse_path(Path(self.path))
        self.links.refuse_network()
        if await self.links.patiently(lambda: sqlite_schema.is_empty(self.links.link("writer"))):
            if not self._may_create:
                raise NoStore(self.path, "it has no tables of perdure")
            async with self.links.write() as link:
                sqlite_schema.create(link, self.path)
        await self.links.read(lambda link: sqlite_schema.check(link, self.path))

    def _refuse_path(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise NoStore(self.path, f"there is no folder {path.parent}")
        if path.is_dir():
            raise NoStore(self.path, "it is a folder")
        if not self._may_create and not path.is_file():
            raise NoStore(self.path, "no such file")

    async def close(self) -> None:
        """Close all connections; a database in memory is gone with them."""
        self.links.dispose()

    def now(self) -> int:
        """Database time in microseconds: this machine's, as SQLite has no other."""
        return self._now()

    # --- sessions -----------------------------------------------------------------------------

    async def register(self, identity: Identity) -> int:
        """Insert a session; its number."""
        # A number that nobody learns of owns nothing and never beats: it is fenced in time.
        return await self._repeatable(
            lambda link: sqlite_sessions.register(link, identity, self._now())
        )

    def beat(self, session: int) -> bool:
        """Raise the beat counter from any thread; False: fenced. May raise StoreUnavailable."""
        return self.links.patiently_blocking(
            lambda: sqlite_sessions.beat(self.links.link("beat"), session)
        )

    async def sessions(self) -> builtins.list[SessionRow]:
        """All that are not fenced."""
        return await self.links.read(sqlite_reads.sessions)

    async def fence(self, session: int) -> int:
        """End a session's right to append and release its executions; how many."""
        return await self._repeatable(
            lambda link: sqlite_sessions.fence(link, session, self._now())
        )

    async def handover(self, session: int, identity: Identity) -> tuple[int, dict[int, int]]:
        """Fence the own session and move its executions to the next one, on new connections."""
        async with self.links.write_lock():
            self.links.close()
        async with self.links.write() as link:
            return sqlite_sessions.handover(link, session, identity, self._now())

    async def suspect(self, session: int, execution: int | None) -> None:
        """Name the execution that may kill this process, before it runs; None: nobody."""
        await self._repeatable(lambda link: sqlite_sessions.suspect(link, session, execution))

    async def serves(self, session: int, nets: Sequence[str]) -> None:
        """Note, for people, that the session has the code of these nets."""
        await self._repeatable(lambda link: sqlite_sessions.serves(link, session, nets))

    async def claim(self, session: int, nets: Sequence[str], limit: int) -> builtins.list[Claimed]:
        """Take due executions whose net is served here; the write lock only if there are any."""
        now = self._now()
        if not await self.links.read(lambda link: sqlite_sessions.due(link, nets, 1, now)):
            return []
        async with self.links.write() as link:
            return sqlite_sessions.claim(link, session, nets, limit, self._now())

    # --- the log ------------------------------------------------------------------------------

    async def append(self, session: int, batch: Sequence[Append]) -> builtins.list[Appended]:
        """One transaction for all; one bad member does not stop the others (rule 9)."""
        if not batch:
            return []
        try:
            async with self.links.write() as link:
                results = write_batch(link, session, batch, self._now())
        except Exception as error:
            if not is_value(error):
                raise
            async with self.links.write() as link:
                results = write_each(link, session, batch, self._now())
        return results

    @asynccontextmanager
    async def transaction(
        self, session: int, *, seconds_max: float = STEP_SECONDS_MAX
    ) -> AsyncGenerator[SqliteStepTransaction]:
        """A write transaction for a transactional step; commits at the end unless doomed."""
        try:
            async with self.links.write() as link:
                step = SqliteStepTransaction(link, session, self._now, seconds_max)
                yield step
                if step.doomed:
                    raise Doomed
        except Doomed:
            pass

    async def start(self, create: Create, record: Record) -> ExecutionRow | None:
        """Create without owning; the row found under the key instead, or None if created."""
        return await self._repeatable(
            lambda link: sqlite_inbox.start(link, create, record, self._now())
        )

    async def send(self, key: str, channel: str, id: str, body: bytes) -> int:
        """Put a message into an execution's inbox; its number."""
        return await self._repeatable(
            lambda link: sqlite_inbox.send(link, key, channel, id, body, self._now())
        )

    async def resume(self, key: str) -> bool:
        """Make a stalled execution claimable again; False: it is not stalled."""
        return await self._repeatable(lambda link: sqlite_inbox.resume(link, key, self._now()))

    async def define(self, net: str, workflow: str, version: int, body: bytes) -> None:
        """Keep a net by its digest; the first one stays."""
        sql = "INSERT INTO definition VALUES (?, ?, ?, ?) ON CONFLICT (net) DO NOTHING"
        known = "SELECT 1 FROM definition WHERE net = ?"  # by every engine at every start
        if not await self.links.read(lambda link: link.rows(known, (net,))):
            await self._repeatable(lambda link: link.run(sql, (net, workflow, version, body)))

    async def keep(self, execution: int, digest: bytes, body: bytes) -> None:
        """Store a large value before the batch whose record refers to it (rule 13)."""
        sql = "INSERT INTO payload VALUES (?, ?, ?) ON CONFLICT (execution, digest) DO NOTHING"
        await self._repeatable(lambda link: link.run(sql, (execution, digest, body)))

    async def _repeatable(self, transaction: Callable[[Link], T]) -> T:
        """A transaction that finds its own traces: an ambiguous commit is answered by repeating."""
        for _ in range(_REPEATS_MAX):
            try:
                async with self.links.write() as link:
                    result = transaction(link)
            except Ambiguous:
                continue
            return result
        raise StoreUnavailable(self.path, f"{_REPEATS_MAX} commits in a row failed")

    def tidy(self, idle: bool) -> None:
        """Fold the write-ahead log into the file: some of it when idle, all when it is large."""
        self.links.tidy(idle)

    # --- reads --------------------------------------------------------------------------------

    def changes(self) -> int:
        """A number that differs when someone other than this store has committed."""
        try:
            link = self.links.link("writer")
            # SQLite's number is the connection's own: those of two may be equal by accident.
            return link.number << 32 | link.rows("PRAGMA data_version")[0][0]
        except sqlite3.Error as error:  # busy too: who asks has no patience, and asks again
            raise self.links.unavailable(error) from error

    async def next_wake(self) -> int | None:
        """The earliest `wake_at` of an unowned active execution."""
        return await self.links.read(sqlite_reads.next_wake)

    async def mail(self, session: int) -> dict[int, int]:
        """The mail counters of the session's executions that ever got a message."""
        return await self.links.read(lambda link: sqlite_reads.mail(link, session))

    async def served(self) -> builtins.list[tuple[int, str]]:
        """Sessions that are not fenced, with each net they serve."""
        return await self.links.read(sqlite_reads.served)

    async def find(self, key: str) -> ExecutionRow | None:
        """The execution of this key."""
        return await self.links.read(lambda link: sqlite_reads.find(link, key))

    async def list(
        self, *, workflow: str | None = None, status: str | None = None, limit: int = 100
    ) -> builtins.list[ExecutionRow]:
        """The newest executions first."""
        return await self.links.read(
            lambda link: sqlite_reads.listing(link, workflow, status, limit)
        )

    async def log(self, execution: int, after: int = -1) -> builtins.list[Record]:
        """The records beyond `after`, page by page: no reader holds back the write-ahead log."""
        found: builtins.list[Record] = []
        while True:
            page = await self.links.read(
                lambda link, after=after: sqlite_reads.log(link, execution, after, LOG_PAGE)
            )
            found += page
            if len(page) < LOG_PAGE:
                return found
            after = page[-1].seq

    async def unread(self, channel: str) -> builtins.list[str]:
        """The keys of executions with a message on this channel that nobody took, ended or not."""
        return await self.links.read(lambda link: sqlite_reads.unread(link, channel))

    async def messages(self, execution: int, after: int = 0) -> builtins.list[MessageRow]:
        """The messages beyond number `after`, consumed or not."""
        return await self.links.read(lambda link: sqlite_reads.messages(link, execution, after))

    async def effects(self, execution: int | None = None) -> builtins.list[EffectRow]:
        """The ledger of one execution, or of all."""
        return await self.links.read(lambda link: sqlite_reads.effects(link, execution))

    async def attempts(self, execution: int) -> builtins.list[AttemptRow]:
        """The retry counters of an execution."""
        return await self.links.read(lambda link: sqlite_reads.attempts(link, execution))

    async def definition(self, net: str) -> bytes | None:
        """The stored net of this digest."""
        return await self.links.read(lambda link: sqlite_reads.definition(link, net))

    async def payload(self, execution: int, digest: bytes) -> bytes | None:
        """A large value of an execution."""
        return await self.links.read(lambda link: sqlite_reads.payload(link, execution, digest))

    async def damage(self) -> builtins.list[str]:
        """What is wrong with the file itself; every page of it is read."""
        return await self.links.read(sqlite_reads.damage)
