"""Three ways to run one workflow: as plain Python, as compiled net over the kernel, and resumed
from its log after every firing. What they did is told as an `Outcome`, so it can be compared.

The net is driven without store, tasks or clock: time passes only by waiting, calls run at once.
No program is made here, and nothing is judged but outcomes.
"""

from __future__ import annotations

import asyncio
import linecache
import random
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from perdure.engine import bodies, checkpoint, kernel, loading
from perdure.engine.bodies import Body, Raw
from perdure.engine.kernel import Call, State, Wait
from perdure.engine.records import Kind, Record
from perdure.model.errors import Blocked
from perdure.model.firing import GlueStuck
from perdure.model.language.ambient import now
from perdure.model.language.direct import START, Arrival, direct_world
from perdure.model.language.effects import Effect
from perdure.model.language.scopes import saga
from perdure.model.language.steps import Step
from perdure.model.language.waits import (
    Elapsed,
    after,
    at,
    first,
    seconds,
    sleep,
    sleep_until,
    together,
)
from perdure.model.language.workflows import Workflow, workflow
from perdure.model.marking import wire
from perdure.model.net import TransitionKind as T
from perdure.model.program import Program

from . import differential_world as world
from .differential_world import FORKED, TRACE, UNDOS, Line

TX = object()
"""Stands for a transaction that no step of these programs writes through."""
ACCIDENTS = frozenset({"ZeroDivisionError", "KeyError", "IndexError"})
FIRINGS_MAX = 3000
Mail = tuple[tuple[str, Any, int], ...]
"""Messages: signal, value, seconds after the start."""


class Outcome(NamedTuple):
    """How a run ended (value, raised, stalled, blocked), with what, and what ran on the way."""

    how: str
    what: Any
    trace: tuple[Line, ...]


def load(text: str, number: int, more: Mapping[str, Any] | None = None) -> Workflow[..., Any]:
    """The workflow of a generated text, its source where tracebacks and the compiler look."""
    file = f"<generated {number}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {n: v for n, v in vars(world).items() if not n.startswith("__")}
    words = (after, at, first, now, saga, seconds, sleep, sleep_until, together, workflow, Elapsed)
    scope |= {word.__name__: word for word in words} | {"__name__": "generated", **(more or {})}
    exec(compile(text, file, "exec", dont_inherit=True), scope)
    made: Workflow[..., Any] = scope["w"]
    return made


def ordered(trace: Sequence[Line]) -> tuple[Line, ...]:
    """The trace with the branches of each fork in the order of the source (their order is free)."""
    made: list[Line] = []
    group: list[Line] = []
    for line in trace:
        forked = line[1] >= FORKED and line[0] not in UNDOS
        if group and not (forked and line[1] // 10 == group[0][1] // 10):
            made += sorted(group, key=lambda told: told[1])
            group = []
        (group if forked else made).append(line)
    return tuple(made + sorted(group, key=lambda told: told[1]))


def told(error: BaseException) -> tuple[str, tuple[Any, ...]]:
    """What is compared of an exception."""
    return type(error).__name__, error.args


def same(python: Outcome, net: Outcome, again: bool = False) -> bool:
    """Whether the net did what Python does; a stall is the same accident, nothing undone (C17).

    `again`: the program re-raises what it caught, and an accident raised again is meant.
    """
    if net.how != "stalled":
        accident = net.how == "raised" and net.what[0] in ACCIDENTS and net.what[1] != ("meant",)
        return python == net and (again or not accident)
    if python.how != "raised" or python.what != net.what or net.what[0] not in ACCIDENTS:
        return False
    rest = python.trace[len(net.trace) :]
    return python.trace[: len(net.trace)] == net.trace and all(name in UNDOS for name, *_ in rest)


# --- plain Python ------------------------------------------------------------------------------


def run_python(
    loop: asyncio.AbstractEventLoop, flow: Workflow[..., Any], inputs: tuple[Any, ...], mail: Mail
) -> Outcome:
    """The function itself, by `.direct`."""
    TRACE.clear()
    signals: dict[str, list[Any]] = {}
    for name, value, late in mail:
        signals.setdefault(name, []).append(Arrival(value, timedelta(seconds=late)))
    with direct_world(signals=signals, tx=TX):
        try:
            how, what = "value", loop.run_until_complete(flow.direct(*inputs))
        except Blocked:
            how, what = "blocked", None
        except Exception as error:
            how, what = "raised", told(error)
    return Outcome(how, what, ordered(TRACE))


# --- the compiled net --------------------------------------------------------------------------


def run_net(
    program: Program,
    inputs: tuple[Any, ...],
    mail: Mail,
    resume: bool = False,
    dice: random.Random | None = None,
) -> Outcome:
    """The net over the kernel. `resume`: after every firing only the bytes of its record are left.

    `dice` shuffle in which order the branches of a fork run and end, where that is free.
    """
    TRACE.clear()
    net = _Net(program, inputs, mail, resume, dice)
    try:
        how, what = net.run()
    except GlueStuck as stuck:
        assert stuck.__cause__ is not None, stuck
        how, what = "stalled", told(stuck.__cause__)
    return Outcome(how, what, ordered(TRACE))


def stalled_on(program: Program, inputs: tuple[Any, ...], mail: Mail) -> BaseException:
    """The accident in glue on which a net stalls, with its traceback."""
    try:
        _Net(program, inputs, mail, False, None).run()
    except GlueStuck as stuck:
        assert stuck.__cause__ is not None, stuck
        return stuck.__cause__
    raise AssertionError("it does not stall")


def logged(program: Program, inputs: tuple[Any, ...], mail: Mail) -> list[tuple[str, bytes]]:
    """The records of a run: what fired, and the body."""
    net = _Net(program, inputs, mail, False, None)
    net.run()
    names = [t.name for t in program.net.transitions]
    return [(names[r.transition] if r.transition >= 0 else "", r.body) for r in net.log]


class _Net:
    def __init__(
        self,
        program: Program,
        inputs: tuple[Any, ...],
        mail: Mail,
        resume: bool,
        dice: random.Random | None,
    ) -> None:
        self.program, self.wiring = program, wire(program.net)
        self.resume, self.dice = resume, dice
        self.now = round(START.timestamp()) * 1_000_000
        self.mail: dict[str, deque[tuple[int, Any]]] = {}
        for name, value, late in sorted(mail, key=lambda m: m[2]):
            arrival = self.now + late * 1_000_000, value
            self.mail.setdefault(name, deque()).append(arrival)
        given = zip(program.inputs, inputs, strict=True)
        frame = {name: program.codecs[name].seal(value) for name, value in given}
        self.state = kernel.begin(program, frame, self.now)
        self.value = loading.values_of(program)
        started = Body(i=_inputs(frame))
        self.log = [_record(0, Kind.STARTED, -1, self.now, started)]
        self.answers: dict[tuple[str, int, int], tuple[bool, Any]] = {}

    def run(self) -> tuple[str, Any]:
        """Fire whatever is next until nothing is."""
        for _ in range(FIRINGS_MAX):
            status = kernel.final_status(self.wiring, self.state)
            if status is not None:
                return self.end()
            if not self.advance():
                return "blocked", None
        raise AssertionError("it does not end")

    def end(self) -> tuple[str, Any]:
        if self.resume:
            again = loading.fold(self.program, None, self.log, self.value)
            assert again == self.state, "the whole log folds to another state"
        (place,) = self.state.marking
        frame = self.state.marking[place].frame
        if "$error" in frame:
            return "raised", told(frame["$error"].get())
        return "value", frame["$value"].get()

    def advance(self) -> bool:
        """One firing, or a step of time; False when nobody will ever bring what is waited for."""
        seq = len(self.log)
        transition = kernel.next_auto(self.wiring, self.state, seq)
        if transition is None:
            transition = kernel.next_intent(self.wiring, self.state)
        if transition is not None:
            self.fire(transition)
            return True
        wants = kernel.wants(self.program, self.state, "x")
        waits = [w for w in wants if isinstance(w, Wait)]
        calls = [w for w in wants if isinstance(w, Call)]
        assert len(waits) + len(calls) == len(wants), "nothing is in doubt without faults"
        ready = [(moment, w) for w in waits if (moment := self.moment(w)) is not None]
        soonest = min(ready, key=_first, default=None)
        if soonest is not None and (soonest[0] <= self.now or not calls):
            self.now = max(self.now, soonest[0])
            self.answer_wait(soonest[1])
        elif calls:
            self.answer_call(calls)
        return soonest is not None or bool(calls)

    # --- firing -------------------------------------------------------------------------------

    def fire(self, transition: int, given: Any = None) -> None:
        seq = len(self.log)
        step = kernel.fire(self.program, self.state, transition, seq, self.now, "x", given)
        record = _record(seq, step.kind, transition, self.now, step.body)
        self.log.append(record)
        before, self.state = self.state, step.state
        if self.resume:
            self.state = self.resumed(before, record)
            assert self.state == step.state, "the record folds to another state"

    def resumed(self, before: State, record: Record) -> State:
        """The state from bytes alone: a checkpoint, and the record behind it."""
        net = self.program.net
        start = checkpoint.decode(net, checkpoint.encode(net, before), self.value)
        return loading.fold(self.program, start, [record], self.value)

    # --- waits --------------------------------------------------------------------------------

    def moment(self, wait: Wait) -> int | None:
        if not wait.channel:
            return wait.due
        queue = self.mail.get(wait.channel)
        return queue[0][0] if queue else None

    def answer_wait(self, wait: Wait) -> None:
        program, binds = self.program, self.program.net.transitions[wait.transition].binds
        if wait.channel:
            codec = program.channels[wait.channel]
            value = codec.decode(codec.encode(self.mail[wait.channel].popleft()[1]))
            self.fire(wait.transition, (program.codecs[binds] if binds else codec).seal(value))
            return
        gives = Elapsed() if wait.site.target in ("after", "at") else None
        self.fire(wait.transition, program.codecs[binds].seal(gives) if binds else None)

    # --- calls --------------------------------------------------------------------------------

    def answer_call(self, calls: list[Call]) -> None:
        """Run all calls the marking asks for, then let the first of them end."""
        calls = sorted(calls, key=lambda c: c.site.span or ())
        todo = [c for c in calls if _wish(c) not in self.answers]
        if self.dice is not None:
            self.dice.shuffle(todo)
        for call in todo:
            self.answers[_wish(call)] = self.perform(call)
        free = all(self.answers[_wish(c)][0] for c in calls) and not self.racing()
        if self.dice is not None and free:
            self.dice.shuffle(calls)
        good, value = self.answers.pop(_wish(calls[0]))
        self.settle(calls[0], good, value)

    def racing(self) -> bool:
        """Whether a race is on: there the order of the ends decides."""
        return any(
            self.program.net.places[p].name.startswith("in first") for p in self.state.marking
        )

    def perform(self, call: Call) -> tuple[bool, Any]:
        step: Step[..., Any] = self.program.steps[call.site.name]
        values = tuple(a.get() for a in call.arguments)
        args, kwargs = step.spread(values)
        fn, is_async = step.fn, step.is_async
        if step.effect is Effect.TRANSACTIONAL:
            args = (TX, *args)
        if call.role == "undo":
            undo = step.undo_step
            assert undo is not None and call.entry is not None, "no attempt is in doubt"
            fn, is_async = undo.fn, undo.is_async
            args, kwargs = undo.values(call.entry.result.get(), values), {}
        tries = 1 if step.effect.intent or call.role == "undo" else step.retry.attempts or 1
        for attempt in range(1, tries + 1):
            try:
                result = fn(*args, **kwargs)
                return True, _awaited(result) if is_async else result
            except Exception as error:
                if attempt == tries:
                    return False, error
        raise AssertionError("a call is tried at least once")

    def settle(self, call: Call, good: bool, value: Any) -> None:
        program, step = self.program, self.program.steps[call.site.name]
        if call.role == "undo":
            undos = self.wiring.by_kind[(call.place, T.UNDO)]
            (undo,) = (t for t in undos if program.net.transitions[t].site == call.site.name)
            self.fire(undo)
            return
        kinds = (T.LANDED, T.REFUSED) if step.effect.intent else (T.STEP, T.RAISES)
        transition = kernel.transition_of(self.wiring, call.place, kinds[not good])
        assert transition is not None, f"{call.site.name} cannot {kinds[not good]}"
        binds = program.net.transitions[transition].binds
        codec = program.codecs[binds] if binds else program.results[call.site.name]
        self.fire(transition, codec.seal(value))


def _first(ready: tuple[int, Wait]) -> tuple[int, int, int, int]:
    moment, wait = ready
    return moment, wait.since, wait.place, wait.transition


def _wish(call: Call) -> tuple[str, int, int]:
    return call.role, call.place, call.since


def _awaited(coroutine: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a step of these tests waits for nothing")


def _inputs(frame: dict[str, Any]) -> Raw:
    inner = b",".join(b'"%s":%s' % (n.encode(), v.raw) for n, v in frame.items())
    return Raw(b"{" + inner + b"}")


def _record(seq: int, kind: Kind, transition: int, at: int, body: Body) -> Record:
    return Record(seq, 0, kind, transition, at, bodies.encode(body), b"")
