"""What the compiler has to say: findings with a code and a place, and the error that carries them.

How a finding is found is written at each stage.
No problem is found here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from ..net import Span


@dataclass(frozen=True)
class Finding:
    """One problem: what, where, why, fix. Warnings do not stop compilation."""

    code: str
    span: Span
    message: str
    why: str = ""
    fix: str = ""
    warning: bool = False

    def __str__(self) -> str:
        head = f"{self.span.file}:{self.span.line}:{self.span.column + 1}: {self.code}"
        lines = [f"{head} {self.message}"]
        lines += [f"  why  {self.why}"] if self.why else []
        lines += [f"  fix  {self.fix}"] if self.fix else []
        return "\n".join(lines)


class CompileError(UsageError):
    """A workflow that cannot be compiled; `findings` are all its problems."""

    code = "PD100"

    def __init__(self, workflow: str, findings: tuple[Finding, ...], /) -> None:
        super().__init__(workflow, findings)
        self.workflow, self.findings = workflow, findings

    def __str__(self) -> str:
        return "\n".join(str(f) for f in self.findings)
