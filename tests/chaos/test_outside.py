"""The world outside: what lands twice is seen twice, and a closed key lets nothing land."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from perdure import InDoubt, Landed, Voided, compensatable, idempotent, irreversible, observe
from perdure.chaos.outside import Answer, AnswerLost, KeyClosed, Outside
from perdure.engine.world import Invocation
from perdure.model.language.steps import Step


@irreversible
async def charge(amount: int) -> str:
    """Take money."""
    raise AssertionError(amount)


@idempotent
async def mail(to: str) -> str:
    """Send a letter."""
    raise AssertionError(to)


@observe
async def look(what: str) -> str:
    """Look."""
    raise AssertionError(what)


@compensatable
async def hold(item: str) -> str:
    """Put aside."""
    raise AssertionError(item)


class Declined(Exception):
    """No."""


def outside() -> Outside:
    """Receivers that answer."""
    return Outside({"charge": _charges, "hold": _declines_odd})


def _charges(amount: int) -> str:
    return f"charged {amount}"


def _declines_odd(item: str) -> str:
    if item == "odd":
        raise Declined(item)
    return f"held {item}"


def invocation(
    step: Step[..., Any], *arguments: Any, key: str = "k1", role: str = "step"
) -> Invocation:
    return Invocation(role, step, arguments, key, ("flow-1", 1, 3), step.name)


def land(world: Outside, one: Invocation) -> Any:
    """A request that lands at once, and its answer."""
    request = world.arrive(one)
    request.land()
    return request.answer()


def test_an_irreversible_request_lands_as_often_as_it_comes() -> None:
    """The receiver deduplicates nothing: a double charge is there to be seen."""
    world = outside()
    assert land(world, invocation(charge, 7)) == "charged 7"
    assert land(world, invocation(charge, 7)) == "charged 7"
    assert [x.key for x in world.ledger.landings] == ["k1", "k1"]
    assert [x.occurrence for x in world.ledger.landings] == ["(7,)", "(7,)"]
    assert world.ledger.landings[0].result == '"charged 7"'


def test_an_idempotent_request_lands_once_for_a_key() -> None:
    """Its receiver knows the key; under another key it is another request."""
    world = outside()
    for key in ("k1", "k1", "k2"):
        land(world, invocation(mail, "Ann", key=key))
    assert [x.key for x in world.ledger.landings] == ["k1", "k2"]
    assert len(world.ledger.calls) == 3


def test_looking_leaves_no_landing() -> None:
    """A request that changes nothing outside is only noted as a call."""
    world = outside()
    land(world, invocation(look, "shelf"))
    assert (len(world.ledger.calls), world.ledger.landings) == (1, [])


def test_a_request_is_noted_when_it_arrives_and_lands_when_it_lands() -> None:
    """In between nobody knows, and the caller has no answer."""
    world = outside()
    request = world.arrive(invocation(charge, 7))
    assert (len(world.ledger.calls), world.ledger.landings, request.done) == (1, [], False)
    request.land()
    assert request.done and len(world.ledger.landings) == 1


def test_a_probe_closes_the_key_first() -> None:
    """Voided is a promise: what was on its way under this key is refused from now on."""
    world = outside()
    late = world.arrive(invocation(charge, 7))
    assert land(world, invocation(charge, 7, role="probe")) == Voided()
    late.land()
    with pytest.raises(KeyClosed, match="k1"):
        late.answer()
    assert world.ledger.landings == []
    assert land(world, invocation(charge, 7, key="k2")) == "charged 7"


def test_a_probe_finds_what_landed() -> None:
    """With the value that was answered, also when it is asked twice."""
    world = outside()
    land(world, invocation(charge, 7))
    for _ in range(2):
        assert land(world, invocation(charge, 7, role="probe")) == Landed("charged 7")


def test_a_refusal_leaves_nothing_behind() -> None:
    """What the receiver declines does not land, and its reason comes back."""
    world = outside()
    with pytest.raises(Declined, match="odd"):
        land(world, invocation(hold, "odd"))
    assert world.ledger.landings == []


def test_an_undo_takes_back_once_however_often_it_is_asked_for() -> None:
    """It is idempotent, as its declaration promises."""
    world = outside()
    land(world, invocation(hold, "even"))
    for _ in range(2):
        land(world, invocation(hold, "held even", "even", role="undo"))
    assert [undo.key for undo in world.ledger.undos] == ["k1"]


def test_an_undo_of_what_has_not_landed_yet_keeps_it_from_landing() -> None:
    """Nobody knew: the undo came first, and the late request is refused."""
    world = outside()
    late = world.arrive(invocation(hold, "even"))
    land(world, invocation(hold, None, "even", role="undo"))
    late.land()
    with pytest.raises(KeyClosed):
        late.answer()
    assert (world.ledger.landings, world.ledger.undos) == ([], [])


def test_an_answer_that_is_lost_leaves_what_was_done() -> None:
    """The effect stands, with the answer that never came; its caller sees an error, whatever kind:
    a library may cancel the task of its caller."""
    for error in (ConnectionError("reset"), asyncio.CancelledError()):
        world = Outside({"charge": _loses(error)})
        request = world.arrive(invocation(charge, 7))
        request.land()
        with pytest.raises(type(error)):
            request.answer()
        assert [x.result for x in world.ledger.landings] == ['"charged"']
        probe = world.arrive(invocation(charge, 7, role="probe"))
        probe.land()
        assert probe.answer() == Landed("charged")


def _loses(error: BaseException) -> Answer:
    def reply(amount: int) -> str:
        raise AnswerLost("charged", error)

    return reply


def test_a_receiver_that_closes_no_key_says_so() -> None:
    """Its probe only looks: nothing so far is in doubt, the attempt may land after it, and then the
    probe says that it did."""
    world = Outside({"charge": _charges}, plain=("charge",))
    late = world.arrive(invocation(charge, 7))
    answers: list[Any] = []
    for _ in range(2):
        probe = world.arrive(invocation(charge, 7, role="probe"))
        probe.land()
        answers.append(probe.answer())
        late.land()
    assert isinstance(answers[0], InDoubt) and answers[1] == Landed("charged 7")
    assert late.answer() == "charged 7"
