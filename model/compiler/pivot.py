"""After the pivot the rest of the saga is shielded (C16): which blocks that concerns.

Forward over the block tree: a block is past the pivot when some path inside its saga has passed an
irreversible step. A fork with such a step in a branch counts from its beginning: a cancel must not
give up the others when it has landed. What shielding means for the net is decided in `emit.py`.
Nothing is shielded here.
"""

from __future__ import annotations

from ..language.effects import Effect
from .blocks import Block, Choice, Fork, Loop, Saga, Sequence, StepCall, Try


def past_pivot(body: Sequence) -> frozenset[int]:
    """Ids of the blocks that an irreversible step of their saga may precede."""
    found: set[int] = set()
    _Walk(found).after(body, past=False, inside=False)
    return frozenset(found)


class _Walk:
    def __init__(self, found: set[int]) -> None:
        self.found = found

    def after(self, block: Block, past: bool, inside: bool) -> bool:
        """Whether the pivot may be passed behind `block`, given whether it may be before."""
        if past:
            self.found.add(block.id)
        match block:
            case Sequence():
                for item in block.items:
                    past = self.after(item, past, inside)
                return past
            case StepCall():
                return past or (inside and block.step.effect is Effect.IRREVERSIBLE)
            case Choice() | Fork():
                if inside and _has_pivot(block):
                    self.found.add(block.id)
                results = [self.after(child, past, inside) for child in block.children()]
                return past or any(results)
            case Loop():
                again = self.after(block.body, past, inside)
                if again and not past:
                    self.after(block.body, True, inside)
                return self.after(block.orelse, past or again, inside)
            case Try():
                return self.guarded(block, past, inside)
            case Saga():
                inner = self.after(block.body, past, True)
                return inner if inside else past
            case _:
                return past

    def guarded(self, block: Try, past: bool, inside: bool) -> bool:
        """A handler is past the pivot when something behind an irreversible step may raise."""
        body = self.after(block.body, past, inside)
        landed = past or any(child.id in self.found for child in block.body.walk())
        ends = [self.after(handler.body, landed, inside) for handler in block.handlers]
        return any([self.after(block.orelse, body, inside), *ends])


def _has_pivot(block: Choice | Fork) -> bool:
    """Whether a branch of a fork is an irreversible step."""
    return isinstance(block, Fork) and any(
        isinstance(branch, StepCall) and branch.step.effect is Effect.IRREVERSIBLE
        for branch in block.branches
    )
