"""What a drawing is made of: the shape of a program as nested boxes that own the places.

A small tree on purpose, so that drawings do not depend on how the compiler keeps its blocks
(`blocks.py` there; `tree.py` here translates). No coordinates: those are `layout.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..net import Place


class BoxKind(StrEnum):
    """How a box is laid out."""

    WORKFLOW = "workflow"  # the whole: its body between start and done
    SEQUENCE = "sequence"  # a column
    STEP = "step"  # a call, with its places before, during, in doubt, after
    WAIT = "wait"  # one place, and one way on per contender
    CHOICE = "choice"  # branches side by side behind a diamond
    FORK = "fork"  # branches side by side between two bars
    LOOP = "loop"  # a body with a return edge; `label` is the test
    SCOPE = "scope"  # a dashed frame around a body
    TRY = "try"  # a body, and its handlers beside it
    END = "end"  # a way out: return, raise, break, continue


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the drawing. `labels[i]` belongs to `children[i]` (or, for a wait, is a contender).

    `places` are drawn in the box; `lane` are those of exceptions, drains and undo, drawn beside it
    when asked for. `leads_on` is False where nothing comes after.
    """

    kind: BoxKind
    label: str = ""
    children: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    lane: tuple[Place, ...] = ()
    effect: str = ""
    line: int = 0
    note: str = ""  # a loop: "" ends by its test, "for ever" by break alone, "no end" by neither

    @property
    def leads_on(self) -> bool:
        """Whether control can come out at the bottom."""
        if self.kind is BoxKind.END:
            return False
        if self.kind is BoxKind.SEQUENCE:
            return all(child.leads_on for child in self.children)
        if self.kind in (BoxKind.CHOICE, BoxKind.TRY):
            return any(child.leads_on for child in self.children)
        if self.kind is BoxKind.LOOP:
            return self.note != "no end"
        if self.kind is BoxKind.SCOPE:
            return self.children[0].leads_on
        return True

    def walk(self) -> Iterator[Box]:
        """This box and all inside."""
        todo: list[Box] = [self]
        while todo:
            box = todo.pop()
            yield box
            todo += reversed(box.children)
