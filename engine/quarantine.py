"""Executions that may have killed a worker run one at a time, alone, named before they run.

Rule 33. An execution that was lost twice without a new record is a suspect. It is named in the
session's row, so that only it is blamed if the process dies of it; meanwhile what was claimed with
it waits, so that nobody else can die under its name. It is through when it has written a record
that follows a call, or has left memory. One that takes its time stays named, and the others run
beside it after a while. Who is blamed is the store's to say, at the next claim.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from .clock import Clock
from .committer import AGAIN_SECONDS
from .errors import StoreUnavailable
from .instance import Instance
from .refused import Act
from .store import Ambiguous, Fenced, Store

_LOG = logging.getLogger("perdure")
ALONE_SECONDS = 5.0
"""How long what was claimed with a suspect waits for it."""


class Quarantine:
    """The suspects of one worker, and who waits for them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        session: Callable[[], int],
        begin: Callable[[Instance], None],
        spawn: Callable[[Act], object],
    ) -> None:
        self._store, self._clock, self._session = store, clock, session
        self._begin, self._spawn = begin, spawn
        self._suspects: deque[Instance] = deque()
        self._others: list[Instance] = []
        self._shut = self._running = False
        self._named: Instance | None = None
        self._through = asyncio.Event()

    def admit(self, instance: Instance, suspect: bool) -> bool:
        """Whether it may begin now; else it begins from here when its turn has come."""
        if not suspect and not self._shut:
            return True
        instance.waiting = True
        if not suspect:
            self._others.append(instance)
            return False
        self._suspects.append(instance)
        self._shut = True
        if not self._running:
            self._running = True
            self._spawn(self._run)
        return False

    def gone(self, instance: Instance) -> None:
        """It has left memory: parked, ended, stalled, or lost with the session."""
        if instance is self._named:
            self._through.set()

    async def renamed(self) -> None:
        """The executions were handed over to a new session: name the suspect there too.

        Who was left waiting when the old one was lost waits for the same, in the new one.
        """
        if self._named is not None and self._named.alive:
            await self._store.suspect(self._session(), self._named.id)
        elif not self._running and (self._suspects or self._others):
            self._shut = self._running = True
            self._spawn(self._run)

    async def _run(self) -> None:
        try:
            while True:
                while self._suspects:
                    suspect = self._suspects.popleft()
                    if suspect.alive:
                        self._shut = True
                        await self._one(suspect)
                self._named = None
                await self._name(None)
                if not self._suspects:  # the session may be another now, and they with it
                    break
            self._open()
        except (Fenced, Ambiguous):  # all is somebody else's now, or is handed over (`renamed`)
            if self._named is not None:
                self._suspects.appendleft(self._named)
            self._shut = False
            raise
        finally:
            self._running, self._named = False, None

    async def _one(self, suspect: Instance) -> None:
        self._named, self._through = suspect, asyncio.Event()
        await self._name(suspect.id)
        through = self._through
        self._go(suspect)
        suspect.starts.append((suspect.seq, through.set))
        alone = self._clock.later(ALONE_SECONDS, self._open)
        try:
            if suspect.alive:
                await through.wait()
        finally:
            alone.cancel()

    async def _name(self, execution: int | None) -> None:
        while True:
            session = self._session()
            try:
                return await self._store.suspect(session, execution)
            except (Fenced, Ambiguous):
                if self._session() == session:
                    raise
                continue  # asked for before another session was in force: name it there
            except StoreUnavailable as trouble:
                _LOG.warning("a suspect waits to be named: %s", trouble)
            await self._clock.sleep(AGAIN_SECONDS)

    def _open(self) -> None:
        self._shut = False
        others, self._others = self._others, []
        for instance in others:
            self._go(instance)

    def _go(self, instance: Instance) -> None:
        instance.waiting = False
        if instance.alive:
            self._begin(instance)
