"""What the compiler has to say to an author: diagnostics as data, and their rendered form.

The texts of the codes stand in `codes.py`; where a problem is found does not matter here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..net import Span


@dataclass(frozen=True, slots=True)
class Related:
    """Another place in the source that belongs to the problem, and what stands there."""

    span: Span
    says: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: code, where, what, why, and the fix as code."""

    code: str
    span: Span
    what: str
    why: str = ""
    fix: str = ""
    related: tuple[Related, ...] = ()
    severity: str = "error"  # or "warning": may be ignored by `# perdure: ignore[CODE]`


class CompileError(UsageError):
    """A workflow cannot be compiled; all its problems at once, warnings included (PD199)."""

    code = "PD199"

    def __init__(self, diagnostics: Sequence[Diagnostic], text: str = "", /) -> None:
        super().__init__(tuple(diagnostics), text)
        self.diagnostics = tuple(diagnostics)
        self.text = text

    def __str__(self) -> str:
        return "\n" + self.text if self.text else "; ".join(
            f"{d.span.file}:{d.span.line}: {d.code} {d.what}" for d in self.diagnostics
        )


def render(diagnostic: Diagnostic, lines: Sequence[str]) -> str:
    """The form people read: position, three lines of source with a caret, why, fix, more."""
    span = diagnostic.span
    head = f"{span.file}:{span.line}:{span.column + 1}: {diagnostic.code} {diagnostic.what}"
    if diagnostic.severity == "warning":
        head = f"{span.file}:{span.line}:{span.column + 1}: warning: {diagnostic.code} {diagnostic.what}"
    said = {r.span.line: r.says for r in diagnostic.related}
    shown = sorted({n for n in (span.line - 2, span.line - 1, span.line) if n >= 1} | set(said))
    width = max(len(str(n)) for n in shown)
    rows = [head]
    last = None
    for number in shown:
        if number > len(lines):
            continue
        if last is not None and number > last + 1:
            rows.append(f"   {'…':>{width}} |")
        text = lines[number - 1].rstrip("\n")
        note = f"      # {said[number]}" if number in said else ""
        rows.append(f"   {number:>{width}} | {text}{note}".rstrip())
        if number == span.line:
            end = span.end_column if span.end_line == span.line else len(text)
            carets = "^" * max(1, end - span.column)
            rows.append(f"   {' ' * width} | {' ' * span.column}{carets}")
        last = number
    if diagnostic.why:
        rows.append(f"  why  {diagnostic.why}")
    if diagnostic.fix:
        rows.append(f"  fix  {diagnostic.fix}")
    rows.append(f"  more perdure explain {diagnostic.code}")
    return "\n".join(rows)
