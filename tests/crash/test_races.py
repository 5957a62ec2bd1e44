"""Races under every fault and a cancel at every boundary (rules 37, 39, 40): who lost is settled
before the code behind the race runs, and a wait that lost has swallowed nothing.

The five workflows of the manual are enumerated in `test_enumeration.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from perdure import Elapsed, Signal, at, first, saga, workflow
from perdure.chaos.enumeration import Enumeration
from perdure.chaos.faults import Fault, Kind, Point, cancels, single_faults
from perdure.chaos.history import Flow, Message, Outcome
from perdure.chaos.simulation import EPOCH
from perdure.specs.ledger import Landing

from .flows import book, hold, notify, pay_out, says

WORD = Signal[str]("word")
SECONDS = 3
DUE = datetime.fromtimestamp(EPOCH / 1e6 + SECONDS, UTC)


@workflow(version=1)
async def same_instant(who: str) -> str:
    """A message against a moment, and then the message after all, if the moment came first."""
    match await first(WORD.wait(), at(DUE)):
        case Elapsed():
            await notify.named("late")(who, "late")
            return "late " + await WORD.wait()
        case word:
            await notify(who, "in time")
            return word


@workflow(version=1)
async def two_offers(item: str) -> str:
    """The first of two that can be undone; what comes behind the race tells which."""
    async with saga():
        got = await first(hold(item), book(item))
        await notify("buyer", got)
    return got


@workflow(version=1)
async def offer_or_word(item: str) -> str:
    """One that can be undone against a message, in no saga."""
    got = await first(book(item), WORD.wait())
    return await pay_out(got)


ANSWERS = {
    "notify": says("told"),
    "hold": says("held"),
    "book": says("booked"),
    "pay_out": says("out"),
}
AT_ONCE = Message(float(SECONDS), WORD, "yes", "m-1")
INSTANT = Flow("same_instant", lambda: same_instant("Ann"), ANSWERS, (AT_ONCE,))
OFFERS = Flow("two_offers", lambda: two_offers("book"), ANSWERS)


def offer_against_a_word(seconds: float) -> Flow:
    """The word comes so many seconds after the beginning."""
    word = Message(seconds, WORD, "yes", "m-1")
    return Flow(f"offer_or_word_{seconds}", lambda: offer_or_word("book"), ANSWERS, (word,))


def everything(points: Sequence[Point]) -> list[Fault]:
    """Every fault, and a cancel, at every boundary."""
    return [*single_faults(points), *cancels(points)]


Get = Callable[..., Enumeration]


def played(flow: Flow, enumerated: Get) -> Enumeration:
    """The histories of a flow, each lawful."""
    found = enumerated(flow, everything)
    assert found.failures == []
    assert len(found.played) > 50
    return found


def standing(outcome: Outcome) -> list[Landing]:
    """What has landed and was not taken back, in order."""
    undone = {undo.key for undo in outcome.ledger.undos}
    return [x for x in outcome.ledger.landings if x.key not in undone]


def ended(outcome: Outcome) -> tuple[str, str]:
    """Status and result."""
    (row,) = outcome.rows["execution"]
    last = msgspec.json.decode(outcome.rows["log"][-1]["body"])
    return row["status"], last.get("r", "")


def test_of_a_message_and_a_moment_at_the_same_instant_one_counts_and_none_is_lost(
    enumerated: Get,
) -> None:
    """Whatever breaks, and where: it is answered in time, or it was late and the message is still
    there for the wait behind the race. It is taken once, by the record that says so."""
    found = played(INSTANT, enumerated)
    (message,) = found.calm.rows["message"]
    assert message["arrived"] == EPOCH + SECONDS * 1_000_000, "it is the same instant"
    told: set[str] = set()
    uncancelled = [one for one in found.played if one.fault.kind is not Kind.CANCELLED]
    assert [one.fault for one in uncancelled] == list(single_faults(found.calm.points))
    for fault, outcome in uncancelled:
        (message,) = outcome.rows["message"]
        status, result = ended(outcome)
        assert status == "done" and result in ("yes", "late yes"), str(fault)
        taker = next(r for r in outcome.rows["log"] if r["seq"] == message["consumed_at"])
        assert msgspec.json.decode(taker["body"])["m"] == message["number"]
        assert len(outcome.ledger.landings) == 1, "it went on behind the race once"
        told.add(result)
    assert "late yes" in told


@pytest.mark.parametrize("flow", [INSTANT], ids=lambda f: f.name)
def test_a_cancel_of_a_race_of_waits_leaves_the_message_unread_or_taken(
    flow: Flow, enumerated: Get
) -> None:
    """Cancelled before the message was taken, it stays in its row and is counted as unread."""
    for fault, outcome in played(flow, enumerated).played:
        if ended(outcome)[0] != "cancelled":
            continue
        last = msgspec.json.decode(outcome.rows["log"][-1]["body"])
        unread = sum(m["consumed_at"] is None for m in outcome.rows["message"])
        assert last.get("unread", 0) == unread, str(fault)


def test_of_two_offers_one_stands_whatever_breaks(enumerated: Get) -> None:
    """The loser is undone before anything behind the race runs; cancelled, neither stands."""
    found = played(OFFERS, enumerated)
    ends: set[str] = set()
    for fault, outcome in found.played:
        kept = [x for x in standing(outcome) if x.site in ("hold", "book")]
        status, result = ended(outcome)
        ends.add(status)
        assert [x.result.strip('"') for x in kept] == ([result] if status == "done" else []), fault
        assert status in ("done", "cancelled")
    assert ends == {"done", "cancelled"}


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.015, 1.0], ids=lambda s: f"{s} s")
def test_an_offer_against_a_word_stands_only_if_it_won(seconds: float, enumerated: Get) -> None:
    """Before its intent, in flight, as it lands, long after: what lost is gone, what won stands,
    and the word is taken or unread; with a crash, a lost answer or a cancel at every boundary."""
    for fault, outcome in played(offer_against_a_word(seconds), enumerated).played:
        status, result = ended(outcome)
        kept = [x.site for x in standing(outcome) if x.site == "book"]
        taken = [m for m in outcome.rows["message"] if m["consumed_at"] is not None]
        if status == "cancelled":
            continue  # what had won stands, in no saga; the oracle has judged it
        assert (status, result) == ("done", "out"), str(fault)
        assert len(kept) + len([m for m in taken if m["channel"] == "word"]) == 1, str(fault)
