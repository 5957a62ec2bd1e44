"""Connections to one SQLite database: where it lies, its settings, its one writer at a time.

Rule 6: every write transaction is BEGIN IMMEDIATE. Rule 19: one asyncio lock per file before it,
busy timeout 0, own back-off. No statement about executions or sessions lives here.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from ..model.errors import PlatformError
from . import forks
from .errors import NetworkFileSystem, NoStore, StoreUnavailable, WeakDurability
from .sqlite_holder import write_lock_holder
from .store import Ambiguous

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
Creator = Callable[[], sqlite3.Connection]
Sleep = Callable[[float], Awaitable[None]]

_LOG = logging.getLogger("perdure")
MEMORY = ":memory:"
SYNCHRONOUS = {"NORMAL": 1, "FULL": 2, "EXTRA": 3}
WAL_BYTES_MAX = 64 * 1024 * 1024
"""A write-ahead log beyond this is folded into the file at once, idle or not (rule 77)."""
COMMITS_MIN = 250
"""Commits, or writes of someone else, after which it is worth folding it while idle."""
_PAGE_BYTES = 4096
PATIENCE_SECONDS = 5.0
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# What a statement of ours can do wrong; everything else is the machine's or the file's fault.
_OUR_FAULT = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_MISUSE,
)
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre",
    "beegfs", "gpfs", "ocfs2", "davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.cephfs", "fuse.s3fs",
    "fuse.rclone", "fuse.gcsfuse", "fuse.davfs2",
}  # fmt: skip
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


def back_off(patience: float) -> Iterator[float]:
    """Waits of 0.5 to 5 ms whose sum is `patience`, in seconds; no clock is read."""
    delay, spent = 0.0005, 0.0
    while spent < patience:
        yield delay
        spent += delay
        delay = min(2 * delay, 0.005)


def database_path(url_or_path: str | Path) -> str:
    """The absolute file name behind a path or an `sqlite:///` URL, or `:memory:`."""
    name = str(url_or_path)
    if name.startswith("sqlite:"):
        name = name.removeprefix("sqlite:").removeprefix("//").removeprefix("/")
    if name in ("", MEMORY):
        return MEMORY
    return str(Path(name).expanduser().resolve())


def network_mount(path: str, mounts: str) -> tuple[str, str] | None:
    """Kind and mount point when `path` lies on a network file system by this /proc/mounts."""
    best = ("", "")
    for line in mounts.splitlines():
        _, mount, kind, *_ = [*line.split(), "", "", ""]
        mount = mount.replace("\\040", " ")
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[1]):
            best = (kind, mount)
    return best if best[0] in _NETWORK else None


def is_busy(error: sqlite3.Error) -> bool:
    """Another connection holds the lock: waiting helps."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _BUSY


def is_machine(error: BaseException) -> bool:
    """The disk, the memory or the file failed, so no single execution can be guilty."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) not in _OUR_FAULT


class Link:
    """One connection. Our statements go to the driver's: in a batch of one, `exec_driver_sql` of
    SQLAlchemy costs eight times the statement. The author's, and those about tables, are Core."""

    def __init__(
        self,
        driver: sqlite3.Connection,
        core: Callable[[sqlite3.Connection], Connection],
        number: int,
    ) -> None:
        self.driver, self._core = driver, core
        self.number = number  # from 1, in the order in which they were opened

    @cached_property
    def core(self) -> Connection:
        """SQLAlchemy's connection over this one."""
        return self._core(self.driver)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self.driver.execute(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of one query, as tuples."""
        return self.driver.execute(sql, parameters).fetchall()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute for each row; how many rows changed altogether."""
        return self.driver.executemany(sql, rows).rowcount

    def close(self) -> None:
        """Close it; what is open is rolled back."""
        if "core" in vars(self):
            self.core.close()
        self.driver.close()

    def rollback(self) -> None:
        """Undo what is open; SQLite may have done so itself after an error."""
        if self.driver.in_transaction:
            self.driver.execute("ROLLBACK")


class Links:
    """The writer, the reader and the beat's connection of one database; lazily opened."""

    def __init__(
        self,
        path: str,
        synchronous: str,
        creator: Creator | None,
        sleep: Sleep,
        wal_bytes_max: int = WAL_BYTES_MAX,
    ) -> None:
        self.path = path
        self._wal_bytes_max, self._commits = wal_bytes_max, 0
        self.memory = path == MEMORY
        self.sleep = sleep
        self._synchronous = synchronous
        self._creator = creator or self._open_file
        self._core: Callable[[sqlite3.Connection], Connection] | None = None
        self._links: dict[str, Link] = {}
        self._opened = 0
        # One connection serves the loop and the beat's thread of a database in memory.
        self._mutex = threading.RLock()
        self._memory_lock = asyncio.Lock()
        self._forked = False
        forks.watch(self)

    def _open_file(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=0, check_same_thread=False, isolation_level=None)

    def link(self, role: str) -> Link:
        """The connection for `writer`, `reader` or `beat`; opened with its settings read back."""
        if self._forked:
            raise forks.refusal()
        role = "writer" if self.memory else role
        found = self._links.get(role)
        if found is None:
            found = self._links[role] = self._connect()
        return found

    def _connect(self) -> Link:
        self._opened += 1
        link = Link(self._creator(), self._over, self._opened)
        try:
            link.run("PRAGMA busy_timeout = 0")
            link.run("PRAGMA recursive_triggers = ON")  # else OR REPLACE passes the triggers by
            link.run(f"PRAGMA journal_size_limit = {self._wal_bytes_max}")
            # The committer's business; this is for a process that writes without one.
            link.run(f"PRAGMA wal_autocheckpoint = {2 * self._wal_bytes_max // _PAGE_BYTES}")
            journal = link.rows("PRAGMA journal_mode = WAL")[0][0]
            link.run(f"PRAGMA synchronous = {self._synchronous}")
            self._read_back(link, str(journal).lower())
        except BaseException:
            link.close()
            raise
        return link

    def _over(self, driver: sqlite3.Connection) -> Connection:
        if self._core is None:
            from .sqlite_core import Cores  # loads SQLAlchemy

            self._core = Cores().over
        return self._core(driver)

    def _read_back(self, link: Link, journal: str) -> None:
        accepted = ("wal", "memory") if self.memory else ("wal",)
        if journal not in accepted:
            raise WeakDurability(self.path, "journal_mode", journal, "wal")
        level = link.rows("PRAGMA synchronous")[0][0]
        if level < SYNCHRONOUS[self._synchronous]:
            raise WeakDurability(self.path, "synchronous", str(level), self._synchronous)
        if link.rows("PRAGMA recursive_triggers")[0][0] != 1:
            raise WeakDurability(self.path, "recursive_triggers", "off", "on")

    def refuse_network(self, mounts_file: Path = Path("/proc/self/mounts")) -> None:
        """Raise for a file on a network file system, where the system tells."""
        if self.memory or not mounts_file.exists():
            return
        found = network_mount(self.path, mounts_file.read_text(errors="replace"))
        if found:
            raise NetworkFileSystem(self.path, *found)

    def close(self) -> None:
        """Close every connection; a later use opens anew (a database in memory stays)."""
        if not self.memory:
            self.dispose()

    def dispose(self) -> None:
        """Close every connection, and with it the contents of a database in memory."""
        if self._forked:
            return
        with self._mutex:  # the beat's thread may be in the middle of a statement
            for link in self._links.values():
                link.close()
            self._links.clear()

    def die(self) -> None:
        """In the child of a fork: use none of the connections, and never close one.

        Closing would release locks of the parent's file and could truncate its write-ahead log.
        """
        self._forked = True
        forks.leak(self._links)
        self._links = {}

    def write_lock(self) -> asyncio.Lock:
        """The lock of this file for all stores of this process on the running loop."""
        if self.memory:
            return self._memory_lock
        return _locks.setdefault(asyncio.get_running_loop(), {}).setdefault(
            self.path, asyncio.Lock()
        )

    def unavailable(self, error: BaseException) -> PlatformError:
        """The same trouble as an error for people."""
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            return NoStore(self.path, "it is no SQLite database")
        return StoreUnavailable(self.path, str(error))

    async def patiently(self, action: Callable[[], T]) -> T:
        """Do `action`, again while another connection holds the lock."""
        delays: Iterator[float] | None = None
        while True:
            try:
                return action()
            except sqlite3.Error as error:
                if not is_busy(error):
                    if is_machine(error):
                        raise self.unavailable(error) from error
                    raise
            delays = delays or back_off(PATIENCE_SECONDS)
            delay = next(delays, None)
            if delay is None:
                raise self._locked()
            await self.sleep(delay)

    def patiently_blocking(self, action: Callable[[], T]) -> T:
        """The same from a thread without a loop."""
        for delay in back_off(PATIENCE_SECONDS):
            try:
                with self._mutex:
                    return action()
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise self.unavailable(error) from error
            time.sleep(delay)
        raise self._locked()

    def _locked(self) -> StoreUnavailable:
        holder = write_lock_holder(self.path)
        return StoreUnavailable(self.path, f"locked by {holder} for {PATIENCE_SECONDS:g} s")

    async def read(self, query: Callable[[Link], T]) -> T:
        """Run one query, or several that need no common snapshot, on the reading connection."""
        if not self.memory:
            return await self.patiently(lambda: query(self.link("reader")))
        async with self._memory_lock:  # else it would see what is not committed
            with self._mutex:
                return query(self.link("reader"))

    def write(self) -> AbstractAsyncContextManager[Link]:
        """A write transaction: committed at the end, rolled back on any error before it.

        Raises StoreUnavailable when nothing was written, Ambiguous when nobody knows.
        """
        return _Transaction(self)

    def begin(self) -> Link:
        """Begin a write transaction on the connection for it."""
        link = self.link("writer")
        if self.memory:
            self._mutex.acquire()
        try:
            link.run("BEGIN IMMEDIATE")
        except BaseException:
            if self.memory:
                self._mutex.release()
            raise
        return link

    def abandon(self, link: Link) -> None:
        """Roll it back."""
        try:
            link.rollback()
        except sqlite3.Error:
            self.close()  # closing ends the transaction too
        finally:
            if self.memory:
                self._mutex.release()

    def tidy(self, idle: bool) -> None:
        """Fold the write-ahead log into the file; nothing while somebody writes (rule 77).

        PASSIVE waits for nobody; TRUNCATE gives up at once when a reader stands in the way, and is
        tried again later.
        """
        if self.memory or self.write_lock().locked():
            return
        large = self._commits % 16 == 0 and self._wal_bytes() > self._wal_bytes_max
        if not large and not (idle and self._commits >= COMMITS_MIN):
            return
        try:
            self.link("writer").rows(f"PRAGMA wal_checkpoint({'TRUNCATE' if large else 'PASSIVE'})")
        except sqlite3.Error as error:
            _LOG.warning("the write-ahead log of %s stays as it is: %s", self.path, error)
        self._commits = 1

    def _wal_bytes(self) -> int:
        try:
            return Path(f"{self.path}-wal").stat().st_size
        except OSError:
            return 0

    def commit(self, link: Link) -> None:
        """Commit it, or raise Ambiguous."""
        self._commits += 1
        try:
            link.run("COMMIT")
        except Exception as error:
            # Live readers may not see it and a crash may bring it back (rule 10).
            self.close()
            raise Ambiguous(str(error)) from error
        finally:
            if self.memory:
                if link.driver.in_transaction:
                    link.rollback()
                self._mutex.release()


class _Transaction(AbstractAsyncContextManager[Link]):
    """See `Links.write`; written out, since a generator costs half as much as the transaction."""

    def __init__(self, links: Links) -> None:
        self._links, self._lock = links, links.write_lock()

    async def __aenter__(self) -> Link:
        await self._lock.acquire()
        try:
            self._link = await self._links.patiently(self._links.begin)
        except BaseException:
            self._lock.release()
            raise
        return self._link

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object, /) -> None:
        try:
            if error is None:
                self._links.commit(self._link)
                return
            self._links.abandon(self._link)
            if is_machine(error):
                raise self._links.unavailable(error) from error
        finally:
            self._lock.release()
