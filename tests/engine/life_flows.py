"""Workflows for tests with several processes, each of which imports this file. No test lives here.

Steps leave a line in the file they are given, so that calls can be counted from outside.
"""

from __future__ import annotations

from pathlib import Path

from perdure import (
    Signal,
    idempotent,
    workflow,
)

go = Signal[str]("go")


def leave(path: str, line: object) -> None:
    """Append a line, in one write."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@idempotent
async def trace(path: str, line: int) -> str:
    leave(path, line)
    return f"traced {line}"


@workflow
async def traced(path: str, line: int) -> str:
    return await trace(path, line)
