"""A trial by random histories: a user's workflow in a fake world, on several workers, with several
troubles in each history, drawn by a seed.

The campaign is that of `campaign.py`; what is wrong is judged by `judging.py`, and what went wrong
is kept by name (`scripts.py`), made short, and can be played again. Nothing is printed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..specs.oracle import Rows
from . import errors
from .campaign import Campaign, database, possible, quietly
from .choices import Replay, Source
from .databases import Database
from .faults import Boundary, Kind
from .history import NOBODY_SENDS, SKIP_SECONDS, Flow, Stuck
from .judging import Ended, Finding, Seen, judge
from .plan import PACES, SHAPES, Plan
from .scripts import Played, Script, Written, deaths, shortened
from .trial import Cause, Check, Failure, Stage, Subject, Trial, fine, plainness
from .troubles import TROUBLES_MAX, Chance, Trouble, Woe
from .wild_history import Unsettled, WildHistory, WildOutcome

CALM = Script((), 1, PACES[0])
AFTER_A_DOUBT = (Trouble.PROBE_IN_DOUBT, Trouble.PROBE_LATE)
SELDOM: Mapping[Woe, int] = {
    **dict.fromkeys(AFTER_A_DOUBT, 6),
    **dict.fromkeys((Kind.HANGS, Trouble.MESSAGE_TWICE, Trouble.MESSAGE_LATE), 3),
    Trouble.BEATS_LOST: 2,
}
"""How much more often than others a kind is favoured: what fits seldom comes seldom."""

Numbers = Callable[[Sequence[int]], Iterable[int]]
"""Hands on the numbers of the histories one by one, with a progress bar or without."""


class Draw(NamedTuple):
    """Where a history comes from: choices, and so many troubles at most; or a script."""

    source: Source
    troubles_max: int = TROUBLES_MAX
    favoured: Sequence[Woe] = ()
    script: Script | None = None

    def plan(self, flow: Flow) -> Plan:
        """How many workers, how fast, and which trouble comes besides."""
        if self.script is not None:
            return Plan(self.script.workers, (flow,), None, self.script.pace)
        shape = self.source.choose(len(SHAPES) * len(PACES))
        favoured = self.source.choose(len(self.favoured) + 1)
        kind = self.favoured[favoured - 1] if favoured else None
        return Plan(SHAPES[shape % len(SHAPES)][0], (flow,), kind, PACES[shape // len(SHAPES)])

    def chance(self, plan: Plan) -> Played | Written:
        """What goes wrong when."""
        if self.script is not None:
            return Played(self.script.mishaps)
        return Written(self.source, plan.favoured, self.troubles_max)


class TheirHistory(WildHistory):
    """A random history of one execution of a user's workflow, with receivers of their own.

    Where all that is left to do is to wait for a date, it comes at once. A broken rule ends
    nothing: what it does to the world is still to be seen.
    """

    def __init__(self, flow: Flow, database: Database, draw: Draw, told: bool = False) -> None:
        self.flow, self._draw = flow, draw
        super().__init__([flow], database, draw.source, told)

    def _planned(self, flows: Sequence[Flow]) -> Plan:
        return self._draw._replace(source=self._tape).plan(self.flow)

    def _luck(self) -> Chance:
        return self._draw._replace(source=self._tape).chance(self.plan)

    @property
    def script(self) -> Script:
        """What has gone wrong in it."""
        return Script(tuple(self._noted.mishaps), self.plan.workers, self.plan.pace)

    @property
    def calls(self) -> Sequence[Boundary]:
        """The boundaries behind its calls."""
        return self._noted.calls

    @property
    def _noted(self) -> Played | Written:
        assert isinstance(self.chance, Played | Written)
        return self.chance

    def over(self) -> bool:
        """There is nothing more to be seen."""
        return self._rests()

    def settled(self, row: Mapping[str, Any]) -> bool:
        """It also may have stalled, by what their own code raised."""
        return row["status"] == "stalled" or super().settled(row)

    def somebody_decides(self, rows: Rows) -> bool:
        """Nobody does: what their receivers saw, only they know."""
        return False

    async def _until(self, at: float) -> None:
        while (left := at - self.time.passed) > 0:
            await asyncio.sleep(min(left, SKIP_SECONDS))

    def _pass(self, moment: int | None) -> None:
        (outside,) = self._outsides.values()
        if outside.stuck:
            raise Stuck(outside.stuck)
        if not (self._settled or self.time.awaited):
            self._skip()
        super()._pass(moment)

    def _skip(self) -> None:
        rows = self.database.rows()
        left = [row for row in rows["execution"] if not self.settled(row)]
        busy = not rows["execution"] or any(row["owner"] is not None for row in left)
        if busy or (left and any(row["consumed_at"] is None for row in rows["message"])):
            return
        sent = {told.id for told in self.outcome.ledger.sent}
        now = self.time.database()
        # Senders have a clock of their own, which does not jump.
        left_us = [
            round((m.at - self.time.passed) * 1e6) for m in self.flow.messages if m.id not in sent
        ]
        left_us += [row["wake_at"] - now for row in left if row["wake_at"] is not None]
        if left_us:
            self.time.skip_to(now + min(left_us))
        elif left and self._client.next_moment is None:
            raise Unsettled(NOBODY_SENDS)


class Wild:
    """Plays random histories of one subject over one database."""

    def __init__(self, subject: Subject, flow: Flow, database: Database) -> None:
        self.subject, self.flow, self.database = subject, flow, database
        self._seen: Seen[WildOutcome] | None = None
        self.script = CALM  # of what was played last
        self.calls: Sequence[Boundary] = ()

    @property
    def seen(self) -> Seen[WildOutcome]:
        """What was played last."""
        assert self._seen is not None
        return self._seen

    def play(self, draw: Draw) -> WildOutcome:
        """One history."""
        history = TheirHistory(self.flow, self.database, draw)
        outcome = history.run()
        self._seen, self.script = self.subject.seen(outcome), history.script
        self.calls = history.calls
        return outcome

    def again(self, script: Script) -> Seen[WildOutcome]:
        """The history of a script; `self.script` is then what of it happened."""
        self.play(Draw(Replay(()), script=script))
        return self.seen

    def calm(self, other: Seen[Ended]) -> Seen[WildOutcome]:
        """The run in which nothing goes wrong; refused where it is unlike that of single faults."""
        calm = self.again(CALM)
        if calm.told != other.told:
            raise errors.unlike(other.told, calm.told, self.subject.where)
        return calm

    def campaign(self, seed: int | str, calm: Seen[WildOutcome], troubles_max: int) -> Campaign:
        """Random histories of it. What can go wrong at all is what fits the steps of a calm run."""

        called = {call.site for call in calm.outcome.ledger.calls}
        expected = possible([self.flow], called)
        if troubles_max == 1:  # no probe is asked where nothing went wrong before
            expected = [kind for kind in expected if kind not in AFTER_A_DOUBT]
        favoured = [kind for kind in expected for _ in range(SELDOM.get(kind, 1))]

        def player(
            flows: object, at: object, source: Source, told: bool, points_max: int
        ) -> WildOutcome:
            return self.play(Draw(source, troubles_max, favoured))

        return Campaign([self.flow], self.database, seed, player, expected, favoured)


@contextmanager
def wild(subject: Subject) -> Generator[Wild]:
    """A database for histories of this subject, removed at the end."""
    flow = subject.flow()
    with database([flow]) as one, quietly():
        yield Wild(subject, flow, one)


def try_at_random(
    subject: Subject,
    histories: int,
    seed: int | str = 0,
    *,
    watch: Numbers = iter,
    check: Check = fine,
    troubles_max: int = TROUBLES_MAX,
) -> Trial:
    """Play so many random histories of a workflow; the same seed, the same histories.

    Of the failures there is one for each cause, and it is the shortest that was found.
    """
    with Stage(subject) as stage:
        first = stage.calm()
    check(first)
    with wild(subject) as one:
        calm = one.calm(first)
        campaign = one.campaign(seed, calm, troubles_max)
        found = _found(one, campaign, watch(range(histories)), calm)
        failures = [_shortest(one, each, calm) for each in found.values()]
    report = campaign.report
    return Trial(subject, first, report.histories, report.points, report.ends, failures, report)


Found = dict[tuple[str, str], list[tuple[Script, Finding]]]


def _found(one: Wild, campaign: Campaign, numbers: Iterable[int], calm: Seen[WildOutcome]) -> Found:
    """Play them; what was found, by what findings of one cause share. Whoever interrupts it is told
    what was found until then."""
    found: Found = {finding.kind: [(CALM, finding)] for finding in judge(calm, calm)}
    try:
        for number in numbers:
            campaign.play(campaign.dice(number))
            for finding in judge(one.seen, calm):
                found.setdefault(finding.kind, []).append((one.script, finding))
    except KeyboardInterrupt:
        if not found:
            raise
    return found


def _shortest(
    one: Wild, each: Sequence[tuple[Script, Finding]], calm: Seen[WildOutcome]
) -> Failure:
    """The shortest history that leads to the same; refused where it does not come again."""
    script, finding = min(each, key=lambda one: (plainness(one[0]), one[0].workers))

    def same(script: Script) -> Finding | None:
        found = judge(one.again(script), calm)
        return next((f for f in found if f.kind == finding.kind), None)

    def fails(script: Script) -> Script | None:
        return one.script if same(script) else None

    if same(script) is None:
        raise errors.unlike(f"{finding.says} when {script}", one.seen.told, one.subject.where)
    plain = deaths(one.calls, CALM.pace) if script.mishaps else []
    short = next(filter(fails, plain), None) or shortened(script, fails, CALM.pace)
    return Failure(short, same(short) or finding, len(each) - 1)


class Again(NamedTuple):
    """A history that was played again, beside the one in which nothing goes wrong."""

    findings: list[Finding]
    met: bool  # everything that was to go wrong did


def again(subject: Subject, cause: Cause) -> Again:
    """Play what goes wrong in a history of either kind, with the code as it is now."""
    with Stage(subject) as stage:
        first = stage.calm()
        if not isinstance(cause, Script):
            seen = stage.play(*cause)
            return Again(judge(seen, first), not cause or seen.outcome.fired)
    with wild(subject) as one:
        calm = one.calm(first)
        found = judge(one.again(cause), calm)
        return Again(found, one.script.mishaps == cause.mishaps)
