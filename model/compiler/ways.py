"""Ways out of a block, and what the emitters of calls and scopes need of the one that has them.

Nothing is emitted here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from ..net import Span, StackOp, TransitionKind
from .blocks import Block
from .draft import Draft


@dataclass(frozen=True)
class Ways:
    """Where each way out goes: next, return, break, continue, exhausted, raise, cancel.

    `ending` is marked while the innermost scope is being left; empty when shielded. `catching` are
    the types of all handlers around. `scope` and `stack` are the place and variable of the saga.
    """

    to: dict[str, str]
    ending: str
    catching: tuple[ast.expr, ...] = ()
    scope: str = ""
    stack: str = ""

    def but(self, **to: str) -> Ways:
        """The same ways with some going elsewhere; `raise_` and so on for reserved words."""
        return replace(self, to={**self.to, **{k.rstrip("_"): v for k, v in to.items()}})


class Emitter(Protocol):
    """What makes a draft net, as its helpers see it."""

    draft: Draft

    def emit(self, block: Block, ways: Ways) -> str:
        """The place where `block` begins."""
        ...

    def empty(self, name: str, block: Block) -> str:
        """A vanishing place without code."""
        ...

    def drain(self, at: str, ways: Ways) -> None:
        """A body token of an ending scope leaves at its resting place."""
        ...

    def transition(
        self,
        name: str,
        kind: TransitionKind,
        take: Iterable[str],
        put: Iterable[str],
        *,
        read: str = "",
        binds: str = "",
        site: str = "",
        stack_op: StackOp | None = None,
        stack: str = "",
        outer: str = "",
        exit: int = -1,
        span: Span | None = None,
    ) -> None:
        """A transition with what it binds and does to an undo stack."""
        ...
