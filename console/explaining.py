"""The page of a code: what, why, what to do, a bad and a good example; for terminals and the docs.

Write docs/errors.md anew with `python -m perdure.console.explaining > docs/errors.md`; a test holds
it up to date. No text about a code is written here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from .codes import CODES, FAMILIES, family
from .examples import EXAMPLES, PRELUDE


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


def page() -> str:
    """All codes as Markdown."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield from ("# Errors", "", "Written from the catalogue that `perdure explain CODE` reads.", "")
    yield from ("The examples stand behind these lines:", "")
    yield from ("```python", *_lines(PRELUDE), "```")
    for prefix, about in FAMILIES.items():
        yield from ("", f"## {about}")
        for code in (c for c in CODES if c.startswith(prefix)):
            yield from _section(code)


def _section(code: str) -> Iterator[str]:
    page = CODES[code]
    yield from ("", f"### {code}", "", f"{page.says} {page.why}", "", f"**Fix:** {page.fix}")
    example = EXAMPLES.get(code)
    if example is not None:
        for word, text in (("Bad", example.bad), ("Good", example.good)):
            yield from ("", f"{word}:", "", "```python", *_lines(text), "```")


def _lines(text: str) -> list[str]:
    return text.rstrip("\n").split("\n")


if __name__ == "__main__":
    sys.stdout.write(page())
