"""C10: PD207 is said of every program in which CPython may find a variable without a value."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import settings
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError

from .differential_runs import load

PROGRAMS = 2000 if settings.get_current_profile_name() == "nightly" else 200
FLAGS = 16
"""Values of the parameter `f`: each bit decides one test."""

HEAD = "@workflow\nasync def w(f: int) -> int:\n"


class _Writer:
    """Statements that assign, read, delete and jump under tests of the bits of `f`."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.calls = self.bits = 0

    def test(self) -> str:
        self.bits = (self.bits + 1) % 4
        return f"f & {1 << self.bits}"

    def call(self, value: str) -> str:
        self.calls += 1
        return f"await add({self.calls}, {value})"

    def name(self) -> str:
        return self.r.choice("abc")

    def block(self, depth: int, loop: bool) -> list[str]:
        lines: list[str] = []
        for _ in range(self.r.randint(1, 3)):
            lines += self.statement(depth, loop)
        return lines

    def inside(self, head: str, depth: int, loop: bool) -> list[str]:
        return [head, *(f"    {line}" for line in self.block(depth - 1, loop))]

    def walrus(self, sets: str, name: str) -> list[str]:
        """A test that may set a variable, and a read where it holds or does not."""
        t = self.test()
        test = self.r.choice(
            [
                f"{t} and {sets}",
                f"{sets} and {t}",
                f"{t} or {sets}",
                f"not ({t} or not {sets})",
                f"not ({t} and {sets})",
                f"({t} or {sets}) and {self.test()}",
                f"await add(0, f) > 2 and {sets}",
                f"{sets} if {t} else {self.test()}",
            ]
        )
        word = self.r.choice(["if", "if", "while"])
        stop = ["    break"] if word == "while" else []
        lines = [f"{word} {test}:", f"    {self.call(self.r.choice([name, 'f']))}", *stop]
        return lines + (["else:", f"    {self.call(name)}"] if self.r.random() < 0.4 else [])

    def statement(self, depth: int, loop: bool) -> list[str]:
        simple = ["set", "set", "call", "read", "copy", "walrus", "walrus", "inner", "del", "jump"]
        simple += ["grow"]
        nested = ["if", "if", "else", "while", "for", "try", "match"]
        kind = self.r.choice(simple + nested * 2 if depth else simple)
        a, b = self.name(), self.name()
        match kind:
            case "set":
                return [f"{a} = {self.r.randint(0, 3)}"]
            case "call":
                return [f"{a} = {self.call('f')}"]
            case "read":
                return [self.call(a)]
            case "copy":
                return [f"{a} = {b}"]
            case "grow":
                return [f"{a} += 1"]
            case "walrus":
                return self.walrus(f"({a} := {self.test()})", a)
            case "inner":
                g = f"g{self.calls}"
                reads = self.r.choice([f"return {a}", f"return [{a} for {a} in (1, 2)][0] + {b}"])
                takes = self.r.choice(["", f"q: int = {b}"])
                lines = [f"def {g}({takes}) -> int:", f"    {reads}"]
                return [*lines, self.call(f"{g}()")]
            case "del":
                return [f"if {self.test()}:", f"    del {a}"]
            case "jump":
                ways = ["return 0", "raise Bad(1)", *(["break", "continue"] if loop else [])]
                return [f"if {self.test()}:", f"    {self.r.choice(ways)}"]
            case "if":
                return self.inside(f"if {self.test()}:", depth, loop)
            case "else":
                lines = self.inside(f"if {self.test()}:", depth, loop)
                return lines + self.inside("else:", depth, loop)
            case "while":
                lines = [f"k{self.calls} = 0"]
                head = f"while k{self.calls} < f % 3:"
                step = f"    k{self.calls} += 1"
                first, *rest = self.inside(head, depth, True)
                return [*lines, first, step, *rest]
            case "for":
                lines = self.inside(f"for {a} in range(f % 3):", depth, True)
                return lines + (self.inside("else:", depth, loop) if self.r.random() < 0.3 else [])
            case "match":
                lines = self.inside("match f % 3:", 1, loop)[:1]
                for case in (f"0 | 1 as {a}", "2"):
                    inner = self.inside(f"case {case}:", depth, loop)
                    lines += [f"    {line}" for line in inner]
                return lines
            case _:
                lines = self.inside("try:", depth, loop)
                lines += [f"    {self.call('f')}", f"    if {self.test()}:", "        raise Bad(2)"]
                return lines + self.inside("except Bad:", depth, loop)


def _program(seed: int) -> str:
    r = random.Random(seed)
    lines = _Writer(r).block(3, False)
    start = [f"{name} = 0" for name in "abc" if r.random() < 0.6]
    local = ["if f < 0:", "    a = b = c = 0"]  # all three are variables of the workflow
    body = [*local, *start, *lines, f"return {r.choice('abc')}"]
    return HEAD + "".join(f"    {line}\n" for line in body)


def _unset_in_python(seed: int, loop: asyncio.AbstractEventLoop) -> bool:
    flow = load(_program(seed), seed)
    for f in range(FLAGS):
        try:
            loop.run_until_complete(flow.direct(f))
        except NameError:  # UnboundLocalError, or its like in a function inside
            return True
        except Exception as other:
            assert type(other).__name__ == "Bad", other
    return False


def _refused(seed: int) -> bool:
    try:
        compile_workflow(load(_program(seed), seed))
    except CompileError as error:
        codes = {f.code for f in error.findings if not f.warning}
        assert codes == {"PD207"}, f"{error}\n{_program(seed)}"
        return True
    return False


def test_what_python_may_find_unset_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """No program that compiles reads a variable without a value, for any input."""
    made = asyncio.new_event_loop()
    fails = refused = both = 0
    for seed in range(PROGRAMS):
        unset, said = _unset_in_python(seed, made), _refused(seed)
        assert said or not unset, _program(seed)
        fails, refused, both = fails + unset, refused + said, both + (unset and said)
    made.close()
    with capsys.disabled():
        print(f"\n{PROGRAMS} programs: {fails} can fail in Python, {refused} are refused")
    assert both == fails > PROGRAMS / 4
    assert PROGRAMS - refused > PROGRAMS / 8
