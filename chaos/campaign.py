"""A campaign: thousands of random histories over the same workflows, counted, and the first failure
made short and told as a story. How one history is played is not known here (`wild_history.py`).

A target is a `Flow`: a workflow with its input, what the outside answers (by step), what the client
sends, and a check of the author's own tables. `Report.data` is all of it as plain data.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Container, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..model.compiler import compile_workflow
from ..model.language.effects import Effect
from ..model.language.steps import Step
from .choices import Dice, Replay, Settled, Shrinker, Source
from .databases import Database, SqliteDatabase
from .history import Flow
from .troubles import EVERYWHERE, FAVOURED, FAVOURED_AT, Woe, fitting
from .wild_history import ENDLESS, WildOutcome, play, workflow_of

Player = Callable[[Sequence[Flow], Database, Source, bool, int], WildOutcome]
"""Plays one history by the choices of a source; told in words, or not; so many points at most."""

FIRINGS_MIN = 5
FAIRLY_MANY = 500
"""From so many histories on, a kind of trouble that never fired fails the campaign."""
SOME = 40
"""After so many histories, those kinds are favoured that have not come yet."""
LONGER_MAX = 10
"""How much longer than a failure, in durable points, a history may be that shall be shorter: those
of a broken engine may go round in circles for thousands."""
_COLLECT_EVERY = 200
_MEMORY = Path("/dev/shm")


class Failure(NamedTuple):
    """A history that is wrong: which one it was, what replays it, and what happens in it."""

    history: int  # the number of the history in its campaign, from 1
    found: tuple[int, ...]  # the choices as they were found
    choices: tuple[int, ...]  # the shortest that still fails
    wrong: list[str]
    story: list[str]

    def __str__(self) -> str:
        head = f"history {self.history}, {len(self.choices)} choices: {list(self.choices)}"
        return "\n".join([head, *self.story, *(f"WRONG: {what}" for what in self.wrong)])


class Report:
    """What a campaign did and found."""

    def __init__(self, seed: int | str, expected: Sequence[Woe]) -> None:
        self.seed, self.expected = seed, expected
        self.histories = 0  # played
        self.counted = 0  # of them, different from all others, with a fault and five firings
        self.firings = 0
        self.points = 0  # durable points at which the oracle judged
        self.decided = 0  # times that a person came to the desk
        self.fired: Counter[Woe] = Counter(dict.fromkeys(expected, 0))
        self.ends: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.cpu_seconds = 0.0

    @property
    def never(self) -> list[str]:
        """Kinds of trouble that could have come and never did."""
        return [str(kind) for kind, count in self.fired.items() if not count]

    @property
    def wrong(self) -> list[str]:
        """Why the campaign is no success: failures, and what it never tried."""
        found = [f"history {f.history}: {what}" for f in self.failures for what in f.wrong]
        if self.histories >= FAIRLY_MANY:
            found += [f"never fired: {kind}" for kind in self.never]
        return found

    @property
    def per_second(self) -> float:
        """Histories a second on one core."""
        return self.histories / self.cpu_seconds if self.cpu_seconds else 0.0

    @property
    def data(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "seed": self.seed,
            "histories": self.histories,
            "counted": self.counted,
            "firings": self.firings,
            "points": self.points,
            "decided": self.decided,
            "fired": {str(kind): count for kind, count in sorted(self.fired.items())},
            "ends": dict(sorted(self.ends.items())),
            "cpu seconds": round(self.cpu_seconds, 2),
            "histories per second": round(self.per_second, 1),
            "failures": [failure._asdict() for failure in self.failures],
            "wrong": self.wrong,
        }

    def __str__(self) -> str:
        lines = [
            f"{self.histories} histories ({self.counted} counted), {self.firings} firings, "
            f"{self.points} durable points, {self.per_second:.0f} a second; seed {self.seed}",
            *(f"  {count:>7} {kind}" for kind, count in self.fired.most_common()),
            f"  a person came to the desk {self.decided} times; ends: "
            + ", ".join(f"{n} {end}" for end, n in self.ends.most_common()),
        ]
        return "\n".join([*lines, *map(str, self.failures)])


class Campaign:
    """Plays histories of flows over one database, and remembers what has been counted."""

    def __init__(
        self,
        flows: Sequence[Flow],
        database: Database,
        seed: int | str,
        player: Player = play,
        expected: Sequence[Woe] | None = None,
        favoured: Sequence[Woe] = FAVOURED,
    ) -> None:
        self._flows, self._database, self._seed = flows, database, seed
        self._player, self._favoured = player, favoured
        self.report = Report(seed, possible(flows) if expected is None else expected)
        self._seen: set[int] = set()

    def dice(self, number: int) -> Source:
        """Where the choices of a history come from."""
        dice, fired = Dice(f"{self._seed}:{number}"), self.report.fired
        missing = [kind for kind in self.report.expected if not fired[kind]]
        if number < SOME or not missing:
            return dice
        kind = missing[number % len(missing)]
        return Settled(dice, {FAVOURED_AT: 1 + self._favoured.index(kind)})

    def play(self, source: Source) -> WildOutcome:
        """One history, counted."""
        report = self.report
        begun = time.process_time()
        outcome = self._player(self._flows, self._database, source, False, ENDLESS)
        report.histories += 1
        if report.histories % _COLLECT_EVERY == 0 and not gc.isenabled():
            sweep()
        report.cpu_seconds += time.process_time() - begun
        report.firings += outcome.firings
        report.points += outcome.points
        report.decided += outcome.decided
        report.fired.update(outcome.fired)
        report.ends.update(outcome.ends)
        key = hash(outcome.choices)
        if key not in self._seen and outcome.in_time and outcome.firings >= FIRINGS_MIN:
            report.counted += 1
        self._seen.add(key)
        return outcome

    def run(self, histories: int, failures_max: int = 1) -> Report:
        """Play so many, until so many have failed."""
        for number in range(histories):
            outcome = self.play(self.dice(number))
            if outcome.wrong:
                self.report.failures.append(self.explain(outcome))
                if len(self.report.failures) >= failures_max:
                    break
        return self.report

    def explain(self, failed: WildOutcome) -> Failure:
        """Make a failure short, and tell it. Short is the same kind of failure, not just any."""
        kind, points_max = _kind(failed.wrong[0]), LONGER_MAX * failed.points

        def fails(choices: tuple[int, ...]) -> tuple[int, ...] | None:
            source = Replay(choices)
            outcome = self._player(self._flows, self._database, source, False, points_max)
            same = any(_kind(what) == kind for what in outcome.wrong)
            return outcome.choices if same else None

        choices = Shrinker(fails).shrink(failed.choices)
        outcome = self.replay(choices)
        story = [str(happening) for happening in outcome.story]
        return Failure(self.report.histories, failed.choices, choices, outcome.wrong, story)

    def replay(self, choices: Sequence[int]) -> WildOutcome:
        """Play the history of a list of choices again, and tell it."""
        return self._player(self._flows, self._database, Replay(choices), True, ENDLESS)


def campaign(
    flows: Sequence[Flow],
    *,
    histories: int,
    seed: int | str = 0,
    folder: Path | None = None,
    failures_max: int = 1,
) -> Report:
    """Play random histories of these flows; what they found. The same seed, the same histories.

    `folder`: where the database lies; in memory if the machine has a place for files there.
    """
    with database(flows, folder) as one, quietly():
        return Campaign(flows, one, seed).run(histories, failures_max)


def replay(flows: Sequence[Flow], choices: Sequence[int], folder: Path | None = None) -> Failure:
    """One history again, from its choices: what is wrong with it, if anything, and its story."""
    with database(flows, folder) as one, quietly():
        outcome = Campaign(flows, one, "a replay").replay(choices)
    story = [str(happening) for happening in outcome.story]
    return Failure(1, tuple(choices), outcome.choices, outcome.wrong, story)


def possible(flows: Sequence[Flow], called: Container[str] | None = None) -> list[Woe]:
    """The kinds of trouble that these workflows can meet at all, if they call these sites (all)."""
    natures: set[str] = set(EVERYWHERE)
    for flow in flows:
        for site, step in compile_workflow(workflow_of(flow)).steps.items():
            if called is None or site in called:
                natures |= _met(step)
        if flow.messages:
            natures.add("message")
    return fitting(natures)


def _met(step: Step[..., Any]) -> set[str]:
    """What is met around a call of a step."""
    if step.effect is Effect.TRANSACTIONAL:
        return {"transactional", "locked", "own commit"}
    asked = {"question"} if step.probe_step is not None else set[str]()
    return asked | {"call in time" if step.timeout else "call"}


@contextmanager
def database(flows: Sequence[Flow], folder: Path | None = None) -> Generator[SqliteDatabase]:
    """A database for histories of these flows, removed at the end."""
    place = folder or (_MEMORY if _MEMORY.is_dir() else None)
    tables = list(dict.fromkeys(statement for flow in flows for statement in flow.tables))
    with tempfile.TemporaryDirectory(prefix="perdure-chaos-", dir=place) as name:
        one = SqliteDatabase(Path(name) / f"{os.getpid()}.db", tables)
        try:
            yield one
        finally:
            one.close()


@contextmanager
def quietly() -> Generator[None]:
    """Without what the engine says to people, and without a collector in the midst of histories."""
    collected, said = gc.isenabled(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()
    gc.freeze()  # what is there now need not be looked through again and again
    try:
        yield
    finally:
        gc.unfreeze()
        sweep()
        logging.disable(said)
        if collected:
            gc.enable()


def sweep() -> None:
    """Collect what dead processes left, unheard: what their coroutines try at last is void."""
    heard = sys.unraisablehook
    sys.unraisablehook = _unheard
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            gc.collect()
    finally:
        sys.unraisablehook = heard


def _unheard(unraisable: object) -> None:
    return None


def _kind(wrong: str) -> str:
    """What a failure is about, without names and numbers."""
    if wrong.startswith("worker "):  # what it died of
        return wrong.partition(": ")[2].partition("(")[0]
    return wrong.partition(":")[0]
