"""Mutants 1 to 4 and 31 to 33: who may write. No test lives here."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from perdure.engine import sqlite_append, sqlite_sessions
from perdure.engine.committer import Committer
from perdure.engine.sqlite_link import Link
from perdure.engine.worker import Worker

from .mutant import Direct, Mutant, waiting
from .patching import Patches

_SESSIONS = "stores.test_conformance_sessions"


def _anybody(link: Link, session: int) -> None:
    return None


def no_fence(patches: Patches) -> None:
    """Nobody asks whether the own session was fenced."""
    patches.set(sqlite_append, "require_session", _anybody)


def no_fence_in_append(patches: Patches) -> None:
    """An append does not ask; a claim does."""
    patches.code(sqlite_append, "write_batch", ("    require_session(link, session)\n", ""))


def fence_read_outside(patches: Patches) -> None:
    """The session is looked up before the transaction begins, and not within it."""
    no_fence(patches)
    read = "    read = {row.id for row in await self.%s.sessions()}\n"
    refuse = "    if %s not in read:\n        raise Fenced(%s)\n"
    said = "return await self._patiently(lambda: self._store.append"
    before = (read + refuse) % ("_store", "self._session()", "self._session()")
    patches.code(Committer, "_append", (f"    {said}", f"{before}    {said}"))
    claims = "        claimed = await self.store.claim"
    looks = (read + refuse) % ("store", "self.session", "self.session")
    indented = "".join(f"    {line}\n" for line in looks.splitlines())
    patches.code(Worker, "_claim", (claims, f"{indented}{claims}"))


def fence_from_a_cache(patches: Patches) -> None:
    """What was read of the own session once is believed from then on."""
    known: WeakKeyDictionary[Link, set[int]] = WeakKeyDictionary()
    require = sqlite_append.require_session

    def cached(link: Link, session: int) -> None:
        if session not in known.setdefault(link, set()):
            require(link, session)
            known[link].add(session)

    patches.set(sqlite_append, "require_session", cached)


def same_session_number(patches: Patches) -> None:
    """A process that opens the store goes on under the number of the session it finds there."""
    new = "    one = identity\n"
    reuse = (
        "    last = link.rows('SELECT max(id) FROM session WHERE fenced IS NULL')[0][0]\n"
        "    if last is not None:\n"
        "        link.run(_RELEASE, (now, last, None))\n"
        "        return last\n"
    )
    patches.code(sqlite_sessions, "register", (new, f"{reuse}{new}"))


def claim_without_its_session(patches: Patches) -> None:
    """A claim does not ask, in its own transaction, whether its session was fenced."""
    patches.code(sqlite_sessions, "claim", ("    require_session(link, session)\n", ""))


MUTANTS = [
    Mutant(
        1,
        "fence read outside the transaction",
        "the own session is looked up before BEGIN, and believed inside",
        fence_read_outside,
    ),
    Mutant(
        2,
        "fence compared with a cached epoch",
        "a session that was seen alive once is taken for alive",
        fence_from_a_cache,
    ),
    Mutant(
        3,
        "no fence",
        "nobody asks whether the own session was fenced",
        no_fence,
    ),
    Mutant(
        4,
        "takeover without a new session number",
        "the next process goes on under the number of the session it finds",
        same_session_number,
        Direct(_SESSIONS, "test_each_process_gets_a_session_of_its_own"),
    ),
    waiting(
        31,
        "fence by plain UPDATE",
        "the fence takes no FOR UPDATE lock on its session row",
        "PostgreSQL; SQLite has one lock for all writers",
    ),
    waiting(
        32,
        "fence as one statement, or at a stricter isolation",
        "the fence sees a snapshot from before it had its lock",
        "PostgreSQL; in SQLite nothing is read before the lock",
    ),
    Mutant(
        33,
        "claim without the session lock",
        "a claim does not check its own session under the write lock",
        claim_without_its_session,
        Direct(_SESSIONS, "test_a_fenced_session_appends_and_claims_nothing"),
    ),
]
