"""Names people read (C32): sites, waits, forks and scopes, numbered in source order when repeated.

No line numbers, so unrelated edits keep names. Nothing here knows what a place means.
"""

from __future__ import annotations

import ast

from .trees import Transformer, twin


class Names:
    """Hands out unique names: `charge_card`, `charge_card 2`, …"""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}
        self._taken: set[str] = set()

    def unique(self, base: str) -> str:
        """Return `base`, or `base` with the next number when it is taken."""
        number = self._count.get(base, 0) + 1
        name = base if number == 1 else f"{base} {number}"
        while name in self._taken:
            number += 1
            name = f"{base} {number}"
        self._count[base] = number
        self._taken.add(name)
        return name


def condition(node: ast.AST, width: int = 40) -> str:
    """The text of a condition or iterable on one line, shortened; for names of vanishing places."""
    text = " ".join(ast.unparse(_Plain().visit(twin(node))).split())
    return text if len(text) <= width else text[: width - 1] + "…"


class _Plain(Transformer):
    """Leaves out of f-strings what Python's versions write differently: the text stays the same."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return ast.copy_location(ast.Name("f'…'", ast.Load()), node)
