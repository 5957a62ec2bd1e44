"""Mutants 8 to 16, 27, 28 and 36: calls, their intents and their outcomes. No test lives here."""

from __future__ import annotations

import itertools
from typing import Any

from msgspec.structs import replace
from perdure.engine import answers, kernel
from perdure.engine import calls as engine_calls
from perdure.engine.calls import Caller
from perdure.engine.committer import Committer
from perdure.engine.instance import Instance
from perdure.engine.recovery import Recovery
from perdure.model.language.effects import Effect
from perdure.model.net import TransitionKind

from .mutant import Mutant
from .patching import Patches

_FAILURES = frozenset({TransitionKind.REFUSED, TransitionKind.RAISES})


def call_before_intent(patches: Patches) -> None:
    """Calls do not wait until what they rest on is durable."""
    patches.set(engine_calls, "_FREE", frozenset(Effect))


def one_transaction_after_the_call(patches: Patches) -> None:
    """The intent waits for its outcome, and both are committed when the call is over."""
    at_once = ("step.effect in _FREE else", "(step.effect in _FREE or step.effect.intent) else")
    patches.code(Caller, "make", at_once)
    perform = vars(Caller)["_perform"]

    async def holding(self: Caller, instance: Instance, call: Any, step: Any, running: Any) -> None:
        held = call.role == "step" and step.effect.intent
        instance.held += held
        try:
            await perform(self, instance, call, step, running)
        finally:
            instance.held -= held
            self.driver.committer.dirty(instance)

    patches.set(Caller, "_perform", holding)


def ambiguous_is_success(patches: Patches) -> None:
    """A commit whose answer did not come is taken for done."""
    lost = "    except (Fenced, Ambiguous) as gone:"
    # A creation can not be taken for done: nobody knows its number.
    done = """\
    except Ambiguous as gone:
        if any(a.create is not None for _, a in appends):
            self.lose(gone)
            return
        results = [Appended(a.execution, True) for _, a in appends]
"""
    patches.code(Committer, "_flush", (lost, done + lost))


def ambiguous_appended_twice(patches: Patches) -> None:
    """What an ambiguous commit wrote is not looked for, but written once more behind it."""
    looked = "    keep = bool(wrote) and [r.hash for r in records] == [r.hash for r in wrote]\n"
    blind = """\
    keep = bool(records) and records[0].seq == 0  # a creation goes by its key
    if not keep and records and instance.flying is not None:
        again = instance.flying
        again.previous = records[-1].hash
        again.records = [r._replace(seq=r.seq + len(records)) for r in again.records]
        instance.durable = records[-1].seq
"""
    patches.code(Recovery, "_reconcile", (looked, blind))


def called_again_on_resume(patches: Patches) -> None:
    """A call that was under way when its session was lost is simply made again."""

    def none(wiring: Any, state: kernel.State) -> list[int]:
        return []

    patches.set(kernel, "lost", none)


def negative_probe_is_void(patches: Patches) -> None:
    """A probe that has seen nothing so far is heard as: it can not happen any more."""
    patches.code(
        answers,
        "unsure",
        ("isinstance(result, Voided)", "isinstance(result, (Voided, InDoubt))"),
    )
    patches.code(
        Caller,
        "_answered",
        ("isinstance(result, Voided)", "not isinstance(result, Landed)"),
    )


def failed_probe_is_void(patches: Patches) -> None:
    """A probe that raises or is cut by its timeout is heard as: it did not happen."""
    heard = "return self._again(instance, call, _PROBING, error)"
    void = "return self._answered(instance, call, step, Voided())"
    patches.code(Caller, "_failed", (heard, void))


def library_retries(patches: Patches) -> None:
    """Between the engine and the receiver somebody sends a request again that failed."""
    once = vars(Caller)["_once"]

    async def twice(self: Caller, instance: Instance, call: Any, step: Any, tx: Any = None) -> Any:
        try:
            return await once(self, instance, call, step, tx)
        except Exception:
            if step.effect is not Effect.IRREVERSIBLE or call.role != "step":
                raise
            return await once(self, instance, call, step, tx)

    patches.set(Caller, "_once", twice)


def key_per_attempt(patches: Patches) -> None:
    """A call without an intent has another effect key each time it is made."""
    count = itertools.count()

    def fresh(call: Any, step: Any) -> str:
        return call.key if step.effect.intent else f"{call.key}.{next(count)}"

    patches.add(engine_calls, "_fresh", fresh)
    patches.code(Caller, "_once", ("        call.key,\n", "        _fresh(call, step),\n"))


def failure_not_recorded(patches: Patches) -> None:
    """That a call was refused, or gave up, is known in memory only."""
    write = Instance.write

    def forgetful(self: Instance, step: kernel.Step, at: int) -> Any:
        if self.program.net.transitions[step.transition].kind in _FAILURES:
            marking = step.state.marking
            durable = {p: replace(t, seq=min(t.seq, self.durable)) for p, t in marking.items()}
            self.state = replace(step.state, marking=durable)
            return None
        return write(self, step, at)

    patches.set(Instance, "write", forgetful)


def cancellation_swallowed(patches: Patches) -> None:
    """A CancelledError out of a call ends its task, and nothing is said of the call."""
    ours = "if running.cancelled or not instance.alive or self.ending():"
    patches.code(Caller, "_stray", (ours, "if True:"))


def exception_is_failure(patches: Patches) -> None:
    """Whatever an irreversible step raises is read as: it did not happen."""
    patches.code(Caller, "_failed", ("elif isinstance(error, step.refused):", "elif True:"))


MUTANTS = [
    Mutant(
        8,
        "call before the intent commit",
        "a call leaves while its intent is still being written",
        call_before_intent,
    ),
    Mutant(
        9,
        "intent and outcome in one transaction after the call",
        "the intent is committed together with what came of it",
        one_transaction_after_the_call,
    ),
    Mutant(
        10,
        "ambiguous commit taken as success",
        "a commit whose answer never came counts as done",
        ambiguous_is_success,
    ),
    Mutant(
        11,
        "ambiguous commit retried as a new record",
        "what such a commit wrote is not looked for, but written behind it again",
        ambiguous_appended_twice,
    ),
    Mutant(
        12,
        "open attempt called again on resume",
        "a call that was under way when its worker was lost is made again",
        called_again_on_resume,
    ),
    Mutant(
        13,
        "retry after a plain negative probe",
        "'nothing seen so far' is heard as 'it can not happen any more'",
        negative_probe_is_void,
    ),
    Mutant(
        14,
        "probe timeout read as 'not done'",
        "a probe that fails is heard as 'it did not happen'",
        failed_probe_is_void,
    ),
    Mutant(
        15,
        "client library retries inside an irreversible call",
        "below the engine a request that failed is sent again",
        library_retries,
    ),
    Mutant(
        16,
        "effect key regenerated per attempt",
        "an idempotent call has another key each time it is made",
        key_per_attempt,
    ),
    Mutant(
        27,
        "failure outcome not recorded",
        "a refusal, or an end of all attempts, is known in memory only",
        failure_not_recorded,
    ),
    Mutant(
        28,
        "cancellation swallowed between call and outcome",
        "a CancelledError out of a call leaves neither an outcome nor a doubt",
        cancellation_swallowed,
    ),
    Mutant(
        36,
        "exception of an irreversible step read as failure",
        "an exception that was not declared as a refusal counts as one",
        exception_is_failure,
    ),
]
