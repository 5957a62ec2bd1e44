"""What is said of a code is true: its bad example gets it, its good one does not."""

from __future__ import annotations

import pytest
from perdure.console.codes import CODES
from perdure.console.examples import EXAMPLES, PRELUDE
from perdure.console.explaining import documented, explained
from perdure.console.manual import codes

from ..model.snippets import found_in

SYNTAX = {c for c in CODES if c.startswith("PD1")} | {"PD206", "PD213", "PD220", "PD230", "PD231"}


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_bad_example_of_a_code_gets_it_and_the_good_one_compiles(code: str) -> None:
    """Both are compiled; the good one without any finding."""
    bad, good = EXAMPLES[code]
    assert code in {f.code for f in found_in(PRELUDE + bad, "flow")}
    assert found_in(PRELUDE + good, "flow") == ()


def test_every_code_about_what_a_workflow_says_has_examples() -> None:
    """All of PD1, and those of the front of the compiler; PD100 only carries the others."""
    assert SYNTAX - {"PD100"} <= EXAMPLES.keys()


def test_a_page_has_what_why_fix_and_both_examples() -> None:
    """The text, and the same for programs."""
    text = explained("PD110")
    for part in ("PD110  A step is called and not awaited.", "why", "fix", "    mail(order)"):
        assert part in text
    assert text.index("  bad") < text.index("  good")
    told = documented("PD110")
    assert told["bad"] == EXAMPLES["PD110"].bad
    assert documented("PD801")["good"] == ""


def test_the_page_of_the_manual_shows_the_examples() -> None:
    """Under the heading of the code, as Python."""
    text = codes()
    for code, (bad, good) in EXAMPLES.items():
        section = text.partition(f"### {code}\n")[2].partition("\n### ")[0]
        assert f"Bad:\n\n```python\n{bad}```" in section
        assert f"Good:\n\n```python\n{good}```" in section
