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

from ..model.errors import ExecutionFinished, PerdureError
from ..model.language.waits import Elapsed
from ..model.net import TransitionKind
from ..model.values import Value, ValueRefused
from . import bodies, kernel
from .bodies import NOTHING, Raw
from .instance import Instance
from .kernel import Wait
from .store import MessageRow, Store

CANCEL = "$cancel"
DESK = "$desk"
EVIDENCE = "$evidence"
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


class Decision(msgspec.Struct, omit_defaults=True, frozen=True):
    """What the desk or a late caller says about the effect with key `k`.

    `verdict`: "landed" (with the result `r`), "voided" (the receiver refuses the key from now on),
    "undone" (an undo was done by hand), "probe" (ask the probe again).
    """

    k: str
    verdict: str
    r: Raw = NOTHING
    by: str = ""
    why: str = ""


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
        _decide(driver, instance, message)
        for message in instance.mail
        if message.channel in (DESK, EVIDENCE)
    )


def cancels(instance: Instance) -> tuple[int, MessageRow] | None:
    """The cancel transition with its message, when both are there. A second cancel stays unread."""
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
    except (ValueRefused, msgspec.MsgspecError, ValueError, TypeError):
        # It stays in its row, unread, and blocks nobody behind it (rule 50).
        instance.mail.remove(message)
        return True
    return _fire(driver, instance, message, wait.transition, value, {})


def elapsed(instance: Instance, wait: Wait) -> Value | None:
    """The value that a timer gives to the variable bound to it, if one is."""
    binds = instance.program.net.transitions[wait.transition].binds
    if not binds:
        return None
    gives = Elapsed() if wait.site.target in ("after", "at") else None
    return instance.program.codecs[binds].seal(gives)


async def testify(store: Store, key: str, effect: str, said: Decision) -> None:
    """Send what a caller knows about an effect whose execution it lost; never an error to it."""
    try:
        await store.send(key, EVIDENCE, f"evidence:{effect}", msgspec.json.encode(said))
    except ExecutionFinished:
        return  # nobody waits for it any more; the effect ledger shows the decision taken
    except PerdureError as error:
        _LOG.warning("what became of an effect of %s could not be told: %s", key, error)


def testimony(instance: Instance) -> list[Decision]:
    """The answers of calls that were fired here and can not be written any more (rule 17)."""
    found: list[Decision] = []
    for append in (instance.flying, instance.pending):
        if append is None:
            continue
        results = {
            r.seq: bodies.fill(bodies.decode(r.body), append.payloads).r for r in append.records
        }
        found += [
            Decision(e.key, "landed", results[e.outcome_seq], why="the caller's late answer")
            for e in append.effects
            if e.outcome == "landed" and e.decided_by == "call" and e.outcome_seq in results
        ]
    return found


def _decide(driver: Fires, instance: Instance, message: MessageRow) -> bool:
    """Settle the doubt a decision is about; what fits nothing stays unread."""
    decision = msgspec.json.decode(message.body, type=Decision)
    by = "evidence" if message.channel == EVIDENCE else f"desk:{decision.by}"
    said = {"by": by, "why": decision.why, "k": decision.k}
    for want in kernel.wants(instance.program, instance.state, instance.key):
        if isinstance(want, Wait) or want.key != decision.k:
            continue
        found = _settles(instance, want, decision)
        if found is not None:
            transition, value = found
            return _fire(driver, instance, message, transition, value, said)
        if decision.verdict == "probe" and isinstance(want, kernel.Call):
            instance.attempts.pop(f"{want.site.name}?", None)
            _consume(instance, message)
            return True
    return False


def _settles(
    instance: Instance, want: kernel.Call | kernel.Doubt, decision: Decision
) -> tuple[int, Any] | None:
    kinds = {
        "landed": TransitionKind.SETTLED,
        "voided": TransitionKind.VOIDED,
        "undone": TransitionKind.UNDO,
    }
    kind = kinds.get(decision.verdict)
    if kind is None:
        return None
    transition = next(
        (
            t
            for t in instance.wiring.by_kind.get((want.place, kind), ())
            if instance.program.net.transitions[t].site == want.site.name
        ),
        None,
    )
    if kind is TransitionKind.SETTLED and isinstance(want, kernel.Call) and want.role == "undo":
        return None  # its undo may have worked unseen: nobody can say any more that it stands
    if transition is None or kind is not TransitionKind.SETTLED:
        return None if transition is None else (transition, None)
    try:
        result = instance.program.results[want.site.name].decode(bytes(decision.r))
        return transition, result_codec(instance, transition).seal(result)
    except (ValueRefused, msgspec.MsgspecError, ValueError, TypeError):
        return None


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
    instance.append().consumed.append((message.number, instance.seq - 1))
