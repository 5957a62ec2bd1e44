"""The page about proofs says what the code proves."""

from __future__ import annotations

from pathlib import Path

from perdure.specs.manual import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "proofs.md"


def test_the_page_about_proofs_holds_the_promises_guards_and_runs_of_the_code() -> None:
    """Whoever changes a promise, a guard or a run changes the page (print `page()` into it)."""
    assert PAGE.read_text(encoding="utf-8").endswith("\n\n" + page())
