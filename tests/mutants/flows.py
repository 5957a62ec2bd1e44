"""Flows with a doubt in the calm run: answers that get lost, and a bank that can close no key. No
test lives here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from perdure import workflow
from perdure.chaos.history import Flow
from perdure.chaos.outside import Answer, AnswerLost

from ..crash.flows import notify, pay, says


@workflow(version=1)
async def pay_and_tell(who: str) -> str:
    """Charge, then tell."""
    paid = await pay(7)
    return await notify(who, paid)


def loses(answer: object, error: BaseException) -> Answer:
    """A receiver that does what it is asked to, and whose answer never comes."""

    def reply(*arguments: object) -> object:
        raise AnswerLost(answer, error)

    return reply


def _flow(name: str, pays: Answer, plain: Sequence[str] = ()) -> Flow:
    answers = {"pay": pays, "notify": says("told")}
    return Flow(name, lambda: pay_and_tell("Ann"), answers, plain=plain)


LOST = _flow("lost_answer", loses("paid", ConnectionError("reset by peer")))
CANCELLED = _flow("cancelled_call", loses("paid", asyncio.CancelledError()))
OPEN = _flow("open_keys", says("paid"), plain=("pay",))
DOUBTS = (LOST, CANCELLED, OPEN)
