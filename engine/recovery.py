"""What a worker does when its session is lost: hand over to the next one, or begin anew.

Rule 10: an ambiguous commit ends the session and nothing else; what it became is read from the log.
A fenced session has lost everything; what its calls still answer is told as evidence (rule 17).
What is pending waits meanwhile: it goes on when every execution stands where its log does. Nothing
is claimed here, and no dead session of others is fenced.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from . import loading, post
from .bodies import Body
from .clock import Clock
from .committer import AGAIN_SECONDS, Committer
from .driver import Driver
from .errors import StoreUnavailable
from .instance import Instance
from .quarantine import Quarantine
from .store import AT_ONCE, Ambiguous, Append, Fenced, Identity, RowChange, Status, Store

_LOG = logging.getLogger("perdure")
TRIES_MAX = 3
"""How often a worker that ends asks for another session, while nobody knows whether it got one."""


class Holder(Protocol):
    """What a recovery needs of the worker whose session was lost."""

    store: Store
    clock: Clock
    identity: Identity
    session: int
    instances: dict[str, Instance]
    committer: Committer
    driver: Driver
    quarantine: Quarantine
    finished: Callable[[str, tuple[Status, Body] | None], None]
    stopping: bool
    ended: bool  # nothing is written or claimed for it any more

    async def register(self) -> None:
        """Have a new session, and beat for it."""
        ...

    def begin_beating(self, sent: float) -> None:
        """Beat for the session in force, which was asked for at this moment."""
        ...

    def stop_beating(self) -> None:
        """Beat no more."""
        ...

    def forget(self, instance: Instance) -> None:
        """Let an instance out of memory."""
        ...

    def kick(self) -> None:
        """Look for work and mail."""
        ...

    def fail(self, defect: BaseException, drain_seconds: float) -> None:
        """End the worker, since nothing can be relied upon any more."""
        ...


class Recovery:
    """The recoveries of one worker, one at a time."""

    def __init__(self, worker: Holder) -> None:
        self.worker = worker
        self.task: asyncio.Task[None] | None = None
        self._again: Ambiguous | None = None  # came while a recovery was under way
        self._lost: list[Instance] = []  # whose late answers are still to be told

    @property
    def under_way(self) -> bool:
        """A session that was lost is being replaced."""
        return self.task is not None and not self.task.done()

    def lost(self, gone: BaseException) -> None:
        """The committer is paused because of this; it is resumed when all is well again."""
        worker = self.worker
        if not isinstance(gone, (Fenced, Ambiguous)):
            worker.fail(gone, 0.0)  # what the batch became is not known: nothing more is written
        elif worker.ended:
            pass  # a step that outlives its worker needs no session: others go on with it
        elif self.under_way:
            if isinstance(gone, Ambiguous):  # of the new session, perhaps: nobody looked for it yet
                self._again = gone
        elif isinstance(gone, Fenced) and gone.args and gone.args[0] != worker.session:
            # Asked for before a handover and answered after it: the session in force is another.
            worker.committer.resume()
        else:
            self.task = asyncio.get_running_loop().create_task(self._watched(gone))

    async def _watched(self, gone: Fenced | Ambiguous) -> None:
        try:
            await self._recover(gone)
        except Exception as defect:
            self.worker.fail(defect, 0.0)

    async def _recover(self, first: Fenced | Ambiguous) -> None:
        worker = self.worker
        worker.stop_beating()
        gone: Fenced | Ambiguous | None = first
        tries = 0
        while gone is not None:
            try:
                if isinstance(gone, Ambiguous):
                    self._again = None  # this handover answers all that came before it
                    await self._hand_over()
                else:
                    await self._begin_anew()
                gone = self._again
            except (Fenced, Ambiguous, StoreUnavailable) as trouble:
                _LOG.warning("the session is lost, and no other can be had: %s", trouble)
                away = isinstance(trouble, StoreUnavailable)
                gone, tries = gone if away else trouble, tries + 1
                if worker.stopping and (away or tries >= TRIES_MAX):
                    return  # others go on with it when its lease has run out
                await worker.clock.sleep(AGAIN_SECONDS)  # a full disk fails every commit
        worker.committer.resume()
        worker.kick()

    # --- fenced -------------------------------------------------------------------------------

    async def _begin_anew(self) -> None:
        """Fenced: drop everything in memory but starts that nobody can have seen, and register."""
        worker = self.worker
        self._drop_all()
        worker.committer.drop()
        await worker.store.fence(worker.session)  # so it is, whatever made us think so
        await worker.register()
        self._drop_all()  # what was claimed before is told late: it is not of this session
        # Before anything is waited for: whose creation is answered then is of the session before.
        for instance in list(worker.instances.values()):
            self._create_again(instance)
        await self._testify()

    def _drop_all(self) -> None:
        for instance in [i for i in self.worker.instances.values() if i.create is None]:
            self._drop(instance)

    def _drop(self, instance: Instance) -> None:
        self._lost.append(instance)
        self.worker.forget(instance)
        self.worker.finished(instance.key, None)

    async def _testify(self) -> None:
        """Tell what calls answered that can not be written any more, whatever comes between."""
        while self._lost:
            instance = self._lost[0]
            for words in await post.testimony(self.worker.store, instance):
                await post.testify(self.worker.store, instance.key, words.k, words)
            del self._lost[0]

    def _create_again(self, instance: Instance) -> None:
        """A creation that is not durable: it is written under the session in force."""
        instance.rechain(1, self.worker.session, keep=False)
        instance.own_creation(self.worker.session)
        self._go_on(instance)

    def _go_on(self, instance: Instance) -> None:
        self.worker.committer.dirty(instance)
        self.worker.driver.pump(instance)

    # --- ambiguous ----------------------------------------------------------------------------

    async def _hand_over(self) -> None:
        """Rule 10: a new session takes the executions over, then reads what the commit became."""
        worker = self.worker
        sent = worker.clock.monotonic()
        worker.session = await self._latest_session()
        worker.session, tenures = await worker.store.handover(worker.session, self._heir())
        held = list(worker.instances.values())  # who comes from now on was claimed by the next
        worker.begin_beating(sent)
        await worker.quarantine.renamed()
        for instance in held:
            id = instance.id or await loading.became(worker.store, instance, tenures)
            # Its own answer may have come meanwhile, and says the same, or has let it go.
            if id in tenures:
                await self._reconcile(instance, id, tenures[id])
                if instance.alive:  # else it is let go below
                    del tenures[id]
                    self._go_on(instance)
            elif instance.create is not None:
                self._create_again(instance)
            else:
                self._drop(instance)
        await self._let_go(tenures)
        await self._testify()

    def _heir(self) -> Identity:
        """Who takes over from the session in force. Its name says so: other workers of this process
        may have the same name, and only we hand our session over."""
        own = self.worker.identity
        return replace(own, worker=f"{own.worker} after {self.worker.session}")

    async def _latest_session(self) -> int:
        """Our session, or the one after it: the handover itself may have been ambiguous."""
        heir = self._heir()
        heirs = [s.id for s in await self.worker.store.sessions() if s.identity == heir]
        return max(heirs, default=self.worker.session)

    async def _let_go(self, tenures: dict[int, int]) -> None:
        """Release what the session owns and nobody here has in memory, to be claimed like any."""
        store, session = self.worker.store, self.worker.session
        while tenures:
            mail = await store.mail(session)
            batch = [
                Append(id, tenure, b"", change=_released(mail.get(id, 0)))
                for id, tenure in tenures.items()
            ]
            results = await store.append(session, batch)
            tenures = {r.execution: tenures[r.execution] for r in results if r.mail}

    async def _reconcile(self, instance: Instance, id: int, tenure: int) -> None:
        """Go on from what is in the log. Only when that is known, a creation has become this id."""
        records = await self.worker.store.log(id, instance.durable)
        instance.id, flying = id, instance.flying
        wrote = flying.records if flying is not None else []
        keep = bool(wrote) and [r.hash for r in records] == [r.hash for r in wrote]
        instance.rechain(tenure, self.worker.session, keep)
        if keep and flying is not None and flying.change is not None and flying.change.release:
            self._drop(instance)  # it has left by that; a look that had begun claimed it again


def _released(mail_seen: int) -> RowChange:
    return RowChange(release=True, wake_at=AT_ONCE, waits="*", mail_seen=mail_seen)
