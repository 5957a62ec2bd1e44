"""A person comes to the desk of a random history, and says what the receiver says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from perdure import workflow
from perdure.chaos import wild_process
from perdure.chaos.campaign import database, quietly
from perdure.chaos.choices import Dice, Replay, Settled
from perdure.chaos.faults import Kind
from perdure.chaos.history import Flow
from perdure.chaos.outside import Outside
from perdure.chaos.person import Person
from perdure.chaos.simulation import SimLoop, Time, run
from perdure.chaos.troubles import FAVOURED, FAVOURED_AT
from perdure.chaos.wild_history import WildOutcome, play
from perdure.engine.client import enqueue
from perdure.engine.errors import StoreUnavailable
from perdure.engine.leases import Watch
from perdure.engine.sqlite import SqliteStore
from perdure.engine.store import Identity, SessionRow
from perdure.model.compiler import compile_workflow

from ..crash.flows import FLOWS, says, wire


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


LOST_TOO_OFTEN = (9, 9, 4, 2, 0, 31, 2, 39, 7, 18, 1, 7, 50, 1, 7)
"""Two workers who each take the other for dead, and whose clocks jump: neither has the execution
long enough to write a record."""


def test_what_was_lost_too_often_is_let_go_on_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has stalled without anybody's fault. Somebody looks, resumes it, and it is done."""
    monkeypatch.setattr(wild_process, "OneWay", Watch)
    flows = list(FLOWS.values())
    with database(flows) as one, quietly():
        outcome = play(flows, one, Replay(LOST_TOO_OFTEN), told=True)
    told = [happening.what for happening in outcome.story]
    resumed = told.index("a person lets fulfil_order-1 go on")
    assert any(what.endswith(": stalled") for what in told[:resumed])
    assert (outcome.wrong, outcome.ends, outcome.decided) == ([], ["done"], 1)


FOR_EVER = (14, 15, 3, 2, 41, 1, 3, 0, 40, 2, 54, 2, 7)


@pytest.mark.parametrize("choices", [LOST_TOO_OFTEN, FOR_EVER])
def test_who_lives_is_not_taken_for_dead_by_who_began_before(choices: tuple[int, ...]) -> None:
    """Zombies that wake fence nobody by proof: whoever began last gets on with the work."""
    flows = list(FLOWS.values())
    with database(flows) as one, quietly():
        outcome = play(flows, one, Replay(choices))
    assert outcome.wrong == [] and outcome.decided == 0
    assert set(outcome.ends) <= {"done", "failed"}


def test_only_who_began_before_is_provably_gone() -> None:
    """On the same machine; of other machines nothing is known, and leases run out as always."""

    def at(machine: int, number: int) -> Identity:
        boot = f"{machine}.{number}"
        return Identity(f"worker {number}", f"machine {machine}", boot, "", number, number)

    rows = [SessionRow(n, at(m, n), 0, None, False) for m, n in ((1, 1), (1, 3), (2, 4))]
    watch = wild_process.OneWay(6.0)
    assert [row.id for row in watch.over(rows, at(1, 2), 0.0)] == [1]
    assert [row.id for row in watch.over(rows[1:], at(1, 2), 5.0)] == []
    assert [row.id for row in watch.over(rows[1:], at(1, 2), 6.0)] == [3, 4]


def test_nobody_resumes_what_has_not_stalled(tmp_path: Path) -> None:
    """Nothing is done to it; while the store is out of reach it is tried again."""
    tries = list[str]()

    class Away(SqliteStore):
        async def resume(self, key: str) -> bool:
            tries.append(key)
            if len(tries) == 1:
                raise StoreUnavailable("here", "for a moment")
            return await super().resume(key)

    async def main() -> bool:
        store = Away(tmp_path / "a.db")
        await store.open()
        program = compile_workflow(wired)
        await enqueue(store, program, "w", program.sealed(wired.bind((5,), {})))
        resumed = await Person(store, lambda key: Outside({})).resume("w")
        await store.close()
        return resumed

    time = Time()
    assert run(SimLoop(time), main()) is False and tries == ["w", "w"]
