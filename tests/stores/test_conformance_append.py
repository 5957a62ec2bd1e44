"""What every store must do with an append: guards, all or nothing, mail before an end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from perdure.engine.records import Kind, broken, genesis
from perdure.engine.store import Append, AttemptRow, EffectRow, RowChange, Status

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.asyncio


async def test_what_was_appended_is_read_back_as_one_whole_chain(lab: Lab) -> None:
    """Records come back byte for byte, in order, and chain from the genesis."""
    a = await lab.owned(await lab.session())
    first = a.record(Kind.INTENT, b"\x00\xff")
    second = lab.record(first.hash, 2, 1, Kind.FIRED)
    assert (await lab.write(a, first, second)).ok
    log = await lab.store.log(a.id)
    assert log[1:] == [first, second] and await lab.store.log(a.id, after=1) == [second]
    assert broken(genesis("a", "flow", lab.net, b"input"), log) is None


async def test_a_gap_is_refused_and_the_others_of_the_batch_commit(lab: Lab) -> None:
    """A record at head + 2 does not enter the log; its neighbours in the batch do."""
    me = await lab.session()
    a, b = await lab.owned(me, "a"), await lab.owned(me, "b")
    gap, good = lab.record(a.head, 2, 1, Kind.FIRED), b.record()
    bad, fine = await lab.store.append(me, [a.append(gap), b.append(good)])
    assert bad.guard is not None and not bad.ok and fine.ok
    assert await lab.seqs(a) == [0] and await lab.seqs(b) == [0, 1]


async def test_a_gap_inside_one_append_is_refused(lab: Lab) -> None:
    """Records of one append follow each other without a hole."""
    a = await lab.owned(await lab.session())
    hole = [a.record(), lab.record(a.head, 3, 1, Kind.FIRED)]
    assert (await lab.write(a, *hole)).guard and await lab.seqs(a) == [0]


async def test_a_record_is_refused_when_the_one_before_it_has_another_hash(lab: Lab) -> None:
    """Who did not read the true head cannot write behind it."""
    a = await lab.owned(await lab.session())
    a.head = b"?" * 16
    assert (await lab.write(a, a.record())).guard and await lab.seqs(a) == [0]


async def test_a_seq_is_written_once(lab: Lab) -> None:
    """Of two different records at one seq the first one stays."""
    a = await lab.owned(await lab.session())
    winner, loser = a.record(body=b"1"), a.record(body=b"2")
    done = await lab.store.append(a.session, [a.append(winner)])
    late = await lab.store.append(a.session, [a.append(loser)])
    assert done[0].ok and late[0].guard
    assert (await lab.store.log(a.id))[1].body == b"1"


async def test_a_stale_tenure_of_the_same_session_cannot_append(lab: Lab) -> None:
    """An instance that outlived release and re-claim writes nothing, though head and owner fit."""
    a = await lab.owned(await lab.session())
    assert (await lab.park(a, wake_at=lab.time)).ok
    again = await lab.claim_one(a.session)
    assert (again.tenure, again.head) == (2, a.head)
    assert (await lab.write(a, a.record())).guard
    assert (await lab.park(a, wake_at=lab.time)).guard
    assert (await lab.write(again, again.record())).ok


async def test_a_known_key_answers_with_its_row_and_harms_nobody(lab: Lab) -> None:
    """A create under a taken key writes nothing; the rest of the batch, the same key twice too."""
    me = await lab.session()
    a = await lab.owned(me, "a")
    start = lab.record(b"g", 0, 1, Kind.STARTED)
    new = [Append(0, 1, b"", [start], lab.creation(key, me)) for key in ("a", "b", "b")]
    taken, made, twice = await lab.store.append(me, new)
    assert taken.existing is not None and taken.existing.id == a.id and not taken.ok
    assert made.ok and twice.existing is not None and twice.existing.id == made.execution
    assert len(await lab.store.list()) == 2 and await lab.seqs(a) == [0]


async def test_a_message_is_consumed_exactly_once(lab: Lab) -> None:
    """A second consumption, or that of a message that never came, refuses the whole append."""
    a = await lab.owned(await lab.session())
    number = await lab.store.send("a", "answers", "m1", b"1")
    assert (await lab.write(a, a.record(Kind.CONSUMED), consumed=[(number, 1)])).ok
    for wrong in (number, 99):
        done = await lab.write(a, a.record(Kind.CONSUMED), consumed=[(wrong, 2)])
        assert done.guard and await lab.seqs(a) == [0, 1]
    assert [m.consumed_at for m in await lab.store.messages(a.id)] == [1]


async def test_effects_and_attempts_are_kept_by_their_key(lab: Lab) -> None:
    """A ledger row or counter written again replaces the one before; a done counter goes."""
    a = await lab.owned(await lab.session())
    row = EffectRow(a.id, "k", "pay", "irreversible", 1, "open", None, "", "")
    landed = row._replace(outcome="landed", outcome_seq=2, decided_by="call")
    tries = AttemptRow(a.id, "pay", 1, 5, 6, "timeout")
    assert (await lab.write(a, a.record(), effects=[row], attempts=[tries])).ok
    assert await lab.store.attempts(a.id) == [tries]
    second = tries._replace(tries=2)
    assert (await lab.write(a, effects=[landed], attempts=[second])).ok
    assert await lab.store.effects() == [landed] == await lab.store.effects(a.id)
    assert await lab.store.attempts(a.id) == [second]
    assert (await lab.write(a, attempts_done=["pay"])).ok
    assert await lab.store.attempts(a.id) == []


@pytest.mark.parametrize("poison", ["surrogate", "huge", "text", "mail", "double", "gap"])
async def test_one_bad_append_among_100_leaves_99_committed(lab: Lab, poison: str) -> None:
    """Rule 9: the guilty execution is named, nothing of it is written, all others commit."""
    me = await lab.session()
    all = [await lab.owned(me, f"k{number}") for number in range(100)]
    batch = [one.append(one.record()) for one in all]
    bad, guilty = batch[41], all[41]
    if poison == "surrogate":
        bad.attempts = (AttemptRow(guilty.id, "s", 1, 0, 0, "\ud800"),)
    elif poison == "huge":
        bad.effects = (EffectRow(guilty.id, "k", "s", "e", 2**70, "open", None, "", ""),)
    elif poison == "text":
        planted: Any = "text"
        bad.records = [bad.records[0]._replace(body=planted)]
    elif poison == "mail":
        bad.consumed = ((1, 1),)
    elif poison == "double":
        bad.previous, bad.records = b"", [lab.record(b"", 0, 1, Kind.STARTED)]
    else:
        bad.records.append(lab.record(b"", 3, 1, Kind.FIRED))
    results = await lab.store.append(me, batch)
    assert [result.ok for result in results] == [number != 41 for number in range(100)]
    assert results[41].guard is not None and results[41].guard.execution == guilty.id
    assert [len(await lab.seqs(one)) for one in all] == [2 - (n == 41) for n in range(100)]
    assert (await lab.write(guilty, guilty.record())).ok


# --- mail against park and finish ---------------------------------------------------------------


@pytest.mark.parametrize("final", [None, Status.DONE, Status.FAILED, Status.CANCELLED])
async def test_a_release_or_end_that_meets_new_mail_is_left_out_whole(
    lab: Lab, final: Status | None
) -> None:
    """Rule 48: nothing of the append is written; once the mail is seen, it goes through."""
    a = await lab.owned(await lab.session())
    change = RowChange(status=final, release=final is None, mail_seen=0)
    last = a.record()
    await lab.store.send("a", "news", "m1", b"1")
    refused = await lab.write(a, last, change=change)
    assert refused.mail and not refused.ok and await lab.seqs(a) == [0]
    row = await lab.row("a")
    assert row.owner == a.session
    change.mail_seen = 1
    assert (await lab.write(a, last, change=change)).ok and await lab.seqs(a) == [0, 1]
    row = await lab.row("a")
    assert row.owner is None
    assert row.status is (final or Status.ACTIVE)


async def test_interleaved_sends_and_parks_never_lose_a_wake_up(lab: Lab) -> None:
    """In any order of sends and parks a message that was accepted is read by a later claim."""
    dice = random.Random(4)
    me = await lab.session()
    for round in range(60):
        a = await lab.owned(me, f"k{round}")
        sent = seen = 0
        for _ in range(dice.randrange(1, 6)):
            if dice.random() < 0.6:
                sent = await lab.store.send(a.key, "news", f"m{sent}", b"")
            elif not (await lab.park(a, seen, waits="news")).ok:
                seen = (await lab.store.mail(me))[a.id]
            else:
                break
        row = await lab.store.find(a.key)
        assert row is not None and row.mail == sent
        if row.owner is None and sent > seen:
            [claimed] = await lab.claim(me)
            assert [m.number for m in claimed.messages] == list(range(1, sent + 1))
        await lab.store.fence(me)
        me = await lab.session()
        for claimed in await lab.claim(me):
            late = lab.taken(claimed, me)
            change = RowChange(status=Status.DONE, mail_seen=claimed.row.mail)
            assert (await lab.write(late, change=change)).ok


async def test_after_its_end_an_execution_takes_no_record(lab: Lab) -> None:
    """A final execution has no owner, so no session can write to its log."""
    a = await lab.owned(await lab.session())
    done = RowChange(status=Status.DONE, mail_seen=0)
    assert (await lab.write(a, a.record(Kind.FINISHED), change=done)).ok
    assert (await lab.write(a, a.record())).guard
    assert await lab.claim(a.session) == []


async def test_a_release_that_does_not_say_which_mail_it_saw_is_refused(lab: Lab) -> None:
    """Forgetting the condition is a guard, not a lost wake-up."""
    a = await lab.owned(await lab.session())
    assert (await lab.write(a, change=RowChange(release=True))).guard


async def test_a_stall_needs_no_condition_and_is_undone_by_resume(lab: Lab) -> None:
    """A stalled execution is nobody's, is not claimed, and is claimable again after `resume`."""
    a = await lab.owned(await lab.session())
    await lab.store.send("a", "news", "m1", b"")
    stall = RowChange(status=Status.STALLED)
    assert (await lab.write(a, a.record(Kind.STALLED), change=stall)).ok
    assert await lab.claim(a.session) == []
    assert await lab.store.resume("a") and not await lab.store.resume("a")
    assert (await lab.claim_one(a.session)).tenure == 2
