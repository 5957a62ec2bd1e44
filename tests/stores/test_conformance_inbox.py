"""What every store must do with messages, starts and values by digest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from perdure.engine.errors import MessageConflict
from perdure.engine.records import Kind
from perdure.engine.store import RowChange, Status
from perdure.model.errors import ExecutionFinished, NoSuchExecution

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.asyncio


async def test_a_message_id_is_accepted_again_with_the_same_content_only(lab: Lab) -> None:
    """Rule 68: the same answer as the first time, even after the end; another body is an error."""
    a = await lab.owned(await lab.session())
    assert await lab.store.send("a", "news", "m1", b"1") == 1
    assert await lab.store.send("a", "news", "m2", b"2") == 2
    assert await lab.store.send("a", "news", "m1", b"1") == 1
    for channel, body in (("news", b"other"), ("else", b"1")):
        with pytest.raises(MessageConflict):
            await lab.store.send("a", channel, "m1", body)
    done = RowChange(status=Status.DONE, mail_seen=2)
    assert (await lab.write(a, a.record(Kind.FINISHED), change=done)).ok
    assert await lab.store.send("a", "news", "m2", b"2") == 2
    with pytest.raises(ExecutionFinished):
        await lab.store.send("a", "news", "m3", b"3")
    with pytest.raises(NoSuchExecution):
        await lab.store.send("nobody", "news", "m1", b"1")


async def test_of_a_hundred_senders_of_one_id_all_get_the_answer_of_the_first(lab: Lab) -> None:
    """Rule 68: they race with two bodies under one id; one body is there, once. Whoever sent it is
    told its number, every other is refused, and none is silently someone else's."""
    await lab.owned(await lab.session())
    sends = [lab.store.send("a", "news", "m", str(n % 2).encode()) for n in range(100)]
    told = await asyncio.gather(*sends, return_exceptions=True)
    [message] = await lab.store.messages(1)
    won = int(message.body)
    assert [answer == 1 for answer in told] == [n % 2 == won for n in range(100)]
    assert all(isinstance(told[n], MessageConflict) for n in range(100) if n % 2 != won)
    assert (await lab.row("a")).mail == 1


async def test_a_message_that_was_taken_is_not_taken_again_when_it_is_sent_again(lab: Lab) -> None:
    """Rule 68: after its consumption, a release, a claim and a fence the id is still known: the
    number is the old one, nobody is woken, and nothing new is there to take."""
    a = await lab.owned(await lab.session())
    assert await lab.store.send("a", "news", "m", b"1") == 1
    taken = a.record(Kind.CONSUMED)
    assert (await lab.write(a, taken, consumed=[(1, taken.seq)])).ok
    await lab.park(a, 1, waits="news")
    for _ in range(2):
        assert await lab.store.send("a", "news", "m", b"1") == 1
        assert await lab.claim(a.session) == []
    assert await lab.store.send("a", "news", "m2", b"1") == 2, "another id is another message"
    a = await lab.claim_one(a.session)
    await lab.store.fence(a.session)
    next = await lab.session()
    [claimed] = await lab.claim(next)
    assert [m.id for m in claimed.messages if m.consumed_at is None] == ["m2"]
    assert await lab.store.send("a", "news", "m", b"1") == 1
    with pytest.raises(MessageConflict):
        await lab.store.send("a", "news", "m", b"2")
    assert len(await lab.store.messages(a.id)) == 2


async def test_an_id_is_known_per_execution(lab: Lab) -> None:
    """Two executions may get messages of one id, with contents of their own."""
    me = await lab.session()
    for key in ("a", "b"):
        await lab.owned(me, key)
        assert await lab.store.send(key, "news", "m", key.encode()) == 1
    assert [m.body for n in (1, 2) for m in await lab.store.messages(n)] == [b"a", b"b"]


async def test_only_awaited_channels_cancel_and_desk_wake_a_sleeper(lab: Lab) -> None:
    """Rule 49: 200 messages to a channel nobody waits for cause no claim; the others do."""
    a = await lab.owned(await lab.session())
    await lab.park(a, waits="answers,news")
    for number in range(200):
        await lab.store.send("a", "noise", f"n{number}", b"")
    assert await lab.claim(a.session) == []
    for channel in ("news", "$cancel", "$desk"):
        await lab.store.send("a", channel, f"w-{channel}", b"")
        a = await lab.claim_one(a.session)
        row = await lab.row("a")
        assert row.waits is None
        await lab.park(a, row.mail, waits="answers,news")
    assert await lab.claim(a.session) == []


@pytest.mark.parametrize("status", [Status.DONE, Status.FAILED, Status.CANCELLED])
async def test_evidence_is_kept_after_the_end_and_found_and_wakes_nobody(
    lab: Lab, status: Status
) -> None:
    """Rule 17: a caller may speak of its call when all is over; no other channel may. Who looks
    for it finds the execution, until its message is consumed or when none was sent."""
    a, b = await lab.owned(await lab.session()), await lab.owned(await lab.session(), "b")
    end = RowChange(status=status, mail_seen=0)
    assert (await lab.write(a, a.record(Kind.FINISHED), change=end)).ok
    before = await lab.row("a")
    assert await lab.store.unread("$evidence") == []
    for channel in ("news", "$desk", "$cancel"):
        with pytest.raises(ExecutionFinished):
            await lab.store.send("a", channel, f"m {channel}", b"1")
    assert await lab.store.send("a", "$evidence", "e", b"1") == 1
    assert await lab.store.send("a", "$evidence", "e", b"1") == 1
    with pytest.raises(MessageConflict):
        await lab.store.send("a", "$evidence", "e", b"other")
    await lab.store.send("b", "$evidence", "e", b"2")
    await lab.store.send("b", "news", "n", b"3")
    after = await lab.row("a")
    assert after == before._replace(mail=1) and await lab.seqs(a) == [0, 1]
    assert await lab.store.unread("$evidence") == ["a", "b"]
    assert await lab.store.unread("news") == ["b"]
    assert (await lab.write(b, b.record(Kind.DECIDED), consumed=[(1, 1)])).ok
    assert await lab.store.unread("$evidence") == ["a"]
    assert await lab.claim(await lab.session()) == []


async def test_a_start_creates_once(lab: Lab) -> None:
    """Rule 57: the second start of a key is answered with the row of the first."""
    start = lab.record(b"g", 0, 0, Kind.STARTED)
    starts = [lab.store.start(lab.creation("a", None, 1), start) for _ in range(50)]
    answers = await asyncio.gather(*starts)
    assert sum(answer is None for answer in answers) == 1
    assert {answer.id for answer in answers if answer} == {1}
    assert [one.seq for one in await lab.store.log(1)] == [0]


async def test_definitions_and_large_values_are_kept_by_digest(lab: Lab) -> None:
    """The first one stays; an unknown digest is None."""
    for body in (b"one", b"two"):
        await lab.store.define(lab.net, "flow", 1, body)
        await lab.store.keep(1, b"digest", body)
    assert await lab.store.definition(lab.net) == b"one" == await lab.store.payload(1, b"digest")
    assert await lab.store.definition("?") is None and await lab.store.payload(2, b"digest") is None
