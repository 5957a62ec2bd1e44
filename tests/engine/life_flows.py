"""Workflows for tests with several processes, each of which imports this file. No test lives here.

Steps leave a line in the file they are given, so that calls can be counted from outside.
"""

from __future__ import annotations

import asyncio
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


@workflow
async def patient(path: str) -> str:
    return await go.wait()


@idempotent
async def hang(path: str) -> str:
    """Run until it is cancelled."""
    leave(path, "runs")
    await asyncio.Event().wait()
    return "never"


@workflow
async def endless(path: str) -> str:
    return await hang(path)
