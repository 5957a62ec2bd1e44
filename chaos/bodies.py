"""Receivers that are the user's own: each request runs a step's body, or what stands in for it.

A body runs at one moment of simulated time, with its `effect_key()`, and its process may die before
any of its lines. Lines of what it calls are not counted: a receiver does a thing or does not. Where
a step has a stand-in and its probe or undo has none, the model of `outside.py` answers for them: it
finds an effect by its key, and closes keys. What is lawful is not said here.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any

from ..engine.world import Invocation
from ..model.language.ambient import CALLED
from ..model.language.effects import Effect as Class
from ..model.language.steps import Step
from ..model.program import Program
from ..model.values import ValueRefused
from ..specs.ledger import Called, Landing, Undo
from .fakes import HERE, Effect, Here, Place, World
from .faults import Boundary, Edge, Kind
from .guard import Unsafe, guarded
from .lines import stepping
from .outside import KeyClosed, Outside, Request
from .ports import Breaks
from .simulation import NothingLeft, SimLoop, Time, run

FAILED_MAX = 100
"""So often in a row may a body fail: nothing but a fault makes it succeed then."""
_WITHOUT_EFFECT = (Class.PURE, Class.OBSERVE)


class Died(BaseException):
    """The process dies in the middle of a body: passes the user's `except Exception`."""


class Declared:
    """A value that stands in for a step: the receiver knows keys, and answers this."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Cast:
    """Who plays what: the functions of steps, undos and probes, and what stands in for them."""

    def __init__(self) -> None:
        self._given: dict[Any, Any] = {}

    def given(self, stand_ins: Mapping[Any, Any]) -> None:
        """Take these stand-ins, by step, undo or probe."""
        self._given = {_function(key): value for key, value in stand_ins.items()}

    def knows(self, step: Step[..., Any]) -> bool:
        """Whether this step, and not only its undo or probe, has a stand-in."""
        return step.fn in self._given

    def of(self, invocation: Invocation) -> Callable[..., Any] | Declared | None:
        """What answers a request; None: the model of a receiver."""
        step, role = invocation.step, invocation.role
        if role == "step":
            return self._stand_in(step.fn)
        body = step.probe_step if role == "probe" else step.undo_step
        assert body is not None, "a role that nobody plays"
        if self.knows(step) and body.fn not in self._given:
            return None
        return self._stand_in(body.fn)

    def _stand_in(self, fn: Callable[..., Any]) -> Callable[..., Any] | Declared:
        found = self._given.get(fn, fn)
        return found if callable(found) else Declared(found)


def _function(key: Any) -> Any:
    return getattr(key, "fn", key)


class Bodies(Outside):
    """All receivers of one history; `world` is what their bodies do it to."""

    def __init__(self, program: Program, gate: Breaks) -> None:
        super().__init__({})
        self.program, self.gate = program, gate
        self.world = World(lambda effect: self.noted(effect.name, effect.where))
        self.cast = Cast()
        self.unsafe: list[tuple[str, str]] = []  # step, what it did
        self.assumed: dict[str, list[Effect]] = {}  # key -> what a body did that told of nothing
        self.failed: dict[tuple[str, str], tuple[int, BaseException]] = {}
        """Role, step -> how often in a row, at last with what."""
        self.at = Place("", 0)  # the line of a body that was met last
        self.noted: Callable[[str, Place], None] = _untold  # told what happens in the world
        self.arrived: Callable[[Performed], None] = _unseen  # told of every request

    @property
    def stuck(self) -> str:
        """A body did what it must not, or one fails again and again; an undo is tried for ever."""
        if self.unsafe:
            return ": ".join(self.unsafe[0])
        for (role, step), (count, error) in self.failed.items():
            if count >= FAILED_MAX:
                what = step if role == "step" else f"the {role} of {step}"
                return f"{step}: {what} has failed {count} times in a row, at last with {error!r}"
        return ""

    def arrive(self, invocation: Invocation) -> Request:
        """Note a request; it comes about when it `land`s."""
        said = (invocation.order[0], invocation.role, invocation.site, invocation.key)
        # By its key: whether the same arguments may come twice is for a calm run to say.
        told = Called(*said, f"{invocation.arguments!r} {invocation.key}")
        self.ledger.calls.append(told)
        request = Performed(self, told, invocation)
        self.arrived(request)
        return request

    def _line(self, request: Performed, line: int) -> None:
        """A boundary within a body, before one of its lines: its process may die here."""
        self.at = Place(request.file, line)
        operation = f"inside {request.told.role} {request.told.site}"
        boundary = Boundary("world", operation, self.gate.number("world", operation), Edge.BEFORE)
        if self.gate.meet(boundary, (Kind.CRASH,)):
            request.cut = True
            raise Died

    def perform(self, request: Performed, body: Callable[..., Any]) -> Any:
        """Run a body to its end, at this moment."""
        own = body in (request.invocation.step.fn, _undo(request.invocation.step))
        lines = body.__code__ if own and request.told.role != "probe" else None
        request.file = "" if lines is None else lines.co_filename

        def call() -> Any:
            _around(request.invocation)
            args, kwargs = _arguments(request.invocation)
            result = body(*args, **kwargs)
            return _driven(result) if inspect.isawaitable(result) else result

        try:
            with guarded(), stepping(lines, partial(self._line, request)):
                return copy_context().run(call)
        except (Unsafe, NothingLeft) as did:
            raise self._refused(request.invocation, did) from None

    async def within(self, invocation: Invocation) -> Any:
        """Run a transactional body in its process, in the transaction of its store."""
        _around(invocation)
        try:
            with guarded():
                return await super().within(invocation)
        except (Unsafe, NothingLeft) as did:
            raise self._refused(invocation, did) from None
        finally:
            CALLED.set(None)

    def _refused(self, invocation: Invocation, did: BaseException) -> Exception:
        said = "waits for something outside" if isinstance(did, NothingLeft) else str(did)
        self.unsafe.append((invocation.step.name, said))
        return ConnectionError("there is no real world in a simulation")

    def standing(self, key: str) -> bool:
        """Something of this key landed, and was not taken back."""
        return key in self._standing

    def landed(self, request: Performed, result: Any) -> None:
        """Keep what came about, once for a key."""
        told, effect = request.told, request.invocation.step.effect
        if effect in _WITHOUT_EFFECT or told.key in self._standing:
            return
        self._standing[told.key] = told.site, result
        raw = _raw(self.program, told.site, result)
        landing = Landing(told.execution, told.site, told.key, told.occurrence, raw)
        self.ledger.landings.append(landing)

    def gone(self, told: Called) -> None:
        """Keep that something was taken back by a body of the user's."""
        if self._standing.pop(told.key, None) is not None:
            self.ledger.undos.append(Undo(told.execution, told.site, told.key))

    def take_back(self, told: Called) -> None:
        """Undo by key, as the model of a receiver does, with what happened under it."""
        if self.standing(told.key):
            for effect in [e for e in self.world.effects if e.here.key == told.key]:
                self.world.took_back(effect.what, *effect.about)
        super().take_back(told)


class Performed(Request):
    """One request to a body of the user's."""

    def __init__(self, outside: Bodies, told: Called, invocation: Invocation) -> None:
        super().__init__(outside, told, invocation.step.effect, lambda: None)
        self.bodies, self.invocation = outside, invocation
        self.file = ""  # of the body that runs

    def land(self) -> None:
        """Come about, or die on the way."""
        role = self.told.role, self.invocation.step.name
        try:
            super().land()
        except Died:
            self.done = False
            return
        count, _ = self.bodies.failed.pop(role, (0, None))
        if self._error is not None:
            self.bodies.failed[role] = count + 1, self._error

    def _act(self) -> Any:
        played = self.bodies.cast.of(self.invocation)
        if played is None:
            return super()._act()
        if self.told.role == "step":
            return self._do(played)
        bodies, before = self.bodies, self.bodies.world.undone.total()
        result = self._play(played)
        if self.told.role == "undo":
            if bodies.world.undone.total() == before:  # it told of nothing, as its step
                for effect in bodies.assumed.pop(self.told.key, ()):
                    bodies.world.took_back(effect.what, *effect.about)
            bodies.gone(self.told)
        return result

    def _play(self, played: Callable[..., Any] | Declared) -> Any:
        if isinstance(played, Declared):
            return played.value
        return self.bodies.perform(self, played)

    def _do(self, played: Callable[..., Any] | Declared) -> Any:
        bodies, key, step = self.bodies, self.told.key, self.invocation.step
        if key in bodies.closed:
            raise KeyClosed(key)
        if isinstance(played, Declared) and bodies.standing(key):
            return played.value
        before = len(bodies.world.effects)
        result = self._play(played)
        own = step.effect in (Class.COMPENSATABLE, Class.IRREVERSIBLE) or isinstance(
            played, Declared
        )
        if own and step.effect not in _WITHOUT_EFFECT and len(bodies.world.effects) == before:
            here = Here(self.told.site, step.name, str(step.effect), key)
            where = Place(step.fn.__code__.co_filename, step.fn.__code__.co_firstlineno)
            about = tuple(map(str, self.invocation.arguments))
            effect = Effect(step.name, about, here, where)
            bodies.world.effects.append(effect)
            bodies.assumed.setdefault(key, []).append(effect)
            bodies.noted(effect.name, where)
        bodies.landed(self, result)
        return result


def _untold(name: str, where: Place) -> None:
    return None


def _unseen(request: Performed) -> None:
    return None


def _around(invocation: Invocation) -> None:
    """Set what surrounds a body."""
    step = invocation.step
    CALLED.set((invocation.key, invocation.order))
    HERE.set(Here(invocation.site, step.name, str(step.effect), invocation.key))


def _undo(step: Step[..., Any]) -> Callable[..., Any] | None:
    return None if step.undo_step is None else step.undo_step.fn


def _arguments(invocation: Invocation) -> tuple[tuple[Any, ...], dict[str, Any]]:
    step, values = invocation.step, invocation.arguments
    if invocation.role != "undo":
        return step.spread(values)
    undo = step.undo_step
    assert undo is not None
    if not undo.unknown:
        return values, {}
    args, kwargs = step.spread(values[1:])
    return (values[0], *args), kwargs


class _BodyLoop(SimLoop):
    """A loop for one body: what it gives to a thread runs in place."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run it now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


async def _awaited(result: Any) -> Any:
    return await result


def _driven(result: Any) -> Any:
    loop = _BodyLoop(Time())
    asyncio.set_event_loop(None)
    try:
        return run(loop, _awaited(result))
    finally:
        loop.abandon()


def _raw(program: Program, site: str, result: Any) -> str:
    codec = program.results.get(site)
    if codec is None:
        return "null"
    try:
        return codec.seal(result).raw.decode()
    except ValueRefused:  # the engine refuses it too, and says so
        return "null"
