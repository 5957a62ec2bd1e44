"""What every store must do with sessions: fence, claim, hand over, blame, beat."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from perdure.engine.records import Kind
from perdure.engine.store import (
    AT_ONCE,
    SUSPECT_RECOVERIES,
    AttemptRow,
    Create,
    Fenced,
    RowChange,
)

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.asyncio


async def test_a_fenced_session_appends_and_claims_nothing(lab: Lab) -> None:
    """Fence before append or claim: Fenced, and nothing is written."""
    a = await lab.owned(await lab.session())
    assert await lab.store.fence(a.session) == 1
    with pytest.raises(Fenced):
        await lab.write(a, a.record())
    with pytest.raises(Fenced):
        await lab.claim(a.session)
    with pytest.raises(Fenced):
        await lab.store.suspect(a.session, a.id)
    assert await lab.seqs(a) == [0] and await lab.store.sessions() == []


async def test_each_process_gets_a_session_of_its_own(lab: Lab) -> None:
    """Whoever registers beside another, on the same machine and under the same name too, is a new
    session: it takes nothing over, and the other goes on."""
    first = await lab.session()
    a = await lab.owned(first)
    second = await lab.session()
    assert second > first and await lab.claim(second) == []
    assert (await lab.row("a")).owner == first and (await lab.write(a, a.record())).ok
    await lab.store.fence(second)
    assert await lab.session() > second and (await lab.write(a, a.record())).ok


async def test_what_was_appended_before_the_fence_is_seen_by_the_next_claim(lab: Lab) -> None:
    """Append before fence: the record stays, and the heir continues the same chain."""
    a = await lab.owned(await lab.session())
    assert (await lab.write(a, a.record())).ok
    await lab.store.fence(a.session)
    [claimed] = await lab.claim(await lab.session())
    assert claimed.lost and not claimed.row.lost and claimed.head == a.head
    assert [one.seq for one in claimed.records] == [0, 1] and claimed.row.tenure == 2


async def test_a_claim_takes_what_is_due_served_and_nobodys_in_order_of_time(lab: Lab) -> None:
    """Not: later ones, sleepers without a time, owned ones, other nets; the limit holds."""
    me = await lab.session()
    wakes = {"late": 900_000, "early": 800_000, "future": 2_000_000, "never": None}
    for key, wake_at in wakes.items():
        start = lab.record(b"g", 0, 0, Kind.STARTED)
        assert await lab.store.start(lab.creation(key, None, wake_at), start) is None
    await lab.owned(me, "owned")
    other = Create("other", "flow", 1, "net-2", b"", None, 1)
    await lab.store.start(other, lab.record(b"g", 0, 0, Kind.STARTED))
    assert await lab.store.next_wake() == 1
    assert [c.row.key for c in await lab.claim(me, 1)] == ["early"]
    assert [c.row.key for c in await lab.claim(me)] == ["late"]
    lab.time = 2_000_000
    [future] = await lab.claim(me)
    assert future.row.key == "future" and not future.lost and future.row.owner == me


async def test_what_is_released_at_once_is_due_and_waits_its_turn(lab: Lab) -> None:
    """Also when the wall clock went back before the commit; whoever was due before comes first."""
    me = await lab.session()
    a, b = await lab.owned(me, "a"), await lab.owned(me, "b")
    await lab.park(b, wake_at=lab.time)
    lab.time -= 1_000
    await lab.park(a, wake_at=AT_ONCE)
    assert (await lab.row("a")).wake_at == lab.time == await lab.store.next_wake()
    assert [c.row.key for c in await lab.claim(me)] == ["a"]
    lab.time += 2_000
    await lab.park(await lab.owned(me, "c"), wake_at=AT_ONCE)
    assert [c.row.key for c in await lab.claim(me)] == ["b", "c"]


async def test_a_claim_brings_the_tail_the_unread_mail_and_the_counters(lab: Lab) -> None:
    """Records after the checkpoint only; the head is right even when the tail is empty."""
    a = await lab.owned(await lab.session())
    await lab.store.send("a", "news", "m1", b"1")
    await lab.store.send("a", "news", "m2", b"2")
    tries = AttemptRow(a.id, "pay", 1, 5, 6, "")
    first = a.record()
    change = RowChange(checkpoint=b"marking", checkpoint_seq=1)
    await lab.write(a, first, change=change, consumed=[(1, 1)], attempts=[tries])
    await lab.park(a, 2, wake_at=lab.time)
    [claimed] = await lab.claim(a.session)
    assert (claimed.row.checkpoint, claimed.row.checkpoint_seq) == (b"marking", 1)
    assert claimed.records == [] and claimed.head == first.hash
    assert [m.number for m in claimed.messages] == [2] and claimed.attempts == [tries]


async def test_recoveries_count_only_losses_without_progress(lab: Lab) -> None:
    """Rule 33: the mark of a claim is no progress, any other record is; a release is no loss."""
    a = await lab.owned(await lab.session())
    found: list[int] = []
    for progress in (False, False, True, False):
        await lab.store.fence(a.session)
        a = await lab.claim_one(await lab.session())
        row = await lab.row("a")
        found.append(row.recoveries)
        if row.recoveries >= SUSPECT_RECOVERIES:
            await lab.store.suspect(a.session, a.id)
        await lab.write(a, a.record(Kind.CLAIMED))
        if progress:
            await lab.write(a, a.record())
    assert found == [1, 2, 3, 1]
    await lab.park(a, wake_at=lab.time)
    await lab.claim_one(a.session)
    row = await lab.row("a")
    assert row.recoveries == 1


async def test_only_the_named_suspect_is_blamed(lab: Lab) -> None:
    """Beside a suspect the others of a dead session are lost, but their count does not rise."""
    me = await lab.session()
    for key in ("killer", "innocent"):
        await lab.owned(me, key)
    killer = await lab.store.find("killer")
    assert killer is not None
    for _ in range(3):
        await lab.store.suspect(me, killer.id)
        await lab.store.fence(me)
        me = await lab.session()
        assert all(claimed.lost for claimed in await lab.claim(me))
    rows = {row.key: row.recoveries for row in await lab.store.list()}
    assert rows == {"killer": 3, "innocent": 0}


async def test_a_suspect_that_was_not_named_is_not_blamed(lab: Lab) -> None:
    """From the second fruitless recovery on only a name counts, whoever dies; a new record makes
    it innocent again. The same for an owner that was fenced without a release."""
    a = await lab.owned(await lab.session())
    found: list[int] = []
    for number in range(8):
        if number % 2:
            await lab.store.fence(a.session)
        else:
            async with lab.store.links.write() as link:
                link.run("UPDATE session SET fenced = 1 WHERE id = ?", (a.session,))
        a = await lab.claim_one(await lab.session())
        found.append((await lab.row("a")).recoveries)
        if number == 4:
            await lab.write(a, a.record())
        if number == 6:
            await lab.store.suspect(a.session, a.id)
    assert found == [1, 2, 2, 2, 2, 1, 2, 3]


async def test_an_owner_that_is_fenced_counts_as_none(lab: Lab) -> None:
    """The second net of rule 5: an execution left with a fenced owner is claimable, as lost."""
    a = await lab.owned(await lab.session())
    async with lab.store.links.write() as link:
        link.run("UPDATE session SET fenced = 1 WHERE id = ?", (a.session,))
    [claimed] = await lab.claim(await lab.session())
    assert claimed.lost and claimed.row.id == a.id and claimed.row.recoveries == 1


async def test_a_handover_moves_executions_without_loss(lab: Lab) -> None:
    """Rule 10: the old session is fenced, tenures rise, nothing is marked as lost."""
    a = await lab.owned(await lab.session())
    next, tenures = await lab.store.handover(a.session, lab.identity())
    assert tenures == {a.id: 2} and [row.id for row in await lab.store.sessions()] == [next]
    with pytest.raises(Fenced):
        await lab.write(a, a.record())
    a.session, a.tenure = next, 2
    assert (await lab.write(a, a.record())).ok
    row = await lab.row("a")
    assert not row.lost


async def test_a_handover_after_a_fence_gets_nothing(lab: Lab) -> None:
    """What a fence has released belongs to whoever claims it first."""
    a = await lab.owned(await lab.session())
    await lab.store.fence(a.session)
    _, tenures = await lab.store.handover(a.session, lab.identity())
    assert tenures == {}


async def test_a_beat_from_a_thread_counts_until_the_fence(lab: Lab) -> None:
    """The counter rises in another thread than the loop's; after the fence it says so."""
    me = await lab.session()
    beats: list[bool] = []
    thread = threading.Thread(target=lambda: beats.append(lab.store.beat(me)))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert beats == [True] and [row.beats for row in await lab.store.sessions()] == [1]
    await lab.store.fence(me)
    assert lab.store.beat(me) is False
