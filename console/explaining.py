"""What `perdure explain` says of a code: what, why, what to do, a bad and a good example.

The same for the manual is in `manual.py`. No text about a code is written here.
"""

from __future__ import annotations

from .codes import CODES, family
from .examples import EXAMPLES


def explained(code: str) -> str:
    """The page as plain text, without a newline at the end."""
    page = CODES[code]
    lines = [f"{code}  {page.says}", f"  about  {family(code)}"]
    lines += [f"  why    {page.why}", f"  fix    {page.fix}"]
    example = EXAMPLES.get(code)
    if example is not None:
        for word, text in (("bad", example.bad), ("good", example.good)):
            lines += ["", f"  {word}", *(f"    {line}".rstrip() for line in _lines(text))]
    return "\n".join(lines)


def documented(code: str) -> dict[str, str]:
    """The page for programs; `bad` and `good` are empty where there is no example."""
    bad, good = EXAMPLES.get(code, ("", ""))
    return {"code": code, "about": family(code), **CODES[code]._asdict(), "bad": bad, "good": good}


def _lines(text: str) -> list[str]:
    return text.rstrip("\n").split("\n")
