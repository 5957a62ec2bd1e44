"""Every order in which senders, a parking and an ending worker can meet (rules 48, 49, 51).

Each of their acts is one transaction; what a worker believes about its mail may be old when it
acts on it. All 105 orders are played, for a worker that parks first and for one that only ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest
from perdure.engine.store import RowChange, Status
from perdure.model.errors import ExecutionFinished

from .conftest import Execution, Lab

SENDS = ("send news 1", "send news 2", "send other 1")
PARKS = ("look", "park", "look", "finish")
ENDS = ("look", "look", "finish", "finish")


def orders(worker: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """All ways to lay the worker's acts between those of two senders, each in its own order."""
    total = len(worker) + len(SENDS)
    seen = set[tuple[str, ...]]()
    for places in permutations(range(total), len(SENDS)):
        if places[0] > places[1]:
            continue  # one sender sends both of its messages in order
        acts = [""] * total
        for place, act in zip(places, SENDS, strict=True):
            acts[place] = act
        own = iter(worker)
        order = tuple(act or next(own) for act in acts)
        if order not in seen:
            seen.add(order)
            yield order


class Meeting:
    """One order, played in a store: what each was told is kept."""

    def __init__(self, lab: Lab, me: int, mine: Execution) -> None:
        self.lab, self.me = lab, me
        self.mine: Execution | None = mine  # as long as the worker has it
        self.key, self.id = mine.key, mine.id
        self.seen = 0
        self.sent: list[str] = []  # accepted, in the order of their commits
        self.refused: list[str] = []
        self.status = ""

    async def act(self, act: str) -> None:
        """One act of somebody."""
        word, _, rest = act.partition(" ")
        if word == "send":
            await self.send(rest)
        elif word == "look":
            await self.look()
        elif self.mine is not None and not self.status:
            await self.write(park=word == "park")

    async def send(self, message: str) -> None:
        channel = message.split()[0]
        try:
            number = await self.lab.store.send(self.key, channel, message, b"1")
        except ExecutionFinished as refusal:
            assert self.status == "done" and "done" in str(refusal)
            self.refused.append(message)
            return
        self.sent.append(message)
        assert number == len(self.sent), "the numbers are the order of the commits, without a gap"

    async def look(self) -> None:
        """Read the mail of what is owned; claim it again when it is parked and due."""
        if self.mine is None and not self.status:
            unread = self.sent[self.seen :]
            claimed = await self.lab.claim(self.me)
            assert len(claimed) == any(m.startswith("news") for m in unread), unread
            if claimed:
                self.mine = self.lab.taken(claimed[0], self.me)
                assert [m.id for m in claimed[0].messages] == self.sent
                self.seen = claimed[0].row.mail
        elif self.mine is not None:
            self.seen = (await self.lab.store.mail(self.me)).get(self.id, 0)
            assert self.seen == len(self.sent)

    async def write(self, *, park: bool) -> None:
        """Park or finish, on condition that nothing came since the last look."""
        assert self.mine is not None
        status = None if park else Status.DONE
        waits = "news" if park else None
        change = RowChange(status=status, release=park, mail_seen=self.seen, waits=waits)
        done = await self.lab.write(self.mine, self.mine.record(), change=change)
        assert done.ok == (self.seen == len(self.sent)), "it holds only if all mail was seen"
        assert done.mail == (not done.ok)
        if done.ok:
            self.mine, self.status = None, "" if park else "done"

    async def end(self) -> str:
        """Judge what is left: which fate every accepted message has."""
        row = await self.lab.row(self.key)
        assert row.mail == len(self.sent) and len(self.sent) + len(self.refused) == len(SENDS)
        if self.status:
            assert self.seen == len(self.sent), "what was accepted was seen before the end"
            return "refused" if self.refused else "ended"
        unread = self.sent[self.seen :]
        if self.mine is not None:
            assert not unread or (await self.lab.store.mail(self.me))[self.id] > self.seen
            return "owned"
        wakes = any(m.startswith("news") for m in unread)
        assert (row.wake_at is not None) == wakes, "only what is waited for wakes"
        await self.look()
        return "woken" if wakes else "parked"


@pytest.mark.parametrize("worker", [PARKS, ENDS], ids=["parks, then ends", "ends"])
async def test_every_order_of_send_park_and_finish_keeps_every_message(
    lab: Lab, worker: tuple[str, ...]
) -> None:
    """A park or an end that missed a message does not hold; a message that met a parked execution
    wakes it if its channel is waited for; one that met an ended one is refused to its sender."""
    me, fates, count = await lab.session(), set[str](), 0
    for number, order in enumerate(orders(worker)):
        meeting = Meeting(lab, me, await lab.owned(me, f"k{number}"))
        for act in order:
            await meeting.act(act)
        fates.add(await meeting.end())
        await lab.store.fence(me)  # whatever is left is nobody's: the next order is alone
        me = await lab.session()
        for left in await lab.claim(me):
            change = RowChange(status=Status.DONE, mail_seen=left.row.mail)
            assert (await lab.write(lab.taken(left, me), change=change)).ok
        count += 1
    assert count == 105
    assert fates >= {"refused", "ended", "owned"} | (
        {"woken", "parked"} if worker is PARKS else set[str]()
    )
