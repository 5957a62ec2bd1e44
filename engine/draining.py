"""How a worker gives its executions up: what waits at once, what runs after a while (rule 47).

A deployment should cost a pause, and a doubt only where a call truly hangs. No session ends here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from .clock import Clock
from .driver import Driver
from .instance import Instance
from .running import Running

LOOK_SECONDS = 0.01
_LOG = logging.getLogger("perdure")


class Drain:
    """One draining: the executions in memory get fewer until only calls that hang are left."""

    def __init__(
        self,
        driver: Driver,
        instances: Mapping[str, Instance],
        clock: Clock,
        hurried: Callable[[], bool],
    ) -> None:
        self._driver, self._instances, self._clock = driver, instances, clock
        self._hurried = hurried

    async def run(self, drain_seconds: float, hard_seconds: float) -> None:
        """Release what comes to rest, for the driver drains; then give up what has no intent."""
        for instance in list(self._instances.values()):
            self._drop(instance, only_waiting=True)
            self._driver.pump(instance)
        self._tell("waits for", drain_seconds)
        await self._wait(drain_seconds)
        for instance in list(self._instances.values()):
            self._drop(instance, only_waiting=False)
            self._driver.pump(instance)
        self._tell("waits for the outcome of", hard_seconds)
        await self._wait(hard_seconds)
        for running in self._running():
            _LOG.warning("leaves in doubt %s", running.says)

    def _drop(self, instance: Instance, *, only_waiting: bool) -> None:
        """Give calls without an intent up: those in a backoff now, those that run later."""
        for wish, running in list(instance.running.items()):
            if not running.settling and (running.waiting or not only_waiting):
                if not running.waiting:
                    _LOG.warning("gives up %s", running.says)
                running.cancel()
                del instance.running[wish]

    def _running(self) -> Iterator[Running]:
        for instance in self._instances.values():
            yield from instance.running.values()

    def _tell(self, what: str, seconds: float) -> None:
        for running in self._running():
            if seconds > 0:
                _LOG.info("%s %s, at most %g s", what, running.says, seconds)

    async def _wait(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        while self._clock.monotonic() < end and not self._hurried() and self._under_way():
            await self._clock.sleep(LOOK_SECONDS)

    def _under_way(self) -> bool:
        """A call runs, or the commit that a transactional one is part of."""
        return any(i.running or i.lent is not None for i in self._instances.values())
