"""Each effect rule: a bad program told with a run along the author's lines, and its good twin."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from perdure.model.analysis import Answer, Finding, Severity, check
from perdure.model.analysis.control import replay
from perdure.model.compiler.compile import compile_workflow
from perdure.model.compiler.findings import CompileError
from perdure.model.errors import DefinitionError
from perdure.model.language.decorators import irreversible
from perdure.model.language.effects import Retry
from perdure.model.language.workflows import Workflow
from perdure.model.net import TransitionKind

from . import mistakes
from .mistakes import (
    books,
    charges,
    charges_behind,
    charges_beside,
    charges_beside_outside,
    charges_beside_what_cannot_fail,
    charges_each,
    charges_for_ever,
    charges_until_it_lands,
    charges_with_a_wait,
    labels_in_the_saga,
    launches,
    mails_after_it_charged,
    mails_behind_a_transaction,
    mails_in_a_transaction,
    mails_in_the_saga,
    races_the_charge,
    raises_before_it_charges,
    raises_in_the_saga,
    reserves,
    tells_after_it_charged,
    tells_in_the_saga,
)

# --- bad and good ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What is expected of a bad program: `caret` is the text under it, `walk` (text, says)."""

    code: str
    severity: Severity
    bad: Workflow[..., Any]
    good: Workflow[..., Any]
    caret: str
    message: str
    why: str
    fix: str
    walk: tuple[tuple[str, str], ...]


def line_of(flow: Workflow[..., Any], text: str) -> int:
    """The line in the file where a workflow says something."""
    lines, top = inspect.getsourcelines(flow.fn)
    return top + next(i for i, row in enumerate(lines) if text in row)


def findings(flow: Workflow[..., Any], code: str) -> list[Finding]:
    return [f for f in check(compile_workflow(flow).net).findings if f.code == code]


BEGINS = ("async def", "the workflow begins")
SAGA = ("async with saga()", "the saga begins")
UNDONE = ("async with saga()", "the saga fails, and is undone")
FAILS = ("async def", "the workflow fails")
RESERVED = (
    ("await reserve(n)", "`reserve` is about to be called"),
    ("await reserve(n)", "`reserve` lands"),
)


def charged(text: str) -> tuple[tuple[str, str], ...]:
    """Called, and landed."""
    return ((text, "`charge` is about to be called"), (text, "`charge` lands"))


E, W = Severity.ERROR, Severity.WARNING
TOGETHER = "await together(charge(n), mail(n))"
CASES = [
    Case(
        "PD301",
        E,
        mails_in_the_saga,
        tells_in_the_saga,
        "mail(n)",
        "`mail` may fail for good after `charge`, which can not be undone",
        "a saga that fails here can not undo `charge`, and may not leave it half done",
        "retry without end (`retry=Retry(attempts=None)`), or move it after the saga",
        (
            BEGINS,
            SAGA,
            *RESERVED,
            *charged("await charge(n)"),
            ("await mail(n)", "`mail` fails for good"),
            UNDONE,
        ),
    ),
    Case(
        "PD301",
        E,
        raises_in_the_saga,
        raises_before_it_charges,
        'raise ValueError("dear")',
        "an exception is raised after `charge`, which can not be undone",
        "a saga that fails here can not undo `charge`, and may not leave it half done",
        "decide before the irreversible step, or after the saga",
        (
            BEGINS,
            SAGA,
            *RESERVED,
            *charged("paid = await charge(n)"),
            ("if paid > 3:", "`if paid > 3`: yes"),
            ("raise ValueError", "an exception is raised"),
            UNDONE,
        ),
    ),
    Case(
        "PD302",
        E,
        labels_in_the_saga,
        reserves,
        "print_label(n)",
        "nothing can undo `print_label`",
        "a saga that fails must undo every compensatable step in it",
        "add `@print_label.undo`, or declare the step irreversible",
        (BEGINS, SAGA, ("await print_label(n)", "`print_label` is about to be called")),
    ),
    Case(
        "PD303",
        E,
        charges_beside,
        charges_behind,
        "charge(n)",
        "`charge` may land while `mail` fails",
        "the one may land while the other fails, and then the saga can not be undone",
        "call `charge` after the join",
        (
            BEGINS,
            SAGA,
            *RESERVED,
            (TOGETHER, "together charge, mail"),
            (TOGETHER, "`charge` is about to be called"),
            (TOGETHER, "`mail` fails for good"),
            (TOGETHER, "`charge` lands"),
            (TOGETHER, "a branch has failed: the others are given up"),
            (TOGETHER, "all branches have ended"),
            UNDONE,
        ),
    ),
    Case(
        "PD303",
        W,
        charges_beside_outside,
        charges_beside_what_cannot_fail,
        "charge(n)",
        "`charge` may land while `mail` fails",
        "the one may land while the other fails",
        "call `charge` after the join",
        (),
    ),
    Case(
        "PD304",
        E,
        charges_for_ever,
        charges_with_a_wait,
        "charge(n)",
        "`charge` can happen again and again, with no wait between",
        "an irreversible step in a loop that nothing bounds can repeat within milliseconds",
        "loop over a list or a range, or wait in the loop (`await sleep(...)`, a signal)",
        (
            BEGINS,
            ("while await more(n):", "`more` is done"),
            ("while await more(n):", "`while await more(n)`: yes"),
            *charged("await charge(n)"),
            ("while await more(n):", "`more` is done"),
            ("while await more(n):", "`while await more(n)`: yes"),
            ("await charge(n)", "`charge` is about to be called"),
        ),
    ),
    Case(
        "PD305",
        W,
        mails_after_it_charged,
        tells_after_it_charged,
        "charge(n)",
        "the workflow can end failed after `charge` has landed",
        "the effect stands, and nobody is told but the log",
        "handle the failure behind it, or accept it knowingly",
        (
            BEGINS,
            *charged("await charge(n)"),
            ("await mail(n)", "`mail` fails for good"),
            FAILS,
        ),
    ),
    Case(
        "PD306",
        W,
        books,
        reserves,
        "book(n)",
        "after a crash in `book` nobody knows what to undo",
        "an attempt of unknown outcome has no result, so its undo can not be called",
        "add a probe, or let the undo take `Result | None` and the arguments",
        (BEGINS, SAGA, ("await book(n)", "`book` is about to be called")),
    ),
    Case(
        "PD402",
        W,
        launches,
        charges,
        "launch(n)",
        "1 irreversible step has no probe: `launch`",
        "after a crash in the wrong moment a person will be asked whether it landed",
        "a probe could answer",
        (
            BEGINS,
            ("await tell(n)", "`tell` is done"),
            ("await launch(n)", "`launch` is about to be called"),
        ),
    ),
]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.code} {c.bad.name}")
SOURCE = Path(mistakes.__file__).read_text().splitlines()


@EACH
def test_a_bad_program_is_told_at_its_place_and_line_by_line(case: Case) -> None:
    """Code, severity, caret, message, why and fix; and the run, stop by stop, in source lines."""
    net = compile_workflow(case.bad).net
    [found] = findings(case.bad, case.code)
    said = (found.severity, found.message, found.why, found.fix)
    assert said == (case.severity, case.message, case.why, case.fix)
    assert found.span is not None
    assert found.span.file == mistakes.__file__
    assert found.span.line == line_of(case.bad, case.caret)
    row = SOURCE[found.span.line - 1]
    assert row[found.span.column : found.span.end_column] == case.caret
    if not case.walk:
        assert found.witness is None
        return
    assert found.witness is not None
    walk = [(s.span.line if s.span else 0, s.says) for s in found.witness.walk]
    assert walk == [(line_of(case.bad, text), says) for text, says in case.walk]
    assert replay(net, found.witness.firings) == found.witness.marking


@EACH
def test_its_good_twin_is_not_told_of(case: Case) -> None:
    """A small change makes the finding go; an error makes the verdict violated, a warning none."""
    assert not findings(case.good, case.code)
    assert check(compile_workflow(case.good).net).verdict is Answer.HOLDS
    report = check(compile_workflow(case.bad).net)
    assert report.verdict is (Answer.VIOLATED if case.severity is E else Answer.HOLDS)


@pytest.mark.parametrize("flow", [charges_each, charges_until_it_lands], ids=lambda f: f.name)
def test_a_loop_that_has_an_end_or_leaves_when_it_landed_may_charge(
    flow: Workflow[..., Any],
) -> None:
    """PD304 is about landing again: a `for` ends, and a retry after a refusal has not landed."""
    assert not findings(flow, "PD304")


def test_a_fork_with_the_pivot_in_it_is_shielded_from_cancel() -> None:
    """Beside an irreversible call that may have landed, nothing is given up for a cancel."""
    net = compile_workflow(charges_beside_what_cannot_fail).net
    assert check(net)["pivot_last"].verdict is Answer.HOLDS
    assert not [t for t in net.transitions if t.kind is TransitionKind.CASCADE]


# --- what is refused before there is a net -----------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "code", "caret", "says"),
    [
        (races_the_charge, "PD307", "charge(n)", "charge is irreversible and runs in a race"),
        (
            mails_in_a_transaction,
            "PD403",
            "saves_and_mails(n)",
            "saves_and_mails is transactional and calls mail (line ",
        ),
    ],
    ids=["PD307", "PD403"],
)
def test_a_call_that_no_net_may_hold_is_refused(
    flow: Workflow[..., Any], code: str, caret: str, says: str
) -> None:
    """At the call in the author's file, with why and fix."""
    with pytest.raises(CompileError) as refused:
        compile_workflow(flow)
    [found] = [f for f in refused.value.findings if not f.warning]
    assert found.code == code
    assert says in found.message
    assert found.why
    assert found.fix
    assert found.span.line == line_of(flow, caret)
    row = SOURCE[found.span.line - 1]
    assert row[found.span.column : found.span.end_column] == caret


def test_a_transaction_that_only_writes_is_taken() -> None:
    """The good twin of PD403."""
    assert check(compile_workflow(mails_behind_a_transaction).net).verdict is Answer.HOLDS


def test_an_irreversible_step_with_a_retry_is_refused_where_it_is_declared() -> None:
    """PD401: no attempt of it is repeated by the engine, so the words are not taken."""
    declared: Any = irreversible  # the type checkers refuse the mistake already

    async def burn(n: int) -> None: ...

    with pytest.raises(DefinitionError, match="PD401") as refused:
        declared(retry=Retry(attempts=3))(burn)
    assert refused.value.code == "PD401"
    assert refused.value.fix
