"""What a workflow cannot say: each refusal has its code, its caret, its words, a fix that works."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from subprocess import run
from typing import cast

import pytest
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.edits import applied
from perdure.model.compiler.findings import CompileError, Finding
from perdure.model.language.workflows import Workflow, workflow

from .differential_runs import load as generated
from .programs import generate
from .refused_calls import CALLS, OUTSIDE, SEVERAL
from .refused_syntax import COPIES, HANDLERS, LOOPS, PRELUDE, SYNTAX
from .snippets import Case, cases, found_in, mark_of, marks

GROUPS = (SYNTAX, CALLS, LOOPS, COPIES, HANDLERS, OUTSIDE)
CASES = [case for group in GROUPS for case in cases(PRELUDE, group)]
(TANGLED,) = cases(PRELUDE, SEVERAL)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_what_is_marked_in_the_source_is_found_and_nothing_else(case: Case) -> None:
    """Code, line, columns of the caret, words of the message; why and fix are never empty."""
    found = found_in(case.text, case.name)
    marked = list(marks(case.text))
    assert [mark_of(f) for f in found] == [mark for mark, _ in marked], "\n\n".join(map(str, found))
    for finding, (_, words) in zip(found, marked, strict=True):
        assert words in finding.message
        assert finding.fix, finding
        assert finding.why, finding


FIXED = [(c, f) for c in CASES for f in found_in(c.text, c.name) if f.edits]


@pytest.mark.parametrize(("case", "finding"), FIXED, ids=lambda x: getattr(x, "code", None))
def test_a_fix_that_is_an_edit_compiles(case: Case, finding: Finding) -> None:
    """The fix applied to the text, the finding is gone and no other has come."""
    rest = found_in(applied(case.text, finding.edits), case.name)
    assert rest == (), "\n\n".join(map(str, rest))


def test_all_problems_are_told_in_one_run_in_source_order() -> None:
    """One report for a workflow with eight mistakes, and nothing that only follows from them."""
    found = found_in(TANGLED.text, TANGLED.name)
    assert [mark_of(f) for f in found] == [mark for mark, _ in marks(TANGLED.text)]
    assert len(found) == 8


@pytest.mark.parametrize("place", ["on the line", "above"])
def test_a_comment_silences_a_warning(place: str) -> None:
    """`# perdure: ignore[...]` on the line, or alone on the line above; other codes still come."""
    (case,) = [c for c in CASES if c.name == "again"]
    assert [f.code for f in found_in(case.text, case.name)] == ["PD206"]
    for codes, left in (("PD206", []), ("PD220, PD206", []), ("PD220", ["PD206"])):
        comment = f"# perdure: ignore[{codes}] it is meant"
        line = "    return await a(x)"
        new = f"{line}  {comment}" if place == "on the line" else f"    {comment}\n{line}"
        start, end = case.text.rsplit(line, 1)
        assert [f.code for f in found_in(start + new + end, case.name)] == left


def test_a_comment_silences_no_error() -> None:
    """What is refused stays refused."""
    (case,) = [c for c in CASES if c.name == "printed"]
    text = case.text.replace("    print(x)", "    print(x)  # perdure: ignore[PD220]")
    assert [f.code for f in found_in(text, case.name)] == ["PD220"]


ACCEPTED = '''
@workflow
async def quiet(xs: list[int], names: dict[str, int]) -> int:
    """Nothing in here is suspicious."""
    x: int = 0
    for i, y in enumerate(xs):
        x = max(x, i, await a(y))
    for name, y in sorted(names.items()):
        x += len(name) + await b(y)
    else:
        x += 1
    for y in (xs if x else [1]):
        if y > x:
            break
    path = Path("a") / os.path.join("b", "c")
    words = [w for w in careful(str(path)).split("/") if w]
    moment = datetime(2026, 1, 1, tzinfo=UTC) + hours(1)
    when = now() - moment
    for word in {w for w in words}:
        x += len(word)
    try:
        x = int("a")
    except BaseException:
        x = uuid.UUID(int=3).int + when.days
    finally:
        x += 1
    return x
'''


def test_what_is_harmless_is_not_suspected() -> None:
    """Clocks that are ours, pure parts of impure modules, any handler around sync code."""
    (case,) = cases(PRELUDE, ACCEPTED)
    assert found_in(case.text, case.name) == ()


def test_a_refusal_is_told_with_its_lines() -> None:
    """The form that terminals, pages and exceptions show."""
    (case,) = [c for c in CASES if c.name == "nap"]
    (found,) = found_in(case.text, case.name)
    file, line = found.span.file, found.span.line
    assert str(found).splitlines() == [
        f"{file}:{line}:11: PD105 `asyncio.sleep` waits in this process only",
        f"   {line - 2} | @workflow",
        f"   {line - 1} | async def nap(x: int) -> int:",
        f"   {line} |     await asyncio.sleep(3)",
        "      |           ^^^^^^^^^^^^^^^^",
        "  why  a restart loses what is under way; ours survives it",
        "  fix  await sleep(seconds(3))",
        "  more perdure explain PD105",
    ]


def test_a_workflow_without_source_is_refused() -> None:
    """PD112: made by exec, with nothing in a file."""
    scope: dict[str, object] = {"workflow": workflow, "__name__": "nowhere"}
    exec("@workflow\nasync def lost(x: int) -> int:\n    return x\n", scope)
    with pytest.raises(CompileError) as caught:
        compile_workflow(cast("Workflow[..., object]", scope["lost"]))
    (found,) = caught.value.findings
    assert (found.code, found.span.line) == ("PD112", 1)
    assert "I need the source of `lost`" in str(caught.value)


SCRIPT = """
import asyncio
from perdure import Engine, workflow

@workflow
async def nap(x: int) -> int:
    await asyncio.sleep(3)
    return x

async def main() -> None:
    async with Engine("sqlite:///x.db") as engine:
        await engine.run(nap(1), id="1")

asyncio.run(main())
"""


def test_a_plain_script_is_told_the_problem_and_no_stack(tmp_path: Path) -> None:
    """An uncaught CompileError is the message: no frame of ours, of asyncio, or of Python's."""
    script = tmp_path / "shop.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert said[0] == "workflow nap does not compile"
    assert said[2].startswith(f"{script}:7:11: PD105 ")
    assert "Traceback" not in done.stderr
    assert not [line for line in said if ".py" in line and str(script) not in line]


PLANTED = {
    "await asyncio.sleep(1)": "PD105",
    "lost = await asyncio.to_thread(len, 'a')": "PD105",
    "lost = [await twice(1, q) for q in (1, 2)]": "PD106",
    "lost = eval('1')": "PD108",
    "global lost": "PD109",
    "twice(1, 2)": "PD110",
    "lost = await add(*[1, 2])": "PD113",
    "lost = await {1: twice}[1](1, 2)": "PD114",
    "import math": "PD116",
    "async with asyncio.Lock(): await twice(1, 2)": "PD103",
    "with open('x') as lost: await twice(1, 2)": "PD104",
    "async for lost in w: await twice(1, lost)": "PD102",
    "print(x)": "PD220",
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("line", PLANTED)
def test_one_mistake_in_a_good_program_is_all_that_is_told(line: str, seed: int) -> None:
    """Behind a refusal the compiler goes on; it neither breaks nor invents what only follows."""
    dice = random.Random(f"{line} {seed}")
    source = generate(dice).text
    before = {f.code for f in _told(source, seed)}
    lines = source.splitlines(keepends=True)
    spots = [n for n, text in enumerate(lines) if n > 2 and text.strip().startswith(_SIMPLE)]
    spot = dice.choice(spots)
    pad = lines[spot][: len(lines[spot]) - len(lines[spot].lstrip())]
    found = _told("".join([*lines[:spot], f"{pad}{line}\n", *lines[spot:]]), seed)
    errors = {f.code for f in found if not f.warning}
    assert PLANTED[line] in errors
    # Where it was put into a clean-up without an await, there is one around an await now.
    before |= {"PD116"} if "finally:" in source else set()
    assert errors <= {PLANTED[line]} | before, "\n\n".join(map(str, found))


_SIMPLE = ("await ", "return ", "x = ", "y = ", "xs.append", "mark(")


def _told(text: str, number: int) -> tuple[Finding, ...]:
    try:
        compile_workflow(generated(f"import asyncio\n{text}", number))
    except CompileError as error:
        return error.findings
    return ()
