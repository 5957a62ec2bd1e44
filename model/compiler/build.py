"""What normalisation writes into: pending glue, blocks, temporaries, names, diagnostics.

It knows nothing of Python's statements; `normal.py` and `expressions.py` do.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..net import Span
from .blocks import Block, Glue, Sequence
from .callees import Resolve
from .findings import Edit, Finding
from .places import Names
from .spans import head_of, span_of


@dataclass(frozen=True)
class Origin:
    """Where the type of a synthetic variable comes from.

    `expression`: the type of the node; `annotation`: given; `error`: an exception; `items`: the
    snapshot of what a `for` (the node) runs over.
    """

    kind: Literal["expression", "annotation", "error", "items"]
    node: ast.AST | None = None
    annotation: Any = None


@dataclass
class Problem:
    """A finding with the node it is about, by which what follows from it is told apart."""

    node: ast.AST
    finding: Finding


@dataclass
class Builder:
    """The state of one normalisation."""

    file: str
    resolve: Resolve
    local: set[str]
    origins: dict[str, Origin] = field(default_factory=dict[str, Origin])
    constants: dict[str, object] = field(default_factory=dict[str, object])
    problems: list[Problem] = field(default_factory=list[Problem])
    names: Names = field(default_factory=Names)
    pending: list[ast.stmt] = field(default_factory=list[ast.stmt])
    blocks: list[Block] = field(default_factory=list[Block])
    _ids: int = 0
    _temps: int = 0

    def id(self) -> int:
        self._ids += 1
        return self._ids

    def span(self, node: ast.AST) -> Span:
        """The place of a node in the user's file; synthetic nodes carry copied locations."""
        return span_of(self.file, node)

    def temp(self, origin: Origin, name: str = "") -> str:
        """A new synthetic variable, `$1` unless named."""
        if not name:
            self._temps += 1
            name = f"${self._temps}"
        self.origins[name] = origin
        self.local.add(name)
        return name

    def constant(self, value: object, at: ast.AST) -> ast.expr:
        """An expression for a live object that has no name in the source."""
        name = next((n for n, v in self.constants.items() if v is value), None)
        if name is None:
            name = f"$c{len(self.constants)}"
            self.constants[name] = value
        return load(name, at)

    def glue(self, *statements: ast.stmt) -> None:
        """Add sync code after what is pending."""
        self.pending.extend(statements)

    def take(self) -> tuple[ast.stmt, ...]:
        """Take the pending code, to be merged into the block that follows."""
        code, self.pending = tuple(self.pending), []
        return code

    def flush(self) -> None:
        """Make the pending code a block."""
        if self.pending:
            code = self.take()
            self.blocks.append(Glue(id=self.id(), span=self.span(code[0]), code=code))

    def add(self, block: Block) -> None:
        """Add a block after the pending code."""
        self.flush()
        self.blocks.append(block)

    def sequence(self, at: ast.AST, fill: Callable[[], None]) -> Sequence:
        """The sequence of what `fill` writes."""
        outer = self.pending, self.blocks
        self.pending, self.blocks = [], []
        number = self.id()
        fill()
        self.flush()
        items = tuple(self.blocks)
        self.pending, self.blocks = outer
        return Sequence(id=number, span=self.span(at), items=items)

    def problem(
        self,
        code: str,
        node: ast.AST,
        message: str,
        why: str = "",
        fix: str = "",
        *,
        edits: Iterable[Edit] = (),
        span: Span | None = None,
        warning: bool = False,
    ) -> None:
        """Report a problem; compilation goes on to find more."""
        at = span or head_of(self.file, node)
        found = Finding(code, at, message, why, fix, warning, tuple(edits))
        self.problems.append(Problem(node, found))

    def warn(
        self,
        code: str,
        node: ast.AST,
        message: str,
        why: str = "",
        fix: str = "",
        *,
        edits: Iterable[Edit] = (),
    ) -> None:
        """Report a warning."""
        self.problem(code, node, message, why, fix, edits=edits, warning=True)

    @property
    def refused(self) -> bool:
        """Whether an error was reported."""
        return any(not p.finding.warning for p in self.problems)

    def recover(self, node: ast.AST) -> None:
        """Go on behind a construct that has been refused; one that nobody refused is, here."""
        if not self.refused:
            text = f"`{type(node).__name__}` in this place is not supported yet"
            self.problem("PD116", node, text, "it is refused, so that it is never compiled wrongly")


def load(name: str, at: ast.AST) -> ast.Name:
    """A read of a variable, located at `at`."""
    return ast.copy_location(ast.Name(name, ast.Load()), at)


def assign(name: str, value: ast.expr, at: ast.AST) -> ast.Assign:
    """`name = value`, located at `at`."""
    target = ast.copy_location(ast.Name(name, ast.Store()), at)
    return ast.copy_location(ast.Assign([target], value), at)
