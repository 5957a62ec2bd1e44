"""Drives instances: fires what is enabled, starts the calls the marking asks for, takes mail and
moments.

Everything here runs between two awaits of the event loop and is told what happened by `calls.py`,
the committer and the worker. What a marking asks for is the kernel's to say; whose turn it is, the
worker's.
Nothing here waits for a database.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from ..model.firing import GlueStuck
from ..model.language.effects import Effect
from ..model.net import PlaceKind, TransitionKind
from . import bodies, kernel, post
from .bodies import Body
from .clock import Clock
from .committer import Committer
from .instance import Instance
from .kernel import Call, Doubt, Wait, Want, counter
from .records import NO_TRANSITION, Kind
from .resting import Rest
from .store import AT_ONCE, AttemptRow, MessageRow, Status, Store

KEEP_SECONDS = 1
"""An execution whose next moment is nearer than this stays in memory instead of being parked."""
LEASE_LOOK_SECONDS = 0.05
_LOG = logging.getLogger("perdure")
PROBES_MAX = 5
"""Answers `InDoubt` after which a person is asked; the probe stays askable from the desk."""
_MAY_HAVE_HAPPENED = frozenset({Effect.IDEMPOTENT})


class Ready(NamedTuple):
    """A wait that can be answered: by the message, or by its moment when `message` is None."""

    when: int
    wait: Wait
    message: MessageRow | None


class Driver:
    """What all instances of a worker share: store, clock, committer, and who makes calls."""

    def __init__(self, store: Store, clock: Clock, committer: Committer) -> None:
        self.store, self.clock, self.committer = store, clock, committer
        self.make_call: Callable[[Instance, Call], Any] = _nobody_calls
        self.may_intend: Callable[[Instance], bool] = _always
        self.draining = False  # nothing new is called; what comes to rest is released

    # --- firing -------------------------------------------------------------------------------

    def fire(
        self,
        instance: Instance,
        transition: int,
        given: Any = None,
        said: dict[str, Any] | None = None,
    ) -> bool:
        """Fire a transition into the log in memory; False when the user's glue got stuck.

        Whoever fires calls `pump` behind it, which sees to the commit.
        """
        at = max(self.store.now(), instance.at)
        if said:
            said = {k: bodies.plain(v) if isinstance(v, str) else v for k, v in said.items()}
        try:
            step = kernel.fire(
                instance.program,
                instance.state,
                transition,
                instance.seq,
                at,
                instance.key,
                given,
                said,
            )
        except GlueStuck as stuck:
            self.stall(instance, stuck.details)
            return False
        instance.write(step, at)
        return True

    def note(self, instance: Instance, kind: Kind, body: Body) -> None:
        """Write a record that changes no marking."""
        instance.record(kind, NO_TRANSITION, body, max(self.store.now(), instance.at))
        self.committer.dirty(instance)

    def count(self, instance: Instance, counter: str, error: str) -> None:
        """Count one more failure under a name."""
        before, now = instance.attempts.get(counter), self.store.now()
        tries, first = (before.tries + 1, before.first_at) if before else (1, now)
        instance.keep(AttemptRow(instance.id, counter, tries, first, 0, error))
        self.committer.dirty(instance)

    def pump(self, instance: Instance) -> None:
        """Go on until only calls, messages, moments or people are left to wait for.

        A defect on the way (a message that is none, a bug of ours) stalls this execution alone.
        """
        try:
            self._pump(instance)
            if instance.pending is not None:
                self.committer.dirty(instance, lazily=_can_wait(instance))
        except Exception as defect:
            _LOG.exception("%s is stalled by a defect", instance.key)
            self.stall(instance, "".join(traceback.format_exception(defect)))

    def _pump(self, instance: Instance) -> None:
        if not instance.alive or instance.leaving or instance.waiting or instance.lent is not None:
            return
        rest = kernel.at_rest(instance.wiring, instance.state)
        while instance.stuck is None and self._advance(instance, rest):
            rest = kernel.at_rest(instance.wiring, instance.state)
        if instance.stuck is not None:
            self._leave_stalled(instance)
        elif rest.final is not None:
            self._finish(instance, rest.final)
        else:
            self._settle_wants(instance, rest)

    def _advance(self, instance: Instance, rest: Rest) -> bool:
        if rest.still and not instance.mail:
            return False
        wiring, state = instance.wiring, instance.state
        transition = kernel.next_auto(wiring, state, instance.durable) if rest.autos else None
        if transition is None:
            # What has come before an intent is heard before it: a cancel, or the end of a race.
            if instance.mail and post.take(self, instance):
                return True
            if rest.waits and self._answer(instance):
                return True
            if rest.intents and instance.stuck is None and self.may_intend(instance):
                transition = kernel.next_intent(wiring, state, self._refused_lately(instance))
        if transition is None:
            return False
        return self.fire(instance, transition, said=_given_up(instance, transition))

    def _refused_lately(self, instance: Instance) -> dict[str, int]:
        """Calls with an intent whose backoff is not over: site -> when it is."""
        if not instance.attempts:
            return {}
        now = self.store.now()
        return {site: a.next_at for site, a in instance.attempts.items() if a.next_at > now}

    def _answer(self, instance: Instance) -> bool:
        """Answer the wait whose message or moment came first by database time (rule 40)."""
        waits = [w for w in self._wants(instance) if isinstance(w, Wait)]
        ready = [r for w in waits if (r := self._ready(instance, w)) is not None]
        if not ready:
            return False
        first = min(ready, key=lambda r: (r.when, r.wait.since, r.wait.place, r.wait.transition))
        if first.message is None:
            return self.fire(instance, first.wait.transition, post.elapsed(instance, first.wait))
        return post.receive(self, instance, first.wait, first.message)

    def _ready(self, instance: Instance, wait: Wait) -> Ready | None:
        if wait.channel:
            message = post.next_of(instance, wait.channel)
            return None if message is None else Ready(message.arrived, wait, message)
        return Ready(wait.due, wait, None) if wait.due <= self.store.now() else None

    def _wants(self, instance: Instance, rest: Rest | None = None) -> list[Want]:
        """What the marking asks for; a probe that could not tell too often becomes a doubt."""
        state, wants = instance.wanted
        if state is not instance.state:
            rest = rest or kernel.at_rest(instance.wiring, instance.state)
            wants = kernel.asked(instance.wiring, instance.state, instance.key, rest)
            instance.wanted = instance.state, wants
        if not instance.attempts:
            return wants
        return [_asked_of_people(instance, w) for w in wants]

    # --- what is left to wait for -------------------------------------------------------------

    def _settle_wants(self, instance: Instance, rest: Rest) -> None:
        wants = self._wants(instance, rest)
        if self.draining:
            self._give_up(instance, wants)
            return
        # Read once: by two readings a moment could be too far for an alarm and too near to park.
        now = self.store.now()
        if instance.running:
            _cut(instance, wants)
        dues: list[int] = []
        for want in wants:
            due = 0
            if isinstance(want, Call):
                due = self._call(instance, want)
            elif isinstance(want, Wait):
                due = want.due
            if due:
                dues.append(due)
        if rest.intents:
            dues += self._intents_due(instance, rest.intents)
        if dues or instance.alarm is not None:
            self._alarm(instance, min(dues, default=None), now)
        if rest.after and instance.durable < instance.seq - 1:
            instance.starts.append((instance.seq - 1, lambda: self.pump(instance)))
            return
        if instance.running:
            return
        if not wants and not dues:
            self.stall(instance, "nothing can happen: no transition is enabled, nobody waits")
            return
        self._park(instance, wants, dues, now)

    def _call(self, instance: Instance, call: Call) -> int:
        """Make a call that is asked for, unless it is under way; when its turn is, if not now."""
        wish = call.wish
        if wish in instance.running:
            return 0
        moment = earliest(instance, call)
        if moment and moment > self.store.now():
            return moment
        instance.running[wish] = self.make_call(instance, call)
        return 0

    def _intents_due(self, instance: Instance, asked: tuple[int, ...]) -> list[int]:
        """When the intents that were not written now are looked at again."""
        sites = [instance.program.net.transitions[t].site for t in asked]
        later = self._refused_lately(instance)
        soon = self.store.now() + int(LEASE_LOOK_SECONDS * 1e6)  # too little of the lease was left
        return [later.get(site, soon) for site in sites]

    def _give_up(self, instance: Instance, wants: list[Want]) -> None:
        """Release an execution at its next boundary: when nothing of it is being called here."""
        if instance.running:
            return
        waits = [w for w in wants if isinstance(w, (Wait, Doubt))]
        if waits and len(waits) == len(wants) and not _goes_on(instance):
            dues = [w.due for w in waits if isinstance(w, Wait) and w.due]
            self.release(instance, min(dues, default=None), _channels(wants))
        else:
            self.release(instance, AT_ONCE, "*")

    def _alarm(self, instance: Instance, due: int | None, now: int) -> None:
        if instance.alarm is not None:
            instance.alarm.cancel()
            instance.alarm = None
        if due is not None:
            seconds = (due - now) / 1e6
            if seconds <= KEEP_SECONDS or instance.running:  # else it is parked until then
                # A microsecond more: never early by the database's clock.
                instance.alarm = self.clock.later(seconds + 1e-6, lambda: self.pump(instance))

    def _park(self, instance: Instance, wants: list[Want], dues: list[int], now: int) -> None:
        """Give the execution up until its moment or a message; on condition of no new mail."""
        soon = now + KEEP_SECONDS * 1_000_000
        if any(due <= soon for due in dues):
            return
        self.release(instance, min(dues, default=None), _channels(wants))

    def release(self, instance: Instance, wake_at: int | None, waits: str) -> None:
        """Write the release of an execution that nobody works on; it rides in the next batch."""
        change = instance.change()
        change.release, change.wake_at, change.waits = True, wake_at, waits
        change.mail_seen = instance.mail_seen
        instance.leaving = True
        self.committer.dirty(instance)

    # --- ends ---------------------------------------------------------------------------------

    def _finish(self, instance: Instance, status: Status) -> None:
        for running in instance.running.values():
            running.cancel()
        unread = len(instance.mail) + len(instance.unreadable)
        body = kernel.finished(instance.wiring, instance.state, unread)
        at = max(self.store.now(), instance.at)
        instance.record(Kind.FINISHED, NO_TRANSITION, body, at)
        change = instance.change()
        change.status, change.release, change.mail_seen = status, True, instance.mail_seen
        instance.leaving = True
        self.committer.dirty(instance)

    def stall(self, instance: Instance, why: str) -> None:
        """Stop before the next firing; nothing is undone. Open intents are awaited first."""
        if instance.stuck is None:
            instance.stuck = bodies.plain(why)
        self._leave_stalled(instance)

    def _leave_stalled(self, instance: Instance) -> None:
        waiting = False
        for running in list(instance.running.values()):
            if running.settling:
                waiting = True
            else:
                running.cancel()
        if waiting or instance.leaving or not instance.alive:
            return
        at = max(self.store.now(), instance.at)
        body = Body(why=instance.stuck or "")
        instance.record(Kind.STALLED, NO_TRANSITION, body, at)
        change = instance.change()
        change.status, change.release, change.mail_seen = Status.STALLED, True, instance.mail_seen
        instance.leaving = True
        self.committer.dirty(instance)

    def transition(self, instance: Instance, place: int, kind: TransitionKind) -> int | None:
        """The transition of a kind that leaves a place of this instance's net."""
        return kernel.transition_of(instance.wiring, place, kind)


def _channels(wants: list[Want]) -> str:
    """Where a message is a reason to wake an execution that waits for these."""
    channels = sorted({w.channel for w in wants if isinstance(w, Wait) and w.channel})
    if any(isinstance(w, Doubt) for w in wants):
        channels.append("$desk")
    return ",".join(channels)


def earliest(instance: Instance, call: Call) -> int:
    """When a call may be made: after its backoff, a probe after its attempt's timeout (rule 30);
    0 when it has nothing to wait for.

    Until then the execution is parked: a worker that dies meanwhile did not die of it.
    """
    if not instance.attempts and call.role != "probe":
        return 0
    row = instance.attempts.get(counter(call))
    moment = row.next_at if row else 0
    timeout = instance.program.steps[call.site.name].timeout
    if call.role == "probe" and timeout is not None:
        opened = instance.state.intents[call.site.name]
        moment = max(moment, opened.at + int(timeout.total_seconds() * 1e6))
    return moment


def _given_up(instance: Instance, transition: int) -> dict[str, Any] | None:
    """What the record of a drain says: a call that is given up may have happened (C19)."""
    told = instance.wiring.net.transitions[transition]
    if told.kind is not TransitionKind.DRAIN:
        return None
    (place,) = instance.wiring.takes[transition]
    if instance.wiring.net.places[place].kind is not PlaceKind.BEFORE:
        return None
    site = instance.wiring.net.places[place].site
    since = instance.state.marking[place].seq
    running = instance.running.get(("step", place, since))
    begun = since < instance.first or site in instance.attempts
    begun = begun or (running is not None and running.begun)
    effect = instance.program.steps[site].effect
    return {"may": True} if begun and effect in _MAY_HAVE_HAPPENED else None


def _cut(instance: Instance, wants: list[Want]) -> None:
    """Give up the calls that are not asked for any more: of a loser, of a drain."""
    wishes = {want.wish for want in wants if isinstance(want, Call)}
    for wish, one in list(instance.running.items()):
        if wish not in wishes and not one.settling:
            one.cancel()


def _can_wait(instance: Instance) -> bool:
    """Only calls that need nothing durable go on: what is pending may ride with a later batch."""
    return bool(instance.running) and not instance.starts and instance.create is None


def _goes_on(instance: Instance) -> bool:
    """An outcome waits to be durable before the code behind it runs."""
    return kernel.at_rest(instance.wiring, instance.state).after


def _asked_of_people(instance: Instance, want: Want) -> Want:
    """A probe that answered `InDoubt` too often becomes a doubt for the desk."""
    if isinstance(want, Call) and want.role == "probe":
        row = instance.attempts.get(counter(want))
        if row is not None and row.tries >= PROBES_MAX:
            return Doubt(want.place, want.since, want.site, want.key)
    return want


def _nobody_calls(instance: Instance, call: Call) -> Any:
    raise AssertionError("the worker has not said who makes calls")


def _always(instance: Instance) -> bool:
    return True
