"""Workflows: an `async def` that is compiled to a net, with the name and version it runs under.

Neither compiling nor running happens here; `.direct` hands over to `direct.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from ..errors import DefinitionError
from ..modules import stored_module
from . import bodies
from .calls import Call
from .direct import run_direct

P = ParamSpec("P")
R = TypeVar("R")


class Workflow(Generic[P, R]):
    """A workflow as its callers see it; calling it makes a call for `engine.run` or `start`."""

    def __init__(
        self,
        fn: Callable[P, Coroutine[Any, Any, R]],
        *,
        version: int = 1,
        name: str | None = None,
    ) -> None:
        self.signature: inspect.Signature = bodies.checked_function(fn, "workflow")
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name: str = fn.__name__ if name is None else name
        self.version = version
        self.module: str = fn.__module__
        self.qualname: str = fn.__qualname__
        self.doc: str = inspect.getdoc(fn) or ""
        self._positional = bodies.positional(self.signature)
        _check(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Make a call of this workflow."""
        return Call(self, args, kwargs)

    @property
    def reference(self) -> str:
        """`module:qualname`, by which another process finds the workflow."""
        return f"{stored_module(self.module)}:{self.qualname}"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return the values of all parameters in order, with defaults; TypeError if they misfit."""
        if len(args) == self._positional and not kwargs:
            return args
        return bodies.bound(self.name, self.signature, args, kwargs)

    def direct(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Run the function here, as plain coroutine without a log, for tests.

        Sagas undo, forks settle, and time is virtual; `direct_world` gives signals and fakes.
        """
        if inspect.isasyncgenfunction(self.fn):
            where = bodies.where_is(self.fn)
            why = "readers of a stream would see values that a crash takes back"
            raise DefinitionError("PD101", f"{self.name} yields", where, why, "return a list")
        return run_direct(self.fn, args, kwargs)

    def __repr__(self) -> str:
        return f"<workflow {self.name} version {self.version}, {self.reference}>"


class MakesWorkflow(Protocol):
    """`@workflow(...)`: waits for the function."""

    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...


@overload
def workflow(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...
@overload
def workflow(*, version: int = ..., name: str | None = ...) -> MakesWorkflow: ...
def workflow(
    fn: Callable[..., Any] | None = None, /, *, version: int = 1, name: str | None = None
) -> Any:
    """Make a workflow of an `async def`; its name and version are what the log refers to.

    `version` is 1 or more; `name` is that of the function where nothing is said. What cannot be
    compiled is refused when it is first used, by a `CompileError` with code, line, why and fix.
    """

    def make(fn: Callable[..., Any]) -> Workflow[..., Any]:
        return Workflow(fn, version=version, name=name)

    return make if fn is None else make(fn)


def _check(made: Workflow[..., Any]) -> None:
    where = bodies.where_is(made.fn)
    # One that yields is refused when it is compiled, where the place can be shown (PD101).
    if not (bodies.is_coroutine_function(made.fn) or inspect.isasyncgenfunction(made.fn)):
        raise DefinitionError(
            "PD415",
            f"workflow {made.name} is not an `async def`",
            where,
            "it is compiled at its awaits",
            f"async def {made.name}(...)",
        )
    if made.version < 1:
        raise DefinitionError(
            "PD416",
            f"workflow {made.name} has version {made.version!r}",
            where,
            "versions count from 1",
            "@workflow(version=1)",
        )
    if not made.name or made.name != made.name.strip() or not made.name.isprintable():
        raise DefinitionError(
            "PD412",
            f"{made.name!r} cannot name a workflow",
            where,
            "people type it at the console",
            '@workflow(name="fulfil order")',
        )
