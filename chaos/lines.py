"""Stops at the lines of one function while it runs, by Python's tracing. No fault is known here.

Only the function itself is watched, not what it calls; a line is met at most twice in one run of
it, so that a long loop is not a thousand places to die.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

TIMES_MAX = 2


@contextmanager
def stepping(code: CodeType | None, meet: Callable[[int], None]) -> Generator[None]:
    """Call `meet` before each line of `code` but the first; what it raises ends the function."""
    if code is None:
        yield
        return
    seen: Counter[int] = Counter()

    def line(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            seen[frame.f_lineno] += 1
            if seen.total() > 1 and seen[frame.f_lineno] <= TIMES_MAX:
                meet(frame.f_lineno)
        return line

    def call(frame: FrameType, event: str, arg: Any) -> Any:
        return line if frame.f_code is code else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)
