"""What is kept over an await has a type that can be kept, or the author is told what to write."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import pytest
from perdure.model import sharing
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError, Finding
from perdure.model.program import Program
from perdure.model.sharing import NESTED, SharedObject

from . import kinds_world
from .differential_runs import load
from .test_compiler_runs import run

HEAD = "@workflow\nasync def w(n: int, s: str, b: bool, xs: list[int]) -> None:\n"


def _scope() -> dict[str, Any]:
    scope: dict[str, Any] = {}
    words = (
        "from typing import Any, IO\nimport io, threading\nfrom perdure import Retry, idempotent"
    )
    exec(words, scope)
    return scope | {n: v for n, v in vars(kinds_world).items() if not n.startswith("__")}


def _compiled(*lines: str, head: str = HEAD) -> Program:
    text = head + "\n".join(f"    {line}" for line in lines) + "\n"
    return compile_workflow(load(text, 1, _scope()))


def _refused(*lines: str, head: str = HEAD) -> Finding:
    with pytest.raises(CompileError) as caught:
        _compiled(*lines, head=head)
    (found,) = [f for f in caught.value.findings if not f.warning]
    return found


UNTYPED = [
    (["x = nobody(n)", "await count(1)", "use(x)"], "`x`", "`x: T = ...`"),
    (["x = []", "await count(1)", "x.append(n)"], "`x`", "`x: list[int] = ...`"),
    (["x = {}", "await count(1)", "use(x)"], "`x`", "`x: dict[...] = ...`"),
    (["x = (n, nobody(n))", "await count(1)", "use(x)"], "`x`", "`x: tuple[int, ...] = ...`"),
    (["use(nobody(n), await count(1))"], "this value", "`name: T = ...`"),
    (["for x in nobody(n):", "    await count(1)"], "this value", "`name: T = ...`"),
]


@pytest.mark.parametrize(("lines", "what", "fix"), UNTYPED, ids=[u[0][0] for u in UNTYPED])
def test_an_unknown_type_that_is_kept_is_asked_for(lines: list[str], what: str, fix: str) -> None:
    """PD203: which value, where, and the annotation to type."""
    found = _refused(*lines)
    assert (found.code, what in found.message, found.fix) == ("PD203", True, fix)
    assert found.span.line >= 3


@pytest.mark.parametrize(
    "lines",
    [
        ["x = nobody(n)", "use(x)", "await count(1)"],
        ["x = nobody(n)", "if b:", "    await count(1)", "else:", "    use(x)", "await tell(s)"],
        ["f = io.StringIO()", "f.write(s)", "await tell(f.getvalue())"],
        ["x = 1", "use(x)", "x = s", "use(x)", "await count(1)"],
        ["with threading.Lock() as held:", "    use(held)", "await count(n)"],
        ["f = lambda a: a + 1", "await count(f(n))"],
    ],
    ids=lambda lines: lines[0],
)
def test_what_is_dead_by_the_next_await_is_nobodys_business(lines: list[str]) -> None:
    """C30: unknown, unstorable or of several types, and silence."""
    assert not _compiled(*lines).warnings


def test_a_value_without_codec_goes_from_glue_to_glue_in_one_firing() -> None:
    """It passes a choice, an exit and a loop head, and rests nowhere."""
    text = (
        "@workflow\nasync def w(b: bool) -> str:\n"
        "    f = io.StringIO()\n    f.write('a')\n"
        "    if b:\n        await count(1)\n        return 'other'\n"
        "    f.write('b')\n    return f.getvalue()\n"
    )
    program = compile_workflow(load(text, 2, _scope()))
    assert run(program, False) == "ab" and run(program, True) == "other"
    assert "f" not in program.codecs


CODES = [
    ("PD201", ["f = io.StringIO()", "await count(1)", "use(f)"]),
    ("PD201", ["f = lambda a: a", "await count(1)", "use(f)"]),
    ("PD201", ["x = (y for y in xs)", "await count(1)", "use(x)"]),
    ("PD201", ["x = zip(xs, s)", "await count(1)", "use(x)"]),
    ("PD202", ["x: Decimal | str = s", "await count(1)", "use(x)"]),
    ("PD204", ["x = n", "if b:", "    x = s", "await count(1)", "use(x)"]),
    ("PD204", ["x = n if b else s", "await count(1)", "use(x)"]),
]


@pytest.mark.parametrize(("code", "lines"), CODES, ids=[f"{c} {x[0]}" for c, x in CODES])
def test_what_cannot_be_kept_is_refused(code: str, lines: list[str]) -> None:
    """No codec, an ambiguous union, unrelated types under one name."""
    assert _refused(*lines).code == code


def test_unrelated_types_are_told_with_their_lines() -> None:
    """PD204: both types, both lines, and the union to annotate."""
    found = _refused("x = n", "if b:", "    x = s", "await count(1)", "use(x)")
    assert "int after line 3 and str after line 5" in found.message
    assert "`x: int | str`" in found.fix


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["x: Any = n", "await count(1)", "use(x)"], ["PD205"]),
        (["x: dict[str, Any] = {}", "await count(1)", "use(x)"], ["PD205"]),
        (["x: list = []", "await count(1)", "use(x)"], ["PD205"]),
        (["x: Any = n", "use(x)", "await count(1)"], []),
    ],
)
def test_any_that_is_written_and_kept_is_a_warning(lines: list[str], codes: list[str]) -> None:
    """PD205: stored as plain JSON; dead by the await, nothing is said."""
    found = _compiled(*lines).warnings
    assert [f.code for f in found if isinstance(f, Finding)] == codes


def test_a_step_or_signal_without_a_storable_type_is_refused() -> None:
    """Its result is in the log whether somebody binds it or not."""
    head = (
        "@idempotent\nasync def bad(n: int):\n    return n\n"
        "@idempotent\nasync def alive() -> IO[str]:\n    return io.StringIO()\n"
        "files = Signal[threading.Event]('files')\n" + HEAD
    )
    assert _refused("await bad(n)", head=head).code == "PD203"
    assert _refused("await alive()", head=head).code == "PD201"
    assert _refused("await files.wait()", head=head).code == "PD201"


# --- PD212 ---------------------------------------------------------------------------------------

SHARED = [
    (["a = [n]", "c = a", "await count(1)", "use(a, c)"], False, True),
    (["c = xs", "await count(1)", "use(xs, c)"], False, True),
    (["c = xs", "await count(1)", "use(c)"], False, False),
    (["c = xs.copy()", "await count(1)", "use(xs, c)"], False, False),
    (["a = [xs]", "await count(1)", "use(a, xs)"], False, False),
    (["a = [xs]", "await count(1)", "use(a, xs)"], True, True),
    (["a = [n]", "c = {'k': a}", "await count(1)", "use(a, c)"], True, True),
    (["a = (n, 1)", "c = a", "await count(1)", "use(a, c)"], True, False),
    (["for x in xs:", "    await count(x)", "    use(xs)"], True, False),
]


@pytest.mark.parametrize(("lines", "deep", "told"), SHARED, ids=[f"{s[0][0]}" for s in SHARED])
def test_two_kept_names_of_one_object_are_told(lines: list[str], deep: bool, told: bool) -> None:
    """PD212: variables themselves always, what is inside them in dev mode; both names, the line."""
    program = _compiled(*lines)
    token = NESTED.set(deep)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(program, 1, "s", True, [1])
    finally:
        NESTED.reset(token)
    found = [w for w in caught if w.category is SharedObject]
    assert bool(found) is told
    assert all("PD212 `" in str(w.message) and w.filename == "<generated 1>" for w in found)


def test_deep_checks_are_on_in_pythons_dev_mode() -> None:
    """`python -X dev`, nothing else to learn."""
    assert NESTED.get() is sys.flags.dev_mode
    assert sharing.SharedObject.code == "PD212"
