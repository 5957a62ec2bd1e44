"""Calls of steps, probes and undos: when they may start, how often, and what their outcome fires.

What may happen twice is decided here by effect class and nowhere else: an exception out of a step
with an intent is a doubt unless its type is declared as refused (engine-rules 25).
Nothing is written here but through the driver.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from ..model.errors import StepFailed
from ..model.language.effects import WITHOUT_END, Effect, Landed, Retry, Voided
from ..model.language.steps import Step
from ..model.net import TransitionKind
from ..model.values import ValueRefused
from . import bodies, post
from .answers import arguments_of, attempts_of, late_answer, shown, unsure
from .clock import Clock
from .driver import KEEP_SECONDS, PROBES_MAX, Driver, earliest
from .errors import StoreUnavailable, TransactionEnded
from .instance import Instance
from .kernel import Call, counter
from .leases import Lease
from .running import Running
from .store import Ambiguous, Append, Appended, AttemptRow, Fenced, Store
from .world import Invocation, World

RETRY_SECONDS = 0.1  # between attempts while the store cannot be used
TURN_SECONDS = 0.001  # between looks whether an append of the same execution has landed
_PROBING = Retry(attempts=PROBES_MAX)
_LOG = logging.getLogger("perdure")
_FREE = frozenset({Effect.PURE, Effect.OBSERVE})
_TRANSACTIONAL = Effect.TRANSACTIONAL
_SETTLING = frozenset(effect for effect in Effect if effect.intent)


class Caller:
    """Makes the calls that markings ask for, and fires their outcomes."""

    def __init__(
        self, driver: Driver, store: Store, world: World, clock: Clock, lease: Lease
    ) -> None:
        self.driver, self.store, self.world, self.clock, self.lease = (
            driver,
            store,
            world,
            clock,
            lease,
        )
        self.tasks: set[asyncio.Task[None]] = set()
        self.ending: Callable[[], bool] = _goes_on
        self.told: Callable[[], None] = _nothing
        driver.make_call = self.make

    def make(self, instance: Instance, call: Call) -> Running:
        """Start a call as soon as its causal past is durable (output commit, rule 22)."""
        step = instance.program.steps[call.site.name]
        forward = call.role == "step"
        running = Running(forward and step.effect in _SETTLING, instance.key, call, step)
        needed = -1 if forward and step.effect in _FREE else instance.seq - 1
        if needed <= instance.durable:
            self._start(instance, running)
        else:
            instance.starts.append((needed, partial(self._start, instance, running)))
        return running

    def _start(self, instance: Instance, running: Running) -> None:
        if running.cancelled:
            return
        work = self._perform(instance, running.call, running.step, running)
        # Not by the loop's factory: that one asks whether a step starts the task.
        running.task = asyncio.Task(work, name=running.call.site.name)
        running.forget = self.tasks.discard
        self.tasks.add(running.task)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest, until it ends or the worker stops."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # --- one call -----------------------------------------------------------------------------

    async def _perform(
        self, instance: Instance, call: Call, step: Step[..., Any], running: Running
    ) -> None:
        """Call until there is an outcome. A defect of ours stalls this execution, and no other."""
        try:
            if step.effect is _TRANSACTIONAL and call.role == "step":
                await self._in_transaction(instance, call, step, running)
                return
            while True:
                moment = earliest(instance, call)
                if (moment and moment > self.store.now()) or not self._may(call, step):
                    await self._turn(instance, call, step, running)
                running.waiting = False
                if not instance.alive:
                    return  # another session has it: whoever asks for this call now is not us
                try:
                    result = await self._once(instance, call, step)
                except (Exception, asyncio.CancelledError) as raised:
                    error = self._stray(instance, running, raised)
                    await self._known(instance)
                    if await self._failed(instance, call, step, running, error):
                        return
                    continue
                if instance.lent is not None:
                    await self._known(instance)
                if running.cancelled:
                    return
                if not instance.alive:
                    await self._testify(instance, call, step, result)
                    return
                if self._answered(instance, call, step, result):
                    return
        except Exception as defect:
            _LOG.exception("%s is stalled by a defect", instance.key)
            instance.running.pop(call.wish, None)
            self.driver.stall(instance, "".join(traceback.format_exception(defect)))
        finally:  # its last words: a callback of the task would be another turn of the loop
            if running.task is not None:
                self.tasks.discard(running.task)

    def _stray(self, instance: Instance, running: Running, raised: BaseException) -> Exception:
        """What a step failed with; a cancellation that nobody here sent is its own failure."""
        if isinstance(raised, Exception):
            return raised
        if running.cancelled or not instance.alive or self.ending():
            raise raised
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()
        return StepFailed("asyncio.CancelledError", "the step cancelled its own task")

    def _may(self, call: Call, step: Step[..., Any]) -> bool:
        if call.role == "step" and step.effect in _FREE:
            return True
        return self.lease.may_call(self.clock.monotonic())

    async def _turn(
        self, instance: Instance, call: Call, step: Step[..., Any], running: Running
    ) -> None:
        """Wait for a short backoff, for a probe's earliest moment, and for enough lease."""
        running.waiting = True
        moment = earliest(instance, call)
        while (left := moment - self.store.now()) > 0:
            await self.clock.sleep(left / 1e6)
        while instance.alive and not self._may(call, step):
            await self.clock.sleep(0.05)

    def _once(
        self, instance: Instance, call: Call, step: Step[..., Any], tx: Any = None
    ) -> Coroutine[Any, Any, Any]:
        order = (instance.key, instance.tenure, instance.durable)
        invocation = Invocation(
            call.role,
            step,
            arguments_of(call, step),
            call.key,
            order,
            call.site.name,
            tx,
            _nothing if step.is_async else partial(self._late, instance, call, step),
        )
        if step.timeout is None:  # else that of its probe and its undo too
            return self.world.call(invocation)
        return self._in_time(invocation, step.timeout.total_seconds())

    async def _in_time(self, invocation: Invocation, seconds: float) -> Any:
        async with asyncio.timeout(seconds):
            return await self.world.call(invocation)

    def _answered(self, instance: Instance, call: Call, step: Step[..., Any], result: Any) -> bool:
        """Fire what an answer means; False when the call is to be made again."""
        if call.role == "step":
            self._landed(instance, call, step, result, self._end(instance, call))
            self.driver.pump(instance)
            return True
        why = unsure(instance, call, result)
        if why is not None:
            return self._again(instance, call, _PROBING, StepFailed("InDoubt", why))
        said = attempts_of(self._end(instance, call))
        if call.role == "undo":
            self._fire(instance, call, _UNDONE if call.entry else TransitionKind.UNDID, said=said)
        elif isinstance(result, Voided):
            self._fire(instance, call, TransitionKind.VOIDED, said={"by": "probe", **said})
        else:
            value, said = cast("Landed[Any]", result).value, {"by": "probe", **said}
            settled = self.driver.transition(instance, call.place, TransitionKind.SETTLED)
            self._fire_value(instance, call, settled, value, said)
        self.driver.pump(instance)
        return True

    async def _failed(
        self,
        instance: Instance,
        call: Call,
        step: Step[..., Any],
        running: Running,
        error: Exception,
    ) -> bool:
        """Fire what an exception means; False when the call is to be made again."""
        if running.cancelled or not instance.alive:
            return True
        if call.role == "probe":
            return self._again(instance, call, _PROBING, error)
        if call.role == "undo":
            return self._again(instance, call, WITHOUT_END, error)
        if not step.effect.intent:
            if not step.retry.gives_up(self._count(instance, call) + 1, error):
                return self._again(instance, call, step.retry, error)
            took = self._end(instance, call)
            self._raise(instance, call, TransitionKind.RAISES, error, took)
        elif isinstance(error, step.refused):
            await self._refused(instance, call, step, running, error)
        else:
            self._end(instance, call)
            why = f"it raised {bodies.told(error)}"
            self._fire(instance, call, TransitionKind.CRASH, said={"why": why})
        self.driver.pump(instance)
        return True

    async def _refused(
        self,
        instance: Instance,
        call: Call,
        step: Step[..., Any],
        running: Running,
        error: Exception,
    ) -> None:
        retry = self.driver.transition(instance, call.place, TransitionKind.RETRY)
        if retry is None or step.retry.gives_up(self._count(instance, call) + 1, error):
            took = self._end(instance, call)
            self._raise(instance, call, TransitionKind.REFUSED, error, took)
            return
        # Back before its intent, which waits for the backoff, in memory or parked.
        self._count_failure(instance, call, step.retry, error)
        instance.running.pop(call.wish, None)
        self.driver.fire(instance, retry)

    async def _in_transaction(
        self, instance: Instance, call: Call, step: Step[..., Any], running: Running
    ) -> None:
        """The author's writes and the record of the step in one commit (rule 18)."""
        while True:
            await self._turn(instance, call, step, running)
            running.waiting = False
            await self._hold(instance)
            session = instance.session
            try:
                if running.cancelled or not instance.alive:
                    return  # while it waited for the right
                settled = await self._transact(instance, call, step, running, session)
            except (_Stuck, _Over):
                return
            except _Again:
                continue
            except Ambiguous as gone:
                self.driver.committer.lose(gone)
                return
            except Fenced as gone:
                if instance.alive and instance.session != session:
                    continue  # handed over while it waited for the lock: nothing was written
                instance.running.pop(call.wish, None)  # asked for again once it is handed over
                self.driver.committer.lose(gone)
                return
            except TransactionEnded as ended:  # its writes may hold: no handler can know (rule 20)
                self._end(instance, call)
                self.driver.stall(instance, f"{call.site.name}: {ended}")
                return
            except StoreUnavailable as error:  # nothing was written, and it is not the step's fault
                _LOG.warning("%s waits for the store: %s", instance.key, error)
                await self.clock.sleep(RETRY_SECONDS)
                continue
            except (Exception, asyncio.CancelledError) as raised:
                error = self._stray(instance, running, raised)
                if await self._failed(instance, call, step, running, error):
                    return
                continue
            finally:
                self._let_go(instance)
            self.driver.committer.settle(instance, *settled)
            self.driver.pump(instance)
            return

    async def _transact(
        self,
        instance: Instance,
        call: Call,
        step: Step[..., Any],
        running: Running,
        session: int,
    ) -> tuple[Append, Appended]:
        """One attempt; whatever is raised, the instance stands where it stood before the step.

        Only after an ambiguous commit its record stays in flight: whether it is true, and the
        author's writes with it, is read from the log (rule 10).
        """
        before, mine = None, instance.session
        try:
            async with self.store.transaction(session) as transaction:
                result = await transaction.run(lambda tx: self._once(instance, call, step, tx))
                if running.cancelled or not instance.alive:
                    raise asyncio.CancelledError
                if instance.lent is not None:
                    raise _Again  # a parallel one: what its commit became must be known first
                before, mine = instance.mark(), instance.session
                took = self._end(instance, call)
                if not self._landed(instance, call, step, result, took):
                    raise _Stuck  # in the glue behind it: the writes go too
                flying = instance.fly()
                assert flying is not None
                instance.lent = before
                appended = transaction.append(flying)[0]
        except (_Stuck, Ambiguous):
            raise
        except BaseException:
            if before is not None and instance.session != mine:
                raise _Over from None  # a recovery was told first: it stands where its log does
            if before is not None:
                instance.back_to(before)
                instance.running[call.wish] = running
            raise
        if instance.lent is before:  # else a recovery was told first, and it may be lent again
            instance.lent = None
        return flying, appended

    async def _hold(self, instance: Instance) -> None:
        """Take the append right: nothing of this execution flies, nothing new takes off."""
        await self._known(instance)
        instance.held += 1
        try:
            while instance.flying is not None:
                await self.clock.sleep(TURN_SECONDS)
            if instance.pending is not None:
                instance.pending.execution = instance.id
                await self.driver.committer.keep(instance.pending)
        except BaseException:  # a cancel too: held for ever, nothing of it would be written again
            self._let_go(instance)
            raise

    def _let_go(self, instance: Instance) -> None:
        """Give the append right back; what became pending meanwhile is written."""
        instance.held -= 1
        self.driver.committer.dirty(instance)

    async def _known(self, instance: Instance) -> None:
        """Wait while nobody knows whether a transactional step committed: nothing fires then."""
        while instance.alive and instance.lent is not None:
            await self.clock.sleep(0.001)

    # --- firing -------------------------------------------------------------------------------

    def _landed(
        self, instance: Instance, call: Call, step: Step[..., Any], result: Any, took: int
    ) -> bool:
        transition = instance.wiring.lands[call.place]
        return self._fire_value(instance, call, transition, result, attempts_of(took))

    def _fire_value(
        self,
        instance: Instance,
        call: Call,
        transition: int | None,
        result: Any,
        said: dict[str, Any],
    ) -> bool:
        """Fire what brings a value; False when it, or the glue behind it, is of no use."""
        assert transition is not None
        try:
            value = post.result_codec(instance, transition).seal(result)
        except ValueRefused as refused:
            why = f"{call.site.name} returned {shown(result)}, which cannot be stored: {refused}"
            crash = self.driver.transition(instance, call.place, TransitionKind.CRASH)
            if crash is None:
                self.driver.stall(instance, why)
            else:  # it landed; only the value is missing (rule 26)
                self.driver.fire(instance, crash, said={"why": why, "lacks": True})
            return False
        return self.driver.fire(instance, transition, value, said)

    def _fire(
        self,
        instance: Instance,
        call: Call,
        kind: TransitionKind,
        given: Any = None,
        said: dict[str, Any] | None = None,
    ) -> None:
        for transition in instance.wiring.by_kind.get((call.place, kind), ()):
            if instance.program.net.transitions[transition].site == call.site.name:
                if kind is TransitionKind.UNDO:
                    said = {**(said or {}), "k": call.key}
                self.driver.fire(instance, transition, given, said)
                return

    def _raise(
        self, instance: Instance, call: Call, kind: TransitionKind, error: Exception, took: int
    ) -> None:
        transition = self.driver.transition(instance, call.place, kind)
        if transition is None:
            self.driver.stall(instance, f"{call.site.name} gave up: {error!r}")
            return
        value = instance.program.codecs["$error"].seal(error)
        self.driver.fire(instance, transition, value, attempts_of(took))

    # --- counting -----------------------------------------------------------------------------

    def _count(self, instance: Instance, call: Call) -> int:
        row = instance.attempts.get(counter(call))
        return row.tries if row else 0

    def _again(self, instance: Instance, call: Call, retry: Retry, error: Exception) -> bool:
        """Count a failed attempt; False when this task makes the next one, in a moment.

        A longer wait needs no task: the execution parks until then, unless others keep it (rule
        32). A probe that could not tell too often is a matter for a person.
        """
        row = self._count_failure(instance, call, retry, error)
        soon = retry.wait_seconds(row.tries) < KEEP_SECONDS
        if soon and not (call.role == "probe" and row.tries >= PROBES_MAX):
            return False
        instance.running.pop(call.wish, None)
        self.driver.committer.dirty(instance)
        self.driver.pump(instance)
        return True

    def _count_failure(
        self, instance: Instance, call: Call, retry: Retry, error: Exception
    ) -> AttemptRow:
        """The row rides in the next batch; how long the next attempt waits is in it."""
        now, name = self.store.now(), counter(call)
        before = instance.attempts.get(name)
        count = before.tries + 1 if before else 1
        wait = retry.wait_seconds(count)
        first = before.first_at if before else now
        text = bodies.told(error)
        row = AttemptRow(instance.id, name, count, first, now + int(wait * 1e6), text)
        instance.keep(row)
        return row

    def _end(self, instance: Instance, call: Call) -> int:
        """The call is over: its counter goes with the record; how many attempts it took."""
        instance.running.pop(call.wish, None)
        if not instance.attempts:
            return 1
        tries = self._count(instance, call)
        instance.forget(counter(call))
        return tries + 1

    def _late(self, instance: Instance, call: Call, step: Step[..., Any], result: Any) -> None:
        """A thread answered that nobody waited for any more: evidence for an effect in doubt."""
        self.spawn(self._testify(instance, call, step, result))

    async def _testify(
        self, instance: Instance, call: Call, step: Step[..., Any], result: Any
    ) -> None:
        """The own late answer of a call whose execution was taken over (rule 17)."""
        said = late_answer(instance, call, step, result)
        while said is not None:
            try:
                await post.testify(self.store, instance.key, call.key, said)
                self.told()
                return
            except StoreUnavailable as trouble:
                _LOG.warning("what became of %s of %s waits: %s", call.key, instance.key, trouble)
                if self.driver.draining:
                    return
            await self.clock.sleep(RETRY_SECONDS)


_UNDONE = TransitionKind.UNDO


def _goes_on() -> bool:
    return False


def _nothing(*_: object) -> None:
    return None


class _Stuck(Exception):
    """Rolls a transactional step back whose glue got stuck."""


class _Over(Exception):
    """Ends an attempt that was taken back before it was told so: another calls the step again."""


class _Again(Exception):
    """Rolls a transactional step back that is to be called again, through no fault of its own."""
