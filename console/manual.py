"""What the manual says that the code knows: the page of the error codes, the programs on its pages.

The rest of the manual is written by hand in docs/; nothing of it stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .codes import CODES, FAMILIES
from .examples import EXAMPLES, PRELUDE
from .meanings import MEANINGS
from .site import cell, plain

_HEAD = """# Error codes

Every message about a mistake carries a code. `perdure explain CODE` shows in the terminal what
stands here.
"""


def codes() -> str:
    """The page of all error codes, and of the properties that `perdure check` decides."""
    parts = [_HEAD, f"The examples stand behind these lines:\n\n```python\n{PRELUDE}```\n"]
    for prefix, about in FAMILIES.items():
        pages = {name: page for name, page in CODES.items() if name.startswith(prefix)}
        if pages:
            parts.append(f"## {cell(about)}\n")
        for name, page in pages.items():
            parts.append(f"### {name}\n")
            parts.append(f"{_text(page.says)}\n")
            parts.append(f"Why: {_text(page.why)}\n")
            parts.append(f"Fix: {_text(page.fix)}\n")
            parts += _examples(name)
    parts.append("## Properties\n")
    parts.append("What `perdure check` answers, with the evidence it has: *proved* for all runs,")
    parts.append("*explored* (every reachable state was visited), or *inconclusive*.\n")
    parts.append("| property | meaning |\n| --- | --- |")
    parts += [f"| `{name}` | {cell(says)} |" for name, says in MEANINGS.items()]
    return "\n".join(parts) + "\n"


def _examples(name: str) -> Iterator[str]:
    """What gets the code, and the same said without it."""
    example = EXAMPLES.get(name)
    if example is not None:
        yield f"Bad:\n\n```python\n{example.bad}```\n"
        yield f"Good:\n\n```python\n{example.good}```\n"


def _text(text: str) -> str:
    """Markdown of a text whose code stands in backticks; outside of them nothing is a mark."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else plain(piece) for piece in pieces)


def programs(text: str) -> Iterator[str]:
    """The Python programs on a page, indented ones (in a list) too."""
    for indent, code in re.findall(r"^( *)```python\n(.*?)^\1```$", text, re.M | re.S):
        yield re.sub(rf"^{indent}", "", code, flags=re.M)
