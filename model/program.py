"""A program: a net together with the live code that runs in it. Built by the compiler, used by the
kernel.

The net is data; a program adds what cannot be data: the user's steps, the glue functions between
awaits, the codecs of the variables. Nothing here is stored, nothing here fires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from .language.steps import Step
from .language.workflows import Workflow
from .marking import Wiring, wire
from .net import Net
from .values import Codec, Value, ValueRefused


@dataclass(frozen=True, slots=True)
class Glue:
    """The user's code between two awaits, at one vanishing place.

    `run(*reads)` returns `(exit, *values)`, the values being those of `writes[exit]`, in order. An
    exception leaves `run` only when no handler of the workflow takes it and the author did not
    raise it on purpose: the execution is then stalled, and the token does not move.
    """

    run: Callable[..., tuple[Any, ...]]
    reads: tuple[str, ...]
    writes: tuple[tuple[str, ...], ...]


class Variable(NamedTuple):
    """A variable that glue writes or reads: how its values are kept, None when nobody keeps them.

    `shows`: the author named it, and its values can change, so that two names may share one.
    """

    name: str
    codec: Codec | None
    shows: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """Glue at its place, with what running it looks up again and again."""

    run: Callable[..., tuple[Any, ...]]
    reads: tuple[str, ...]
    writes: tuple[tuple[tuple[int, Variable], ...], ...]
    """Exit -> what it writes: index in what `run` returns."""
    watched: tuple[tuple[tuple[int, Variable], ...], ...]
    """Exit -> what it reads and does not write, but may have changed in place: index in `reads`."""


@dataclass(frozen=True)
class Program:
    """What an engine needs to run one workflow at one version."""

    net: Net
    workflow: Workflow[..., Any]
    inputs: tuple[str, ...]  # variables of the `start` frame, in the order of the parameters
    steps: Mapping[str, Step[..., Any]]  # call site -> step
    codecs: Mapping[str, Codec]  # variable -> codec; also "$value" (the result) and "$error"
    channels: Mapping[str, Codec]  # signal name -> codec of its payload
    glue: Mapping[str, Glue]  # vanishing place -> its code; absent: one exit, nothing to run
    results: Mapping[str, Codec] = field(
        default_factory=dict[str, Codec]
    )  # call site -> result codec
    blocks: Sequence[object] = ()  # the block tree, for drawings: see compiler/blocks.py
    warnings: Sequence[object] = ()  # findings that did not stop compilation

    def sealed(self, values: Sequence[Any]) -> dict[str, Value]:
        """The inputs of the start frame, by name; a `ValueRefused` says which one it is."""
        found: dict[str, Value] = {}
        for name, value in zip(self.inputs, values, strict=True):
            try:
                found[name] = self.codecs[name].seal(value)
            except ValueRefused as refused:
                raise refused.named(name) from refused
        return found

    @cached_property
    def wiring(self) -> Wiring:
        """The net by numbers."""
        return wire(self.net)

    @cached_property
    def placed(self) -> tuple[Placed | None, ...]:
        """The glue of each place by its index; None where nothing runs."""
        return tuple(
            self._placed(self.glue[place.name]) if place.name in self.glue else None
            for place in self.net.places
        )

    def _placed(self, glue: Glue) -> Placed:
        def variable(name: str) -> Variable:
            codec = self.codecs.get(name)
            shows = codec is not None and not codec.immutable and name.isidentifier()
            return Variable(name, codec, shows)

        reads = [variable(name) for name in glue.reads]
        changing = [(n, v) for n, v in enumerate(reads) if v.codec and not v.codec.immutable]
        return Placed(
            glue.run,
            glue.reads,
            tuple(tuple(enumerate(map(variable, names), 1)) for names in glue.writes),
            tuple(tuple((n, v) for n, v in changing if v.name not in w) for w in glue.writes),
        )
