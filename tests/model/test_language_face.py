"""The face: what `import perdure` gives, and what it must not cost."""

from __future__ import annotations

import subprocess
import sys

import perdure
import pytest

HEAVY = ("asyncio", "msgspec", "sqlalchemy", "networkx", "z3", "hypothesis", "numpy", "rich")
LATER = {"Engine", "Run", "Tx"}


def test_face_hands_on_exactly_what_it_lists() -> None:
    """Every listed name is there, documented, and sorted; nothing listed twice."""
    assert perdure.__all__ == sorted(set(perdure.__all__))
    for name in set(perdure.__all__) - LATER:
        assert getattr(perdure, name).__doc__, name
    assert set(dir(perdure)) >= set(perdure.__all__)


def test_words_of_later_issues_are_absent() -> None:
    """A word that does nothing yet is not offered."""
    for name in ("Queue", "ask", "each", "settle", "deadline", "shield", "on_cancel", "part"):
        with pytest.raises(AttributeError, match=name):
            getattr(perdure, name)


def test_import_loads_nothing_heavy() -> None:
    """`import perdure` loads neither event loop nor database nor analysis libraries."""
    program = f"import sys, perdure; print([m for m in {HEAVY!r} if m in sys.modules])"
    # -S -E is not possible: the path to perdure comes from the environment.
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
