"""A person comes to the desk of a random history, and says what the receiver says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from perdure import workflow
from perdure.chaos.campaign import database, quietly
from perdure.chaos.choices import Dice, Settled
from perdure.chaos.faults import Kind
from perdure.chaos.history import Flow
from perdure.chaos.troubles import FAVOURED, FAVOURED_AT
from perdure.chaos.wild_history import WildOutcome, play

from ..crash.flows import says, wire


@workflow(version=1)
async def wired(amount: int) -> str:
    """One payment, whose receiver nobody but a person can ask."""
    return await wire(amount)


FLOW = Flow("wired", lambda: wired(5), {"wire": says("wired")})
HISTORIES = 40


def decisions(outcome: WildOutcome) -> list[dict[str, Any]]:
    """The effects that a person has decided."""
    return [dict(row) for row in outcome.rows["effect"] if row["decided_by"] == "desk:a person"]


@pytest.mark.parametrize(
    ("kind", "verdict"), [(Kind.CRASH_SENT, "voided"), (Kind.LANDS_AND_RAISES, "landed")]
)
def test_what_lies_on_the_desk_is_decided_and_goes_on(kind: Kind, verdict: str) -> None:
    """The money that landed is told as landed, with the receiver's own result; what did not land is
    voided and sent anew: nobody objects."""
    said: Counter[str] = Counter()
    with database([FLOW]) as one, quietly():
        for number in range(HISTORIES):
            outcome = play([FLOW], one, Settled(Dice(f"person:{number}"), favoured(kind)))
            assert outcome.wrong == []
            assert len(decisions(outcome)) <= outcome.decided
            said.update(row["outcome"] for row in decisions(outcome))
    assert said[verdict] > 0, said


def test_nobody_comes_where_nothing_is_chosen() -> None:
    """Zero is the dull choice: what lies on the desk stays there."""
    with database([FLOW]) as one, quietly():
        outcome = play([FLOW], one, Settled(Calm(), favoured(Kind.LANDS_AND_RAISES)))
    assert (outcome.ends, outcome.decided, decisions(outcome)) == (["on the desk"], 0, [])


def favoured(kind: Kind) -> dict[int, int]:
    """What settles that a history favours this kind."""
    return {FAVOURED_AT: 1 + FAVOURED.index(kind)}


class Calm:
    """Nothing but zeros."""

    def choose(self, below: int) -> int:
        """The dull choice."""
        return 0
