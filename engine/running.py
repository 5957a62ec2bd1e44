"""A call under way: which one it is, and how it is given up.

Nothing is called here, and what its outcome means is not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from ..model.language.steps import Step
from .kernel import Call


class Running(msgspec.Struct, eq=False):
    """A call under way. `settling`: it has an intent, so it is never cut, only awaited.

    `waiting`: the user's function does not run now, its turn has not come.
    """

    settling: bool
    key: str  # of the execution
    call: Call
    step: Step[..., Any]
    task: asyncio.Task[None] | None = None
    forget: Callable[[asyncio.Task[None]], None] | None = None  # for a task without last words
    cancelled: bool = False
    waiting: bool = True

    @property
    def says(self) -> str:
        """Which step of which execution, for people."""
        return f"{self.key}: {self.call.role} {self.call.site.name} ({self.step.effect})"

    @property
    def begun(self) -> bool:
        """Whether the call may have left already."""
        return self.task is not None and not self.waiting

    def cancel(self) -> None:
        """Give the call up, before or while it runs; its outcome is dropped."""
        self.cancelled = True
        if self.task is not None:
            if self.waiting and self.forget is not None:
                self.task.add_done_callback(self.forget)  # it may end before its first turn
            self.task.cancel()
