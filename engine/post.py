"""Mail of an execution: what cancels it, what its waits take, what settles a doubt. Order by
arrival.

A message is consumed by exactly one firing, in the same commit. Sending is the client's; see
`client.py`.
Nothing is sent to a user from here.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import msgspec

from ..model.errors import PerdureError
from ..model.language.waits import Elapsed
from ..model.net import TransitionKind
from ..model.values import Value, ValueRefused
from . import bodies, kernel
from .bodies import Body
from .decisions import ASKS, Decision, fires, verdicts
from .errors import StoreUnavailable
from .instance import Instance
from .kernel import Wait, counter
from .loading import payloads
from .records import Kind
from .store import MessageRow, Store

CANCEL = "$cancel"
DESK = "$desk"
EVIDENCE = "$evidence"
_KNOWN = ("landed", "stands")
_LOG = logging.getLogger("perdure")


class Fires(Protocol):
    """Whoever fires transitions into an instance's log; False when the user's glue got stuck."""

    def fire(
        self,
        instance: Instance,
        transition: int,
        given: Any = None,
        said: dict[str, Any] | None = None,
    ) -> bool:
        """Fire one transition."""
        ...

    def note(self, instance: Instance, kind: Kind, body: Body) -> None:
        """Write a record that changes no marking."""
        ...

    def count(self, instance: Instance, counter: str, error: str) -> None:
        """Count one more failure under a name."""
        ...


class Wish(msgspec.Struct, omit_defaults=True, frozen=True):
    """Why somebody wants an execution to end."""

    reason: str = ""
    by: str = ""


def next_of(instance: Instance, channel: str) -> MessageRow | None:
    """The oldest message of a channel that nobody has taken."""
    return next((m for m in instance.mail if m.channel == channel), None)


def take(driver: Fires, instance: Instance) -> bool:
    """Let one message of the engine's own channels fire something; False when none can."""
    if not instance.mail:
        return False
    wish = cancels(instance)
    if wish is not None:
        transition, message = wish
        told = msgspec.json.decode(message.body, type=Wish)
        return _fire(
            driver, instance, message, transition, None, {"why": told.reason, "by": told.by}
        )
    return any(
        _TAKERS[message.channel](driver, instance, message)
        for message in instance.mail
        if message.channel in _TAKERS
    )


def cancels(instance: Instance) -> tuple[int, MessageRow] | None:
    """The cancel transition with its message, when both are there."""
    message = next_of(instance, CANCEL)
    if message is None:
        return None
    for place in instance.state.marking:
        transition = kernel.transition_of(instance.wiring, place, TransitionKind.CANCEL)
        if transition is not None:
            return transition, message
    return None


def receive(driver: Fires, instance: Instance, wait: Wait, message: MessageRow) -> bool:
    """Give a message to the wait that asked for it; one that cannot be read is set aside."""
    program = instance.program
    binds = program.net.transitions[wait.transition].binds
    try:
        payload = program.channels[wait.channel].decode(message.body)
        codec = program.codecs[binds] if binds else program.channels[wait.channel]
        value = codec.seal(payload)
    except (ValueRefused, msgspec.MsgspecError, ValueError, TypeError) as error:
        # It stays in its row, unread, is shown on the desk, and blocks nobody behind it (rule 50).
        # The next one who loads the execution tries it again: types may have been mended.
        instance.mail.remove(message)
        instance.unreadable.append(message)
        driver.count(instance, mail_counter(message.number), f"{type(error).__name__}: {error}")
        return True
    instance.forget(mail_counter(message.number))
    return _fire(driver, instance, message, wait.transition, value, {})


def mail_counter(number: int) -> str:
    """Under which name it is counted that a message could not be read."""
    return f"$mail {number}"


def elapsed(instance: Instance, wait: Wait) -> Value | None:
    """The value that a timer gives to the variable bound to it, if one is."""
    binds = instance.program.net.transitions[wait.transition].binds
    if not binds:
        return None
    gives = Elapsed() if wait.site.target in ("after", "at") else None
    return instance.program.codecs[binds].seal(gives)


async def testify(store: Store, key: str, effect: str, said: Decision) -> None:
    """Send what a caller knows about an effect whose execution it lost; an error to it only while
    the store cannot be used, when it is to be told again.

    It settles a doubt, or is an alarm on the desk when the effect was settled otherwise, even after
    the end of the execution; what is known to have landed needs no witness.
    """
    try:
        row = await store.find(key)
        known = [] if row is None else await store.effects(row.id)
        if not any(e.key == effect and e.outcome in _KNOWN for e in known):
            await store.send(key, EVIDENCE, f"evidence:{effect}", msgspec.json.encode(said))
    except StoreUnavailable:
        raise
    except PerdureError as error:
        _LOG.warning("what became of an effect of %s could not be told: %s", key, error)


async def testimony(store: Store, instance: Instance) -> list[Decision]:
    """The answers of calls that were fired here and can not be written any more (rule 17)."""
    appends = [a for a in (instance.flying, instance.pending) if a is not None]
    kept = {digest: raw for append in appends for digest, raw in append.payloads.items()}
    bodies_of = {r.seq: bodies.decode(r.body) for append in appends for r in append.records}
    found: list[Decision] = []
    for effect in (e for append in appends for e in append.effects):
        told = bodies_of.get(effect.outcome_seq if effect.outcome_seq is not None else -1)
        if told is None or (effect.outcome, effect.decided_by) != ("landed", "call"):
            continue
        # A value that an earlier record has already is in the store, not in what is pending.
        before = [digest for digest in told.x.values() if digest not in kept]
        raw = bodies.fill(told, kept | await payloads(store, instance.id, before)).r
        found.append(Decision(effect.key, "landed", raw, why="the caller's late answer"))
    return found


def _cancelled_already(driver: Fires, instance: Instance, message: MessageRow) -> bool:
    """Twice is once: a later wish is taken, and says that it changed nothing (rule 42)."""
    net = instance.program.net
    cancelling = {p for t in net.transitions if t.kind is TransitionKind.CANCEL for p in t.put}
    if not any(net.places[place].name in cancelling for place in instance.state.marking):
        return False
    told = msgspec.json.decode(message.body, type=Wish)
    why = f"it is being cancelled already; {told.by or 'somebody'} wished it too: {told.reason}"
    driver.note(instance, Kind.CONSUMED, Body(m=message.number, why=why))
    _consume(instance, message)
    return True


def _testified(driver: Fires, instance: Instance, message: MessageRow) -> bool:
    """The caller's own late answer settles a doubt; what fits nothing stays unread (rule 17)."""
    decision = msgspec.json.decode(message.body, type=Decision)
    want = _meant(instance, decision)
    if want is None or _wrong(instance, want, decision) is not None:
        return False
    return _settle(driver, instance, message, want, decision, "evidence")


def _decide(driver: Fires, instance: Instance, message: MessageRow) -> bool:
    """Take a person's decision: the first that fits is it, later ones are refused (rule 31)."""
    try:
        decision = msgspec.json.decode(message.body, type=Decision)
    except msgspec.MsgspecError as error:
        return _refuse(driver, instance, message, "", f"it cannot be read: {error}")
    want = _meant(instance, decision)
    if want is None:
        return _refuse(driver, instance, message, decision.k, "nothing is to be decided there")
    wrong = _wrong(instance, want, decision)
    if wrong is not None:
        return _refuse(driver, instance, message, decision.k, wrong)
    by = f"desk:{decision.by}"
    if decision.verdict not in ASKS:
        return _settle(driver, instance, message, want, decision, by)
    assert isinstance(want, kernel.Call)
    instance.forget(counter(want))
    again = {"probe": "the probe is asked again", "retry": "the undo is tried again"}
    why = f"{again[decision.verdict]}: {decision.why}" if decision.why else again[decision.verdict]
    driver.note(instance, Kind.DECIDED, Body(m=message.number, k=decision.k, by=by, why=why))
    _consume(instance, message)
    return True


def _meant(instance: Instance, decision: Decision) -> kernel.Call | kernel.Doubt | None:
    for want in kernel.wants(instance.program, instance.state, instance.key):
        if not isinstance(want, Wait) and want.key == decision.k:
            return want if verdicts(instance.wiring, want) else None
    return None


def _wrong(instance: Instance, want: kernel.Call | kernel.Doubt, decision: Decision) -> str | None:
    """Why a decision about this want cannot be taken."""
    if decision.verdict not in verdicts(instance.wiring, want):
        return f"{decision.verdict!r} cannot be said of {want.site.name} now"
    if decision.seq and decision.seq != want.since:
        return f"it was decided on what stood at record {decision.seq}, and now {want.since} does"
    if decision.verdict != "landed":
        return None
    try:
        _result(instance, want, decision)
    except (ValueRefused, msgspec.MsgspecError, ValueError, TypeError) as error:
        return f"its value is no result of {want.site.name}: {error}"
    return None


def _result(instance: Instance, want: kernel.Call | kernel.Doubt, decision: Decision) -> Value:
    transition = fires(instance.wiring, want, "landed")
    assert transition is not None
    result = instance.program.results[want.site.name].decode(bytes(decision.r))
    return result_codec(instance, transition).seal(result)


def _settle(
    driver: Fires,
    instance: Instance,
    message: MessageRow,
    want: kernel.Call | kernel.Doubt,
    decision: Decision,
    by: str,
) -> bool:
    transition = fires(instance.wiring, want, decision.verdict)
    assert transition is not None
    value = _result(instance, want, decision) if decision.verdict == "landed" else None
    stands = decision.verdict == "stand"
    said = {"by": by, "why": decision.why, "k": decision.k, "stands": stands}
    return _fire(driver, instance, message, transition, value, said)


def _refuse(driver: Fires, instance: Instance, message: MessageRow, key: str, why: str) -> bool:
    body = Body(m=message.number, k=key, why=f"the decision is refused: {why}")
    driver.note(instance, Kind.CONSUMED, body)
    _consume(instance, message)
    return True


_TAKERS = {CANCEL: _cancelled_already, DESK: _decide, EVIDENCE: _testified}


def result_codec(instance: Instance, transition: int) -> Any:
    """The codec of what a transition binds: the variable's, else that of the step's result."""
    told = instance.program.net.transitions[transition]
    if told.binds:
        return instance.program.codecs[told.binds]
    return instance.program.results[told.site]


def _fire(
    driver: Fires,
    instance: Instance,
    message: MessageRow,
    transition: int,
    value: Any,
    said: dict[str, Any],
) -> bool:
    said = {**{k: v for k, v in said.items() if v}, "m": message.number}
    if not driver.fire(instance, transition, value, said):
        return False
    _consume(instance, message)
    return True


def _consume(instance: Instance, message: MessageRow) -> None:
    instance.mail.remove(message)
    instance.append().consumed += ((message.number, instance.seq - 1),)
