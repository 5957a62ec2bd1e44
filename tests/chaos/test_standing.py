"""What an execution's rows say of how it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from perdure.chaos.standing import lost_too_often, on_desk, stalled_by_us, told, waits_in_vain
from perdure.engine import kernel


def row(status: str = "active", waits: str | None = "", **more: Any) -> dict[str, Any]:
    """The row of an execution that nobody owns."""
    base = {"id": 1, "key": "a", "status": status, "waits": waits, "owner": None, "wake_at": None}
    return {**base, **more}


@pytest.mark.parametrize(
    ("execution", "says"),
    [
        (row("done"), "done"),
        (row(waits="$desk"), "on the desk"),
        (row(waits="paid,$desk"), "on the desk"),
        (row(waits="$desk", owner=7), "waiting"),
        (row(waits="$desks"), "waiting"),
        (row(waits=None), "waiting"),
    ],
)
def test_it_is_told_in_words(execution: dict[str, Any], says: str) -> None:
    """A person is waited for where the desk is heard and nobody owns it."""
    assert told(execution) == says
    assert on_desk(execution) is (says == "on the desk")


def message(channel: str, consumed_at: int | None = None, execution: int = 1) -> dict[str, Any]:
    """The row of a message."""
    return {"execution": execution, "channel": channel, "consumed_at": consumed_at}


@pytest.mark.parametrize(
    ("execution", "messages", "vain"),
    [
        (row("stalled"), [], True),
        (row(waits="paid"), [], True),
        (row(waits="paid"), [message("paid")], False),
        (row(waits="paid"), [message("paid", 5)], True),
        (row(waits="paid"), [message("paid", execution=2)], True),
        (row(waits="paid"), [message("other")], True),
        (row(waits="paid", wake_at=9), [], False),
        (row(waits="paid", owner=3), [], False),
        (row(waits=None), [], False),
    ],
)
def test_a_wait_is_in_vain_when_nothing_can_end_it(
    execution: dict[str, Any], messages: list[dict[str, Any]], vain: bool
) -> None:
    """No message that it hears is left, no moment is noted, nobody has it."""
    assert waits_in_vain(execution, {"message": messages}) is vain


def stalled(file: str) -> dict[str, Any]:
    """Rows with an execution that an error in a line of this file stalled."""
    why = (
        f'Traceback:\n  File "{__file__}", line 3, in x\n  File "{file}", line 9, in f\nKeyError: 1'
    )
    bodies = [b"{}", json.dumps({"why": why}).encode()]
    return {"log": [{"execution": 1, "seq": n, "body": body} for n, body in enumerate(bodies)]}


def test_an_error_in_a_line_of_the_engine_is_ours() -> None:
    """One of the workflow's own code is its author's, and so is what is told without lines."""
    found = stalled_by_us(row("stalled"), stalled(kernel.__file__))
    assert found.startswith("a is stalled: Traceback") and "KeyError: 1" in found
    assert stalled_by_us(row("stalled"), stalled("app.py")) == ""
    assert stalled_by_us(row("done"), stalled(kernel.__file__)) == ""
    plain = {"log": [{"execution": 1, "seq": 0, "body": b'{"why": "recovered 5 times"}'}]}
    assert stalled_by_us(row("stalled"), plain) == ""


@pytest.mark.parametrize(
    ("status", "why", "lost"),
    [
        ("stalled", "recovered 5 times without progress", True),
        ("active", "recovered 5 times without progress", False),
        ("stalled", "charge: recovered 5 times without progress", False),
        ("stalled", "nothing can happen", False),
    ],
)
def test_what_no_worker_could_keep_was_lost_too_often(status: str, why: str, lost: bool) -> None:
    """By what the engine says when it gives up; a workflow's own words are no such thing."""
    body = json.dumps({"why": why}).encode()
    rows = {"log": [{"execution": 1, "seq": 0, "body": body}]}
    assert lost_too_often(row(status), rows) is lost
