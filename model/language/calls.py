"""A call that every type checker takes for a coroutine: who is called, and with what.

Nothing runs when a call is made. An engine takes target and arguments out of it; `.direct` runs
it in place; anything else is refused with a hint.
"""

from __future__ import annotations

import warnings
from collections.abc import Coroutine, Generator
from typing import Any, NamedTuple, Protocol, TypeVar

from ..errors import PlacementError
from .ambient import DIRECT

R = TypeVar("R")


class Target(Protocol):
    """What can be called: a step, a workflow or a word of the language."""

    @property
    def name(self) -> str:
        """The plain name, for messages."""
        ...


class Verb(NamedTuple):
    """A word of the language as target of a call: `sleep`, `first`, `wait`…"""

    name: str


class Taken(NamedTuple):
    """A call that was handed over."""

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Call(Coroutine[Any, Any, R]):
    """What `step(...)`, `workflow(...)` and the waits return; it can be handed over once.

    Declared everywhere as `Coroutine[Any, Any, R]`, since checkers report a forgotten await for
    that type only. A call that is dropped without being handed over warns.
    """

    __slots__ = ("_running", "_spent", "args", "kwargs", "target")

    def __init__(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.target, self.args, self.kwargs = target, args, kwargs
        self._spent = False
        self._running: Generator[Any, Any, R] | None = None

    def take(self) -> Taken:
        """Hand over target, arguments and keyword arguments; possible once."""
        if self._spent:
            raise PlacementError(
                "PD604",
                f"this call of {self.target.name} was handed over before",
                "",
                "one call is one execution or one effect; a second use would be another",
                f"call {self.target.name}(...) again",
            )
        self._spent = True
        return Taken(self.target, self.args, self.kwargs)

    def __await__(self) -> Generator[Any, Any, R]:
        world = DIRECT.get()
        if world is None:
            self._spent = True
            raise _not_here(self.target.name)
        return world.perform(*self.take()).__await__()

    def send(self, value: Any, /) -> Any:
        """Advance the call when a plain event loop drives it."""
        if self._running is None:
            self._running = self.__await__()
        return self._running.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise inside the call, or out of it when it has not begun."""
        self._spent = True
        if self._running is None:
            raise error[0]
        return self._running.throw(error[0])

    def close(self) -> None:
        """Give the call up without a warning."""
        self._spent = True
        if self._running is not None:
            self._running.close()

    def __repr__(self) -> str:
        given = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"<call of {self.target.name}({', '.join(given)})>"

    def __del__(self) -> None:
        # The attribute is absent when the constructor itself failed.
        if not getattr(self, "_spent", True):
            text = f"call of {self.target.name} was never awaited"
            warnings.warn(text, RuntimeWarning, stacklevel=2)


def taken(given: object, word: str) -> Taken:
    """Take the call `given` as an argument of `word`, or refuse what is not a call (PD105)."""
    if isinstance(given, Call):
        return given.take()
    if isinstance(given, Coroutine):
        given.close()
    raise PlacementError(
        "PD105",
        f"{word}(...) takes calls of steps, workflows and waits, not {given!r}",
        "",
        "what a plain coroutine does is lost in a restart",
        f"make it a step, and write {word}(my_step(...), ...)",
    )


def _not_here(name: str) -> PlacementError:
    return PlacementError(
        "PD601",
        f"{name}(...) is awaited outside a workflow",
        "",
        "only an engine can make it durable",
        "a workflow runs by `await engine.run(flow(...), id=...)`, or without a log, for tests, "
        "by `await flow.direct(...)`",
    )
