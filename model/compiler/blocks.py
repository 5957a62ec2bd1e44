"""The block tree (L0): a workflow in normal form, as frozen values with ids and source spans.

Emission walks it to make the net, drawings walk it to lay the net out. Every `id` is unique in one
workflow and names the node to which the places made from it belong. No rule of how Python is
rewritten and no place of the net lives here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..language.steps import Step
from ..language.waits import Signal
from ..net import Site, Span


class Leave(ast.Pass):
    """A synthetic statement: the code is left by the exit `label`, at once."""

    _fields = ("label",)
    _field_types: ClassVar[Mapping[str, object]] = {"label": str | None}  # since Python 3.13
    label: str

    def __init__(self, label: str = "", at: ast.AST | None = None) -> None:
        super().__init__()
        self.label = label
        if at is not None:
            ast.copy_location(self, at)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A node: `id` is unique, `span` is what the author wrote."""

    id: int
    span: Span

    def children(self) -> Iterator[Block]:
        """The blocks directly inside, in source order."""
        yield from ()

    def walk(self) -> Iterator[Block]:
        """This block and all inside, in source order."""
        yield self
        for child in self.children():
            yield from child.walk()


@dataclass(frozen=True, kw_only=True)
class Sequence(Block):
    """One block after the other."""

    items: tuple[Block, ...]

    def children(self) -> Iterator[Block]:
        yield from self.items


@dataclass(frozen=True, kw_only=True)
class Glue(Block):
    """Sync code; `Leave` statements in it jump, its end is `next`."""

    code: tuple[ast.stmt, ...]


@dataclass(frozen=True, kw_only=True)
class Choice(Block):
    """Sync code that ends in one of several ways, each with its branch.

    `word`: if, while, for, match, and, or. `text` is the condition as written; the labels of the
    branches are what the code leaves by.
    """

    word: str
    text: str
    code: tuple[ast.stmt, ...]
    branches: tuple[tuple[str, Sequence], ...]

    def children(self) -> Iterator[Block]:
        for _, branch in self.branches:
            yield branch


@dataclass(frozen=True, kw_only=True)
class Loop(Block):
    """A body that begins again when it ends; `exhausted` leads to `orelse`, `break` past it.

    `word` is while or for; the test is a `Choice` in the body.
    """

    word: str
    text: str
    body: Sequence
    orelse: Sequence

    def children(self) -> Iterator[Block]:
        yield self.body
        yield self.orelse


@dataclass(frozen=True, kw_only=True)
class Jump(Block):
    """A way out without code: return, break, continue or exhausted."""

    to: str


@dataclass(frozen=True, kw_only=True)
class StepCall(Block):
    """A call of a step; `binds` is the variable of its result, or empty."""

    site: Site
    step: Step[..., Any]
    binds: str = ""


@dataclass(frozen=True, kw_only=True)
class Wait(Block):
    """A wait for a message or a moment, or for the first of several; all bind one variable."""

    sites: tuple[Site, ...]
    signals: tuple[Signal[Any] | None, ...]
    binds: str = ""


@dataclass(frozen=True, kw_only=True)
class Fork(Block):
    """Calls at once. `kind` is together or first; branch i binds `results[i]`.

    `undoes[i]` is the variable of the undo stack that branch i has to itself, or empty.
    """

    kind: str
    branches: tuple[StepCall | Wait, ...]
    results: tuple[str, ...]
    undoes: tuple[str, ...]

    def children(self) -> Iterator[Block]:
        yield from self.branches


@dataclass(frozen=True, kw_only=True)
class Handler(Block):
    """An `except` clause; `caught` holds the exception for a bare `raise`."""

    types: ast.expr
    name: str
    caught: str
    body: Sequence

    def children(self) -> Iterator[Block]:
        yield self.body


@dataclass(frozen=True, kw_only=True)
class Try(Block):
    """`try` with handlers in order; `orelse` runs unguarded after the body."""

    body: Sequence
    handlers: tuple[Handler, ...]
    orelse: Sequence

    def children(self) -> Iterator[Block]:
        yield self.body
        yield from self.handlers
        yield self.orelse


@dataclass(frozen=True, kw_only=True)
class Saga(Block):
    """`async with saga()`: `stack` is the variable of its undo stack."""

    stack: str
    body: Sequence

    def children(self) -> Iterator[Block]:
        yield self.body
