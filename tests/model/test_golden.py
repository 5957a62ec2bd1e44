"""C2, C6, C7: the nets of known workflows, place by place, as they were reviewed."""

from __future__ import annotations

from typing import Any

import pytest
from perdure.model.compiler.compile import compile_workflow
from perdure.model.language.workflows import Workflow

from .golden_text import FOLDER, WORKFLOWS, as_text


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda w: w.name)
def test_a_net_is_the_one_that_was_reviewed(workflow: Workflow[..., Any]) -> None:
    """Equal to the file; `python -m tests.model.golden_text` renews it, the diff is to be read."""
    kept = (FOLDER / f"{workflow.name}.txt").read_text(encoding="utf-8")
    assert as_text(compile_workflow(workflow)) == kept


def test_every_golden_file_is_of_a_workflow() -> None:
    """None is left over."""
    assert {p.stem for p in FOLDER.iterdir()} == {w.name for w in WORKFLOWS}
