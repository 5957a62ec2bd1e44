"""What the compiler has to say: findings with a code and a place, and the error that carries them.

How a finding is found is written at each stage.
No problem is found here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from linecache import getline
from types import TracebackType

from ..errors import UsageError
from ..net import Span
from ..problems import told

_IGNORE = re.compile(r"#\s*perdure:\s*ignore\[([^]]*)\]")


@dataclass(frozen=True)
class Edit:
    """Text to put where `span` is; an empty span is a place to insert at."""

    span: Span
    text: str


@dataclass(frozen=True)
class Finding:
    """One problem: what, where, why, fix. Warnings do not stop compilation.

    `edits`: the fix as changes of the text, when it can be said that exactly.
    """

    code: str
    span: Span
    message: str
    why: str = ""
    fix: str = ""
    warning: bool = False
    edits: tuple[Edit, ...] = ()

    @property
    def ignored(self) -> bool:
        """Whether `# perdure: ignore[PDnnn]` stands on its line, or alone on the line above."""
        return self.warning and ignored(self.code, self.span)

    def __str__(self) -> str:
        return told(self.code, self.message, self.span, self.why, self.fix, warning=self.warning)


def ignored(code: str, span: Span) -> bool:
    """Whether the author ignores warnings `code` at this place."""
    above = getline(span.file, span.line - 1).strip()
    for text in (getline(span.file, span.line), above if above.startswith("#") else ""):
        found = _IGNORE.search(text)
        if found is not None and code in re.split(r"[,\s]+", found[1].strip()):
            return True
    return False


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In source order, each once, without what the author ignores."""
    kept = {(f.span, f.code, f.message): f for f in findings if not f.ignored}
    return tuple(sorted(kept.values(), key=lambda f: (f.span.line, f.span.column, f.code)))


class CompileError(UsageError):
    """A workflow that cannot be compiled; `findings` are all its problems."""

    code = "PD100"

    def __init__(self, workflow: str, findings: tuple[Finding, ...], /) -> None:
        super().__init__(workflow, findings)
        self.workflow, self.findings = workflow, findings

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.findings))


def tell_plainly() -> None:
    """Let an uncaught `CompileError` be printed as its message, without a stack of our frames.

    What is to be mended stands in the workflow's text, not where the workflow was started. A hook
    that someone else has set stays as it is.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _hook


def _hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if isinstance(error, CompileError) and sys.stderr is not None:
        print(f"workflow {error.workflow} does not compile\n\n{error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
