"""Random sync bodies, full of jumps through `try`, `with` and loops, as text of a workflow.

The body stands in a loop with an await, so each way of leaving it is an exit of its glue. No test
lives here.
"""

from __future__ import annotations

import random
from collections.abc import Callable

HEAD = """@workflow
async def w(x: int, y: int) -> int:
    n = 0
    for i in range(3):
        x = await add({tag}, x, y)
"""
END = """        y = y + 1
    else:
        n = n + 100
    return x + 100 * y + 10000 * n
"""
RAISES = ("Bad(n)", "Worse(x)", "Other", "KeyError(y)")
CATCHES = ("Bad", "Worse", "(Other, KeyError)", "Exception", "ZeroDivisionError", "LookupError")


def program(r: random.Random) -> str:
    """The text of a workflow `w`."""
    writer = _Writer(r)
    body = writer.block(0, 4, inner=0, handler=False, final=False)
    return HEAD.format(tag=1) + "".join(f"{line}\n" for line in body) + END


class _Writer:
    """`inner`: loops of the body around; `handler`, `final`: what is around."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.tags = 1

    def block(self, depth: int, size: int, *, inner: int, handler: bool, final: bool) -> list[str]:
        lines: list[str] = []
        for _ in range(self.r.randint(1, size)):
            lines += self.statement(depth, inner, handler, final)
        return lines

    def tag(self) -> int:
        self.tags += 1
        return self.tags

    def statement(self, depth: int, inner: int, handler: bool, final: bool) -> list[str]:
        pad = "    " * (2 + depth)

        def deeper(
            size: int = 2, loops: int = inner, handler: bool = handler, final: bool = final
        ) -> list[str]:
            return self.block(depth + 1, size, inner=loops, handler=handler, final=final)

        kinds: list[Callable[[], list[str]]] = [self.plain, self.plain, self.risk]
        made = [f"{pad}{line}" for line in self.r.choice(kinds)()]
        kind = self.r.random()
        if depth > 3 or kind < 0.3:
            return made
        if kind < 0.5:
            return made + [f"{pad}{line}" for line in self.jump(inner, handler, final)]
        if kind < 0.6:
            return [*made, f"{pad}if {self.test()}:", *deeper()]
        if kind < 0.7:
            loop = f"{pad}for k{depth} in range(2):"
            return [loop, *deeper(loops=inner + 1, final=False), f"{pad}else:", *deeper()]
        if kind < 0.78:
            manager = self.r.choice(["suppress(LookupError)", f"Door({self.tag()}, x)"])
            return [f"{pad}with {manager}:", *deeper()]
        return self.guarded(pad, deeper)

    def guarded(self, pad: str, deeper: Callable[..., list[str]]) -> list[str]:
        lines = [f"{pad}try:", *deeper(3)]
        handled, cleaned = self.r.random() < 0.6, self.r.random() < 0.7
        if handled or not cleaned:
            for caught in self.r.sample(CATCHES, self.r.randint(1, 2)):
                lines += [f"{pad}except {caught} as e{len(pad)}:", *deeper(handler=True)]
            if self.r.random() < 0.3:
                lines += [f"{pad}else:", *deeper()]
        if cleaned:
            lines += [f"{pad}finally:", *deeper(final=True)]
        return lines

    def test(self) -> str:
        return f"{self.r.choice('xyn')} % {self.r.randint(2, 3)} == {self.r.randint(0, 1)}"

    def plain(self) -> list[str]:
        to, a = self.r.choice("xyn"), self.r.choice("xyn")
        return [f"{to} = mark({self.tag()}, {a}) % 7 + {self.r.randint(0, 3)}"]

    def risk(self) -> list[str]:
        a = self.r.choice("xyn")
        forms = [f"x = {a} // ({a} % 3)", f"y = {{1: 5, 2: 6, 3: 7}}[{a} % 4]", f"n += {a} % 2"]
        return [self.r.choice(forms)]

    def jump(self, inner: int, handler: bool, final: bool) -> list[str]:
        jumps = [f"return mark({self.tag()}, x + y)", f"raise {self.r.choice(RAISES)}"]
        jumps += [f"assert {self.test()}, n"]
        # In a `finally` a jump out of the loop swallows what was raised: allowed, and rare.
        jumps += ["break", "continue"] if not final or inner or self.r.random() < 0.3 else []
        jumps += ["raise"] if handler else []
        return [f"if {self.test()}:", f"    {self.r.choice(jumps)}"]
